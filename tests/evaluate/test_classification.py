"""Top-1 and top-k, for each class too."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from csptrain.datasets.class_images import ClassImages
from csptrain.datasets.views import centre_crop, ten_crops
from csptrain.evaluate.classification import Guesses, accuracy, guess, torch_classifier
from tests import plans

NAMES = ("a", "b", "c")


def guesses(classes: list[list[int]], indices: list[int] | None = None) -> Guesses:
    found = np.array(classes, np.int64)
    shares = np.full(found.shape, 0.5, np.float32)
    return Guesses(np.array(indices or range(len(found)), np.int64), found, shares)


def test_accuracies() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1], np.int64)
    result = accuracy(guesses([[0, 1], [0, 1], [0, 2], [1, 2], [1, 0], [0, 1]]), truth, NAMES)
    assert (result.images, result.top, result.top1, result.topk) == (6, 2, pytest.approx(4 / 6), pytest.approx(5 / 6))
    assert [(one.images, one.right, one.called) for one in result.classes] == [(4, 3, 4), (2, 1, 2), (0, 0, 0)]
    assert [one.recall for one in result.classes] == [0.75, 0.5, 0.0]
    assert [one.precision for one in result.classes] == [0.75, 0.5, 0.0]
    assert result.balanced == pytest.approx((0.75 + 0.5) / 2), "a class without images does not count"
    assert (result.score, result.headline) == (result.top1, "top-1 = 0.6667, top-2 = 0.8333")
    assert result.columns() == {"top1": result.top1, "topk": result.topk}
    assert result.lines()[0] == "class_id = 0, name = a, accuracy = 75.00% (3 of 4), precision = 75.00%"
    assert result.lines()[-1] == "6: top 1: 0.666667, top 2: 0.833333"
    told = json.loads(json.dumps(result.as_dict()))
    assert (told["top1"], told["top2"], told["classes"][1]["right"]) == (result.top1, result.topk, 1)


def test_images_that_are_left_out_do_not_count() -> None:
    truth = np.array([2, 0, 1], np.int64)
    result = accuracy(guesses([[2], [1]], [0, 2]), truth, NAMES)
    assert (result.images, result.top1, result.columns()) == (2, 1.0, {"top1": 1.0})


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{number}.png") for number in range(5)]
    for path in paths:
        cv2.imwrite(path, rng.integers(0, 256, (24, 30, 3), np.uint8))
    return paths


def test_probabilities_are_means_over_the_views(images: list[str]) -> None:
    seen: list[int] = []

    def classify(batch: Tensor) -> Tensor:
        seen.append(len(batch))
        return torch.stack((batch.mean((1, 2, 3)), batch[:, 0, 0, 0], torch.zeros(len(batch))), 1)

    dataset = ClassImages(Path("list"), images, ten_crops, (16, 16))
    done: list[int] = []
    found = guess(classify, dataset, 2, batch=2, progress=done.append)
    assert seen == [20, 20, 10] and done == [2, 2, 1] and found.indices.tolist() == list(range(5))
    views = dataset[3][1]
    assert isinstance(views, np.ndarray)
    expected = sorted((float(views.mean()), float(views[:, 0, 0, 0].mean())), reverse=True)
    np.testing.assert_allclose(found.probabilities[3], expected, rtol=1e-5)


def test_a_network_says_it_in_any_batch(images: list[str]) -> None:
    network = plans.built(
        "[convolutional]\nfilters=4\nsize=3\nstride=2\npad=1\nactivation=leaky\n[avgpool]\n"
        "[convolutional]\nfilters=3\nsize=1\nactivation=linear\n[softmax]\n",
        (3, 16, 16),
    )
    network.train()
    dataset = ClassImages(Path("list"), images, centre_crop, (16, 16))
    one, all_of_them = (guess(torch_classifier(network), dataset, 3, batch=batch) for batch in (1, 5))
    np.testing.assert_array_equal(one.classes, all_of_them.classes)
    np.testing.assert_allclose(one.probabilities.sum(1), 1, rtol=1e-5)
