"""The categories of a COCO json, found without reading the hundreds of megabytes around them."""

from __future__ import annotations

import json
import mmap
import os
import re
from pathlib import Path

from csptrain.cfg.regular import check_regular
from csptrain.errors import DataError

_PLACE = re.compile(rb'"categories"\s*:\s*(?=\[)')
_WINDOW = 4 << 20  # bytes; COCO's own list of categories has ten thousand


def read_categories(path: str | os.PathLike[str]) -> tuple[tuple[int, str], ...]:
    """Category ids and names of a COCO json by rising id: category k of this list is class k.

    Raises:
        DataError: an unreadable file, one without categories, or categories without a whole number as id or twice
            with the same.
    """
    found = _list_of_categories(Path(path))
    if not found:
        raise DataError("lists no categories, so it is no COCO instances file", path=path)
    categories = sorted((_category(entry, path) for entry in found), key=lambda category: category[0])
    for (one, _), (other, _) in zip(categories, categories[1:], strict=False):
        if one == other:
            raise DataError(f"category {one} is given twice", path=path)
    return tuple(categories)


def _category(entry: object, path: str | os.PathLike[str]) -> tuple[int, str]:
    number = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or type(number) is not int:
        raise DataError(f"the category {entry!s:.60} has no whole number as id", path=path)
    return number, str(entry.get("name", f"category{number}"))


def _list_of_categories(path: Path) -> list[object]:
    check_regular(path)
    try:
        with path.open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                return []
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
                return next((found for place in _PLACE.finditer(view) if (found := _decode(view, place.end()))), [])
    except FileNotFoundError:
        raise DataError("no such file", path=path) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None


def _decode(view: mmap.mmap, start: int) -> list[object]:
    """The JSON list at ``start``; none if it is no list or does not end within the window."""
    text = view[start : start + _WINDOW].decode("utf-8", "ignore")
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []
