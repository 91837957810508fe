"""All mistakes of a cfg, not only the first: reading goes on behind each as far as it makes sense."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from csptrain.cfg import text
from csptrain.cfg.text import ERROR, Finding, Reading, Section
from csptrain.errors import CfgError
from csptrain.graph import IMAGE, Graph, Node, build, plan_layer, read_layer
from csptrain.layers.anchors import BoxHead
from csptrain.layers.base import Head, Layer, Shape
from csptrain.layers.shortcut import Shortcut
from csptrain.net import Net

T = TypeVar("T")


@dataclass(frozen=True)
class Checked:
    """What could be understood of a cfg, and all that is to be said of it.

    ``net`` and an entry of ``layers`` are None where a section cannot be read, an entry of ``nodes`` where the layer's
    inputs are not known; ``graph`` is None unless the whole network can be planned.
    """

    path: str
    sections: tuple[Section, ...]
    net: Net | None
    layers: tuple[Layer | None, ...]
    nodes: tuple[Node | None, ...]
    graph: Graph | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == ERROR for finding in self.findings)


def check_file(path: str | os.PathLike[str], lenient: bool = False) -> Checked:
    """Read a cfg to its end; raises CfgError only for what is no cfg at all."""
    return check(text.read_text(path), os.fspath(path), lenient)


def check(content: str, path: str = "<cfg>", lenient: bool = False) -> Checked:
    """Read the text of a cfg to its end; ``lenient`` makes warnings of what Darknet reads past.

    Raises CfgError for a text without a section, or one that is too long.
    """
    reading = Reading(lenient, collecting=True)
    sections = text.parse(content, path, reading)
    net = _attempt(lambda: Net.read(sections[0], reading), reading)
    steps = net.time_steps if net else 1
    layers = tuple(
        _attempt(lambda index=index, section=section: read_layer(index, section, reading, steps), reading)  # type: ignore[misc]
        for index, section in enumerate(sections[1:])
    )
    if not layers:
        reading.keep(sections[0].error("there is no layer below [net]"), ERROR)
    if net:
        net.note_unused(any(isinstance(layer, BoxHead) for layer in layers), reading)
    nodes = _plan(layers, net.shape if net else None, reading)
    graph = _graph(path, net, layers, nodes, reading)
    return Checked(path, sections, net, layers, nodes, graph, in_order(reading.findings))


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings by line, each said once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: (finding.path, finding.line)))


def _attempt(work: Callable[[], T], reading: Reading) -> T | None:
    try:
        return work()
    except CfgError as error:
        reading.keep(error, ERROR)
        return None


def _plan(layers: Sequence[Layer | None], image: Shape | None, reading: Reading) -> tuple[Node | None, ...]:
    """Nodes as far as their inputs are known; what hangs on a mistake is passed over."""
    nodes: list[Node | None] = []
    outputs: list[Shape | None] = []
    for index, layer in enumerate(layers):
        node = None
        before = outputs[index - 1] if index else image
        if layer is not None:
            try:
                node = _node(layer, image, outputs)
            except CfgError as error:
                reading.keep(error, ERROR)
        nodes.append(node)
        # These leave the shape of the layer before as it is, whatever else is wrong with them.
        kept = before if isinstance(layer, (Head, Shortcut)) else None
        outputs.append(node.output if node else kept)
    return tuple(nodes)


def _node(layer: Layer, image: Shape | None, outputs: Sequence[Shape | None]) -> Node | None:
    sources = layer.sources()
    inputs = tuple(image if source == IMAGE else outputs[source] for source in sources)
    known = tuple(shape for shape in inputs if shape is not None)
    return plan_layer(layer, sources, known) if len(known) == len(inputs) else None


def _graph(
    path: str, net: Net | None, layers: Sequence[Layer | None], nodes: Sequence[Node | None], reading: Reading
) -> Graph | None:
    found = tuple(layer for layer, node in zip(layers, nodes, strict=True) if layer and node)
    if net is None or not found or len(found) < len(layers):
        return None
    return _attempt(lambda: build(path, net, found, tuple(reading.findings)), reading)
