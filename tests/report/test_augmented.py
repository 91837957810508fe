"""The pictures of training samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from csptrain.datasets.loader import Batch
from csptrain.errors import DataError
from csptrain.report.augmented import draw_target, draw_truth, write_samples
from csptrain.report.draw import class_colour

BLACK = np.zeros((40, 60, 3), np.uint8)


def batch(iteration: int, boxes: bool = True) -> Batch:
    truth = torch.zeros(2, 3, 5) if boxes else torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    if boxes:
        truth[0, 0] = torch.tensor([0.5, 0.5, 0.5, 0.5, 1])
    return Batch(iteration, torch.zeros(2, 40, 60, 3, dtype=torch.uint8), truth)


def test_an_outline_lies_on_the_outermost_pixels_of_its_box() -> None:
    rows = np.array([[0.5, 0.625, 1 / 3, 0.25, 1], [0, 0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1, 2]], np.float32)
    drawn = draw_truth(BLACK, rows, [" ", " ", " "])
    found = (drawn == class_colour(1)).all(2)
    assert np.argwhere(found).min(0).tolist() == [20, 20] and np.argwhere(found).max(0).tolist() == [29, 39]
    assert not found[21:29, 21:39].any(), "an outline, not a surface"
    assert not (drawn == class_colour(2)).all(2).any(), "the list ended before"
    assert not BLACK.any()


def test_boxes_of_every_size_and_grey_images_are_drawn() -> None:
    rows = np.array([[0.001, 0.5, 0.001, 0.5, 7], [1, 1, 0.02, 0.02, 0]], np.float32)
    assert draw_truth(BLACK[:, :, :1], rows).shape == (40, 60, 3)
    assert not draw_truth(BLACK, np.zeros((1, 5), np.float32)).any()


def test_a_target_is_told_in_words() -> None:
    smooth = np.array([0.02, 0.02, 0.96], np.float32)
    one = draw_target(BLACK, smooth, ["a", "b", "c"])
    assert one[:16].any() and not one[20:].any(), "one line, nothing of what smoothing leaves"
    assert draw_target(BLACK, np.array([0.5, 0.5], np.float32))[20:].any()


@pytest.mark.parametrize("boxes", [True, False])
def test_the_samples_of_the_first_iterations_are_written(boxes: bool, tmp_path: Path) -> None:
    given = [batch(iteration, boxes) for iteration in (5, 6, 7)]
    passed = list(write_samples(given, tmp_path / "backup", ["RBC", "WBC"], iterations=2))
    assert all(one is other for one, other in zip(passed, given, strict=True))
    written = sorted(path.name for path in (tmp_path / "backup").iterdir())
    assert written == [f"aug_{iteration}_{slot}.jpg" for iteration in (5, 6) for slot in (0, 1)]
    picture = cv2.imread(str(tmp_path / "backup" / "aug_5_0.jpg"))
    assert picture is not None and picture.shape == (40, 60, 3) and picture.any()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        list(write_samples([batch(1)], tmp_path / "file"))
