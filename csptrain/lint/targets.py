"""What another reader of cfgs would get wrong, line by line."""

from __future__ import annotations

from collections.abc import Callable

from csptrain.cfg.text import ERROR, NOTE, WARNING, Finding
from csptrain.graph import Graph
from csptrain.lint import darknet, opencv4
from csptrain.lint.check import Checked
from csptrain.lint.rule import REFUSES, Rule, always
from csptrain.net import Net

#: An ONNX graph keeps nothing from one call to the next. Everything else of the language has a form there.
_STATEFUL = tuple(
    Rule(kind, None, always, REFUSES, f"[{kind}] remembers from one call to the next, an ONNX graph does not")
    for kind in ("rnn", "gru", "lstm", "crnn", "conv_lstm", "history")
)
RULES: dict[str, tuple[Rule, ...]] = {
    "darknet": darknet.RULES,
    "opencv4": opencv4.RULES,
    "onnx": _STATEFUL,
}
TARGETS = tuple(RULES)


def check_target(checked: Checked, target: str) -> list[Finding]:
    """Findings about one of ``TARGETS``; none where the network could not be planned."""
    graph = checked.graph
    if graph is None:
        return []
    found = [rule.finding(node, graph) for node in graph.nodes for rule in RULES[target]]
    return [*_NET[target](graph, graph.net), *(finding for finding in found if finding is not None)]


def _at(net: Net, key: str | None, severity: str, message: str, hint: str | None = None) -> Finding:
    error = net.section.error(message, key, hint)
    return Finding(net.section.path, error.line or 0, message, hint, severity)


def _opencv4(graph: Graph, net: Net) -> list[Finding]:
    found = []
    if net.section.kind != "net":
        found.append(_at(net, None, ERROR, f"refuses: OpenCV does not know [{net.section.kind}]", "write [net]"))
    if net.letter_box:
        hint = "pad the picture before it goes in"
        found.append(_at(net, "letter_box", WARNING, "depends: letter_box=1 is never applied by OpenCV", hint))
    return found


def _darknet(graph: Graph, net: Net) -> list[Finding]:
    option = net.section.get("adam")
    if option is None or option.value == "0":
        return []
    return [_at(net, "adam", WARNING, "trains otherwise: adam acts on the GPU only, the CPU program takes SGD")]


def _onnx(graph: Graph, net: Net) -> list[Finding]:
    return [_at(net, None, NOTE, "csptrain writes no ONNX yet; this says what could not be written")]


_NET: dict[str, Callable[[Graph, Net], list[Finding]]] = {"opencv4": _opencv4, "darknet": _darknet, "onnx": _onnx}
