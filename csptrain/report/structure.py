"""What two networks have in common: layers aligned, options compared where Darknet's defaults are filled in."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from csptrain.graph import IMAGE, Graph, Node
from csptrain.summary import BILLION, Summary, summarize

SAME, CHANGED, REMOVED, ADDED = "same", "changed", "removed", "added"
#: Compared as edges between layers, not as numbers.
_REFERENCES = ("layers", "from_", "share_index")


@dataclass(frozen=True)
class Pair:
    """A layer of the first network and its counterpart in the second; one of them is None where there is none."""

    verdict: str
    old: Node | None
    new: Node | None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two networks side by side; ``net`` are the changed options of [net]."""

    net: tuple[str, ...]
    pairs: tuple[Pair, ...]
    old: Summary = field(repr=False)
    new: Summary = field(repr=False)

    @property
    def equal(self) -> bool:
        """Whether both are the same network."""
        return not self.net and all(pair.verdict == SAME for pair in self.pairs)

    def totals(self) -> dict[str, tuple[float, float]]:
        """Before and after: layers, weights and BFLOPs as Darknet counts them."""
        old, new = self.old, self.new
        return {
            "layers": (len(old.rows), len(new.rows)),
            "parameters, M": (old.all / 1e6, new.all / 1e6),
            "BFLOPs": (old.total_bflops, new.total_bflops),
        }

    def lines(self) -> list[str]:
        """The comparison for reading: runs of equal layers in one line."""
        lines = [f"~ [net] {change}" for change in self.net]
        same: list[Pair] = []
        for pair in self.pairs:
            if pair.verdict == SAME:
                same.append(pair)
                continue
            lines += [*_run(same), _line(pair)]
            same = []
        lines += _run(same)
        for name, (old, new) in self.totals().items():
            share = f" ({100 * (new - old) / old:+.1f} %)" if old and new != old else ""
            lines.append(f"{name}: {old:.6g} -> {new:.6g}{share}" if new != old else f"{name}: {old:.6g}")
        return ["the same network", *lines] if self.equal else lines

    def as_dict(self) -> dict[str, Any]:
        """The comparison for JSON; equal layers are left out."""
        return {
            "equal": self.equal,
            "net": list(self.net),
            "layers": [
                {
                    "verdict": pair.verdict,
                    "old": None if pair.old is None else pair.old.layer.index,
                    "new": None if pair.new is None else pair.new.layer.index,
                    "kind": _some(pair).layer.kind,
                    "changes": list(pair.changes),
                }
                for pair in self.pairs
                if pair.verdict != SAME
            ],
            "totals": {name: list(values) for name, values in self.totals().items()},
        }


def compare(old: Graph, new: Graph) -> Comparison:
    """Align the layers of two planned networks; raises CfgError when one is too large to be summed up."""
    pairs = [*_align(old, new)]
    counterpart = {pair.old.layer.index: pair.new.layer.index for pair in pairs if pair.old and pair.new}
    counterpart[IMAGE] = IMAGE
    judged = tuple(
        _judge(a, b, counterpart) if a and b else Pair(REMOVED if a else ADDED, a, b) for a, b in _both(pairs)
    )
    return Comparison(tuple(_options(old.net, new.net)), judged, summarize(old), summarize(new))


def _both(pairs: list[Pair]) -> Iterator[tuple[Node | None, Node | None]]:
    return ((pair.old, pair.new) for pair in pairs)


def _align(old: Graph, new: Graph) -> Iterator[Pair]:
    """Pairs by kind, channels and stride from the image; within what differs so, by kind alone."""
    exact = [[_signature(node, graph) for node in graph.nodes] for graph in (old, new)]
    kinds: list[list[Hashable]] = [[node.layer.kind for node in graph.nodes] for graph in (old, new)]
    for same, a, b in _blocks(exact, (0, len(old.nodes)), (0, len(new.nodes))):
        parts = [(True, a, b)] if same else _blocks(kinds, a, b)
        for paired, (a0, a1), (b0, b1) in parts:
            if paired:
                yield from (Pair(SAME, old.nodes[a0 + i], new.nodes[b0 + i]) for i in range(a1 - a0))
            else:
                yield from (Pair(REMOVED, old.nodes[i], None) for i in range(a0, a1))
                yield from (Pair(ADDED, None, new.nodes[i]) for i in range(b0, b1))


Range = tuple[int, int]


def _blocks(words: list[list[Hashable]], a: Range, b: Range) -> Iterator[tuple[bool, Range, Range]]:
    """(equal or not, range in the first, range in the second) of two parts of two sequences."""
    matcher = SequenceMatcher(None, words[0][a[0] : a[1]], words[1][b[0] : b[1]], autojunk=a[1] - a[0] > 1000)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        yield tag == "equal", (a[0] + a0, a[0] + a1), (b[0] + b0, b[0] + b1)


def _signature(node: Node, graph: Graph) -> Hashable:
    return node.layer.kind, node.output.c, round(graph.net.width / node.output.w, 2)


def _judge(old: Node, new: Node, counterpart: dict[int, int]) -> Pair:
    changes = [*_options(old.layer, new.layer)]
    if tuple(counterpart.get(source) for source in old.sources) != new.sources:
        changes.append(f"reads {_layers(old)} -> {_layers(new)}")
    return Pair(CHANGED if changes else SAME, old, new, tuple(changes))


def _layers(node: Node) -> str:
    return ",".join("image" if source == IMAGE else str(source) for source in node.sources)


def _options(old: Any, new: Any) -> Iterator[str]:
    """Options that differ, as `key old -> new`."""
    for entry in dataclasses.fields(old):
        if "reader" not in entry.metadata or entry.name in _REFERENCES:
            continue
        before, after = getattr(old, entry.name), getattr(new, entry.name)
        if before != after:
            yield f"{entry.metadata['key'] or entry.name} {_shown(before)} -> {_shown(after)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_shown(item) for item in value) or "none"
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _some(pair: Pair) -> Node:
    node = pair.old or pair.new
    assert node is not None
    return node


def _run(pairs: list[Pair]) -> list[str]:
    if not pairs:
        return []
    first, last = pairs[0], pairs[-1]
    words = []
    for start, end in ((first.old, last.old), (first.new, last.new)):
        assert start is not None and end is not None
        words.append(str(start.layer.index) if start is end else f"{start.layer.index}-{end.layer.index}")
    moved = f" -> {words[1]}" if words[0] != words[1] else ""
    return [f"= {words[0]}{moved}"]


def _line(pair: Pair) -> str:
    node = _some(pair)
    if pair.old and pair.new:
        moved = f" -> {pair.new.layer.index}" if pair.new.layer.index != pair.old.layer.index else ""
        return f"~ {pair.old.layer.index}{moved} [{node.layer.kind}] {'; '.join(pair.changes)}"
    middle = " ".join(node.layer.summary(node.inputs, node.output).split())
    cost = f", {node.cost.darknet / BILLION:.3f} BF" if node.cost.darknet else ""
    return f"{'-' if pair.old else '+'} {node.layer.index} [{node.layer.kind}] {middle} giving {node.output}{cost}"
