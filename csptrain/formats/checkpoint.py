"""The full state of a training in one file: what it takes to go on as if it had never stopped.

An uncompressed ``.npz``: arrays under their names and one JSON text. No pickle is written or read, and the archive's
checksums tell a damaged file.
"""

from __future__ import annotations

import io
import json
import lzma
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
    AttributeError, RuntimeError, OverflowError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """Tensors by name, and plain values (numbers, strings, lists, dicts)."""

    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]


def save_state(path: Path, state: State) -> None:
    """Write a state atomically; raises WeightsError when it cannot be written."""
    stream = io.BytesIO()
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.tensors.items()}
    text = json.dumps({"format": FORMAT, **state.meta}).encode()
    arrays[_META] = np.frombuffer(text, np.uint8)
    np.savez(stream, allow_pickle=False, **arrays)
    write_atomically(path, [stream.getvalue()], WeightsError)


def load_state(path: str | os.PathLike[str]) -> State:
    """Read what ``save_state`` wrote, tensors on the CPU.

    Raises:
        WeightsError: not there, damaged, or no such state.
    """
    if not Path(path).is_file():
        raise WeightsError("no such training state", path=path)
    try:
        with zipfile.ZipFile(path) as archive:
            # Checksums first: what is read after them is what was written.
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(bad)
        with np.load(path, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        meta = json.loads(arrays.pop(_META).tobytes())
    except _DAMAGE as error:
        raise WeightsError(f"is damaged or no training state ({type(error).__name__})", path=path) from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise WeightsError("is no csptrain training state", path=path)
    return State({name: torch.from_numpy(array) for name, array in arrays.items()}, meta)
