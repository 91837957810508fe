"""The drawing of a network: a block for each stage of one resolution, read downwards, then to the right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csptrain.graph import IMAGE, Graph, Node
from csptrain.report.picture import Box, Line, Picture, Words
from csptrain.summary import Summary, summarize

NODE_WIDTH, NODE_HEIGHT = 148.0, 20.0
GAP, BREAK = 7.0, 15.0  # below a layer that the next one reads, and below one that it does not
LANE = 7.0  # between two lines that run side by side
MARGIN, TITLE, HEADER, LEGEND = 18.0, 46.0, 44.0, 40.0
_ABOVE_ALL = -1000.0  # where lines run that pass over columns
ASPECT = 1.6  # the picture's width over its height, about
FEWEST_ROWS, MOST_ROWS = 14, 90

#: Colour of each family of layers, in the order of the legend.
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "convolution": ("#bcd7f5", ("convolutional", "local", "connected")),
    "pooling": ("#f7d9a8", ("maxpool", "avgpool", "local_avgpool")),
    "route": ("#e3e6ea", ("route",)),
    "sum": ("#c3e6c4", ("shortcut",)),
    "product": ("#f3c9dd", ("scale_channels", "sam", "implicit")),
    "resampling": ("#d8c9f0", ("upsample", "reorg", "reorg3d", "crop")),
    "recurrent": ("#f0b8a0", ("rnn", "gru", "lstm", "crnn", "conv_lstm", "history")),
    "head": ("#f28b82", ("yolo", "Gaussian_yolo", "region", "detection", "softmax", "cost", "contrastive")),
    "other": ("#f4f1d6", ()),
}
_COLOURS = {kind: colour for colour, kinds in FAMILIES.values() for kind in kinds}
#: Lines that skip layers take turns, so that neighbours differ.
WIRES = ("#2f6fb3", "#2e8b57", "#b5651d", "#7b4ea3", "#b03a5b", "#3a8a8c", "#8a7a1f", "#5a6b7b")
_INK, _FAINT, _BAND = "#1f2933", "#66727f", ("#f4f8fc", "#f8f5ee")


def _window(layer: Any) -> str:
    down, right = layer.strides
    step = "" if down == right == 1 else f"/{down}" if down == right else f"/{right}x{down}"
    return f"{layer.size if layer.size > 0 else layer.stride}x{layer.size if layer.size > 0 else layer.stride}{step}"


def _convolution(layer: Any) -> str:
    groups = f" g{layer.groups}" if layer.groups > 1 else ""
    return f"conv {_window(layer)}{groups}" + (f" d{layer.dilation}" if layer.dilation > 1 else "")


def _earlier(layer: Any) -> str:
    return ",".join(str(source) for source in layer.sources()[1:])


_LABELS: dict[str, Callable[[Any], str]] = {
    "convolutional": _convolution,
    "maxpool": lambda layer: "maxout" if layer.maxpool_depth else f"max {_window(layer)}",
    "local_avgpool": lambda layer: f"avg {_window(layer)}",
    "route": lambda layer: (
        (f"part {layer.group_id + 1}/{layer.groups} of " if layer.groups > 1 else "route ")
        + ",".join(str(source) for source in layer.sources())
    ),
    "shortcut": lambda layer: f"add {_earlier(layer)}",
    "scale_channels": lambda layer: f"scale {_earlier(layer)}",
    "sam": lambda layer: f"sam {_earlier(layer)}",
    "upsample": lambda layer: f"up x{layer.stride}",
}


@dataclass
class _Block:
    """Consecutive layers of one resolution, under a header."""

    nodes: Sequence[Node]
    title: str
    column: int = 0
    top: float = 0.0  # of the header, below the top of the column

    @property
    def steps(self) -> list[float]:
        """The place of each layer below the top of the header, and the block's height."""
        places: list[float] = []
        y = HEADER
        for node in self.nodes:
            if places:
                y += NODE_HEIGHT + (GAP if node.layer.index - 1 in node.sources else BREAK)
            places.append(y)
        return [*places, y + NODE_HEIGHT]


class _Lanes:
    """Parallel tracks; lines of one source share a track, others one where their spans keep apart."""

    def __init__(self) -> None:
        self.spans: dict[int, list[float]] = {}

    def need(self, source: int, *ends: float) -> None:
        """The line of a source runs over these places."""
        span = self.spans.setdefault(source, [ends[0], ends[0]])
        span[0], span[1] = min(span[0], *ends), max(span[1], *ends)

    def assign(self) -> tuple[dict[int, int], int]:
        """Track of each source, and how many there are; short lines come first, so that they stay close."""
        tracks: list[list[list[float]]] = []
        found: dict[int, int] = {}
        for source, span in sorted(self.spans.items(), key=lambda item: item[1][1] - item[1][0]):
            free = (number for number, taken in enumerate(tracks) if all(_apart(span, other) for other in taken))
            number = next(free, len(tracks))
            if number == len(tracks):
                tracks.append([])
            tracks[number].append(span)
            found[source] = number
        return found, len(tracks)


def draw(graph: Graph) -> Picture:
    """The picture of a planned network; raises CfgError when it is too large to be summed up."""
    summary = summarize(graph)
    return min((_Drawing(graph, summary, rows) for rows in _row_counts(graph)), key=_Drawing.misfit).picture()


def _row_counts(graph: Graph) -> Iterable[int]:
    """How many layers a column may have: a few tries, of which the best shape is taken."""
    count = len(graph.nodes)
    most = min(max(FEWEST_ROWS, count), MOST_ROWS) if count < 2000 else MOST_ROWS
    return sorted({FEWEST_ROWS, most, *range(FEWEST_ROWS, most, 6)}) if count < 2000 else (MOST_ROWS,)


class _Drawing:
    """One arrangement in columns that are not much higher than ``rows`` layers."""

    def __init__(self, graph: Graph, summary: Summary, rows: int) -> None:
        self.graph = graph
        self.summary = summary
        self.blocks = [*_blocks(graph.nodes, rows)]
        self.columns, self.depth = _stack(self.blocks, rows * (NODE_HEIGHT + GAP))
        self.block_of = {node.layer.index: block for block in self.blocks for node in block.nodes}
        self.tops = {
            node.layer.index: block.top + step
            for block in self.blocks
            for node, step in zip(block.nodes, block.steps, strict=False)
        }
        self._plan_lanes()

    def misfit(self) -> float:
        """How far the shape is from the wanted one."""
        ratio = self.width / self.height / ASPECT
        return max(ratio, 1 / ratio)

    def _jumps(self) -> Iterator[tuple[int, int]]:
        """(source, layer) of the edges that are no straight line downwards."""
        for node in self.graph.nodes:
            for source in node.sources:
                index = node.layer.index
                if source != IMAGE and (source != index - 1 or self.block_of[source] is not self.block_of[index]):
                    yield source, index

    def _plan_lanes(self) -> None:
        gutters = [_Lanes() for _ in range(self.columns + 1)]
        bus = _Lanes()
        for source, index in self._jumps():
            a, b = self.block_of[source].column, self.block_of[index].column
            start, end = self.tops[source], self.tops[index]
            if b - a <= 1:
                gutters[a + 1].need(source, start, end)
            else:
                gutters[a + 1].need(source, start, _ABOVE_ALL)
                gutters[b].need(source, _ABOVE_ALL, end)
                bus.need(source, a, b)
        self.bus, tracks = bus.assign()
        assigned = [lanes.assign() for lanes in gutters]
        self.lanes = [lanes for lanes, _ in assigned]
        self.bus_top = MARGIN + TITLE
        self.top = self.bus_top + tracks * LANE
        x = MARGIN
        self.lefts = []
        for _, count in assigned[1:]:
            self.lefts.append(x)
            x += NODE_WIDTH + 2 * MARGIN + count * LANE
        self.width = max(x, 640.0)
        self.height = self.top + self.depth + LEGEND + MARGIN

    def _middle(self, index: int) -> float:
        return self.top + self.tops[index] + NODE_HEIGHT / 2

    def picture(self) -> Picture:
        """Bands, lines, layers, words, from back to front."""
        items: list[Box | Line | Words] = []
        for number, block in enumerate(self.blocks):
            items += self._band(block, _BAND[number % 2])
        items += self._wires()
        for node in self.graph.nodes:
            items += self._layer(node)
        return Picture(self.width, self.height, [*items, *self._title(), *self._legend()])

    def _band(self, block: _Block, colour: str) -> Iterator[Box | Words]:
        x, y = self.lefts[block.column], self.top + block.top + 6
        yield Box(x - 8, y, NODE_WIDTH + 16, block.steps[-1] + 2, colour, None, 6)
        rows = [self.summary.rows[node.layer.index] for node in block.nodes]
        cost = f"{sum(row.bflops or 0 for row in rows):.2f} BF, {sum(row.stored for row in rows) / 1e6:.2f} M"
        middle = x + NODE_WIDTH / 2
        yield Words(middle, y + 15, block.title, 13, _INK, "middle", True)
        yield Words(middle, y + 29, cost, 10, _FAINT, "middle")

    def _wires(self) -> Iterator[Line]:
        for node in self.graph.nodes:
            index = node.layer.index
            if index and index - 1 in node.sources and self.block_of[index] is self.block_of[index - 1]:
                x = self.lefts[self.block_of[index].column] + NODE_WIDTH / 2
                yield Line(((x, self._middle(index - 1)), (x, self._middle(index))), _FAINT, 1.4)
        sources = sorted({source for source, _ in self._jumps()})
        colours = {source: WIRES[number % len(WIRES)] for number, source in enumerate(sources)}
        for source, index in self._jumps():
            yield Line(tuple(self._path(source, index)), colours[source])

    def _path(self, source: int, index: int) -> list[tuple[float, float]]:
        a, b = self.block_of[source].column, self.block_of[index].column
        start, end = self._middle(source), self._middle(index)
        out = self._lane_x(a, source)
        path = [(self.lefts[a] + NODE_WIDTH, start), (out, start)]
        if b - a > 1:
            bus = self.bus_top + self.bus[source] * LANE
            into = self._lane_x(b - 1, source)
            path += [(out, bus), (into, bus), (into, end)]
        else:
            path.append((out, end))
        return [*path, (self.lefts[b] + (NODE_WIDTH if a == b else 0), end)]

    def _lane_x(self, column: int, source: int) -> float:
        """The track of a source's line to the right of a column."""
        return self.lefts[column] + NODE_WIDTH + MARGIN / 2 + 4 + self.lanes[column + 1][source] * LANE

    def _layer(self, node: Node) -> Iterator[Box | Words]:
        layer, index = node.layer, node.layer.index
        x, top = self.lefts[self.block_of[index].column], self.top + self.tops[index]
        yield Box(x, top, NODE_WIDTH, NODE_HEIGHT, _COLOURS.get(layer.kind, FAMILIES["other"][0]), "#8795a1")
        label = _LABELS.get(layer.kind, lambda layer: str(layer.kind))(layer)
        base = top + NODE_HEIGHT / 2 + 4
        yield Words(x + 5, base, str(index), 9, _FAINT)
        yield Words(x + 29, base, label, 11, _INK, room=NODE_WIDTH - 66)
        yield Words(x + NODE_WIDTH - 5, base, str(node.output.c), 11, _INK, "end", True, 30)

    def _title(self) -> Iterator[Words]:
        net, summary = self.graph.net, self.summary
        cost = (
            f"{summary.total_bflops:.3f} BFLOPs, {summary.all / 1e6:.3f} M parameters, {len(self.graph.nodes)} layers"
        )
        yield Words(MARGIN, MARGIN + 12, Path(self.graph.path).name, 18, _INK, bold=True)
        yield Words(MARGIN, MARGIN + 28, f"input {net.shape}, {cost}", 11, _FAINT)

    def _legend(self) -> Iterator[Box | Words]:
        present = {node.layer.kind for node in self.graph.nodes}
        x, y = MARGIN, self.height - LEGEND + 4
        for name, (colour, kinds) in FAMILIES.items():
            if present & set(kinds) or (name == "other" and present - set(_COLOURS)):
                yield Box(x, y, 12, 12, colour, "#8795a1", 2)
                yield Words(x + 17, y + 10, name, 10)
                x += 30 + 6.2 * len(name)
        note = (
            "left the layer's number, right its channels; a line at the side skips layers; BF: billions of operations"
        )
        yield Words(MARGIN, y + 27, note, 9, _FAINT)


def _apart(span: list[float], other: list[float]) -> bool:
    return span[1] + 2 < other[0] or other[1] + 2 < span[0]


def _stack(blocks: Sequence[_Block], limit: float) -> tuple[int, float]:
    """Place the blocks in columns, as many in one as fit; gives the number of columns and the greatest height."""
    column, y, depth = 0, 0.0, 0.0
    for block in blocks:
        height = block.steps[-1]
        if y and y + height > limit + HEADER:
            column, y = column + 1, 0.0
        block.column, block.top = column, y
        y += height + BREAK
        depth = max(depth, y)
    return column + 1, depth


def _blocks(nodes: Sequence[Node], rows: int) -> Iterator[_Block]:
    for run in _stages(nodes):
        shape = run[0].output
        parts = -(-len(run) // rows)
        share = -(-len(run) // parts)
        for number in range(-(-len(run) // share)):
            title = f"{shape.w} x {shape.h}" + (f"  ({number + 1}/{parts})" if parts > 1 else "")
            yield _Block(run[number * share : (number + 1) * share], title)


def _stages(nodes: Sequence[Node]) -> list[list[Node]]:
    """Runs of one resolution; a detour over single values (squeeze-excitation) stays in its run."""
    runs: list[list[Node]] = []
    for node in nodes:
        size = (node.output.h, node.output.w)
        if runs and size == (runs[-1][0].output.h, runs[-1][0].output.w):
            runs[-1].append(node)
        elif len(runs) > 1 and runs[-1][0].output.h * runs[-1][0].output.w == 1 and size == _size(runs[-2]):
            detour = runs.pop()
            runs[-1] += [*detour, node]
        else:
            runs.append([node])
    return runs


def _size(run: list[Node]) -> tuple[int, int]:
    return run[0].output.h, run[0].output.w
