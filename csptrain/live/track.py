"""Objects followed from frame to frame: a number for each, kept as long as it is seen again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from csptrain.ops.boxes import iou
from csptrain.ops.decode import Detections

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]

#: Frames that an object may be unseen before it is forgotten.
BUFFER = 30
#: Least IoU of a box with the place where its object is expected.
OVERLAP = 0.3


@dataclass
class _Track:
    """An object: its number and class, its last box x y w h, and how many frames ago that was.

    ``step`` is how far its centre moves in a frame, known once it has been seen twice.
    """

    number: int
    label: int
    box: FloatArray
    step: FloatArray | None = None
    age: int = 0

    def expected(self) -> FloatArray:
        """Where it is in this frame, if it has moved on at constant velocity and kept its size."""
        box = self.box.copy()
        if self.step is not None:
            box[:2] += self.step * self.age
        return box

    def found(self, box: FloatArray) -> None:
        """It is seen again."""
        step = (box[:2] - self.box[:2]) / self.age
        self.step = np.asarray(step if self.step is None else (self.step + step) / 2, np.float32)
        self.box, self.age = box, 0


class Tracker:
    """Gives every object a number from 1 on.

    A box is the object of its class whose expected place it overlaps most: pairs are taken from the largest IoU down,
    each object and each box once. A box that is left over is a new object, so one that changes its class is, too.
    """

    def __init__(self, buffer: int = BUFFER, overlap: float = OVERLAP) -> None:
        self._buffer, self._overlap = buffer, overlap
        self._tracks: list[_Track] = []
        self._count = 0

    def follow(self, found: Detections) -> IntArray:
        """The number of each row of the next frame's detections, int [M]; 0 where no class has a probability.

        The class of a box is its most probable one.
        """
        numbers = np.zeros(len(found), np.intp)
        rows = np.flatnonzero(found.prob.any(axis=1))
        boxes, labels = found.boxes[rows], found.prob[rows].argmax(axis=1)
        for track in self._tracks:
            track.age += 1
        for track, place in self._pairs(boxes, labels):
            track.found(boxes[place])
            numbers[rows[place]] = track.number
        self._tracks = [track for track in self._tracks if track.age <= self._buffer]
        for place in np.flatnonzero(numbers[rows] == 0).tolist():
            self._count += 1
            self._tracks.append(_Track(self._count, int(labels[place]), boxes[place]))
            numbers[rows[place]] = self._count
        return numbers

    def _pairs(self, boxes: FloatArray, labels: IntArray) -> list[tuple[_Track, int]]:
        """Objects and the places of their boxes."""
        if not self._tracks or not len(boxes):
            return []
        expected = np.stack([track.expected() for track in self._tracks])
        overlaps = iou(torch.from_numpy(expected)[:, None], torch.from_numpy(boxes)[None]).numpy()
        same = np.array([track.label for track in self._tracks])[:, None] == labels
        candidates = np.argwhere(same & (overlaps >= self._overlap))
        best_first = candidates[np.argsort(-overlaps[tuple(candidates.T)], kind="stable")]
        free_tracks, free_boxes = set(range(len(self._tracks))), set(range(len(boxes)))
        pairs = []
        for track, place in best_first.tolist():
            if track in free_tracks and place in free_boxes:
                free_tracks.remove(track)
                free_boxes.remove(place)
                pairs.append((self._tracks[track], place))
        return pairs
