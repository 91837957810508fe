"""Writing a file so that it is either wholly there or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from csptrain.errors import CspError


def write_atomically(path: Path, chunks: Iterable[bytes], failure: type[CspError]) -> None:
    """Write to a temporary file beside ``path``, fsync, rename over it.

    Raises ``failure`` naming ``path`` when the disk is full, the folder missing or not writable; nothing is left behind
    and an older file keeps its bytes.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise failure(f"cannot be written: {error.strerror or error}", path=path) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
