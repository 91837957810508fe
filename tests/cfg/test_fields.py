"""Typed options: values, Darknet's reading of malformed ones, unknown and refused keys."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as some

from csptrain.cfg import fields, text
from csptrain.cfg.fields import Malformed, integer, integers, number, numbers, opt, read_options, word
from csptrain.cfg.text import Reading
from csptrain.errors import CfgError


@dataclass(frozen=True)
class Options:
    """Some options."""

    filters: int = opt(1, integer)
    from_: tuple[int, ...] = opt((), integers, key="from")
    scale: float = opt(1.0, number)
    activation: str = opt("linear", word("relu", "linear", "leaky", "relu"))


def read(lines: str, lenient: bool = False) -> tuple[Options, Reading]:
    reading = Reading(lenient)
    (section,) = text.parse(f"[x]\n{lines}", "x.cfg", reading)
    values = read_options(Options, section, reading, inert={"stream": "GPU"}, refused={"xnor": "why", "share": ""})
    return Options(**values), reading


def message(lines: str) -> str:
    with pytest.raises(CfgError) as caught:
        read(lines)
    return str(caught.value)


def test_values_and_defaults() -> None:
    options, reading = read("filters=32\nfrom=-2,3\nscale=1e-3\nactivation=leaky\nxnor=0\nstream=0\n")
    assert options == Options(32, (-2, 3), 0.001, "leaky")
    assert read("")[0] == Options() and not reading.findings


@pytest.mark.parametrize(
    ("value", "expected"),
    [("12", 12), ("-3", -3), ("+4", 4), ("007", 7), ("2147483647", 2147483647)],
)
def test_integers(value: str, expected: int) -> None:
    assert integer(value) == expected


@pytest.mark.parametrize(
    ("reader", "value", "fallback"),
    [
        (integer, "1.9", 1), (integer, "3#x", 3), (integer, "", 0), (integer, "abc", 0), (integer, "2147483648", 0),
        (integer, "9" * 5000, 0), (number, "1.5x", 1.5), (number, ".", 0.0), (number, "nan", 0.0), (number, "inf", 0.0),
        (number, "1e999", 0.0), (integers, "1,,3", (1, 0, 3)), (integers, "", (0,)), (numbers, "1,x", (1.0, 0.0)),
    ],
)  # fmt: skip
def test_what_darknet_makes_of_malformed_values(reader: object, value: str, fallback: object) -> None:
    with pytest.raises(Malformed) as caught:
        reader(value)  # type: ignore[operator]
    assert caught.value.fallback == fallback


@given(some.text(max_size=30))
def test_no_text_breaks_a_reader(value: str) -> None:
    for reader in (integer, number, integers, numbers):
        try:
            result = reader(value)
        except Malformed as bad:
            result = bad.fallback
        assert all(math.isfinite(x) for x in (result if isinstance(result, tuple) else (result,)))


def test_a_misspelt_key_names_line_and_nearest() -> None:
    assert message("scale=2\nfiltres=3\n") == "x.cfg:3: unknown key filtres= in [x] (did you mean filters?)"
    assert message("qqq=3\n").startswith("x.cfg:2: unknown key qqq= in [x] (legal keys: activation, filters, from")


def test_malformed_values_name_line_and_legal_ones() -> None:
    assert message("filters=3.5\n") == "x.cfg:2: filters=3.5 in [x] (legal: an integer)"
    assert message("activation=laeky\n") == "x.cfg:2: activation=laeky in [x] (did you mean leaky?)"
    assert message("activation=qqq\n") == "x.cfg:2: activation=qqq in [x] (legal: one of linear, leaky, relu)"
    assert len(message("filters=" + "9" * 9999)) < 200


def test_lenient_reading_does_as_darknet_and_says_so() -> None:
    options, reading = read("filters=3.5\nactivation=qqq\nqqq=1\nscale=2\nscale=3\n", lenient=True)
    assert options == Options(filters=3, activation="relu", scale=2.0)
    assert [finding.line for finding in reading.findings] == [6, 2, 3, 4]


def test_keys_without_effect_are_said_once_they_are_set() -> None:
    _, reading = read("stream=1\n")
    assert [str(finding) for finding in reading.findings] == ["x.cfg:2: stream= has no effect here (GPU)"]


@pytest.mark.parametrize("lenient", [False, True])
def test_what_changes_numbers_and_is_not_computed_is_refused_either_way(lenient: bool) -> None:
    for off in ("0", "0.0", ""):
        read(f"share={off}\n", lenient)
    with pytest.raises(CfgError, match=r"x\.cfg:2: share=3 of \[x\] is not supported$"):
        read("share=3\n", lenient)
    with pytest.raises(CfgError, match=r"xnor=1 of \[x\] is not supported \(why\)"):
        read("xnor=1\n", lenient)


def test_nearest() -> None:
    assert fields.nearest("convolutionl", ["convolutional", "cost"]) == "did you mean convolutional?"
    assert fields.nearest("zzz", ["convolutional"]) is None
