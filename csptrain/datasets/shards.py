"""Files inside tar shards: read at their places, never unpacked.

A file ``a.jpg`` of the shard ``x.tar`` has the path ``x.tar/a.jpg``. Whoever reads by `read_bytes` and asks by `exists`
need not know whether a path is such a one. Each process indexes a shard once and holds few shards open; reading at a
place moves nothing, so workers made by fork share both.
"""

from __future__ import annotations

import io
import os
import re
import struct
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csptrain.cfg.dataset import RANGE
from csptrain.cfg.regular import check_regular
from csptrain.errors import DataError

SUFFIX = ".tar"
_MOST_HEADER = 1 << 16  # bytes of the headers of one member: long names and sparse maps declare any size
_MOST_NAME = 255  # bytes: every name of a shard takes as much memory as the longest
_MOST_SHARDS = 1_000_000
_MOST_OPEN = 64
_INSIDE = re.compile(re.escape(SUFFIX) + "(?=/)")
# What Python's reader raises for hostile headers.
_DAMAGE = (tarfile.TarError, ValueError, IndexError, KeyError, OverflowError, struct.error, RecursionError)


@dataclass(frozen=True)
class _Index:
    """Where the files of a shard are: ``names`` in rising order, of each the first byte and the size, int64 [N]."""

    names: npt.NDArray[np.bytes_]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def find(self, name: str) -> tuple[int, int] | None:
        """First byte and size of a file, None where it is not there."""
        wanted = os.fsencode(name)
        place = int(np.searchsorted(self.names, wanted)) if len(wanted) <= _MOST_NAME else len(self.names)
        if place == len(self.names) or self.names[place] != wanted:
            return None
        return int(self.starts[place]), int(self.sizes[place])


class _Shard:
    """An open shard; it closes itself when nobody needs it."""

    def __init__(self, path: str) -> None:
        check_regular(path)
        try:
            self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(f"the shard cannot be read: {error.strerror}", path=path) from None
        found = os.fstat(self.handle)
        self.index = _index(path, found.st_size, found.st_mtime_ns)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            os.close(self.handle)


_open = lru_cache(_MOST_OPEN)(_Shard)


class _Headers(io.FileIO):
    """A file of which only so much is read between two members."""

    left = _MOST_HEADER

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= self.left:
            raise tarfile.ReadError(f"more than {_MOST_HEADER} bytes of headers")
        self.left -= size
        return super().read(size)


def is_shard(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a shard or a pattern of shards, by its name."""
    return os.fspath(path).endswith(SUFFIX) and not os.path.isdir(path)


def expand(pattern: str) -> list[str]:
    """``train-{000..049}.tar`` as the names that it stands for; any other name stands for itself.

    Raises:
        DataError: a range that runs backwards or is too long.
    """
    found = RANGE.search(pattern)
    if found is None:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + _MOST_SHARDS:
        raise DataError(f"{found[0]} is not a range of at most {_MOST_SHARDS} numbers", path=pattern)
    width = len(found[1])
    return [
        f"{pattern[: found.start()]}{number:0{width}d}{pattern[found.end() :]}" for number in range(first, last + 1)
    ]


def members(shard: str) -> list[str]:
    """The paths of the files in a shard, in the order of the shard.

    Raises:
        DataError: what is no tar, is compressed, cut off or damaged, or holds anything but files in folders.
    """
    _open.cache_clear()  # what it lists is what is there now
    index = _open(shard).index
    return [f"{shard}/{os.fsdecode(name)}" for name in index.names[np.argsort(index.starts)].tolist()]


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is such a file, by itself or in a shard; raises DataError for a shard that cannot be used."""
    place = _split(path)
    return os.path.exists(path) if place is None else _open(place[0]).index.find(place[1]) is not None


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """A file of at most ``most`` bytes, by itself or in a shard.

    Raises:
        DataError: it is not there, is too large, no regular file or cannot be read.
    """
    place = _split(path)
    try:
        if place is None:
            check_regular(path, most)
            with open(path, "rb") as stream:
                return stream.read(most)
        shard = _open(place[0])
        found = shard.index.find(place[1])
        if found is None:
            raise DataError("no such file in the shard", path=path)
        start, size = found
        if size > most:
            raise DataError(f"is larger than {most} bytes", path=path)
        return os.pread(shard.handle, size, start)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None


def in_shard(path: str | os.PathLike[str]) -> bool:
    """Whether a path leads into a shard."""
    return _split(path) is not None


def _split(path: str | os.PathLike[str]) -> tuple[str, str] | None:
    """The shard that a path leads into, and the name in it; a folder may be called x.tar too."""
    text = os.fspath(path)
    for found in _INSIDE.finditer(text):
        shard = text[: found.end()]
        if os.path.isfile(shard):
            return shard, text[found.end() + 1 :]
    return None


@cache
def _index(path: str, _size: int, _changed: int) -> _Index:
    try:
        found = list(_files(path))
    except OSError as error:
        raise DataError(f"the shard cannot be read: {error.strerror}", path=path) from None
    except _DAMAGE as error:
        hint = "shards are plain tar files, not compressed"
        raise DataError(f"is no tar file, is cut off or damaged: {error}", path=path, hint=hint) from None
    names = np.array([name for name, _, _ in found], np.bytes_)
    order = np.argsort(names)
    names = names[order]
    twice = np.flatnonzero(names[1:] == names[:-1])
    if len(twice):
        raise DataError(f"holds '{os.fsdecode(names[twice[0]])}' twice", path=path)
    places = np.array([place for _, *place in found], np.int64).reshape(-1, 2)[order]
    return _Index(names, places[:, 0], places[:, 1])


def _files(path: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size of every file of a shard."""
    with _Headers(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
        end = 0
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
            stream.left = _MOST_HEADER
            if not end < member.offset_data <= member.offset_data + member.size <= tar.offset:
                raise tarfile.ReadError(f"the header at byte {end} leads elsewhere")
            end = tar.offset
            if not member.isdir():
                yield _checked_name(member, path), member.offset_data, member.size
        # The reader takes a damaged header for the end.
        stream.left = _MOST_HEADER
        stream.seek(end)
        if stream.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"no header at byte {end}")


def _checked_name(member: tarfile.TarInfo, path: str) -> bytes:
    """The name of a file as its path has it; raises DataError for what has no place in a shard."""
    name = member.name.removeprefix("./")
    told = repr(name[:80])
    if not member.isreg() or member.issparse():
        raise DataError(f"holds {told}, a link, device or sparse file", path=path, hint="a shard holds plain files")
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise DataError(f"holds {told}, a path that leads elsewhere", path=path)
    raw = os.fsencode(name)
    if len(raw) > _MOST_NAME or b"\0" in raw:
        raise DataError(f"holds {told}, a name of more than {_MOST_NAME} bytes or with NUL", path=path)
    return raw


def shards_in(folder: Path) -> list[str]:
    """The shards below a folder, sorted."""
    return sorted(str(file) for file in folder.rglob(f"*{SUFFIX}") if file.is_file())
