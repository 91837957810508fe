"""Writing a file so that it is either wholly there or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from csptrain.errors import CspError


def write_atomically(
    path: Path, chunks: Iterable[bytes], failure: type[CspError], previous: Path | None = None
) -> None:
    """Write to a temporary file beside ``path``, fsync, rename over it; the file that was there becomes ``previous``.

    Raises ``failure`` naming ``path`` when the disk is full, the folder missing or not writable; nothing is left behind
    and an older file keeps its bytes. A process killed between two renames leaves ``previous`` alone.
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
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except FileExistsError:
        raise failure(f"cannot be written: {path.parent} is not a folder", path=path) from None
    except OSError as error:
        raise failure(f"cannot be written: {error.strerror or error}", path=path) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def utf8(text: str) -> bytes:
    """Text for a file; of names of files that are no UTF-8 the very bytes."""
    return text.encode("utf-8", "surrogateescape")


@contextlib.contextmanager
def staged(folder: Path, failure: type[CspError]) -> Iterator[Path]:
    """A temporary folder, whose files move to ``folder`` when the block has ended without an error.

    Files of the same names are replaced. Where the block raises, ``folder`` is as it was. What the disk refuses is
    raised as ``failure``.
    """
    if folder.exists() and not folder.is_dir():
        raise failure("is not a folder", path=folder)
    anchor = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=anchor) as temporary:
            try:
                yield Path(temporary)
            except CspError as error:
                if error.path is not None:  # the temporary folder says nothing to anybody
                    error.path = error.path.replace(temporary, str(folder))
                raise
            folder.mkdir(parents=True, exist_ok=True)
            for file in sorted(Path(temporary).iterdir()):
                os.replace(file, folder / file.name)
    except OSError as error:
        raise failure(f"cannot be written: {error.strerror or error}", path=folder) from None


def remove_leftovers(folder: Path, starts: Iterable[str]) -> None:
    """Remove what killed processes left of files whose names begin so; nobody else may be writing them."""
    for start in starts:
        for path in folder.glob(f".{glob.escape(start)}*.????????.tmp"):
            with contextlib.suppress(OSError):  # it is in nobody's way
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a loss of power, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
