"""Changes of the command line to a cfg."""

from __future__ import annotations

from pathlib import Path

import pytest

from csptrain import graph
from csptrain.cfg import edit, text
from csptrain.cfg.text import Section
from csptrain.errors import CfgError

NET = """[net]
width=416
height=416
burn_in=1000
max_batches=10000
steps=-1,8000,9000
scales=1,.1,.1
step=500
sgdr_cycle=2000
"""
HEADS = """[convolutional]
filters=255
[yolo]
mask=3,4,5
num=6
classes=80
counters_per_class=1,2
[conv]
filters=425
[region]
num=5
classes=80
"""


def parse(content: str) -> tuple[Section, ...]:
    return text.parse(content, "x.cfg")


def value(section: Section, key: str) -> str | None:
    option = section.get(key)
    return None if option is None else option.value


def test_setting_keeps_lines_and_adds_what_is_missing() -> None:
    (net,) = parse("[net]\nwidth=4\nheight=5\n")
    changed = edit.with_option(edit.with_option(net, "width", 8), "channels", 3)
    assert [(option.key, option.value, option.line) for option in changed.options] == [
        ("width", "8", 2), ("height", "5", 3), ("channels", "3", 1),
    ]  # fmt: skip
    assert [option.key for option in edit.without_option(changed, "height").options] == ["width", "channels"]
    assert net.options[0].value == "4"


@pytest.mark.parametrize(("given", "size"), [("416", (416, 416)), ("512x288", (512, 288)), ("32X64", (32, 64))])
def test_sizes(given: str, size: tuple[int, int]) -> None:
    assert edit.parse_size(given) == size


@pytest.mark.parametrize("given", ["0", "32x0", "-3", "3x", "x3", "a", "", "123456", "3.5"])
def test_no_sizes(given: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        edit.parse_size(given)


def test_the_size_is_set_and_said() -> None:
    sections, said = edit.set_size(parse(NET), 512, 288)
    assert (value(sections[0], "width"), value(sections[0], "height"), said) == ("512", "288", ["width=512 height=288"])


def test_iterations_move_the_whole_schedule() -> None:
    sections, said = edit.set_iterations(parse(NET), 500)
    net = sections[0]
    assert [value(net, key) for key in ("max_batches", "steps", "step", "sgdr_cycle", "burn_in")] == [
        "500", "-1,400,450", "25", "100", "50",
    ]  # fmt: skip
    assert said == ["max_batches=500", "burn_in=50", "steps=-1,400,450", "step=25", "sgdr_cycle=100"]
    longer = edit.set_iterations(parse(NET), 20000)[0][0]
    assert (value(longer, "burn_in"), value(longer, "steps")) == ("1000", "-1,16000,18000")
    shortest = edit.set_iterations(parse(NET), 1)[0][0]
    assert (value(shortest, "burn_in"), value(shortest, "steps")) == ("1", "-1,1,1")


def test_iterations_need_something_to_rescale() -> None:
    with pytest.raises(CfgError, match="has no max_batches= to rescale"):
        edit.set_iterations(parse("[net]\n"), 5)
    with pytest.raises(CfgError, match=r"x\.cfg:3: steps=1,x"):
        edit.set_iterations(parse("[net]\nmax_batches=9\nsteps=1,x\n"), 5)


def test_classes_move_the_filters_before_every_head() -> None:
    sections, said = edit.set_classes(parse(NET + HEADS), 3)
    assert [value(sections[index], key) for index, key in ((1, "filters"), (2, "classes"), (3, "filters"))] == [
        "24", "3", "40",
    ]  # fmt: skip
    assert value(sections[2], "counters_per_class") is None
    assert said == ["layer 1 [yolo] classes=3, layer 0 filters=24", "layer 3 [region] classes=3, layer 2 filters=40"]
    assert edit.class_counts(sections) == {3}
    assert edit.set_classes(sections, 3) == (sections, [])


def test_classes_without_a_convolution_before() -> None:
    with pytest.raises(CfgError, match=r"x\.cfg:4: no \[convolutional\] before \[yolo\]"):
        edit.set_classes(parse("[net]\n[route]\nlayers=0\n[yolo]\n"), 3)


CLASSIFIER = """[net]
width=224
height=224
min_crop=128
max_crop=448
[convolutional]
filters=640
[avgpool]
{classes}
[dropout]
[softmax]
[cost]
"""


@pytest.mark.parametrize(
    ("classes", "key", "said"),
    [
        ("[conv]\nfilters=1000", "filters", "layer 2 [conv] filters=3"),
        ("[connected]\noutput=1000", "output", "layer 2 [connected] output=3"),
        ("[connected]", "output", "layer 2 [connected] output=3"),
    ],
)
def test_classes_of_a_classifier(classes: str, key: str, said: str) -> None:
    sections = parse(CLASSIFIER.format(classes=classes))
    changed, told = edit.set_classes(sections, 3)
    assert (value(changed[3], key), told) == ("3", [said])
    assert (*changed[:3], *changed[4:]) == (*sections[:3], *sections[4:])
    assert edit.set_classes(changed, 3) == (changed, [])


def test_classes_of_every_classifier_that_is_shipped() -> None:
    changed = 0
    for path in sorted((Path(__file__).parents[2] / "cfg").glob("*.cfg")):
        sections = text.read(path)
        if not any(section.kind in edit.BOX_ENTRIES for section in sections):
            plan = graph.plan(edit.set_classes(sections, 7)[0])
            assert plan.nodes[-1].output.outputs == 7, path.name
            changed += 1
    assert changed > 1


def test_classes_of_what_is_no_classifier() -> None:
    sections = parse("[net]\n[convolutional]\nfilters=9\n[avgpool]\n")
    assert edit.set_classes(sections, 3) == (sections, [])
    with pytest.raises(CfgError, match=r"x\.cfg:3: \[route\] stands between the classes and their layer"):
        edit.set_classes(parse("[net]\n[convolutional]\n[route]\nlayers=0\n[softmax]\n"), 3)
    with pytest.raises(CfgError, match=r"no \[convolutional\] or \[connected\] gives the classes"):
        edit.set_classes(parse("[net]\n[avgpool]\n[softmax]\n"), 3)


def test_crops_keep_their_proportion_to_the_size() -> None:
    sections, said = edit.set_size(parse(CLASSIFIER.format(classes="")), 64, 64)
    assert [value(sections[0], key) for key in ("width", "min_crop", "max_crop")] == ["64", "37", "128"]
    assert said == ["width=64 height=64", "min_crop=37", "max_crop=128"]
    assert edit.set_size(sections, 64, 64)[1] == ["width=64 height=64"]


def test_options_are_set_in_every_section_of_a_kind() -> None:
    sections, said = edit.set_options(text.parse(HEADS), ("yolo",), {"random": "0", "num": "9"})
    assert [section.get("num").value for section in sections if section.kind == "yolo" if section.get("num")] == ["9"]
    assert all(section.get("random") is None for section in sections if section.kind != "yolo")
    assert said == ["[yolo] random=0", "[yolo] num=9"]
    assert edit.set_options(sections, ("yolo",), {}) == (sections, [])
