"""Whether a path is a file that can be read to its end: a pipe would keep its reader waiting, a device never ends."""

from __future__ import annotations

import os
import stat

from csptrain.errors import DataError


def check_regular(path: str | os.PathLike[str], most: int | None = None) -> None:
    """Raise DataError for what is not there, is no regular file, or is larger than ``most`` bytes."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise DataError("no such file", path=path) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    except ValueError as error:  # a NUL in the path
        raise DataError(f"cannot be read: {error}", path=repr(os.fspath(path))) from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError("is no file", path=path)
    if most is not None and found.st_size > most:
        raise DataError(f"is larger than {most} bytes", path=path)
