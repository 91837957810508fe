"""Every verb of Darknet is either a command or answered in one line."""

from __future__ import annotations

import re

import pytest

from csptrain.cli import main as front
from csptrain.cli.elsewhere import ELSEWHERE

TOP = (
    "detect classify partial average reset rescale ops speed oneoff normalize denormalize statistics rgbgr visualize "
    "imtest test nightmare rnn writing yolo coco cifar captcha tag go art dice voxel vid super compare 3d version help "
    "cfglayers"
).split()
DETECTOR = "train test valid recall map calc_anchors demo draw".split()
CLASSIFIER = "train valid valid10 validcrop validfull validmulti predict try test label demo gun threat".split()
VERBS = [*TOP, *(f"detector {word}" for word in DETECTOR), *(f"classifier {word}" for word in CLASSIFIER)]


def commands() -> set[str]:
    pairs = {f"{first} {second}" for first, words in front.VERBS.items() for second in words}
    return pairs | set(front.WORDS) | {"version", "help"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_darknet_is_a_command_or_has_an_answer(verb: str) -> None:
    assert (verb in commands()) != (verb in ELSEWHERE)


@pytest.mark.parametrize("verb", ELSEWHERE)
def test_an_answer_is_one_line_and_code_2(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main([*verb.split(), "x.data", "x.cfg", "-thresh", ".2"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"csptrain: error: Darknet's '{verb}' (is|is a part of|is not supported)\b[^\n]+\n", err)


@pytest.mark.parametrize("verb", ELSEWHERE)
def test_an_answer_names_commands_that_exist(verb: str) -> None:
    known = commands() | set(front.VERBS)
    named = re.findall(r"`csptrain ([^`]+)`", ELSEWHERE[verb])
    for command in named:
        words = command.split()
        assert " ".join(words[:2]) in known or words[0] in known
    assert named or "not supported" in ELSEWHERE[verb]
    assert verb not in commands()


def test_words_of_one_verb_and_of_two_do_not_meet() -> None:
    assert set(front.VERBS) & set(front.WORDS) == set()


@pytest.mark.parametrize("verb", front.WORDS)
def test_verbs_of_one_word_have_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main([verb, "--help"]) == 0
    assert f"usage: csptrain {verb}" in capsys.readouterr().out
    assert front.main(["help", verb]) == 0
    capsys.readouterr()
    assert front.main([verb]) == 2


@pytest.mark.parametrize(("typed", "meant"), [("avrage", "average"), ("denormalise", "denormalize")])
def test_a_slip_in_a_verb_of_one_word_is_told(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main([typed]) == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err
