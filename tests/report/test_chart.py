"""The training chart: what is where, at any length of training."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.errors import DataError
from csptrain.report.chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    draw_chart,
    loss_axis,
    render,
    thin_to_mean,
    thin_to_range,
)

BLUE, ORANGE = (190, 96, 24), (30, 84, 214)


def rows(losses: list[float], **maps: float) -> list[dict[str, float]]:
    made = [{"iteration": float(i), "loss": loss, "avg_loss": loss, "rate": 0.001} for i, loss in enumerate(losses, 1)]
    for key, value in maps.items():
        made[int(key[1:]) - 1]["map"] = value
    return made


def painted(image: np.ndarray, colour: tuple[int, int, int], column: int) -> np.ndarray:
    """Rows inside the plot where one column shows a colour."""
    near = np.abs(image[TOP:BOTTOM, column].astype(int) - colour).max(axis=1) < 40
    return np.flatnonzero(near) + TOP


def test_a_png_of_the_promised_size_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "chart.png"
    draw_chart(rows([3.0, 2.0, 1.5], i3=0.5), path, 10)
    image = cv2.imread(str(path))
    assert image is not None
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert [entry.name for entry in path.parent.iterdir()] == ["chart.png"]


def test_the_average_loss_lies_where_its_axis_says() -> None:
    image = render(rows([2.0] * 101), 100)
    found = painted(image, BLUE, (LEFT + RIGHT) // 2)
    wanted = BOTTOM - (BOTTOM - TOP) * 2.0 / 2.2
    assert abs(found.mean() - wanted) < 1.5


def test_map_is_in_percent_on_the_whole_height() -> None:
    image = render(rows([2.0] * 100, i20=0.5, i80=0.5), 100)
    found = painted(image, ORANGE, LEFT + (RIGHT - LEFT) * 3 // 10)
    assert abs(found.mean() - (TOP + BOTTOM) / 2) < 1.5


def test_without_map_nothing_is_drawn_in_its_colour() -> None:
    with_map, without = render(rows([2.0] * 100, i20=0.5), 100), render(rows([2.0] * 100), 100)

    def count(image: np.ndarray) -> int:
        return int((np.abs(image.astype(int) - ORANGE).max(axis=2) < 40).sum())

    assert count(with_map) > 100
    assert count(without) == 0


def test_a_large_first_loss_leaves_the_rest_its_height() -> None:
    losses = [2400 * math.exp(-i / 10) + 8 - 5 * i / 300 for i in range(300)]
    axis = loss_axis(np.array(losses))
    assert axis.log
    start, end = axis.place(np.array([losses[100], losses[-1]]))
    assert start - end > 0.1


def test_a_narrow_range_is_linear_from_zero() -> None:
    assert loss_axis(np.array([5.0, 2.0])) == Axis(0, pytest.approx(5.5))


def test_ticks_are_round_and_inside() -> None:
    assert Axis(0, 300).ticks(10) == [0, 50, 100, 150, 200, 250, 300]
    assert Axis(1.5, 2500, log=True).ticks(10) == pytest.approx([2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000])
    for high in (1e3, 1e6, 1e9, 1e15):
        assert 1 < len(Axis(1e-6, high, log=True).ticks(10)) <= 11


def test_thinning_keeps_peaks_and_means() -> None:
    points = np.stack((np.arange(100_000.0), np.ones(100_000)), axis=1)
    points[70_000, 1], points[30_000, 1] = 50, -3
    ranged = thin_to_range(points, 800)
    assert len(ranged) == 1600
    assert (ranged[:, 1].min(), ranged[:, 1].max()) == (-3, 50)
    assert (np.diff(ranged[:, 0]) >= 0).all()
    mean = thin_to_mean(points, 800)
    assert len(mean) == 800
    assert mean[:, 1].mean() == pytest.approx(points[:, 1].mean())
    assert thin_to_mean(points[:800], 800) is not None
    np.testing.assert_array_equal(thin_to_mean(points[:800], 800), points[:800])


@pytest.mark.parametrize(
    "made",
    [
        [],
        rows([2400.0]),
        rows([math.nan, math.inf, 3.0, 0.0, -1.0]),
        rows([0.0, 0.0]),
        rows([1e-30, 1e30]),
        [{"iteration": 5.0}],
        [{"iteration": 5.0, "map": 0.0}],
        rows([3.0] * 200, i200=1.0),
    ],
)
def test_any_training_can_be_drawn(made: list[dict[str, float]]) -> None:
    assert render(made, 100).shape == (HEIGHT, WIDTH, 3)


def test_what_cannot_be_written_is_one_error_and_leaves_the_old_chart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="cannot be written"):
        draw_chart(rows([1.0]), tmp_path / "file" / "chart.png", 10)
    assert (tmp_path / "file").read_text() == "not a folder"


def test_top_1_and_top_k_take_the_place_of_map() -> None:
    made = rows([2.0] * 100)
    for row in made[9::10]:
        row.update(top1=0.5, topk=0.75)
    image = render(made, 100)
    column = (LEFT + RIGHT) // 2 + 20
    height = BOTTOM - TOP
    assert abs(painted(image, ORANGE, column).mean() - (BOTTOM - height * 0.5)) < 1.5
    assert abs(painted(image, (92, 140, 70), column).mean() - (BOTTOM - height * 0.75)) < 1.5
