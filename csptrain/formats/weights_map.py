"""A map of a weights file under a cfg: what each layer would take, at which byte, and where the two part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from csptrain.errors import WeightsError
from csptrain.formats.weights import FLOAT, Fit, Piece, fit_file
from csptrain.graph import Graph
from csptrain.network import Network


@dataclass(frozen=True)
class Row:
    """What one layer takes: ``offset`` in bytes from the start of the file, sizes of its tensors in file order.

    ``found`` counts the floats that are there. ``doubt`` says why they can hardly be this layer's.
    """

    layer: int
    kind: str
    offset: int
    tensors: tuple[tuple[str, tuple[int, ...]], ...]
    floats: int
    found: int
    doubt: str | None


@dataclass(frozen=True)
class WeightsMap:
    """The rows of the layers that keep weights, and the verdict: None where file and cfg fit."""

    fit: Fit
    rows: tuple[Row, ...]
    verdict: WeightsError | None

    def as_dict(self) -> dict[str, Any]:
        """The map for JSON; offsets and sizes in bytes, counts in floats."""
        header = self.fit.header
        return {
            "weights": self.fit.path,
            "version": [header.major, header.minor, header.revision],
            "seen": header.seen,
            "header_bytes": header.size,
            "transposed": header.transposed,
            "bytes": self.fit.size,
            "layers": [
                {
                    "index": row.layer,
                    "kind": row.kind,
                    "offset": row.offset,
                    "floats": row.floats,
                    "found": row.found,
                    "tensors": [{"name": name, "shape": list(shape)} for name, shape in row.tensors],
                    "doubt": row.doubt,
                }
                for row in self.rows
            ],
            "floats": self.fit.floats,
            "extra_bytes": self.fit.extra_bytes,
            "fits": self.verdict is None,
        }

    def lines(self) -> list[str]:
        """The map as a table."""
        header = self.fit.header
        lines = [
            f"{self.fit.path}: version {header.major}.{header.minor}.{header.revision}, seen {header.seen}, "
            f"header {header.size} bytes, file {self.fit.size} bytes",
            f"{'layer':>5s} {'kind':14s} {'byte':>12s} {'floats':>10s}  tensors",
        ]
        lines += [_line(row) for row in self.rows]
        if header.transposed:
            lines.append("connected weights are stored as (inputs, outputs), as versions above 1000 do")
        doubtful = next((row for row in self.rows if row.doubt), None)
        if doubtful is not None:
            lines.append(f"layer {doubtful.layer}: {doubtful.doubt}; cfg and file part there or before")
        if self.verdict is None:
            lines.append(f"fits: {len(self.rows)} layers take {self.fit.floats} floats, none is left over")
        else:
            lines.append(f"does not fit: {self.verdict.message}")
        return lines


def map_weights(graph: Graph, path: str | os.PathLike[str]) -> WeightsMap:
    """Lay the layers of a graph on a file, whether they fit or not; raises WeightsError for what is no weights file.

    Reads the header and the rolling variances alone: a negative one tells that the floats are another layer's.
    """
    fit = fit_file(Network(graph, shapes_only=True), path)
    rows = tuple(_row(fit, list(pieces)) for _, pieces in groupby(fit.pieces, lambda piece: piece.layer))
    verdict: WeightsError | None = None
    try:
        fit.check()
    except WeightsError as error:
        verdict = error
    return WeightsMap(fit, rows, verdict)


def _row(fit: Fit, pieces: Sequence[Piece]) -> Row:
    first, last = pieces[0], pieces[-1]
    return Row(
        layer=first.layer,
        kind=fit.graph.nodes[first.layer].layer.kind,
        offset=fit.header.size + FLOAT * first.start,
        tensors=tuple((piece.stored.label, tuple(piece.stored.tensor.shape)) for piece in pieces),
        floats=last.end - first.start,
        found=min(max(fit.floats - first.start, 0), last.end - first.start),
        doubt=next((doubt for piece in pieces if (doubt := _doubt(fit, piece)) is not None), None),
    )


def _doubt(fit: Fit, piece: Piece) -> str | None:
    if piece.stored.name != "rolling_variance" or piece.end > fit.floats:
        return None
    with Path(fit.path).open("rb") as stream:
        stream.seek(fit.header.size + FLOAT * piece.start)
        values = np.fromfile(stream, dtype="<f4", count=piece.end - piece.start)
    wrong = int((~(values >= 0)).sum())
    return f"{wrong} of {len(values)} rolling variances are negative or no numbers" if wrong else None


def _line(row: Row) -> str:
    tensors = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in row.tensors)
    short = "" if row.found == row.floats else f"  MISSING {row.floats - row.found} floats"
    return f"{row.layer:5d} {row.kind:14s} {row.offset:12d} {row.floats:10d}  {tensors}{short}"
