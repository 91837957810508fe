"""Sets that are made, not fetched: a folder is there as a whole or not at all, and may know how it was made."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from csptrain.errors import DataError

Manifest = dict[str, object]


def ensure_made(folder: Path, manifest: Manifest, write: Callable[[Path], None]) -> None:
    """Have ``write`` make a set in a new folder that becomes ``folder``, unless it was made there the same way.

    ``manifest`` says how, and as ``"set"`` which set it is; it stands in the folder as ``<set>.json``. A set made in
    another way is replaced.

    Raises:
        DataError: the folder holds other things, or cannot be written.
    """
    kind = str(manifest["set"])

    def is_made() -> bool:
        return _manifest(folder, kind) == manifest

    if is_made():
        return
    if _manifest(folder, kind) is None:
        refuse_used(folder)
    with new_folder(folder, is_made) as fresh:
        write(fresh)
        (fresh / f"{kind}.json").write_text(json.dumps(manifest, indent=1) + "\n")


def refuse_used(folder: Path) -> None:
    """Raise DataError where something stands that is no empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("the folder is in use", path=folder, hint="delete it or name another one")


@contextmanager
def new_folder(folder: Path, is_made: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """A folder of the same name, yet to be created, that takes the place of ``folder`` in the end.

    Args:
        is_made: whether another process has been faster; then its folder stays.

    Raises:
        DataError: it cannot be written. Nothing is left then, nor after any other error.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            fresh = Path(scratch, folder.name)
            yield fresh
            if is_made():
                return
            if folder.exists():
                os.replace(folder, Path(scratch, f"{folder.name}.old"))
            try:
                os.replace(fresh, folder)
            except OSError:
                if not is_made():
                    raise
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror or error}", path=folder) from None


def _manifest(folder: Path, kind: str) -> Manifest | None:
    try:
        found = json.loads((folder / f"{kind}.json").read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("set") == kind else None
