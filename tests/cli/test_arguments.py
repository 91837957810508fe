"""Darknet's flags in all spellings and places, and what a wrong one says."""

from __future__ import annotations

import pytest

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments, UsageError


@pytest.fixture
def arguments() -> Arguments:
    built = Arguments("detector map", "Measure.")
    built.positional("files", "data, cfg, weights", many=True)
    built.option("thresh", float, 0.25, "least score")
    built.option("iou_thresh", float, 0.5, "overlap that counts")
    built.option("c", int, 0, "camera")
    built.option("backend", str, "torch", "what computes", choices=("torch", "opencv"))
    built.option("size", parse_size, None, "input size")
    built.flag("dont_show", "open no window")
    built.flag("map", "measure while training")
    return built


@pytest.mark.parametrize("spelling", ["-dont_show", "--dont_show", "--dont-show"])
def test_a_flag_has_three_spellings(arguments: Arguments, spelling: str) -> None:
    assert arguments.parse([spelling]).dont_show is True
    assert arguments.parse([]).dont_show is False


@pytest.mark.parametrize("spelling", ["-iou_thresh", "--iou_thresh", "--iou-thresh"])
@pytest.mark.parametrize("joined", [True, False])
def test_an_option_takes_its_value_after_a_space_or_equals(arguments: Arguments, spelling: str, joined: bool) -> None:
    words = [f"{spelling}=.75"] if joined else [spelling, ".75"]
    assert arguments.parse(words).iou_thresh == 0.75


def test_flags_stand_anywhere_among_the_words(arguments: Arguments) -> None:
    parsed = arguments.parse("-map a.data -thresh .1 a.cfg -dont_show a.weights -c 3".split())
    assert parsed.files == ["a.data", "a.cfg", "a.weights"]
    assert (parsed.thresh, parsed.c, parsed.map, parsed.dont_show) == (0.1, 3, True, True)


def test_negative_numbers_and_a_lone_dash_are_words(arguments: Arguments) -> None:
    parsed = arguments.parse(["-thresh", "-1", "-", "-.5"])
    assert parsed.thresh == -1
    assert parsed.files == ["-", "-.5"]


def test_two_dashes_end_the_flags(arguments: Arguments) -> None:
    assert arguments.parse(["-map", "--", "-odd.cfg", "-map"]).files == ["-odd.cfg", "-map"]


def test_optional_and_needed_words() -> None:
    arguments = Arguments("cfg info", "Print.")
    arguments.positional("cfg")
    arguments.positional("weights", optional=True)
    assert arguments.parse(["a.cfg"]).weights is None
    assert arguments.parse(["a.cfg", "a.weights"]).weights == "a.weights"
    with pytest.raises(UsageError, match="cfg"):
        arguments.parse([])
    with pytest.raises(UsageError, match="b.weights"):
        arguments.parse(["a.cfg", "a.weights", "b.weights"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-dont_shwo"], r"unknown flag '-dont_shwo' \(did you mean -dont_show\?\)"),
        (["--iou-tresh=1"], r"unknown flag '--iou-tresh' \(did you mean --iou-thresh\?\)"),
        (["-clera"], r"unknown flag '-clera' \("),
        (["-zzzzzz"], r"unknown flag '-zzzzzz' \(see csptrain detector map --help\)"),
        (["-thresh"], "-thresh needs a value, found nothing"),
        (["-thresh", "-map"], "-thresh needs a value, found the flag -map"),
        (["-thresh", "high"], "--thresh: high is no number"),
        (["-backend", "tpu"], "--backend: tpu is none of torch, opencv"),
        (["-map=1"], "-map takes no value"),
        (["-c", "1.5"], "-c: 1.5 is no integer"),
        (["-size", "wide"], "--size: wide is no size, write 416 or 512x288"),
        (["-thres", ".3"], r"unknown flag '-thres' \(did you mean -thresh\?\)"),
    ],
)
def test_what_a_wrong_flag_says(arguments: Arguments, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        arguments.parse(words)


@pytest.mark.parametrize("spelling", ["-h", "-help", "--help"])
def test_help_shows_darknets_spelling_first(
    arguments: Arguments, spelling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        arguments.parse(["-map", spelling])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "-dont_show, --dont-show" in out
    assert "-iou_thresh, --iou-thresh N" in out


def test_declaring_a_flag_twice_is_our_mistake(arguments: Arguments) -> None:
    with pytest.raises(AssertionError, match="declared twice"):
        arguments.flag("map", "again")
