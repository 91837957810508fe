"""Sides in processes of their own: turns, memory, and what happens to one that fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.bench.alternate import Turns, alternate
from csptrain.bench.clock import passes
from csptrain.bench.result import MIB, Comparison
from csptrain.bench.side import Process, Side, SideFailed

WHAT = Comparison("test/read", "Reads", "one", 1)


def reader(name: str, path: Path, floats: int = 1000) -> Side:
    np.zeros(floats, np.float32).tofile(path)
    return Side(name, "read", {"weights": str(path)}, 1, about={"word": name})


def test_passes_end_by_number_or_time() -> None:
    calls: list[int] = []
    assert len(passes(lambda: calls.append(0), 3)) == len(calls) == 3
    assert len(passes(lambda: calls.append(0), 3, 0.0)) == 1


def test_sides_take_turns_and_tell_their_memory(tmp_path: Path) -> None:
    said: list[str] = []
    big = 8 << 20
    sides = [reader("one", tmp_path / "one.bin"), reader("two", tmp_path / "two.bin", big)]
    found = alternate(WHAT, sides, Turns(rounds=3, passes=2, warm_up=1), said.append)
    assert [figure.side for figure in found.figures] == ["one", "two"]
    for figure in found.figures:
        assert [len(turn) for turn in figure.turns] == [2, 2, 2]
        assert 0 < figure.seconds <= figure.p95
        assert figure.about == {"word": figure.side}
    assert found.figures[1].used > 3.5 * big
    assert found.figures[0].used < 4 * MIB
    assert found.warm_up == 1 and found.took > 0
    assert sum("turn" in line for line in said) == 3


def test_a_side_that_fails_is_left_out_with_its_reason(tmp_path: Path) -> None:
    gone = Side("gone", "read", {"weights": str(tmp_path / "none.bin")}, 1)
    python = Side("python", "read", {}, 1, python=str(tmp_path / "python"))
    wrong = reader("wrong", tmp_path / "wrong.bin")

    def check(process: Process) -> None:
        if process.side.name == "wrong":
            process.save(tmp_path / "saved.npz")
            raise SideFailed("other numbers")

    sides = [reader("one", tmp_path / "one.bin"), gone, python, wrong]
    found = alternate(WHAT, sides, Turns(1, 1, 1.0, 1), lambda _: None, check)
    one, *others = found.figures
    assert one.turns and one.left_out is None
    assert [figure.turns for figure in others] == [(), (), ()]
    reasons = [figure.left_out or "" for figure in others]
    assert "No such file" in reasons[0] and "cannot be started" in reasons[1] and reasons[2] == "other numbers"
    with np.load(tmp_path / "saved.npz") as archive:
        assert len(archive.files) == 1000


def test_a_process_that_is_killed_says_why(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    script.chmod(0o755)
    with pytest.raises(SideFailed, match="out of memory"):
        Process(Side("killed", "read", {}, 1, python=str(script)), tmp_path / "log.txt")
