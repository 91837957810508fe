"""The full state of a training in one file: what it takes to go on as if it had never stopped.

An uncompressed ``.npz``: arrays under their names and one JSON text. No pickle is written or read, and the archive's
checksums tell a damaged file.
"""

from __future__ import annotations

import io
import json
import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from csptrain.errors import WeightsError
from csptrain.formats.files import write_atomically

FORMAT = "csptrain state 1"
_META = "meta.json"
# What reading a broken archive can raise, by the part that is broken.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError, LookupError,
    AttributeError, RuntimeError, OverflowError, MemoryError, TypeError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """Tensors by name, and plain values (numbers, strings, lists, dicts)."""

    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]


def previous_of(path: Path) -> Path:
    """Where the state before the one in ``path`` is kept."""
    return path.with_name(f"{path.stem}_previous{path.suffix}")


def save_state(path: Path, state: State) -> None:
    """Write a state atomically and keep the one before; raises WeightsError when it cannot be written."""
    write_atomically(path, [pack(state)], WeightsError, previous_of(path))


def pack(state: State) -> bytes:
    """A state as the bytes of its file."""
    stream = io.BytesIO()
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.tensors.items()}
    text = json.dumps({"format": FORMAT, **state.meta}).encode()
    arrays[_META] = np.frombuffer(text, np.uint8)
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def newest_state(path: Path) -> tuple[State, Path, list[WeightsError]]:
    """Of the state in ``path`` and the one before, the newest that is whole; its file, and what was wrong with others.

    The newest is the one that was written last. The one before may have more iterations: those of an older training.

    Raises:
        WeightsError: neither is whole.
    """
    skipped: list[WeightsError] = []
    for candidate in (path, previous_of(path)):
        if not os.path.exists(candidate):
            continue
        try:
            return load_state(candidate), candidate, skipped
        except WeightsError as error:
            skipped.append(error)
    raise skipped[0] if skipped else WeightsError("no such training state", path=path)


def load_state(path: str | os.PathLike[str]) -> State:
    """Read what ``save_state`` wrote, tensors on the CPU.

    Raises:
        WeightsError: not there, damaged, or no such state.
    """
    if not os.path.isfile(path):
        raise WeightsError("no such training state", path=path)
    return _read(path, path)


def unpack(content: bytes) -> State:
    """The state in the bytes of its file; raises WeightsError as `load_state` does."""
    return _read(io.BytesIO(content), "training state")


def _read(source: str | os.PathLike[str] | io.BytesIO, path: str | os.PathLike[str]) -> State:
    try:
        with zipfile.ZipFile(source) as archive:
            _check_sizes(archive)
            # Checksums first: what is read after them is what was written.
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(bad)
        if isinstance(source, io.BytesIO):
            source.seek(0)
        with np.load(source, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        meta = json.loads(arrays.pop(_META).tobytes())
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    except _DAMAGE as error:
        raise WeightsError(f"is damaged or no training state ({type(error).__name__})", path=path) from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise WeightsError("is no csptrain training state", path=path)
    return State(tensors, meta)


def _check_sizes(archive: zipfile.ZipFile) -> None:
    """Raise BadZipFile where an array would need more memory than its part of the file has bytes."""
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise zipfile.BadZipFile(member.filename)
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(stream)
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise zipfile.BadZipFile(member.filename)
