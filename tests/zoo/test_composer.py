"""Networks composed of a backbone, its form and a head: what goes together, what does not, and why."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from csptrain.cfg import text
from csptrain.errors import CfgError
from csptrain.graph import Graph, plan
from csptrain.zoo.backbone import FUSIONS, Partial, Style
from csptrain.zoo.backbones import ALIASES, BACKBONES
from csptrain.zoo.composer import Choice, command, compose
from csptrain.zoo.figures import Figures
from csptrain.zoo.heads import HEADS
from csptrain.zoo.training import imagenet
from csptrain.zoo.writer import CfgWriter

# Without the one of a thousand layers, which takes seconds to plan.
PARTIAL = [name for name, own in BACKBONES.items() if own.partial and name != "cspdensenet201-elastic"]


def planned(choice: Choice) -> Graph:
    name, content = compose(choice)
    found = plan(text.parse(content, name))
    assert found.findings == ()
    assert all(line == line.rstrip() for line in content.splitlines())
    return found


@pytest.mark.parametrize("name", BACKBONES)
def test_taps_are_where_the_writer_says(name: str) -> None:
    cfg, backbone = CfgWriter(), BACKBONES[name]
    taps = backbone.write(cfg, Style(boxes=True))
    nodes = plan(text.parse(cfg.text(imagenet(1).net(256, 256), []))).nodes
    assert [cfg.stride(tap) for tap in taps] == [8, 16, 32]
    for tap in taps:
        output = nodes[tap].output
        assert (output.w * cfg.stride(tap), output.c) == (256, cfg.channels(tap))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_a_classifier_and_carries_boxes(name: str) -> None:
    classifier = planned(Choice(name, classes=7))
    assert classifier.nodes[classifier.heads[0]].output.c == 7
    detector = planned(Choice(name, "efm", attention="sam", classes=3, size=(256, 128)))
    assert [detector.nodes[head].output.c for head in detector.heads] == [24, 24, 24]
    assert [detector.nodes[head].output.w for head in detector.heads] == [8, 16, 32]


@pytest.mark.parametrize("head", HEADS)
def test_every_head_stands_on_a_backbone_and_takes_attention(head: str) -> None:
    plain = planned(Choice("csppeleenet", head))
    attended = planned(Choice("csppeleenet", head, attention="sam"))
    assert len(plain.heads) == len(HEADS[head].strides)
    assert sum(node.layer.kind == "sam" for node in attended.nodes) == len(HEADS[head].strides)


@pytest.mark.parametrize("name", PARTIAL)
def test_what_goes_around_costs_less(name: str) -> None:
    fusions = BACKBONES[name].fusions
    for fusion in fusions:
        costs = [Figures.of(planned(Choice(name, gamma=gamma, fusion=fusion))) for gamma in (0.75, 0.5, 0.25)]
        assert costs[0].operations < costs[1].operations < costs[2].operations
        assert costs[0].parameters < costs[1].parameters < costs[2].parameters
    if "first" in fusions:
        both, last, first = (planned(Choice(name, gamma=0.5, fusion=fusion)) for fusion in ("both", "last", "first"))
        assert len(last.nodes) != len(both.nodes) != len(first.nodes)


@pytest.mark.parametrize("name", ["csppeleenet", "csppeleenet-ref", "cspdarknet53", "cspresnet50", "cspresnext50"])
def test_channels_are_split_as_they_are(name: str) -> None:
    """The text of the paper: x0 = [x0', x0'']; no convolution makes the parts."""
    for gamma, fusion in itertools.product((0.25, 0.5), ("both",) if name == "cspresnext50" else FUSIONS):
        if fusion in BACKBONES[name].fusions:
            nodes = planned(Choice(name, gamma=gamma, fusion=fusion, split="route")).nodes
            groups = {getattr(node.layer, "groups", 1) for node in nodes if node.layer.kind == "route"}
            assert groups == {1, round(1 / gamma)}


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (Choice("csppeleenet"), "csppeleenet"),
        (Choice("csppeleenet", gamma=0.75, fusion="last"), "csppeleenet-last-75"),
        (Choice("csppeleenet", squeeze=True, activation="swish"), "secsppeleenet-swish"),
        (Choice("csresnext50"), "csresnext50"),
        (Choice("efficientnet-b0"), "efficientnet-b0"),
        (Choice("csppeleenet", "efm", gamma=0.5, attention="sam"), "csppeleenet-efm-sam"),
        (Choice("csppeleenet", "efm", loss="giou"), "csppeleenet-efm-giou"),
        (Choice("cspdensenet-ref", "efm", attention="sam", size=(320, 320)), "cspdensenet-ref-efm-sam"),
    ],
)
def test_the_papers_networks_are_compositions(repository: Path, choice: Choice, name: str) -> None:
    ours, shipped = text.parse(compose(choice)[1]), text.read(repository / "cfg" / f"{name}.cfg")
    assert [said(section) for section in ours] == [said(section) for section in shipped]


def said(section: text.Section) -> tuple[str, list[tuple[str, str]]]:
    return section.kind, [(option.key, option.value) for option in section.options]


def test_other_names_and_the_activation() -> None:
    for alias, name in ALIASES.items():
        assert said(text.parse(compose(Choice(alias))[1])[-2]) == said(text.parse(compose(Choice(name))[1])[-2])
    kinds = {
        getattr(node.layer, "activation", "linear") for node in planned(Choice("resnet50", activation="mish")).nodes
    }
    assert kinds == {"linear", "mish"}


@pytest.mark.parametrize(
    ("choice", "message", "hint"),
    [
        (Choice("csppelenet"), "there is no backbone csppelenet", "did you mean csppeleenet? legal: peleenet, "),
        (Choice("csppeleenet", "emf"), "there is no head emf", "legal: classifier, "),
        (Choice("csppeleenet", activation="mishh"), "there is no activation mishh", "legal: leaky, relu, "),
        (Choice("csppeleenet", "efm", attention="spp"), "there is no attention spp", "legal: none, sam"),
        (Choice("csppeleenet", "efm", loss="iou"), "there is no loss iou", "legal: mse, giou"),
        (Choice("csppeleenet", fusion="middle"), "there is no fusion middle", "legal: both, last, first"),
        (Choice("csppeleenet", gamma=1.0), "gamma=1", "legal: between 0 and 1"),
        (Choice("csppeleenet", gamma=0.3), "gamma=0.3 does not split 128 channels into whole ones", ""),
        (Choice("resnet50", gamma=0.5), "resnet50 has no cross-stage partial form", "those that have: csppeleenet, "),
        (Choice("csppeleenet-ref", fusion="first"), "csppeleenet-ref has no fusion first", "it has: both, last"),
        (Choice("resnet50", squeeze=True), "squeeze-and-excitation has no place in resnet50", "peleenet, csppeleenet"),
        (Choice("csppeleenet", attention="sam"), "attention sam belongs to heads for boxes", "add --head"),
        (Choice("csppeleenet", "efm", size=(400, 416)), "efm joins maps of strides up to 32", "multiples of 32"),
        (Choice("cspresnet50-elastic", size=(224, 224)), "works on maps of half the size too", "multiples of 64"),
        (Choice("csppeleenet", classes=0), "classes=0 must be 1 or more", ""),
        (Choice("cspresnext50", gamma=0.75, fusion="last", split="route"), "112 input channels", ""),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(choice: Choice, message: str, hint: str) -> None:
    with pytest.raises(CfgError) as caught:
        compose(choice)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_the_command_tells_all_that_was_chosen() -> None:
    choice = Choice("csppeleenet", "efm", 0.25, "last", "route", True, "mish", "sam", "giou", (512, 288), 3)
    assert command(choice) == (
        "csptrain cfg new --backbone csppeleenet --head efm --gamma 0.25 --fusion last --split route --se "
        "--activation mish --attention sam --loss giou --size 512x288 --classes 3"
    )
    assert command(Choice("resnet50", size=(224, 224))) == "csptrain cfg new --backbone resnet50 --size 224"


def test_a_partial_form_is_checked_where_it_is_made() -> None:
    assert Partial(0.25).widths(128) == (32, 96)
    with pytest.raises(CfgError, match="fusion=none"):
        Partial(fusion="none")
    with pytest.raises(CfgError, match="gamma=0"):
        Partial(0.0)
