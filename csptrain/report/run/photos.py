"""Pictures for a page: validation images with what is there and what was found, and samples as they are trained on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.datasets.image import load_image
from csptrain.datasets.loader import Batch
from csptrain.errors import DataError
from csptrain.evaluate.confusion import ImageScore
from csptrain.evaluate.detection import DetectionEvaluator
from csptrain.report.augmented import draw_target, draw_truth
from csptrain.report.draw import draw_boxes
from csptrain.report.page import photo

Pixels = npt.NDArray[np.uint8]

SAMPLES = 8  # of a batch
_SIDE, _GAP, _QUALITY = 248, 6, 85


def detected_photo(
    evaluator: DetectionEvaluator, score: ImageScore, path: str, names: Sequence[str], conf_thresh: float
) -> str:
    """An image twice, left with its objects and right with the boxes found; "" where it cannot be decoded."""
    pixels = _fitted(path)
    if pixels is None:
        return ""
    seen = evaluator.of_image(score.image, conf_thresh)
    kinds = seen.truth[:, 4].astype(np.intp)
    found = [f"{_name(names, k)} {p:.2f}" for k, p in zip(seen.label.tolist(), seen.prob.tolist(), strict=True)]
    halves = (
        draw_boxes(pixels, seen.truth[:, :4], kinds, [_name(names, k) for k in kinds.tolist()]),
        draw_boxes(pixels, seen.boxes, seen.label, found),
    )
    gap = np.full((len(pixels), _GAP, 3), 255, np.uint8)
    return photo(_jpeg(np.concatenate((halves[0], gap, halves[1]), 1)), f"{path}: {_told(score)}", wide=True)


def class_photo(path: str, text: str) -> str:
    """An image with a line of text; "" where it cannot be decoded."""
    pixels = _fitted(path)
    return "" if pixels is None else photo(_jpeg(pixels), text)


def sample_photos(batch: Batch, names: Sequence[str]) -> list[str]:
    """The first samples of a batch as the network sees them, with their boxes or classes."""
    draw = draw_truth if batch.truth.ndim == 3 else draw_target
    shown = []
    for slot, (image, truth) in enumerate(zip(batch.images[:SAMPLES].numpy(), batch.truth.numpy(), strict=False)):
        pixels = draw(_sized(np.broadcast_to(image, (*image.shape[:2], 3))), truth, names)
        shown.append(photo(_jpeg(pixels), f"iteration {batch.iteration}, place {slot} of the batch"))
    return shown


def _told(score: ImageScore) -> str:
    whole = score.right + score.other + score.missed
    facts = [f"{score.right} of {whole} objects found"]
    if score.other:
        facts.append(f"{score.other} as another class")
    if score.false:
        facts.append(f"{score.false} false")
    return ", ".join(facts)


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else f"class {label}"


def _fitted(path: str) -> Pixels | None:
    try:
        return _sized(load_image(path))
    except DataError:
        return None


def _sized(pixels: Pixels) -> Pixels:
    """Enlarged too, so that the words on it can be read."""
    factor = _SIDE / max(pixels.shape[:2])
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    size = tuple(max(round(side * factor), 1) for side in (pixels.shape[1], pixels.shape[0]))
    return np.asarray(cv2.resize(pixels, size, interpolation=kind), np.uint8)


def _jpeg(pixels: Pixels) -> bytes:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()
