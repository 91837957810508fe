"""Figures 4, 7 and 8."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.paper.figures import STRATEGIES, figure4, figure7, figure8
from csptrain.paper.tables import Found
from csptrain.report.picture import Words, paint


def test_figure_4_has_a_point_for_each_row_of_its_strategies() -> None:
    sheet = figure4()
    assert sheet.score == "matched 10 of 10"
    words = [item.text for item in sheet.pictures[0].items if isinstance(item, Words)]
    assert [words.count(gamma) for gamma in ("0.75", "0.5", "0.25")] == [3, 3, 3]
    assert all(strategy in words for strategy in STRATEGIES.values())


@pytest.mark.parametrize("comparable", [True, False])
def test_figure_4_draws_what_was_trained_on_the_papers_data_alone(comparable: bool) -> None:
    accuracies = {("csppeleenet", 224, 1): {"top1": 70.0}}
    words = [
        item.text for item in figure4(Found({}, accuracies, comparable)).pictures[0].items if isinstance(item, Words)
    ]
    assert ("CSPPeleeNet: both, trained here" in words) is comparable


def test_figures_7_and_8_show_where_the_cost_lies() -> None:
    seven, eight = figure7(), figure8()
    assert [line.cell("largest layer").here for line in seven.lines] == ["0.9968", "0.3544", "0.1994"]
    assert [line.cell("CIO with pooling").here for line in eight.lines] == ["34.41M", "32.64M"]
    assert (seven.score, eight.score) == ("matched 3 of 3", "matched 7 of 7")
    for sheet in (seven, eight):
        pixels = paint(sheet.pictures[0], 1.0)
        assert 0.01 < float(np.mean(pixels < 255)) < 0.5
