"""The plan: every edge and shape of a network, resolved once and then immutable."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

from csptrain.cfg import text
from csptrain.cfg.fields import nearest
from csptrain.cfg.text import Finding, Reading, Section
from csptrain.errors import CfgError
from csptrain.layers.anchors import BoxHead
from csptrain.layers.base import MAX_OUTPUTS, MAX_SIDE, Cost, Head, Layer, Shape
from csptrain.layers.contents import BY_NAME
from csptrain.net import Net

IMAGE = -1


@dataclass(frozen=True)
class Node:
    """One layer with its sources (-1 is the image) and shapes."""

    layer: Layer
    sources: tuple[int, ...]
    inputs: tuple[Shape, ...]
    output: Shape

    @property
    def cost(self) -> Cost:
        """Operations of one image."""
        return self.layer.cost(self.inputs, self.output)


@dataclass(frozen=True)
class Graph:
    """A planned network.

    ``releases[i]`` are the outputs that nobody reads after layer i; ``heads`` are the layers whose outputs the network
    gives: yolo, region and softmax layers, or the last layer when there is none.
    """

    path: str
    net: Net
    nodes: tuple[Node, ...]
    releases: tuple[tuple[int, ...], ...]
    heads: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def box_heads(self) -> tuple[BoxHead, ...]:
        """The layers that give boxes, in order."""
        layers = (node.layer for node in self.nodes)
        return tuple(layer for layer in layers if isinstance(layer, BoxHead))

    def refuse_training(self) -> None:
        """Raise CfgError when an option asks for a way of training that is not computed here."""
        self.net.refuse_training()
        if self.box_heads:
            self.net.refuse_cutmix()
        for node in self.nodes:
            node.layer.refuse_training()

    def resized(self, width: int, height: int) -> Graph:
        """The same network planned for another input size; raises CfgError where it does not fit."""
        if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
            raise CfgError(f"{width}x{height} is no input size", path=self.path, hint=f"legal: 1..{MAX_SIDE}")
        net = dataclasses.replace(self.net, width=width, height=height)
        return build(self.path, net, tuple(node.layer for node in self.nodes), self.findings)


def plan(sections: tuple[Section, ...], reading: Reading | None = None) -> Graph:
    """Type the sections, resolve references and compute every shape.

    Raises:
        CfgError: an unknown section, option or reference, or shapes that do not meet.
    """
    reading = reading or Reading()
    net = Net.read(sections[0], reading)
    layers = tuple(read_layer(index, section, reading, net.time_steps) for index, section in enumerate(sections[1:]))
    if not layers:
        raise sections[0].error("there is no layer below [net]")
    net.note_unused(any(isinstance(layer, BoxHead) for layer in layers), reading)
    return build(sections[0].path, net, layers, tuple(reading.findings))


def load(path: str | os.PathLike[str], lenient: bool = False) -> Graph:
    """Plan a cfg file; ``lenient`` reads as Darknet does and keeps the mistakes as findings. Raises CfgError."""
    reading = Reading(lenient)
    return plan(text.read(path, reading), reading)


def build(path: str, net: Net, layers: tuple[Layer, ...], findings: tuple[Finding, ...]) -> Graph:
    """Compute shapes and lifetimes of typed layers; raises CfgError."""
    nodes: list[Node] = []
    for layer in layers:
        sources = layer.sources()
        inputs = tuple(net.shape if source == IMAGE else nodes[source].output for source in sources)
        if layer.donor is not None:
            layer.check_donor(inputs, nodes[layer.donor].layer, nodes[layer.donor].inputs)
        nodes.append(plan_layer(layer, sources, inputs))
    heads = _heads(layers)
    return Graph(path, net, tuple(nodes), _releases(nodes, heads), heads, findings)


def plan_layer(layer: Layer, sources: tuple[int, ...], inputs: tuple[Shape, ...]) -> Node:
    """One layer in its place; raises CfgError where its inputs do not fit."""
    output = layer.shape(inputs)
    if output.outputs > MAX_OUTPUTS or max(output.h, output.w) > 4 * MAX_SIDE:
        raise layer.error(f"an output of {output} is too large")
    return Node(layer, sources, inputs, output)


def read_layer(index: int, section: Section, reading: Reading, time_steps: int = 1) -> Layer:
    """The typed layer of a section; raises CfgError, also for an unknown section."""
    kind = BY_NAME.get(section.kind)
    if kind is None:
        hint = nearest(section.kind, BY_NAME) or "legal: " + ", ".join(BY_NAME)
        raise section.error(f"unknown section [{section.kind[:60]}]", hint=hint)
    return kind.read(index, section, reading, time_steps)


def _heads(layers: tuple[Layer, ...]) -> tuple[int, ...]:
    # [cost] is a head of the training only: at inference it holds nothing.
    found = tuple(layer.index for layer in layers if isinstance(layer, Head) and layer.kind != "cost")
    if found:
        return found
    return (next((layer.index for layer in reversed(layers) if layer.kind != "cost"), 0),)


def _releases(nodes: list[Node], heads: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    last_reader: dict[int, int] = {}
    for index, node in enumerate(nodes):
        last_reader.setdefault(index, index)
        for source in node.sources:
            last_reader[source] = index
    last_reader.pop(IMAGE, None)
    releases: list[list[int]] = [[] for _ in nodes]
    for index, reader in last_reader.items():
        if index not in heads:
            releases[reader].append(index)
    return tuple(tuple(sorted(release)) for release in releases)
