"""Detections and truths of a made-up data set, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from csptrain.datasets.lists import Samples
from csptrain.evaluate.pixels import PixelDetections
from csptrain.ops.decode import Detections

SIZES = ((640, 480), (333, 500), (97, 64))


def made_up(images: int, classes: int, seed: int = 0) -> tuple[Samples, PixelDetections, list[Detections]]:
    """Images of different sizes with boxes near their truths, doubles, ties, and boxes that cross the edge."""
    rng = np.random.default_rng(seed)
    truths, hard, every, pixels = [], [], [], PixelDetections()
    for index in range(images):
        count = int(rng.integers(0, 9))
        truth = np.concatenate(
            [rng.random((count, 2)), 0.03 + 0.5 * rng.random((count, 2)), rng.integers(0, classes, (count, 1))], axis=1
        ).astype(np.float32)
        again = rng.integers(0, count, 2 * count) if count else np.zeros(0, int)
        near = truth[again, :4] * (1 + 0.08 * rng.standard_normal((len(again), 4)))
        boxes = np.concatenate([near, rng.random((5, 4))]).astype(np.float32)
        prob = np.zeros((len(boxes), classes), np.float32)
        label = np.concatenate([truth[again, 4], rng.integers(0, classes, 5)]).astype(int)
        prob[np.arange(len(boxes)), label] = np.round(rng.random(len(boxes)), 2) + 0.01  # rounded: ties
        prob[rng.random(prob.shape) < 0.05] = 0.3
        found = Detections(boxes, prob.max(axis=1), prob)
        pixels.add(index, SIZES[index % len(SIZES)], found)
        difficult = rng.random(count) < 0.25
        truths.append(truth[~difficult])
        hard.append(truth[difficult])
        every.append(found)

    def starts(parts: list[np.ndarray]) -> np.ndarray:
        return np.cumsum([0, *map(len, parts)])

    samples = Samples(
        Path("made.txt"),
        tuple(f"{index + 100:012}.jpg" for index in range(images)),
        np.concatenate(truths),
        starts(truths),
        hard_rows=np.concatenate(hard),
        hard_starts=starts(hard),
    )
    return samples, pixels, every
