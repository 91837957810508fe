"""Two processes against one: the same losses, weights, statistics and buffers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from csptrain import graph
from csptrain.errors import CspError
from csptrain.train.distributed import Processes, Share
from tests import tiny
from tests.threads import one_thread
from tests.train import ranks


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes says."""
    store = tmp_path_factory.mktemp("store") / "store"
    images = tiny.write_images(store.with_name("set"), ranks.IMAGES)
    for damaged in (images[3], images[6]):
        damaged.write_bytes(b"no image")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.ranks", str(rank), "2", str(store)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    return [json.loads(words) for words in said]


@pytest.mark.parametrize("name", ranks.CASES)
def test_two_processes_are_as_one(name: str, both: list[dict[str, Any]]) -> None:
    with one_thread():
        alone = ranks.run(name, Processes())
    first, second = (said[name] for said in both)
    assert first == second, "both processes hold the same, to the last bit"
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-5)
    assert first["sums"] == pytest.approx(alone["sums"], rel=2e-5, abs=1e-6)
    assert (first["seen"], first["norms"]) == (alone["seen"], alone["norms"])
    assert len(first["heads"]) == ranks.ITERATIONS
    for one, other in zip(first["heads"], alone["heads"], strict=True):  # type: ignore[arg-type,call-overload]
        assert one == pytest.approx(other, rel=2e-4, abs=1e-5)


def test_what_is_not_finite_in_one_is_told_by_both(both: list[dict[str, Any]]) -> None:
    assert both[0]["not finite"] == both[1]["not finite"]
    assert "is not finite" in both[0]["not finite"]


def test_what_all_measure_together_is_what_one_measures(both: list[dict[str, Any]]) -> None:
    first, second = (said["measured"] for said in both)
    assert len(first) == 6
    for name in first:
        one, other = first[name], second[name]
        assert one["together"] == one["alone"] == other["alone"], "every box and probability, and so every figure"
        assert other["together"] is None, "the first has the figures"
        assert one["together"]["figures"].get("detections_count", 1) > 0
        # Of 13 images, two at a time, the first takes 0 1 4 5 8 9 12, of which none is damaged, the other the rest.
        assert (one["own"], other["own"]) == (([7], [4]) if "13 images" in name else ([1], [0]))


def test_what_one_cannot_measure_is_told_by_the_first(both: list[dict[str, Any]]) -> None:
    assert [said["refused"] for said in both] == ["process 1: valid.txt: no images here", "None"]


def test_texts_and_bytes_reach_all(both: list[dict[str, Any]]) -> None:
    assert both[0]["lines"] == both[1]["lines"] == ["é 0", "b"]
    assert bytes.fromhex(both[1]["from first"]) == b"\x00state"


@pytest.mark.parametrize(("batch", "subdivisions", "count"), [(8, 4, 2), (8, 2, 2), (8, 1, 3), (12, 3, 2), (8, 8, 4)])
def test_every_image_is_computed_once(batch: int, subdivisions: int, count: int, tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(tiny.cfg(batch=batch, subdivisions=subdivisions))
    net = graph.load(tmp_path / "x.cfg").net
    shares = [Share.of(net, Processes(rank, count)) for rank in range(count)]
    slots = [share.slots(batch) for share in shares]
    assert sorted(slot for each in slots for slot in each) == list(range(batch))
    assert max(map(len, slots)) - min(map(len, slots)) <= subdivisions
    assert all(share.whole == (subdivisions % count == 0) for share in shares)


def test_more_processes_than_images(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(tiny.cfg(batch=4, subdivisions=2))
    with pytest.raises(CspError, match=r"x.cfg:1: 3 processes cannot divide mini-batches of 2"):
        Share.of(graph.load(tmp_path / "x.cfg").net, Processes(0, 3))
