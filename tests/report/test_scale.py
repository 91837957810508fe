"""Scales of axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csptrain.report.scale import Scale

numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-3)


@given(numbers, st.floats(1e-3, 1e6))
def test_a_scale_holds_its_values_in_few_round_steps(low: float, span: float) -> None:
    scale = Scale.around(low, low + span)
    values = list(scale.values())
    slack = scale.step * 1e-6
    assert scale.low <= low + slack and scale.high >= low + span - slack
    assert 2 <= len(values) <= 9
    assert values[-1] == pytest.approx(scale.high, abs=slack)


def test_places() -> None:
    scale = Scale.around(0, 1.1962)
    assert (scale.low, scale.step) == (0, 0.2)
    assert scale.high == pytest.approx(1.2)
    assert scale.place(0.6) == pytest.approx(0.5)


def test_one_value_has_a_scale_too() -> None:
    assert Scale.around(0, 0).high > 0
