"""Objects keep their numbers: crossing, lost and found, gone for good."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from csptrain.live.track import Tracker
from csptrain.ops.decode import Detections

Box = tuple[int, float, float]  # class, centre x, centre y


def detections(boxes: Sequence[Box], side: float = 0.1) -> Detections:
    """Squares of ``side``, each surely of its class of three."""
    prob = np.zeros((len(boxes), 3), np.float32)
    for row, (label, _, _) in enumerate(boxes):
        prob[row, label] = 0.9
    rows = np.array([(x, y, side, side) for _, x, y in boxes], np.float32).reshape(-1, 4)
    return Detections(rows, np.ones(len(boxes), np.float32), prob)


def numbers(tracker: Tracker, *boxes: Box) -> list[int]:
    return tracker.follow(detections(boxes)).tolist()


@pytest.mark.parametrize("labels", [(0, 1), (0, 0)])
@pytest.mark.parametrize("crossing", [(0.0, 0.0), (0.03, -0.03)], ids=["upon each other", "side by side"])
def test_objects_that_cross_keep_their_numbers(labels: tuple[int, int], crossing: tuple[float, float]) -> None:
    """They run towards and through each other; of one class they are told apart by where they are going."""
    tracker = Tracker()
    for frame in range(21):
        right = (labels[0], 0.2 + 0.03 * frame, 0.5 + crossing[0])
        left = (labels[1], 0.8 - 0.03 * frame, 0.5 + crossing[1])
        # The detector gives them in any order; where they coincide nothing tells two of one class apart.
        turned = frame % 2 == 1 and (labels[0] != labels[1] or abs(right[1] - left[1]) > 0.001)
        found = numbers(tracker, *((left, right) if turned else (right, left)))
        assert found == ([2, 1] if turned else [1, 2]), frame


def test_an_object_lost_for_three_frames_is_found_where_it_has_gone() -> None:
    tracker = Tracker()
    way = [(0, 0.1 + 0.04 * frame, 0.3) for frame in range(9)]
    assert [numbers(tracker, place) for place in way[:5]] == [[1]] * 5
    assert [numbers(tracker) for _ in range(3)] == [[]] * 3
    # Since it was last seen it has moved by more than its width: at its old place stands another.
    assert numbers(tracker, way[4], way[8]) == [2, 1]


def test_an_object_is_forgotten_after_its_time() -> None:
    for unseen, expected in ((2, [1]), (3, [2])):
        tracker = Tracker(buffer=2)
        numbers(tracker, (0, 0.5, 0.5))
        for _ in range(unseen):
            numbers(tracker)
        assert numbers(tracker, (0, 0.5, 0.5)) == expected


def test_an_object_that_leaves_gives_its_number_to_nobody() -> None:
    tracker = Tracker()
    assert [numbers(tracker, (0, 0.9 + 0.03 * frame, 0.5)) for frame in range(4)] == [[1]] * 4
    # One that comes in behind it is where the first was, not where it is going.
    for frame in range(3):
        assert numbers(tracker, (0, 0.9 - 0.03 * frame, 0.5)) == [2]


def test_another_class_is_another_object() -> None:
    tracker = Tracker()
    assert [numbers(tracker, (label, 0.5, 0.5)) for label in (0, 1, 0, 1)] == [[1], [2], [1], [2]]


def test_the_best_overlap_is_taken_first() -> None:
    tracker = Tracker()
    assert numbers(tracker, (0, 0.50, 0.5), (0, 0.58, 0.5)) == [1, 2]
    # The first box overlaps both; the second object is the nearer one, and the first one's box comes after.
    assert numbers(tracker, (0, 0.56, 0.5), (0, 0.49, 0.5)) == [2, 1]


def test_rows_without_a_probability_are_nobody() -> None:
    tracker = Tracker()
    found = detections([(0, 0.2, 0.2), (1, 0.5, 0.5), (2, 0.8, 0.8)])
    found.prob[1] = 0
    assert tracker.follow(found).tolist() == [1, 0, 2]
    assert tracker.follow(detections([])).tolist() == []


def test_a_crowd_that_trembles_keeps_its_numbers() -> None:
    generator = np.random.default_rng(0)
    tracker = Tracker()
    places = [(int(x + y) % 3, 0.1 + 0.2 * x, 0.1 + 0.2 * y) for x in range(5) for y in range(5)]
    first = numbers(tracker, *places)
    assert first == list(range(1, 26))
    for _ in range(50):
        order = generator.permutation(25)
        shaken = [(label, *(np.array(place) + generator.normal(0, 0.005, 2))) for label, *place in places]
        seen = [place for place in order if generator.random() > 0.2]
        assert numbers(tracker, *(shaken[place] for place in seen)) == [first[place] for place in seen]
