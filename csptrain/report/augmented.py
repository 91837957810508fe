"""Training samples as the network sees them, with their boxes or classes, as picture files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.datasets.loader import Batch
from csptrain.errors import DataError
from csptrain.formats.files import write_atomically
from csptrain.report.draw import class_colour

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

SHOWN_ITERATIONS = 3
_LEAST_SHARE = 0.05  # of a class in a target; below it is what label smoothing leaves
_LETTER, _LINE = 0.4, 13  # font scale, pixels from line to line
_SHADOW, _INK = (0, 0, 0), (255, 255, 255)


def write_samples(
    batches: Iterable[Batch], folder: Path, names: Sequence[str] = (), iterations: int = SHOWN_ITERATIONS
) -> Iterator[Batch]:
    """Pass batches on, and write the samples of the first ``iterations`` of them as ``aug_<iteration>_<slot>.jpg``.

    Iterations count from 1, slots of a batch from 0. *Source:* Darknet's ``-show_imgs`` writes ``aug_*.jpg`` of all
    samples, under random names. Raises DataError for a file that cannot be written.
    """
    for number, batch in enumerate(batches):
        if number < iterations:
            draw = draw_truth if batch.truth.ndim == 3 else draw_target
            for slot, (pixels, truth) in enumerate(zip(batch.images.numpy(), batch.truth.numpy(), strict=True)):
                _write_jpeg(draw(pixels, truth, names), folder / f"aug_{batch.iteration}_{slot}.jpg")
        yield batch


def draw_truth(image: Pixels, truth: FloatArray, names: Sequence[str] = ()) -> Pixels:
    """A copy of uint8 [H, W, 1 or 3], RGB [H, W, 3], with the boxes [T, 5] (x y w h class, relative) and their names.

    The list ends at the first row with x == 0. A box's outline lies on the outermost pixels that it covers.
    """
    canvas = _canvas(image)
    rows = truth[: int((truth[:, 0] != 0).cumprod().sum())]
    extent = np.array((image.shape[1], image.shape[0]), np.float32)
    low = np.rint((rows[:, :2] - rows[:, 2:4] / 2) * extent).astype(int)
    high = np.maximum(np.rint((rows[:, :2] + rows[:, 2:4] / 2) * extent).astype(int) - 1, low)
    labels = rows[:, 4].astype(int).tolist()
    for label, corner, opposite in zip(labels, low.tolist(), high.tolist(), strict=True):
        cv2.rectangle(canvas, corner, opposite, class_colour(label), 1)
    # Words last: no outline may cross one out.
    for label, (left, top) in zip(labels, low.tolist(), strict=True):
        _write(canvas, _name(label, names), left + 2, top + _LINE)
    return canvas


def draw_target(image: Pixels, target: FloatArray, names: Sequence[str] = ()) -> Pixels:
    """A copy of uint8 [H, W, 1 or 3], RGB [H, W, 3], with the classes of a target [classes] and their shares."""
    canvas = _canvas(image)
    labels = [label for label in np.argsort(-target, kind="stable").tolist() if target[label] >= _LEAST_SHARE]
    for line, label in enumerate(labels, start=1):
        _write(canvas, f"{target[label]:.2f} {_name(label, names)}", 2, line * _LINE)
    return canvas


def _canvas(image: Pixels) -> Pixels:
    return np.broadcast_to(image, (*image.shape[:2], 3)).copy()


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else f"class {label}"


def _write(canvas: Pixels, words: str, left: int, bottom: int) -> None:
    for colour, thick in ((_SHADOW, 2), (_INK, 1)):
        cv2.putText(canvas, words, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, _LETTER, colour, thick, cv2.LINE_AA)


def _write_jpeg(image: Pixels, path: Path) -> None:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    if not done:
        raise DataError("the picture cannot be encoded", path=path)
    write_atomically(path, [data.tobytes()], DataError)
