"""Sets for classifiers, cut out of the boxes of a set for detectors."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from csptrain.cfg.dataset import DataSpec
from csptrain.datasets.image import FloatArray, Pixels, load_image
from csptrain.datasets.lists import Samples
from csptrain.datasets.sources import read_split
from csptrain.errors import DataError

#: List of the data file -> folder of its crops.
FOLDERS = {"train": "train", "valid": "val", "test": "test"}

#: An image uint8 [H, W, C] and a box [5] (x y w h class, relative) -> its crop uint8 [h, w, C], or None if too small.
Cut = Callable[[Pixels, FloatArray], Pixels | None]


def cut_rectangle(image: Pixels, box: FloatArray, *, margin: float = 0.0, least: int = 1) -> Pixels | None:
    """The box with ``margin`` shares of its sides in each direction, as far as the image goes.

    None where a side of it has fewer than ``least`` pixels.
    """
    height, width = image.shape[:2]
    sides = np.array((width, height))
    half = box[2:4] * sides * (0.5 + margin)
    low = np.maximum(np.rint(box[:2] * sides - half), 0).astype(int)
    high = np.minimum(np.rint(box[:2] * sides + half), sides).astype(int)
    if (high - low).min() < least:
        return None
    return image[low[1] : high[1], low[0] : high[0]]


def cut_square(image: Pixels, box: FloatArray, *, side: int, margin: float = 0.0, least: int = 1) -> Pixels | None:
    """A square around the box, resized to ``side`` pixels; the image's edge is repeated where it ends.

    The square is as wide as the longer side of the box with ``margin`` shares of it in each direction. None where that
    side has fewer than ``least`` pixels.
    """
    height, width = image.shape[:2]
    x, y, w, h, _ = box.tolist()
    longer = max(w * width, h * height)
    if longer < least:
        return None
    square = (max(round(longer * (1 + 2 * margin)), 2),) * 2
    crop = cv2.getRectSubPix(image, square, (x * width - 0.5, y * height - 0.5))
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def write_crops(
    data: DataSpec, folder: Path, cut: Cut, most: Mapping[str, int] | None = None
) -> dict[str, Counter[str]]:
    """Cut every box out of its image into ``folder``; how many crops of each class are in each of its folders.

    The crops of a list are ``train/<class>/<image>_<number>.png``, ``val/...`` or ``test/...``: images, not boxes, are
    shared out among them. Beside them stand ``<folder's name>.data`` and ``.names``.

    Args:
        most: for a list of the data file, after how many crops no further image of it is begun.

    Raises:
        DataError: a list, label file or image that cannot be used, a class whose name is no folder's, no box to cut.
        OSError: the folder cannot be written.
    """
    for name in data.names:
        if "/" in name or name in (".", ".."):
            raise DataError(f"the class name '{name}' cannot be a folder's", path=data.path)
    counts = {}
    for split, word in FOLDERS.items():
        source, limit = getattr(data, split), (most or {}).get(split, sys.maxsize)
        if source is not None and limit and not (split != "train" and source == data.train):
            counts[word] = _write_split(read_split(data, split), data.names, folder / word, cut, limit)
    if not sum(found.total() for found in counts.values()):
        raise DataError("has no box that is large enough to be cut out", path=data.path)
    lines = [f"classes={data.classes}", f"names={folder.name}/{folder.name}.names", f"backup=backup/{folder.name}"]
    lines += [f"{split}={folder.name}/{word}" for split, word in FOLDERS.items() if word in counts]
    (folder / f"{folder.name}.names").write_text("".join(f"{name}\n" for name in data.names))
    (folder / f"{folder.name}.data").write_text("".join(f"{line}\n" for line in lines))
    return counts


def _write_split(samples: Samples, names: tuple[str, ...], folder: Path, cut: Cut, most: int) -> Counter[str]:
    counts = Counter(dict.fromkeys(names, 0))
    stems = Counter(Path(path).stem for path in samples.images)
    for index, path in enumerate(samples.images):
        if counts.total() >= most:
            break
        truth = samples.truth(index)
        if not len(truth):
            continue
        image = load_image(path)
        stem = Path(path).stem
        if stems[stem] > 1:
            stem = f"{stem}_{index}"
        for number, box in enumerate(truth):
            crop = cut(image, box)
            if crop is not None:
                name = names[int(box[4])]
                _write_png(folder / name / f"{stem}_{number}.png", crop)
                counts[name] += 1
    return counts


def _write_png(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, png = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]))
    assert done
    path.write_bytes(png.tobytes())
