"""Our own recipes of public networks: layer by layer what Darknet prints and reads of the public files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from csptrain import graph
from csptrain.cfg import text
from csptrain.cfg.text import Reading
from csptrain.graph import Graph
from csptrain.layers.base import Layer
from csptrain.net import Net
from csptrain.network import Network
from csptrain.zoo.public import PUBLIC

#: Our names of public files that are called otherwise.
FILES = {"csdarknet53-panet-spp": "cd53paspp-gamma"}
#: Kinds that Darknet prints under other names.
KINDS = {"detection": "region", "reorg_old": "reorg"}


def file_of(name: str) -> str:
    return f"{FILES.get(name, name)}.cfg"


@pytest.mark.parametrize("name", PUBLIC)
def test_layers_are_those_of_darknets_table(repository: Path, shared: Path, name: str) -> None:
    table = json.loads((shared / "reference" / "darknet-layer-tables.json").read_text())[file_of(name)]
    planned = graph.load(repository / "cfg" / f"{name}.cfg")
    assert len(planned.nodes) == len(table["layers"])
    for node, (_, kind, shape, bflops) in zip(planned.nodes, table["layers"], strict=True):
        assert node.layer.kind.startswith(KINDS.get(kind, kind.lower()))
        assert shape in (None, [node.output.w, node.output.h, node.output.c])
        if bflops is not None:
            assert abs((node.cost.darknet or 0) / 1e9 - bflops) < 0.00051
    total = sum(node.cost.darknet or 0 for node in planned.nodes) / 1e9
    assert abs(total - table["total_bflops"]) < 0.00051
    assert sum(node.cost.operations for node in planned.nodes) == table["operations"]


@pytest.mark.parametrize("name", PUBLIC)
def test_layers_and_settings_are_those_of_the_public_network(repository: Path, shared: Path, name: str) -> None:
    """Every option in force, every reference, the order of what is joined: what a weights file rests on."""
    public = public_graph(shared, name)
    ours = graph.load(repository / "cfg" / f"{name}.cfg")
    assert [described(node, name) for node in public.nodes] == [described(node, name) for node in ours.nodes]
    assert settings(public) == settings(ours)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_weights_file_of_the_public_network_fits(repository: Path, shared: Path, name: str) -> None:
    """The same tensors in the same order, so that the same floats go to the same place."""
    public = Network(public_graph(shared, name), shapes_only=True)
    ours = Network(graph.load(repository / "cfg" / f"{name}.cfg"), shapes_only=True)
    assert laid_out(public) == laid_out(ours)


def public_graph(shared: Path, name: str) -> Graph:
    return graph.plan(
        text.read(shared / "reference" / "cfg" / file_of(name), Reading(lenient=True)), Reading(lenient=True)
    )


def laid_out(network: Network) -> list[tuple[str, tuple[int, ...]]]:
    return [(item.name, tuple(item.tensor.shape)) for layer in network.stored() for item in layer]


def described(node: graph.Node, name: str) -> dict[str, Any]:
    """A layer's typed options, its references resolved."""
    # YOLOv4x's public file is for fine-tuning; its note says so.
    without = ("stopbackward",) if name == "yolov4x-mish" else ()
    return options(node.layer, "layers", "from_", *without) | {"kind": node.layer.kind, "sources": node.sources}


def settings(planned: Graph) -> dict[str, Any]:
    """The options of [net]; batch is 1 in public files that are set for testing."""
    return options(planned.net, "batch", "subdivisions")


def options(spec: Layer | Net, *without: str) -> dict[str, Any]:
    fields = (field.name for field in dataclasses.fields(spec))
    return {name: getattr(spec, name) for name in fields if name not in (*without, "section")}
