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

import numpy as np
import torch

from csptrain.errors import WeightsError
from csptrain.formats.files import write_atomically
from csptrain.layers.base import Stored
from csptrain.layers.batchnorm import BatchNorm
from csptrain.network import Network

VERSION = (0, 2, 5)
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
    raw = _read(path)
    header = parse_header(raw[:20].tobytes(), path)
    floats = raw[header.size : header.size + (len(raw) - header.size) // 4 * 4].view("<f4")
    named = _CUTOFF.search(os.fspath(path))
    limit = cutoff if cutoff is not None else int(named.group(1)) if named else None
    wanted = list(_wanted(network, limit))
    report, pieces = _fit(header, floats, wanted, network)
    short = f"ends inside layer {report.missing[0]}" if report.missing else ""
    ragged = (len(raw) - header.size) % 4
    if not partial:
        if short:
            raise _short(network, path, report.missing[0], wanted, len(floats))
        if (report.extra or ragged) and cutoff is None:
            last = wanted[-1][0] if wanted else 0
            raise WeightsError(
                f"goes on for {4 * report.extra + ragged} bytes after layer {last}, the last it should hold",
                path=path,
                hint=f"is {network.graph.path} its cfg? --partial takes what fits",
            )
    with torch.no_grad():
        for stored, values in pieces:
            flat = torch.from_numpy(values)
            if header.transposed and stored.name == "weights" and stored.tensor.dim() == 2:
                stored.tensor.copy_(flat.view(stored.tensor.shape[1], -1).t())
            else:
                stored.tensor.copy_(flat.view(stored.tensor.shape))
    for index in report.read:
        for module in network.layers[index].modules():
            if isinstance(module, BatchNorm):
                module.settle()
    network.seen = header.seen
    return report


def save_weights(network: Network, path: str | os.PathLike[str], cutoff: int | None = None) -> None:
    """Write ``network`` and its ``seen`` as Darknet does, header 0.2.5, atomically; only layers below ``cutoff``.

    Raises WeightsError when the file cannot be written; an older file of that name then stays as it was.
    """
    chunks = [struct.pack("<iiiQ", *VERSION, network.seen)]
    for layers in network.stored()[:cutoff]:
        chunks += [item.tensor.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes() for item in layers]
    write_atomically(Path(path), chunks, WeightsError)


def _read(path: str | os.PathLike[str]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    try:
        if not Path(path).is_file():
            raise WeightsError("no such weights file", path=path)
        return np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", path=path) from None


def _wanted(network: Network, limit: int | None) -> Iterator[tuple[int, Stored]]:
    for index, (node, layer) in enumerate(zip(network.graph.nodes, network.stored(), strict=True)):
        if limit is not None and index >= limit:
            return
        if not node.layer.dontload:
            for stored in layer:
                yield index, stored


def _fit(
    header: Header,
    floats: np.ndarray[tuple[int], np.dtype[np.float32]],
    wanted: list[tuple[int, Stored]],
    network: Network,
) -> tuple[LoadReport, list[tuple[Stored, np.ndarray[tuple[int], np.dtype[np.float32]]]]]:
    pieces = []
    read: list[int] = []
    missing: list[int] = []
    offset = 0
    for index, stored in wanted:
        end = offset + stored.tensor.numel()
        if missing or end > len(floats):
            if index not in missing:
                missing.append(index)
            continue
        pieces.append((stored, floats[offset:end]))
        if index not in read:
            read.append(index)
        offset = end
    return LoadReport(header, tuple(read), tuple(missing), len(floats) - offset if not missing else 0), pieces


def _short(
    network: Network, path: str | os.PathLike[str], layer: int, wanted: list[tuple[int, Stored]], found: int
) -> WeightsError:
    kind = network.graph.nodes[layer].layer.section
    needed = sum(stored.tensor.numel() for _, stored in wanted)
    return WeightsError(
        f"ends inside layer {layer} [{kind.kind}] ({kind.path}:{kind.line}): {found} floats of {needed}",
        path=path,
        hint="--partial takes the layers that are whole",
    )
