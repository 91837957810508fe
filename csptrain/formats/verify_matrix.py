"""Many cfgs with random weights in many runtimes: which compute them, and how exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from csptrain import graph
from csptrain.errors import CfgError, CspError, ExportError
from csptrain.formats.verify import RuntimeReport, Verification, random_images
from csptrain.graph import Graph
from csptrain.layers.convolutional import ConvolutionModule
from csptrain.layers.dense import ConnectedModule
from csptrain.network import Network

BEGIN, END = "<!-- matrix begins -->", "<!-- matrix ends -->"


@dataclass(frozen=True)
class Row:
    """One cfg: the input size it was tried with, and the report of each runtime; or why it cannot be read."""

    cfg: Path
    size: tuple[int, int] | None
    reports: tuple[RuntimeReport, ...]
    problem: str | None = None


def try_cfg(cfg: Path, runtimes: Sequence[str], python: Path | None, size: tuple[int, int], opset: int) -> Row:
    """Run one cfg at ``size`` (its own where it allows no other) with random weights."""
    try:
        planned = _reduced(graph.load(cfg, lenient=True), size)
        network = randomized(planned)
    except CspError as error:
        return Row(cfg, None, (), error.message)
    check = Verification(network, (random_images(network),), python, opset)
    reports = tuple(check.report(runtime) for runtime in runtimes)
    return Row(cfg, (planned.net.width, planned.net.height), reports)


def randomized(planned: Graph, seed: int = 0) -> Network:
    """A network of random weights whose outputs neither fade nor explode, in evaluation mode.

    Darknet's own start makes outputs fade layer by layer, and its normalizations are neutral, so that errors would not
    show. Here every number has a random part, and the rolling statistics are those of a random mini-batch.
    """
    network = Network(planned, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, ConvolutionModule | ConnectedModule):
                module.weight.mul_(3**0.5)  # the spread of uniform numbers in +-sqrt(6 / fan_in)
                if module.bias is not None:
                    module.bias.add_(torch.empty_like(module.bias).uniform_(-0.1, 0.1, generator=generator))
        for norm in network.batch_norms():
            norm.weight.uniform_(0.75, 1.25, generator=generator)
            norm.bias.uniform_(-0.25, 0.25, generator=generator)
        shape = planned.net.shape
        network.train()
        network(torch.rand(8, shape.c, shape.h, shape.w, generator=generator))
    for norm in network.batch_norms():
        norm.settle()
    return network.eval()


def markdown(rows: Sequence[Row], runtimes: Sequence[str]) -> Iterator[str]:
    """The lines of the table: the largest error in parts of the range, or a number of a note below."""
    notes: dict[str, int] = {}
    titles = _titles(rows, runtimes)
    yield f"| cfg | input | {' | '.join(titles)} |"
    yield f"|---|---|{'---|' * len(runtimes)}"
    for row in rows:
        cells = (
            [_cell(report, notes) for report in row.reports]
            if row.problem is None
            else [_note(row.problem, notes)] * len(runtimes)
        )
        size = f"{row.size[0]}x{row.size[1]}" if row.size else ""
        yield f"| {row.cfg.name} | {size} | {' | '.join(cells)} |"
    yield ""
    yield from (f"{number}. {text}" for text, number in notes.items())


def insert(page: str, lines: Sequence[str]) -> str:
    """``page`` with the lines between its markers; without markers they follow its text. Raises ExportError."""
    block = "\n".join((BEGIN, *lines, END))
    if BEGIN not in page:
        return f"{page.rstrip()}\n\n{block}\n" if page.strip() else f"{block}\n"
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ExportError(f"the page has '{BEGIN}' and no '{END}'")
    return f"{before}{block}{after}"


def _reduced(planned: Graph, size: tuple[int, int]) -> Graph:
    """At ``size``, unless the input is a vector or the layers allow no other; every image the first of a sequence."""
    net = dataclasses.replace(planned.net, time_steps=1)
    layers = tuple(dataclasses.replace(node.layer, time_steps=1) for node in planned.nodes)
    single = graph.build(planned.path, net, layers, planned.findings)
    if net.width == net.height == 1:
        return single
    try:
        return single.resized(*size)
    except CfgError:
        return single


def _titles(rows: Sequence[Row], runtimes: Sequence[str]) -> list[str]:
    versions: dict[str, str] = {}
    for row in rows:
        versions |= {report.runtime: report.version for report in row.reports if report.version}
    return [f"{runtime} {versions.get(runtime, '')}".strip() for runtime in runtimes]


def _cell(report: RuntimeReport, notes: dict[str, int]) -> str:
    if report.missing is not None:
        return "not there"
    if report.refused is not None:
        return _note(report.refused, notes)
    worst = report.worst
    assert worst is not None
    return f"{worst.relative:.0e}" if report.agrees() else f"**{worst.relative:.0e}**"


def _note(text: str, notes: dict[str, int]) -> str:
    return f"no ({notes.setdefault(text, len(notes) + 1)})"
