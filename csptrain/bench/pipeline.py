"""The data pipeline of training: full augmentation and mosaic, against the bare decoding of the images it consumes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.bench.alternate import Say, Turns, alternate
from csptrain.bench.result import Comparison
from csptrain.bench.side import Side
from csptrain.bench.work import Work
from csptrain.datasets.augment import Augmentation
from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.lists import read_samples
from csptrain.datasets.mixing import Mix
from csptrain.datasets.stream import Feed
from csptrain.machine import keep_freed_memory

DECODE, OWN = "decode alone", "csptrain pipeline"
IMAGES, SAMPLES = 48, 32
SIZE, NET = (640, 480), (416, 416)
_QUALITY = 90


def compare(samples: int, turns: Turns, say: Say) -> Comparison:
    """Time ``samples`` training samples a pass on one core; the images are drawn into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="csptrain.") as name:
        folder = Path(name)
        say(f"drawing {IMAGES} images")
        size = write_images(folder, IMAGES)
        options = {"folder": name, "samples": samples}
        sides = [Side(DECODE, "decode", options, 1), Side(OWN, "pipeline", options, 1)]
        title = f"Training samples of {NET[0]}x{NET[1]} from JPEG images of {SIZE[0]}x{SIZE[1]}, on one core"
        note = (
            f"jitter, resize, flip, colour; a mosaic of four images every time; {size / 1e3:.0f} kB an image. Decoding "
            "alone reads and decodes the files that the samples are made of"
        )
        what = Comparison("data/mosaic", title, DECODE, 1, "sample", samples, (note,))
        return alternate(what, sides, turns, say)


def pipeline(options: Mapping[str, Any]) -> Work:
    """The samples of an iteration, as a worker of the loader makes them; another iteration each pass."""
    dataset, samples = detection_dataset(options), options["samples"]
    done = iter(range(1, 1 << 30))

    def run() -> None:
        iteration = next(done)
        for slot in range(samples):
            dataset.sample(iteration, slot, NET)

    cv2.setNumThreads(0)
    keep_freed_memory()
    return Work(run)


def decode(options: Mapping[str, Any]) -> Work:
    """The images of the same samples, read and decoded."""
    dataset, samples = detection_dataset(options), options["samples"]
    images = len(dataset.samples)
    # Four of a list in which all are alike: which of them does not matter, how many does.
    consumed = [
        dataset.samples.images[index % images]
        for index in range(sum(len(dataset.sample(1, slot, NET).files) for slot in range(samples)))
    ]

    def run() -> None:
        for path in consumed:
            pixels = cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            assert pixels is not None

    cv2.setNumThreads(0)
    return Work(run)


def detection_dataset(options: Mapping[str, Any]) -> DetectionDataset:
    """Every sample is a mosaic, augmented in all ways that change neither sharpness nor grain."""
    settings = Augmentation(
        jitter=0.3,
        resize=1.5,
        flip=True,
        hue=0.1,
        saturation=1.5,
        exposure=1.5,
        mix=Mix.MOSAIC,
        mix_share=1.0,
    )
    return DetectionDataset(read_samples(Path(options["folder"]), 1), settings, Feed(options["samples"]))


def write_images(folder: Path, count: int) -> float:
    """Draw ``count`` pictures with the grain of photographs and their labels; the mean size of a file in bytes."""
    rng = np.random.default_rng(0)
    sizes = []
    for number in range(count):
        done, jpeg = cv2.imencode(".jpg", _picture(rng), (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
        assert done
        path = folder / f"{number:03d}.jpg"
        path.write_bytes(jpeg.tobytes())
        sizes.append(path.stat().st_size)
        boxes = rng.uniform((0.2, 0.2, 0.05, 0.05), (0.8, 0.8, 0.4, 0.4), (7, 4))
        rows = "".join(f"0 {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for x, y, w, h in boxes.tolist())
        path.with_suffix(".txt").write_text(rows)
    return float(np.mean(sizes))


def _picture(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """uint8 [480, 640, 3]: detail of all sizes, fainter as it gets finer, as photographs have it."""
    width, height = SIZE
    picture = np.full((height, width, 3), 128.0, np.float32)
    for cells, strength in ((4, 70), (16, 40), (64, 22), (160, 18), (640, 12)):
        coarse = rng.uniform(-strength, strength, (max(cells * height // width, 2), cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, SIZE, interpolation=cv2.INTER_LINEAR)
    return np.clip(picture, 0, 255).astype(np.uint8)
