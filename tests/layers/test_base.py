"""What all layers share: references, windows, heads, and their own errors."""

from __future__ import annotations

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.layers.base import MAX_CHANNELS, Shape
from csptrain.layers.contents import BY_NAME, KINDS
from tests.plans import built, planned, random_images, shapes

CONV = "[convolutional]\nfilters=4\nactivation=linear\n"


def message(layers: str, image: tuple[int, int, int] = (3, 8, 8)) -> str:
    with pytest.raises(CfgError) as caught:
        planned(layers, image)
    return str(caught.value)


def test_the_table_of_contents_names_each_kind_once() -> None:
    names = [name for kind in KINDS for name in (kind.kind, *kind.aliases)]
    assert len(names) == len(set(names)) == len(BY_NAME)
    assert BY_NAME["conv"] is BY_NAME["convolutional"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_is_documented(kind: type) -> None:
    assert kind.__doc__ and kind.__module__.startswith("csptrain.layers.")


def test_references_count_back_or_from_the_start() -> None:
    graph = planned(f"{CONV}{CONV}[route]\nlayers=-1,0\n")
    assert graph.nodes[2].sources == (1, 0)
    assert graph.nodes[2].output == Shape(8, 8, 8)


@pytest.mark.parametrize("reference", ["1", "2", "-2", "99", "-99"])
def test_a_reference_out_of_range_names_line_and_range(reference: str) -> None:
    said = message(f"{CONV}[route]\nlayers={reference}\n")
    assert said.startswith("x.cfg:10: ") and f"layers={reference}" in said and "legal: -1..-1 or 0..0" in said


def test_nothing_can_be_referred_to_from_the_first_layer() -> None:
    assert "nothing before layer 0" in message("[route]\nlayers=-1\n")
    for kind in ("shortcut", "sam", "scale_channels"):
        assert "no layer before it" in message(f"[{kind}]\nfrom=0\n")
    assert "names no layer" in message(f"{CONV}[shortcut]\n")


def test_numbers_below_one_are_refused_at_their_line() -> None:
    assert message("[convolutional]\nsize=3\nstride=0\n").startswith("x.cfg:8: ")
    assert "must be 1 or more" in message("[maxpool]\nsize=0\nstride=1\n")


def test_a_window_larger_than_the_map() -> None:
    assert "a window of 9 does not fit a map of 8" in message("[convolutional]\nsize=9\n")


def test_what_cannot_be_a_network_is_no_allocation() -> None:
    assert "more than" in message(f"[convolutional]\nfilters={MAX_CHANNELS + 1}\n")
    assert "too large" in message("[upsample]\nstride=64\n" * 3, (3, 64, 64))


@pytest.mark.parametrize("name", ["empty", "silence"])
def test_empty_gives_its_input_on(name: str) -> None:
    network = built(f"{CONV}[{name}]\n")
    outputs = network.layer_outputs(random_images(network))
    assert torch.equal(outputs[0], outputs[1])


def test_options_of_gpu_memory_are_said_and_do_nothing() -> None:
    graph = planned(f"{CONV}onlyforward=1\nclip=0\n")
    (finding,) = graph.findings
    assert finding.line == 9 and "onlyforward= has no effect here" in finding.message


def test_aliases_are_the_same_layer() -> None:
    assert shapes("[conv]\nfilters=4\n[max]\nsize=2\nstride=2\n[avg]\n[conn]\noutput=3\n[soft]\n")[-1] == Shape(3, 1, 1)
