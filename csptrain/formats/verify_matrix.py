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

LARGER = ((128, 128), (224, 224), (256, 256))


@dataclass(frozen=True)
class Row:
    """One cfg: the input size it was tried with, and the report of each runtime; or why it cannot be read."""

    cfg: Path
    size: tuple[int, int] | None
    reports: tuple[RuntimeReport, ...]
    problem: str | None = None

    def as_dict(self) -> dict[str, object]:
        """The row for JSON."""
        return {
            "cfg": str(self.cfg),
            "size": None if self.size is None else list(self.size),
            "problem": self.problem,
            "runtimes": [report.as_dict() for report in self.reports],
        }


def try_cfg(cfg: Path, runtimes: Sequence[str], python: Path | None, size: tuple[int, int], opset: int) -> Row:
    """Run one cfg with random weights at ``size``, or at a larger one where its layers do not allow that."""
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
            # Centred on zero a deep network is chaotic: it multiplies its own rounding a thousandfold.
            norm.bias.uniform_(0.0, 1.0, generator=generator)
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


def insert(page: str, lines: Sequence[str], word: str = "matrix") -> str:
    """``page`` with the lines between its markers of this ``word``; without them they follow its text.

    Raises ExportError where a part begins and does not end.
    """
    begin, end = f"<!-- {word} begins -->", f"<!-- {word} ends -->"
    block = "\n".join((begin, *lines, end))
    if begin not in page:
        return f"{page.rstrip()}\n\n{block}\n" if page.strip() else f"{block}\n"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ExportError(f"the page has '{begin}' and no '{end}'")
    return f"{before}{block}{after}"


def _reduced(planned: Graph, size: tuple[int, int]) -> Graph:
    """At ``size`` or the next of ``LARGER`` that its layers allow, every image the first of a sequence.

    What is smaller than that, as a vector is, stays as it is.
    """
    net = dataclasses.replace(planned.net, time_steps=1)
    layers = tuple(dataclasses.replace(node.layer, time_steps=1) for node in planned.nodes)
    single = graph.build(planned.path, net, layers, planned.findings)
    if net.width <= size[0] and net.height <= size[1]:
        return single
    for side in (size, *LARGER):
        try:
            return single.resized(*side)
        except CfgError:
            continue  # its strides do not divide it
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
