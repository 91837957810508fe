"""The built-in detection set "shapes": drawn on first use, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from csptrain.datasets.made import Manifest, ensure_made
from csptrain.datasets.shapes_scene import HEIGHT, NAMES, WIDTH, Scene, draw_scene

VERSION = 2
_DATA_FILE = "shapes.data"
_JPEG_QUALITY = 88
_SPLITS = ("train", "val")


def ensure_shapes(folder: Path, *, train: int = 320, val: int = 80, seed: int = 0) -> Path:
    """Make the set in ``folder`` unless it is there already; returns the path of its ``shapes.data``.

    The folder appears complete or not at all. A set of another version, size or seed is replaced.

    Raises:
        DataError: the folder holds other things, or cannot be written.
    """
    manifest: Manifest = {"set": "shapes", "version": VERSION, "seed": seed, "train": train, "val": val}
    ensure_made(folder, manifest, lambda fresh: _write_set(fresh, {"train": train, "val": val}, seed))
    return folder / _DATA_FILE


def _write_set(folder: Path, counts: dict[str, int], seed: int) -> None:
    images = folder / "images"
    images.mkdir(parents=True)
    for split, name in enumerate(_SPLITS):
        stems = [f"shapes_{name}_{index:04d}" for index in range(counts[name])]
        for index, stem in enumerate(stems):
            _write_scene(images / stem, draw_scene(np.random.default_rng([seed, split, index])))
        lines = "".join(f"images/{stem}.jpg\n" for stem in stems)
        (folder / f"shapes_{name}.txt").write_text(lines)
    (folder / "shapes.names").write_text("".join(f"{name}\n" for name in NAMES))
    (folder / _DATA_FILE).write_text(
        f"classes={len(NAMES)}\ntrain=shapes_train.txt\nvalid=shapes_val.txt\nnames=shapes.names\nbackup=backup\n"
    )


def _write_scene(stem: Path, scene: Scene) -> None:
    assert scene.pixels.shape == (HEIGHT, WIDTH, 3)
    bgr = cv2.cvtColor(scene.pixels, cv2.COLOR_RGB2BGR)
    done, jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    assert done
    stem.with_suffix(".jpg").write_bytes(jpeg.tobytes())
    rows = "".join(f"{int(label)} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for x, y, w, h, label in scene.truth.tolist())
    stem.with_suffix(".txt").write_text(rows)
