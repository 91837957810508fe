"""Figures against figures."""

from __future__ import annotations

import pytest

from csptrain.paper.cell import Printed, Verdict, beside, held_against


@pytest.mark.parametrize(
    ("text", "value", "like", "difference"),
    [
        ("2.83M", 2.8349, "2.83M", "="),
        ("0.886", 0.8363, "0.836", "-0.050 (-5.6%)"),
        ("-13%", -12.68, "-13%", "="),
        ("-13%", -14.6, "-15%", "-1.6"),
        ("62.3M", 61.895, "61.9M", "-0.4 (-0.7%)"),
        ("102", 51.0, "51", "-51.0 (-50.0%)"),
    ],
)
def test_values_take_the_printed_digits(text: str, value: float, like: str, difference: str) -> None:
    printed = Printed.read(text)
    assert (printed.like(value), printed.difference(value)) == (like, difference)


def test_no_figure() -> None:
    with pytest.raises(ValueError, match="'-' is no figure"):
        Printed.read("-")


def test_verdicts() -> None:
    assert held_against("B", "1.017", 1.0168).verdict is Verdict.MATCH
    assert held_against("B", "0.886", 0.8363, known="0.836").verdict is Verdict.KNOWN
    # What is known to differ must differ as it is known to.
    assert held_against("B", "0.886", 0.8412, known="0.836").verdict is Verdict.DEVIATES
    assert not beside("AP", "26.4", 26.4).counted
