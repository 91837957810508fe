"""Sentences of the paper."""

from __future__ import annotations

import pytest

from csptrain.paper.cell import Verdict
from csptrain.paper.statements import about, counted_dense_block_cio, dense_block_cio


@pytest.mark.parametrize(
    ("sheet", "printed"), [("figure7", ["44%", "80%", "75%"]), ("figure8", ["34.4M", "32.6M", "22%"])]
)
def test_figures_of_section_4_5_are_met(sheet: str, printed: list[str]) -> None:
    statements = about(sheet)
    assert [statement.cell.paper for statement in statements][: len(printed)] == printed
    assert all(statement.cell.verdict is Verdict.MATCH for statement in statements)


@pytest.mark.parametrize(("channels", "layers", "growth"), [(64, 3, 32), (128, 4, 16), (512, 8, 32), (2, 1, 1)])
@pytest.mark.parametrize("half", [False, True])
def test_the_formulas_of_section_3_1_count_what_is_read_and_written(
    channels: int, layers: int, growth: int, half: bool
) -> None:
    assert counted_dense_block_cio(channels, layers, growth, half) == dense_block_cio(channels, layers, growth, half)


def test_a_partial_block_saves_at_most_half() -> None:
    whole, half = dense_block_cio(512, 2, 1), dense_block_cio(512, 2, 1, half=True)
    assert 0.5 < half / whole < 0.502
