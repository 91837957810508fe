"""What a head would change to see nothing: the first half of self-adversarial training (``adversarial_lr``).

Letters: N images, A mask anchors, C classes, S cells of the map.
"""

from __future__ import annotations

import torch
from torch import Tensor

from csptrain.losses.yolo_head import Head

_SEEN = 0.25


@torch.no_grad()
def hide(head: Head, all_entries: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Deltas of the box entries `[N, A, 4, S]`, of objectness `[N, A, 1, S]` and of the classes `[N, A, C, S]`.

    Objectness is drawn to 0, and every class that is seen (its probability with objectness above 0.25) too; with
    ``all_entries`` also, where any class is seen, the other classes to 1 and the box entries to 0. All are weighed by
    the root of the box's area, so that large objects vanish first. What is not finite is 0.

    Source: Darknet behaviour, from reading.
    """
    values, spec = head.values, head.spec
    objectness, classes = values[:, :, 4:5], values[:, :, 5:]
    size = head.all_boxes()[:, :, 2:].prod(2).clamp_min(0).sqrt()
    weight = size.unflatten(1, objectness.shape[1::2]).unsqueeze(2)
    seen = classes * objectness > _SEEN
    found = seen.any(2, keepdim=True) & all_entries
    deltas = (
        torch.where(found, -values[:, :, :4], 0.0),
        -spec.obj_normalizer * objectness,
        torch.where(seen, -classes, torch.where(found, 1 - classes, 0.0)),
    )
    box, background, labels = ((weight * delta * spec.delta_normalizer).nan_to_num(0.0, 0.0, 0.0) for delta in deltas)
    return box, background, labels
