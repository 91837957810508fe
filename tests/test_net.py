"""[net]: Darknet's defaults, sizes of a batch, and what is refused."""

from __future__ import annotations

import re

import pytest

from csptrain import graph
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


@pytest.mark.parametrize(
    ("lines", "mix"),
    [
        ("", 0),
        ("mixup=1\n", 1),
        ("mixup=3\n", 3),
        ("cutmix=1\n", 2),
        ("mosaic=1\n", 3),
        ("mosaic=1\nmixup=1\n", 3),
        ("mosaic=1\ncutmix=1\nmixup=1\n", 4),
        ("cutmix=1\nmixup=3\n", 2),
    ],
)
def test_what_several_images_become_is_one_number(lines: str, mix: int) -> None:
    assert read(SIZE + lines).mix == mix


@pytest.mark.parametrize("line", ["cutmix=1", "mixup=2", "mixup=4"])
def test_cutmix_is_refused_for_boxes(line: str) -> None:
    with pytest.raises(CfgError, match=rf"x\.cfg:5: {line} of \[net\]: cutmix cuts objects apart.*mosaic=1"):
        read(f"{SIZE}{line}\n").refuse_cutmix()
    read(SIZE + "mixup=1\nmosaic=1\n").refuse_cutmix()


@pytest.mark.parametrize(("line", "legal"), [("mixup=5", "0..4"), ("blur=-1", "0.."), ("gaussian_noise=128", "0..127")])
def test_ranges_of_augmentation(line: str, legal: str) -> None:
    with pytest.raises(CfgError, match=rf"x\.cfg:5: {line} in \[net\] \(legal: {re.escape(legal)}"):
        read(f"{SIZE}{line}\n")
    assert read(f"{SIZE}{line}\n", lenient=True)


@pytest.mark.parametrize("key", sorted(NOT_TRAINED))
def test_training_that_is_not_computed_is_refused_there_and_said_before(key: str) -> None:
    read(f"{SIZE}{key}=0\n").refuse_training()
    reading = Reading()
    (section,) = text.parse(f"[net]\n{SIZE}{key}=1\n", "x.cfg")
    net = Net.read(section, reading)
    assert [finding.line for finding in reading.findings] == [5]
    with pytest.raises(CfgError, match=rf"x\.cfg:5: {key}=1 of \[net\] is not supported in training \(there "):
        net.refuse_training()


def test_the_crops_of_a_classifier() -> None:
    assert read(SIZE).crops == (32, 64), "the width and twice the width"
    assert read(SIZE + "min_crop=20\nmax_crop=40\n").crops == (20, 40)
    assert read(SIZE + "max_crop=20\n").crops == (20, 32), "swapped where they are swapped"
    read(SIZE).check_crops()
    for line in ("min_crop=0", "max_crop=99999", "aspect=0", "label_smooth_eps=1"):
        with pytest.raises(CfgError, match=rf"x\.cfg:5: {line} in \[net\]"):
            read(f"{SIZE}{line}\n").check_crops()


def test_what_acts_for_the_other_kind_of_network_is_said() -> None:
    both = SIZE + "angle=7\nmin_crop=20\naspect=.75\nletter_box=1\nmosaic_bound=0\n"
    softmax, yolo = "[convolutional]\nfilters=8\n[softmax]\n", "[convolutional]\nfilters=8\n[yolo]\nclasses=3\n"
    for layers, expected, kind in (
        (softmax, ["letter_box"], "detectors"),
        (yolo + "mask=0\nanchors=1,1\n", ["angle", "aspect", "min_crop"], "classifiers"),
    ):
        findings = graph.plan(text.parse(f"[net]\n{both}{layers}")).findings
        assert [finding.message.split("=")[0] for finding in findings] == expected
        assert all(finding.hint == f"it acts in the training of {kind} only" for finding in findings)
    assert graph.plan(text.parse(f"[net]\n{SIZE}angle=0\n{yolo}mask=0\nanchors=1,1\n")).findings == ()


@pytest.mark.parametrize(
    ("line", "legal"),
    [
        ("ema_alpha=1", "from 0 to below 1"),
        ("B1=-.1", "from 0 to below 1"),
        ("B2=1", "from 0 to below 1"),
        ("eps=-1", "0 or more"),
        ("adversarial_lr=-1", "0 or more"),
    ],
)
def test_what_no_optimizer_can_take(line: str, legal: str) -> None:
    key = line.partition("=")[0]
    with pytest.raises(CfgError, match=rf"x\.cfg:5: {key}=.* in \[net\] \(legal: {legal}\)"):
        read(f"{SIZE}{line}\n")
    net = read(f"{SIZE}{line}\n", lenient=True)
    with pytest.raises(CfgError, match=rf"x\.cfg:5: {key}="):
        net.refuse_training()


def test_the_moments_belong_to_adam() -> None:
    for lines, expected in (("B1=.8\n", ["B1= has no effect here"]), ("B1=.8\nadam=1\n", []), ("B1=.9\n", [])):
        reading = Reading()
        (section,) = text.parse(f"[net]\n{SIZE}{lines}", "x.cfg")
        Net.read(section, reading)
        assert [finding.message for finding in reading.findings] == expected
