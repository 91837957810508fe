"""Ratios, goals and tables of figures that are known."""

from __future__ import annotations

import csv
import io
import json

import pytest

from csptrain.bench import page
from csptrain.bench.goals import GOALS, judge
from csptrain.bench.page import Report
from csptrain.bench.result import MIB, Comparison, Figure
from csptrain.bench.suite import BATCH, HELD, HELD_IN_TRAINING, INFERRED, LOADED, TRAINED


def figure(side: str, *turns: float, memory: int = 10) -> Figure:
    passes = tuple((seconds, seconds, 3 * seconds) for seconds in turns)
    return Figure(side, passes, 5 * MIB, (5 + memory) * MIB, {"version": "1"})


LOAD = Comparison(
    "load/yolov4",
    "Read yolov4",
    "numpy.fromfile",
    2,
    "network",
    figures=(
        # The machine was slower in the second turn, for both.
        figure("numpy.fromfile", 0.10, 0.40, 0.10, memory=20),
        figure("csptrain", 0.12, 0.48, 0.14, memory=30),
        Figure("third", left_out="not | there"),
    ),
    notes=("a note",),
    took=12.0,
    warm_up=1,
)


def test_ratios_are_taken_turn_by_turn() -> None:
    assert LOAD.speed("csptrain") == pytest.approx(1 / 1.2)
    assert LOAD.speed("numpy.fromfile", "csptrain") == pytest.approx(1.2)
    assert LOAD.memory("csptrain") == pytest.approx(1.5)
    assert LOAD.speed("third") is LOAD.speed("none") is LOAD.memory("third") is None


def test_goals_are_judged() -> None:
    (verdict,) = judge([LOAD])
    assert verdict.value == pytest.approx(1.2)
    assert verdict.cells == ["cfg and weights of yolov4, csptrain", "numpy.fromfile", "≤ 1.5x", "1.20x", "yes"]
    slow = Comparison(LOAD.key, "", LOAD.baseline, 1, figures=(LOAD.figures[0], figure("csptrain", 0.2, 0.8, 0.2)))
    assert judge([slow])[0].cells[3:] == ["2.00x", "no"]
    alone = Comparison(LOAD.key, "", LOAD.baseline, 1, figures=LOAD.figures[:1])
    assert judge([alone])[0].cells[3:] == ["not measured", ""]


def test_every_goal_belongs_to_a_comparison_of_all() -> None:
    keys = {
        *(f"infer/{name}" for name in INFERRED),
        *(f"train/{name}" for name in TRAINED),
        f"memory/infer-{HELD}",
        f"memory/train-{HELD_IN_TRAINING}",
        f"load/{LOADED}",
        "data/mosaic",
        "eval/coco",
        "eval/nms",
    }
    assert {goal.key for goal in GOALS} == keys
    assert BATCH == 4


def report(quick: bool = False) -> Report:
    return Report("load", {"CPU": "a CPU"}, (LOAD,), "2026-01-01", quick)


def test_the_terminal_shows_tables_and_goals() -> None:
    text = "\n".join(page.lines(report()))
    assert "Read yolov4 (threads 2, turns 3, warm-up 1; 12 s in all)" in text
    assert "third is left out: not | there" in text
    assert "360 ms" in text and "1.20x  yes" in text
    assert "mean nothing" in "\n".join(page.lines(report(quick=True)))


def test_the_page_has_the_machine_the_goals_and_the_tables() -> None:
    lines = page.markdown(report())
    assert "* CPU: a CPU" in lines
    assert "1 of 1 goals are met." in lines
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") - line.count("\\|") for line in tables[:3]} == {6}
    assert "| csptrain | 1 | 360 ms | 1.06 s | 2.778 | 0.83 | 30 MiB | 1.50 |" in tables
    assert "* third is left out: not | there" in lines
    assert not any("goals" in line for line in page.markdown(report(quick=True)))


def test_json_and_csv_hold_every_side() -> None:
    found = json.loads(json.dumps(report().as_dict()))
    first, second, third = found["comparisons"][0]["sides"]
    assert first["speed"] == 1 and second["seconds"] == pytest.approx(0.36)
    assert second["peak_bytes"] - second["start_bytes"] == 30 * MIB
    assert third == {"side": "third", "left_out": "not | there"}
    assert found["goals"][0]["met"] is True and found["comparisons"][0]["took_seconds"] == 12
    rows = list(csv.DictReader(io.StringIO(page.comma_separated(report()))))
    assert [row["side"] for row in rows] == ["numpy.fromfile", "csptrain", "third"]
    assert (rows[0]["version"], rows[0]["passes"], rows[2]["left_out"]) == ("1", "9", "not | there")
