"""Write a cfg and weights for OpenCV 4, and only where OpenCV then computes what csptrain computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from csptrain.datasets.image import letterbox, load_image, resize, to_planes
from csptrain.errors import ExportError
from csptrain.formats.files import staged, write_atomically
from csptrain.formats.lowering import lower
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.ready import Exported, Ready, write_ready
from csptrain.layers.base import Head
from csptrain.layers.convolutional import Convolutional
from csptrain.network import Network
from csptrain.ops.decode import BOX_ENTRIES

FloatArray = npt.NDArray[np.float32]

TOLERANCE = 1e-3
RANDOM_IMAGES = 2


@dataclass(frozen=True)
class HeadError:
    """The largest difference of one quantity of a head: layer of the original cfg, and csptrain's largest value.

    ``quantity`` is `lowered` (csptrain on the written pair and on the original), or of OpenCV and csptrain:
    `map` (what the head is given), `boxes`, `objectness`, `scores` (class probability times objectness), `output`.
    """

    layer: int
    kind: str
    quantity: str
    error: float
    reach: float

    @property
    def relative(self) -> float:
        """The error in parts of the range."""
        return self.error / self.reach if self.reach > 0 else self.error

    def as_dict(self) -> dict[str, object]:
        """The entry for JSON."""
        return {
            "layer": self.layer,
            "kind": self.kind,
            "quantity": self.quantity,
            "error": float(self.error),
            "relative": float(self.relative),
        }


@dataclass(frozen=True)
class ExportReport:
    """What was written and how well OpenCV agrees; ``images`` real and ``random_images`` random ones were compared."""

    cfg: Path
    weights: Path
    names: Path | None
    ready: Ready
    heads: tuple[HeadError, ...]
    layers: tuple[int, int]
    images: int
    random_images: int = RANDOM_IMAGES

    @property
    def worst(self) -> HeadError:
        """The entry of the largest relative error."""
        return max(self.heads, key=lambda head: head.relative)


def export_opencv(
    network: Network,
    folder: Path,
    name: str,
    images: Sequence[Path] | None = None,
    tolerance: float = TOLERANCE,
    names: Sequence[str] = (),
    check: Callable[[OpenCVBackend], None] | None = None,
) -> ExportReport:
    """Write ``folder/name.cfg`` and ``.weights`` (and ``.names``), compared in OpenCV before they get there.

    Beside them come a README and programs (see ``formats.ready``).

    Args:
        images: real images to compare on, beside random ones.
        tolerance: the largest difference of any head, in parts of its range.
        check: a last question to the pair as OpenCV reads it; what it raises stops the export.

    Raises:
        ExportError: a layer without an equivalent, a head that differs, or files that cannot be written; the folder
            is then as it was.
        DataError: an image that cannot be read.
    """
    if os.path.exists(network.graph.path) and (folder / f"{name}.cfg").resolve() == Path(network.graph.path).resolve():
        raise ExportError(
            "the export would replace the network's own cfg", path=network.graph.path, hint="choose another folder"
        )
    training = network.training
    network.eval()
    lowered = lower(network)
    files = {f"{name}.cfg": "the network", f"{name}.weights": "its weights"}
    if names:
        files[f"{name}.names"] = "the names of its classes"
    try:
        with staged(folder, ExportError) as stage:
            cfg, weights = (stage / file for file in list(files)[:2])
            copy = lowered.write(cfg, weights)
            backend = _read_back(cfg, weights, network)
            batches = [_random_images(network), *_real_images(network, images or ())]
            heads = compare(network, copy, backend, batches)
            _judge(network, heads, tolerance)
            if check is not None:
                check(backend)
            if names:
                write_atomically(
                    stage / f"{name}.names", ["".join(f"{word}\n" for word in names).encode()], ExportError
                )
            decodes = len(copy.graph.box_heads) == len(network.graph.box_heads)
            output = "boxes" if decodes else "raw"
            ready = write_ready(Exported(network.graph, "opencv", files, tuple(names), output), stage, folder)
    finally:
        network.train(training)
    written = [folder / file for file in files]
    layers = (len(network.graph.nodes), len(copy.graph.nodes))
    return ExportReport(
        written[0], written[1], written[2] if names else None, ready, tuple(heads), layers, len(images or ())
    )


def network_input(network: Network, path: Path) -> Tensor:
    """An image file as the network sees it: [1, C, H, W], resized or letterboxed as [net] says. Raises DataError."""
    net = network.graph.net
    fit = letterbox if net.letter_box else resize
    planes = fit(to_planes(load_image(path, net.channels)), net.width, net.height)
    return torch.from_numpy(planes)[None]


def _read_back(cfg: Path, weights: Path, network: Network) -> OpenCVBackend:
    try:
        return OpenCVBackend(cfg, weights)
    except ExportError as error:
        # The folder it names is about to vanish.
        raise ExportError(error.message, path=network.graph.path, hint=error.hint) from None


def _random_images(network: Network) -> Tensor:
    shape = network.graph.net.shape
    generator = torch.Generator().manual_seed(0)
    return torch.rand(RANDOM_IMAGES, shape.c, shape.h, shape.w, generator=generator)


def _real_images(network: Network, paths: Sequence[Path]) -> Iterator[Tensor]:
    for path in paths:
        yield network_input(network, path)


def compare(network: Network, copy: Network, backend: OpenCVBackend, batches: Iterable[Tensor]) -> list[HeadError]:
    """The worst of each quantity of each head over all images: the lowered ``copy`` and OpenCV against ``network``."""
    worst: dict[tuple[int, str], HeadError] = {}
    for images in batches:
        for found in _compare_batch(network, copy, backend, images):
            key = (found.layer, found.quantity)
            if key not in worst or not found.relative <= worst[key].relative:
                worst[key] = found
    return list(worst.values())


def _compare_batch(network: Network, copy: Network, backend: OpenCVBackend, images: Tensor) -> Iterator[HeadError]:
    with torch.inference_mode():
        kept = network.layer_outputs(images)
        copied = copy(images)
    theirs = backend.head_outputs(images)
    net = network.graph.net
    for index, copy_index, again, there in zip(network.graph.heads, copy.graph.heads, copied, theirs, strict=True):
        node, ours = network.graph.nodes[index], kept[index]
        layer = node.layer

        def entry(
            quantity: str, mine: FloatArray, other: FloatArray, of: tuple[int, str] = (index, layer.kind)
        ) -> HeadError:
            return HeadError(*of, quantity, *difference(mine, other))

        yield entry("lowered", ours.numpy(), again.numpy())
        before = copy.graph.nodes[copy_index].sources[0]
        source = node.sources[0]
        if source >= 0 and _is_plain(copy, before) and _is_plain(network, source):
            yield entry("map", kept[source].numpy(), backend.convolution_output(images, before))
        # A [detection] is given as the vector it is, without a layer of its own.
        if not (isinstance(layer, Head) and layer.has_boxes and copy.graph.nodes[copy_index].layer.kind == layer.kind):
            yield entry("output", ours.numpy(), there)
            continue
        decoded = layer.decode(ours, net.width, net.height, float("-inf"))
        boxes = np.stack([image.boxes for image in decoded])
        # OpenCV clears what is not above thresh=0, which a probability is but for rounding.
        scores = np.maximum(np.stack([image.prob for image in decoded]), 0)
        yield entry("boxes", boxes, there[..., :4])
        if layer.kind == "region":
            # OpenCV suppresses overlapping boxes itself; of each class the best one always stays.
            yield entry("best scores", scores.max(1), there[..., BOX_ENTRIES:].max(1))
            scores = np.where(there[..., BOX_ENTRIES:] == 0, np.float32(0), scores)
        else:
            yield entry("objectness", np.stack([image.objectness for image in decoded]), there[..., 4])
        yield entry("scores", scores, there[..., BOX_ENTRIES:])


def _is_plain(network: Network, index: int) -> bool:
    layer = network.graph.nodes[index].layer
    return index >= 0 and isinstance(layer, Convolutional) and layer.activation == "linear"


def difference(ours: FloatArray, theirs: FloatArray) -> tuple[float, float]:
    """The largest difference, infinite where only one is finite, and the largest finite value of ours."""
    if ours.size != theirs.size:
        return float("inf"), 1.0
    one, other = ours.ravel().astype(np.float64), theirs.ravel().astype(np.float64)
    finite = np.isfinite(one) & np.isfinite(other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if not (finite | same).all():
        return float("inf"), 1.0
    one, other = one[finite], other[finite]
    return float(np.abs(one - other).max(initial=0)), float(np.abs(one).max(initial=0))


def _judge(network: Network, heads: Sequence[HeadError], tolerance: float) -> None:
    for head in heads:
        if not head.relative <= tolerance:
            layer = network.graph.nodes[head.layer].layer
            who = "csptrain computes the written pair otherwise" if head.quantity == "lowered" else "OpenCV differs"
            error = layer.error(f"{who}: {head.quantity} by {head.error:.3g} of {head.reach:.3g}")
            raise ExportError(
                error.message,
                path=error.path,
                line=error.line,
                hint=f"allowed are {tolerance:g} parts of the range; nothing was written",
            )
