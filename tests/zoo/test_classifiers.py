"""The classifiers: each learns in every layer, and those that are public have the public layers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from csptrain import graph
from csptrain.cfg import edit, text
from csptrain.cfg.text import Reading
from csptrain.formats.opencv_export import export_opencv
from csptrain.graph import Graph, Node, plan
from csptrain.layers.convolutional import Convolutional
from csptrain.network import Network
from csptrain.train.step import Trainer
from csptrain.zoo.classifiers import CLASSIFIERS
from csptrain.zoo.figures import Figures

SIDE, CLASSES, BATCH = 64, 10, 2
#: Weights from which on a network is run with a quarter of its channels, which leaves every layer in its place.
WIDE = 15_000_000

#: Name in the zoo -> public file, and whether its settings are those of ours.
PUBLIC = {
    "darknet19": ("darknet19.cfg", False),
    "darknet53": ("darknet53.cfg", True),
    "densenet201": ("densenet201.cfg", False),
    "efficientnet-b0": ("efficientnet_b0.cfg", True),
    "resnet50": ("resnet50.cfg", False),
    "resnet101": ("resnet101.cfg", True),
    "resnet152": ("resnet152.cfg", False),
}


def small(name: str) -> Graph:
    """A classifier for few classes and small images, a wide one with a quarter of its channels; a batch of two."""
    sections = text.parse(CLASSIFIERS[name].text(name, SIDE, SIDE, CLASSES))
    sections, _ = edit.set_options(sections, ("net",), {"batch": str(BATCH), "subdivisions": "1", "burn_in": "0"})
    planned = plan(sections)
    return plan(narrowed(sections)) if Figures.of(planned).parameters > WIDE else planned


def narrowed(sections: edit.Sections) -> edit.Sections:
    """A quarter of the filters of every convolution but the classes."""
    result = []
    for section in sections:
        filters = section.get("filters")
        if filters and filters.value != str(CLASSES):
            section = edit.with_option(section, "filters", int(filters.value) // 4)
        result.append(section)
    return tuple(result)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_layer_learns_from_one_step_and_opencv_computes_the_same(name: str, tmp_path: Path) -> None:
    network = Network(small(name), seed=1)
    images = torch.randint(0, 256, (BATCH, SIDE, SIDE, 3), dtype=torch.uint8)
    result = Trainer(network, torch.device("cpu")).step(1, images, torch.eye(CLASSES)[:BATCH])
    assert 0 < result.loss < 20
    still = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert still == []

    # Rolling statistics of two images would leave half of the deep maps far out of their range.
    with torch.no_grad():
        network.train()(torch.rand(16, 3, SIDE, SIDE))
    report = export_opencv(network, tmp_path, name)
    assert {head.layer for head in report.heads} == set(network.graph.heads)


@pytest.mark.parametrize("name", PUBLIC)
def test_layers_are_those_of_the_public_network(repository: Path, shared: Path, name: str) -> None:
    file, same_settings = PUBLIC[name]
    reading = Reading(lenient=True)
    public = graph.plan(text.read(shared / "reference" / "cfg" / file, reading), reading)
    ours = graph.load(repository / "cfg" / f"{name}.cfg")
    theirs = [described(node) for node in public.nodes if node.layer.kind != "cost"]
    assert [described(node) for node in ours.nodes] == theirs
    if same_settings:
        without = ("section", "batch", "subdivisions")
        assert options(ours.net, *without) == options(public.net, *without)


def described(node: Node) -> dict[str, Any]:
    """A layer's options, its references resolved; pad says nothing where a filter covers one pixel."""
    layer = node.layer
    without = ["section", "layers", "from_"]
    without += ["pad"] if isinstance(layer, Convolutional) and layer.size == 1 else []
    return options(layer, *without) | {"kind": layer.kind, "sources": node.sources, "shape": node.output}


def options(spec: Any, *without: str) -> dict[str, Any]:
    names = (field.name for field in dataclasses.fields(spec))
    return {name: getattr(spec, name) for name in names if name not in without}


def test_an_activation_or_a_squeeze_changes_no_cost_worth_printing(repository: Path) -> None:
    def figures(name: str) -> Figures:
        return Figures.of(graph.load(repository / "cfg" / f"{name}.cfg"))

    for plain in ("peleenet", "csppeleenet"):
        assert figures(f"{plain}-swish") == figures(plain)
        squeezed = figures(f"se{plain}-swish")
        assert 0 < squeezed.operations / figures(plain).operations - 1 < 1e-4
        assert 0 < squeezed.parameters - figures(plain).parameters < 30_000


def test_crops_keep_their_proportion_to_the_input() -> None:
    net = plan(text.parse(CLASSIFIERS["csppeleenet"].text("small", 112, 112))).net
    assert (net.width, net.height, net.min_crop, net.max_crop) == (112, 112, 64, 224)
