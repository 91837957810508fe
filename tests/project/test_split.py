"""Parts in which every class is as frequent as in the whole."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from csptrain.project.split import split, told_by_folders

SHARES = {"train": 0.7, "valid": 0.2, "test": 0.1}


def random_classes(images: int, seed: int) -> list[frozenset[int]]:
    rng = np.random.default_rng(seed)
    chances = (0.9, 0.3, 0.05, 0.01)
    return [frozenset(k for k, chance in enumerate(chances) if rng.random() < chance) for _ in range(images)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_images_and_classes_follow_the_shares(seed: int) -> None:
    classes = random_classes(1000, seed)
    parts = split(classes, range(1000), SHARES, seed)
    counts = Counter(parts)
    assert [abs(counts[part] - 1000 * share) <= 2 for part, share in SHARES.items()] == [True] * 3
    for k in range(4):
        total = sum(k in shown for shown in classes)
        for part, share in SHARES.items():
            held = sum(k in shown for shown, own in zip(classes, parts, strict=True) if own == part)
            assert abs(held - total * share) <= 1 + 0.02 * total, (k, part)


def test_the_seed_decides() -> None:
    classes = random_classes(100, 0)
    one, again, other = (split(classes, range(100), SHARES, seed) for seed in (3, 3, 4))
    assert one == again != other


def test_what_is_the_same_stays_together() -> None:
    classes = random_classes(200, 5)
    same = [number // 4 for number in range(200)]
    parts = split(classes, same, SHARES, 0)
    assert all(len(set(parts[start : start + 4])) == 1 for start in range(0, 200, 4))
    assert set(parts) == set(SHARES)


def test_a_class_of_one_image_is_learnt_from() -> None:
    classes = [frozenset({0})] * 9 + [frozenset({1})]
    assert all(split(classes, range(10), SHARES, seed)[9] == "train" for seed in range(20))


def test_images_without_boxes_are_shared_out_too() -> None:
    parts = split([frozenset()] * 10, range(10), SHARES, 0)
    assert Counter(parts) == {"train": 7, "valid": 2, "test": 1}


@pytest.mark.parametrize("images", [3, 4, 5])
def test_no_part_is_empty_where_there_are_enough_images(images: int) -> None:
    classes = [frozenset({0})] * (images - 1) + [frozenset({1})]
    parts = split(classes, range(images), SHARES, 0)
    assert set(parts) == set(SHARES)
    assert parts[-1] == "train"


@pytest.mark.parametrize(
    ("images", "parts"),
    [
        (["train/images/a.jpg", "valid/images/b.jpg", "test/c.jpg"], ["train", "valid", "test"]),
        (["train2017/a.jpg", "val2017/b.jpg"], ["train", "valid"]),
        (["Training/a.jpg", "Validation/b.jpg"], ["train", "valid"]),
        (["train/a.jpg", "test/b.jpg"], None),
        (["train/a.jpg", "val/b.jpg", "c.jpg"], None),
        (["train.jpg", "val.jpg"], None),
    ],
)
def test_folders_may_tell_the_parts(images: list[str], parts: list[str] | None) -> None:
    assert told_by_folders(images) == parts
