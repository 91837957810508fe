"""A bar for each layer: what networks cost from their first layer to their last, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from csptrain.cost import LayerCost, NetworkCost
from csptrain.report.picture import Box, Line, Picture, Words
from csptrain.report.scale import Scale

PANEL_WIDTHS, PANEL_HEIGHT = (880.0, 620.0, 430.0), 190.0  # of one network, of each of two, of each of more
MARGIN, AXIS, GAP = 20.0, 50.0, 26.0  # around the picture, for the numbers of an axis, between panels
TITLE, HEADING, NAMES, TICKS = 34.0, 24.0, 38.0, 32.0
MOST_TICKS = 8
_INK, _FAINT, _GRID, _FRAME, _MOST = "#1f2933", "#66727f", "#e6eaee", "#b4bcc4", "#c0392b"
_NETWORKS = ("#2f6fb3", "#2e8b57", "#b5651d", "#7b4ea3", "#3a8a8c", "#8a7a1f")


@dataclass(frozen=True)
class Measure:
    """What the bars of a panel show.

    ``series``: name and value of each bar of a layer. ``all_layers``: layers that are 0 have a place too.
    ``total`` and ``most`` say a network's sum and the layer with the highest bar.
    """

    name: str
    title: str
    unit: str
    series: tuple[tuple[str, Callable[[LayerCost], float]], ...]
    total: Callable[[NetworkCost], str]
    all_layers: bool = False

    def highest(self, layer: LayerCost) -> float:
        """The highest bar of a layer."""
        return max(value(layer) for _, value in self.series)

    def shown(self, network: NetworkCost) -> list[LayerCost]:
        """The layers that have a place."""
        return [layer for layer in network.layers if self.all_layers or self.highest(layer) > 0]


_MIB = 1 << 20

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            "bflops",
            "Operations of each layer",
            "BFLOPs",
            (("", lambda layer: layer.bflops),),
            lambda network: f"{network.bflops:.3f} BFLOPs in all",
        ),
        Measure(
            "cio",
            "Input and output of each convolution",
            "million values",
            (
                ("input", lambda layer: layer.read / 1e6 if layer.cio else 0.0),
                ("output", lambda layer: layer.written / 1e6 if layer.cio else 0.0),
            ),
            lambda network: f"CIO {network.cio / 1e6:.1f}M, with pooling {network.pooled_cio / 1e6:.1f}M",
        ),
        Measure(
            "parameters",
            "Parameters of each layer",
            "million floats",
            (("", lambda layer: layer.parameters / 1e6),),
            lambda network: f"{network.parameters / 1e6:.2f}M in all",
        ),
        Measure(
            "traffic",
            "Memory traffic of each layer",
            "MiB",
            (("", lambda layer: layer.traffic / _MIB),),
            lambda network: f"{network.traffic / _MIB:.0f} MiB in all",
        ),
        Measure(
            "memory",
            "Memory held while each layer runs",
            "MiB",
            (("", lambda layer: layer.held / _MIB),),
            lambda network: f"peak {network.peak.held / _MIB:.1f} MiB, all outputs {network.kept / _MIB:.1f} MiB",
            all_layers=True,
        ),
    )
}


def draw_bars(networks: Mapping[str, NetworkCost], measures: Sequence[Measure], title: str) -> Picture:
    """A row of panels for each measure, a column for each network by its name; a row has one scale."""
    wide = PANEL_WIDTHS[min(len(networks), len(PANEL_WIDTHS)) - 1]
    pitch = AXIS + wide + GAP
    items: list[Box | Line | Words] = [Words(MARGIN, MARGIN + 16, title, 18, _INK, bold=True)]
    y = MARGIN + TITLE
    for measure in measures:
        items.append(Words(MARGIN, y + 14, f"{measure.title} ({measure.unit})", 13, _INK, bold=True))
        items += _legend(measure, MARGIN + 16 + 7.6 * len(f"{measure.title} ({measure.unit})"), y + 14)
        top = y + HEADING + NAMES
        axis = Scale.around(0, max(measure.highest(layer) for network in networks.values() for layer in network.layers))
        for number, (name, network) in enumerate(networks.items()):
            panel = _Panel(measure, name, network, axis, MARGIN + number * pitch + AXIS, top, wide, number)
            items += panel.items()
        y = top + PANEL_HEIGHT + TICKS + GAP / 2
    width = 2 * MARGIN + len(networks) * pitch - GAP
    note = "below a bar the layer's number in the cfg; layers that have none of it are left out"
    items.append(Words(MARGIN, y, note, 10, _FAINT, room=width - 2 * MARGIN))
    return Picture(width, y + MARGIN, items)


def _colours(network: int, series: int) -> Sequence[str]:
    return (_NETWORKS[network % len(_NETWORKS)],) if series == 1 else ("#2f6fb3", "#e08e2b")


def _legend(measure: Measure, x: float, y: float) -> Iterator[Box | Words]:
    if len(measure.series) > 1:
        for (name, _), colour in zip(measure.series, _colours(0, len(measure.series)), strict=True):
            yield Box(x, y - 10, 11, 11, colour, radius=2)
            yield Words(x + 16, y, name, 11, _INK)
            x += 30 + 7 * len(name)


@dataclass(frozen=True)
class _Panel:
    measure: Measure
    name: str
    network: NetworkCost
    axis: Scale
    left: float
    top: float
    width: float
    number: int

    def items(self) -> Iterator[Box | Line | Words]:
        bottom = self.top + PANEL_HEIGHT
        layers = self.measure.shown(self.network)
        image = self.network.image
        head = f"{self.name}, {image.w}x{image.h}: {self.measure.total(self.network)}"
        yield Words(self.left, self.top - 22, head, 12, _INK, bold=True, room=self.width)
        if layers:
            most = max(layers, key=self.measure.highest)
            said = f"highest: layer {most.index}, {most.kind} {most.middle}, {most.output}: "
            said += f"{self.measure.highest(most):.3g} {self.measure.unit}"
            yield Words(self.left, self.top - 7, said, 10, _MOST, room=self.width)
        for value in self.axis.values():
            y = bottom - self.axis.place(value) * PANEL_HEIGHT
            yield Line(((self.left, y), (self.left + self.width, y)), _GRID if value else _FRAME, 1.0)
            yield Words(self.left - 6, y + 3.5, f"{value:.6g}", 10, _FAINT, "end")
        pitch = self.width / max(len(layers), 1)
        for place, layer in enumerate(layers):
            yield from self._bars(layer, self.left + place * pitch, pitch, bottom)
        yield from self._ticks(layers, pitch, bottom)

    def _bars(self, layer: LayerCost, x: float, pitch: float, bottom: float) -> Iterator[Box]:
        colours = _colours(self.number, len(self.measure.series))
        width = pitch * (0.8 if pitch > 4 else 0.92) / len(colours)
        for place, ((_, value), colour) in enumerate(zip(self.measure.series, colours, strict=True)):
            height = self.axis.place(value(layer)) * PANEL_HEIGHT
            if height:
                yield Box(x + place * width, bottom - height, width, height, colour, radius=0)

    def _ticks(self, layers: Sequence[LayerCost], pitch: float, bottom: float) -> Iterator[Line | Words]:
        step = max(math.ceil(len(layers) / MOST_TICKS), 1)
        for place in range(0, len(layers), step):
            x = self.left + (place + 0.4) * pitch
            yield Line(((x, bottom), (x, bottom + 4)), _FRAME, 1.0)
            yield Words(x, bottom + 15, str(layers[place].index), 10, _FAINT, "middle")
