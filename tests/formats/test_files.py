"""Files are wholly there or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from csptrain.errors import WeightsError
from csptrain.formats import files
from csptrain.formats.files import write_atomically


def test_chunks_folders_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.bin"
    old = os.umask(0o027)
    try:
        write_atomically(path, [b"ab", b"", b"cd"], WeightsError)
    finally:
        os.umask(old)
    assert path.read_bytes() == b"abcd"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["x.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, step, full)
    with pytest.raises(WeightsError) as caught:
        write_atomically(path, [b"new"], WeightsError)
    assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.bin"]


def test_whatever_stops_the_writing_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x.bin", chunks(), WeightsError)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.bin", tmp_path):
        with pytest.raises(WeightsError, match="cannot be written"):
            write_atomically(path, [b"new"], WeightsError)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
