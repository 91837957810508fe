"""Darknet's `.weights`: read and written byte for byte, its length checked layer by layer.

Source: Darknet behaviour. int32 major, minor, revision; `seen` as uint64 when 10*major + minor >= 2, else uint32; then
the float32 tensors of every layer in file order.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from csptrain.errors import WeightsError
from csptrain.formats.files import write_atomically
from csptrain.graph import Graph
from csptrain.layers.base import Stored
from csptrain.layers.batchnorm import BatchNorm
from csptrain.network import Network

VERSION = (0, 2, 5)
FLOAT = 4
_LONGEST_HEADER = 20
_CUTOFF = re.compile(r"\.conv\.(\d+)$")


@dataclass(frozen=True)
class Header:
    """What stands before the tensors; ``size`` is its length in bytes."""

    major: int
    minor: int
    revision: int
    seen: int
    size: int

    @property
    def transposed(self) -> bool:
        """Whether connected weights are stored as (inputs, outputs)."""
        return self.major > 1000 or self.minor > 1000


@dataclass(frozen=True)
class LoadReport:
    """What a file gave: layers read, layers it did not reach, and floats left over."""

    header: Header
    read: tuple[int, ...]
    missing: tuple[int, ...]
    extra: int


@dataclass(frozen=True)
class Piece:
    """One tensor of a layer and the floats of the file that belong to it, counted from the end of the header."""

    layer: int
    stored: Stored
    start: int

    @property
    def end(self) -> int:
        """The float after the last."""
        return self.start + self.stored.tensor.numel()


@dataclass(frozen=True)
class Fit:
    """A network laid on a weights file; nothing but the header is read.

    ``pieces`` are in file order, the first ``whole`` of them are in the file. ``size`` is that of the file in bytes.
    """

    path: str
    graph: Graph
    header: Header
    size: int
    pieces: tuple[Piece, ...]

    @property
    def floats(self) -> int:
        """Whole floats behind the header."""
        return (self.size - self.header.size) // FLOAT

    @property
    def whole(self) -> int:
        """Number of pieces before the file ends."""
        return sum(piece.end <= self.floats for piece in self.pieces)

    @property
    def extra_bytes(self) -> int:
        """Bytes after the last piece, 0 where the file ends early."""
        needed = self.header.size + FLOAT * (self.pieces[-1].end if self.pieces else 0)
        return max(self.size - needed, 0)

    def report(self) -> LoadReport:
        """The layers that the file gives and those it does not reach."""
        read = dict.fromkeys(piece.layer for piece in self.pieces[: self.whole])
        missing = dict.fromkeys(piece.layer for piece in self.pieces[self.whole :])
        return LoadReport(self.header, tuple(read), tuple(missing), self.extra_bytes // FLOAT)

    def check(self, may_go_on: bool = False) -> None:
        """Raise WeightsError where the file ends inside a layer or goes on after the last."""
        if self.whole < len(self.pieces):
            section = self.graph.nodes[self.pieces[self.whole].layer].layer.section
            raise WeightsError(
                f"ends inside layer {self.pieces[self.whole].layer} [{section.kind}] ({section.path}:{section.line}): "
                f"{self.floats} floats of {self.pieces[-1].end}",
                path=self.path,
                hint="--partial takes the layers that are whole",
            )
        if self.extra_bytes and not may_go_on:
            last = self.pieces[-1].layer if self.pieces else 0
            raise WeightsError(
                f"goes on for {self.extra_bytes} bytes after layer {last}, the last it should hold",
                path=self.path,
                hint=f"is {self.graph.path} its cfg? --partial takes what fits",
            )


def parse_header(raw: bytes, path: str | os.PathLike[str]) -> Header:
    """The header of a weights file from its first 20 bytes; raises WeightsError."""
    if len(raw) < 16:
        raise WeightsError(f"{len(raw)} bytes are too short for a weights file", path=path)
    major, minor, revision = struct.unpack_from("<iii", raw)
    wide = 10 * major + minor >= 2
    if wide and len(raw) < 20:
        raise WeightsError(f"{len(raw)} bytes are too short for a weights file", path=path)
    (seen,) = struct.unpack_from("<Q" if wide else "<I", raw, 12)
    return Header(major, minor, revision, seen, 20 if wide else 16)


def fit_file(network: Network, path: str | os.PathLike[str], cutoff: int | None = None) -> Fit:
    """Lay a network (of shapes alone, if need be) on a file; raises WeightsError for what is no weights file.

    Only layers below ``cutoff`` take part; a file named ``*.conv.N`` sets it to N.
    """
    with _opened(path) as stream:
        header = parse_header(stream.read(_LONGEST_HEADER), path)
        size = os.fstat(stream.fileno()).st_size
    limit = named_cutoff(path) if cutoff is None else cutoff
    return Fit(os.fspath(path), network.graph, header, size, tuple(_pieces(network, limit)))


def load_weights(
    network: Network, path: str | os.PathLike[str], partial: bool = False, cutoff: int | None = None
) -> LoadReport:
    """Fill a network from a file.

    Args:
        partial: accept a file that ends early (at whole tensors) or goes on after the last layer.
        cutoff: read layers below this number only, and expect the file to end there or go on. A file named
            ``*.conv.N`` (the first N layers of a network) sets it to N.

    Sets ``network.seen``. Raises:
        WeightsError: the file is too short or too long; the layer where it ends is named and nothing is changed.
    """
    fit = fit_file(network, path, cutoff)
    if not partial:
        fit.check(may_go_on=cutoff is not None)
    with _opened(path) as stream, torch.no_grad():
        stream.seek(fit.header.size)
        for piece in fit.pieces[: fit.whole]:
            if not _fill(piece.stored, stream, fit.header.transposed):
                raise WeightsError("was cut short while it was read", path=path)
    report = fit.report()
    for index in report.read:
        for module in network.layers[index].modules():
            if isinstance(module, BatchNorm):
                module.settle()
    network.seen = fit.header.seen
    return report


def fills_all(graph: Graph, path: str | os.PathLike[str], partial: bool = False) -> bool:
    """Whether a file that ``load_weights`` accepts gives every tensor, so that no start weights are needed."""
    return not (partial or named_cutoff(path) is not None or any(node.layer.dontload for node in graph.nodes))


def save_weights(network: Network, path: str | os.PathLike[str], cutoff: int | None = None) -> None:
    """Write ``network`` and its ``seen`` as Darknet does, header 0.2.5, atomically; only layers below ``cutoff``.

    Raises WeightsError when the file cannot be written; an older file of that name then stays as it was.
    """
    write_atomically(Path(path), _chunks(network, cutoff), WeightsError)


def named_cutoff(path: str | os.PathLike[str]) -> int | None:
    """N of a file named ``*.conv.N``: the number of layers it holds."""
    named = _CUTOFF.search(os.fspath(path))
    return int(named.group(1)) if named else None


def _chunks(network: Network, cutoff: int | None) -> Iterator[bytes]:
    yield struct.pack("<iiiQ", *VERSION, network.seen)
    for layer in network.stored()[:cutoff]:
        for item in layer:
            yield item.tensor.detach().float().cpu().contiguous().numpy().astype("<f4", copy=False).tobytes()


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        if not Path(path).is_file():
            raise WeightsError("no such weights file", path=path)
        return Path(path).open("rb")
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", path=path) from None


def _pieces(network: Network, limit: int | None) -> Iterator[Piece]:
    start = 0
    for index, (node, layer) in enumerate(zip(network.graph.nodes, network.stored(), strict=True)):
        if limit is not None and index >= limit:
            return
        if not node.layer.dontload:
            for stored in layer:
                piece = Piece(index, stored, start)
                yield piece
                start = piece.end


def _fill(stored: Stored, stream: BinaryIO, transposed: bool) -> bool:
    """Fill a tensor with the next floats; False where the stream ends before."""
    tensor = stored.tensor.detach()
    turned = transposed and stored.name == "weights" and tensor.dim() == 2
    if tensor.is_contiguous() and tensor.dtype == torch.float32 and tensor.device.type == "cpu" and not turned:
        # Straight into the tensor's memory: no second copy of the file is ever held.
        return stream.readinto(tensor.view(-1).numpy().view("<f4").data) == FLOAT * tensor.numel()  # type: ignore[attr-defined,no-any-return]
    values = np.fromfile(stream, dtype="<f4", count=tensor.numel())
    if len(values) < tensor.numel():
        return False
    flat = torch.from_numpy(values)
    tensor.copy_(flat.view(tensor.shape[1], -1).t() if turned else flat.view(tensor.shape))
    return True
