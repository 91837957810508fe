"""[net]: Darknet's defaults, sizes of a batch, and what is refused."""

from __future__ import annotations

import pytest

from csptrain.cfg import text
from csptrain.cfg.text import Reading
from csptrain.errors import CfgError
from csptrain.net import NOT_TRAINED, Net

SIZE = "width=32\nheight=24\nchannels=3\n"


def read(lines: str, lenient: bool = False) -> Net:
    reading = Reading(lenient)
    (section,) = text.parse(f"[net]\n{lines}", "x.cfg", reading)
    return Net.read(section, reading)


def test_darknets_defaults() -> None:
    net = read(SIZE)
    assert (net.learning_rate, net.momentum, net.decay, net.power, net.policy) == (0.001, 0.9, 0.0001, 4.0, "constant")
    assert (net.batch, net.subdivisions, net.burn_in, net.max_batches) == (1, 1, 0, 0)
    assert (net.flip, net.hue, net.saturation, net.exposure) == (1, 0, 1, 1)
    assert (net.shape.c, net.shape.h, net.shape.w) == (3, 24, 32)


@pytest.mark.parametrize(
    ("batch", "subdivisions", "mini", "effective"), [(64, 8, 8, 64), (64, 12, 5, 60), (2, 4, 1, 4)]
)
def test_a_mini_batch_is_a_whole_division(batch: int, subdivisions: int, mini: int, effective: int) -> None:
    net = read(f"{SIZE}batch={batch}\nsubdivisions={subdivisions}\n")
    assert (net.mini_batch, net.effective_batch) == (mini, effective)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", r"x\.cfg:1: width=0 in \[net\]"),
        ("width=32\nheight=0\nchannels=3\n", r"x\.cfg:3: height=0 in \[net\] \(legal: 1\.\.65536"),
        ("width=99999\nheight=32\nchannels=3\n", r"x\.cfg:2: width=99999"),
        (SIZE + "batch=0\n", r"x\.cfg:5: batch=0 must be 1 or more"),
        (SIZE + "subdivisions=-2\n", "subdivisions=-2 must be 1 or more"),
        (SIZE + "steps=1,2\nscales=.1\npolicy=steps\n", r"x\.cfg:5: 2 steps but 1 scales"),
        (SIZE + "policy=stpes\n", r"policy=stpes in \[net\] \(did you mean steps\?\)"),
    ],
)
def test_mistakes(lines: str, words: str) -> None:
    with pytest.raises(CfgError, match=words):
        read(lines)


def test_an_unknown_policy_is_darknets_constant_when_lenient() -> None:
    assert read(SIZE + "policy=fancy\n", lenient=True).policy == "constant"


def test_a_cfg_begins_with_net() -> None:
    (section,) = text.parse("[convolutional]\n", "x.cfg")
    with pytest.raises(CfgError, match=r"x\.cfg:1: the first section is .* \(a cfg begins with \[net\]\)"):
        Net.read(section, Reading())


@pytest.mark.parametrize("key", sorted(NOT_TRAINED))
def test_training_that_is_not_computed_is_refused_there_and_said_before(key: str) -> None:
    read(f"{SIZE}{key}=0\n").refuse_training()
    reading = Reading()
    (section,) = text.parse(f"[net]\n{SIZE}{key}=1\n", "x.cfg")
    net = Net.read(section, reading)
    assert [finding.line for finding in reading.findings] == [5]
    with pytest.raises(CfgError, match=rf"x\.cfg:5: {key}=1 of \[net\] is not supported in training"):
        net.refuse_training()
