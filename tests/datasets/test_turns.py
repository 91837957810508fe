"""Several processes take every batch of a list once."""

from __future__ import annotations

from pathlib import Path

import pytest

from csptrain.datasets.turns import ALL, Turns, left_out
from csptrain.errors import DataError


@pytest.mark.parametrize(("images", "batch", "count"), [(20, 3, 2), (20, 8, 3), (1, 8, 4), (16, 8, 2), (5, 1, 8)])
def test_every_batch_is_taken_once(images: int, batch: int, count: int) -> None:
    taken = [Turns(rank, count).within(images, batch) for rank in range(count)]
    batches = [tuple(range(images))[start : start + batch] for start in range(0, images, batch)]
    cut = [tuple(own[start : start + batch]) for own in taken if own is not None for start in range(0, len(own), batch)]
    assert sorted(cut) == batches, "the same images stand together as in one process"
    sizes = [len(own or ()) for own in taken]
    assert max(sizes) - min(sizes) <= batch


def test_one_process_takes_all() -> None:
    assert ALL.within(5, 2) is None


def test_left_out() -> None:
    assert left_out(Path("list"), ["a", "b", "c"], [2, 0]) == ["b"]
    with pytest.raises(DataError, match="list: no image of the list can be decoded"):
        left_out(Path("list"), ["a", "b"], [])
