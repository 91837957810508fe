"""A rule about what another reader of cfgs does: which layers, when, what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csptrain.cfg.text import ERROR, WARNING, Finding
from csptrain.graph import Graph, Node

#: Verdicts and how severe they are: what fails or computes other numbers is an error for who asked for that reader.
REFUSES, WRONG, TRAINS_OTHERWISE, DEPENDS = "refuses", "silently wrong", "trains otherwise", "depends"
SEVERITY = {REFUSES: ERROR, WRONG: ERROR, TRAINS_OTHERWISE: WARNING, DEPENDS: WARNING}


@dataclass(frozen=True)
class Rule:
    """``applies(layer, node, graph)`` is asked for each layer of ``kind`` (``*``: of every kind).

    ``key`` is the line to point at (the section's where it is not given); ``says`` may name fields of the layer in
    braces.
    """

    kind: str
    key: str | None
    applies: Callable[[Any, Node, Graph], Any]
    verdict: str
    says: str
    remedy: str | None = None

    def finding(self, node: Node, graph: Graph) -> Finding | None:
        """What the rule says of a layer, or None."""
        layer = node.layer
        if self.kind not in ("*", layer.kind) or not self.applies(layer, node, graph):
            return None
        words = self.says.format(layer=layer)
        error = layer.error(f"{self.verdict}: {words}", self.key, self.remedy)
        return Finding(error.path or "", error.line or 0, error.message, error.hint, SEVERITY[self.verdict])


def always(layer: Any, node: Node, graph: Graph) -> bool:
    """For kinds that a reader knows nothing of."""
    return True


def missing(key: str) -> Callable[[Any, Node, Graph], bool]:
    """The key is left to its default."""
    return lambda layer, node, graph: layer.section.get(key) is None


def given(key: str, *off: str) -> Callable[[Any, Node, Graph], bool]:
    """The key is set to something else than ``off`` (or 0)."""

    def is_given(layer: Any, node: Node, graph: Graph) -> bool:
        option = layer.section.get(key)
        return option is not None and option.value not in (off or ("0",))

    return is_given
