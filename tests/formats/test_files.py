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
from csptrain.formats.files import remove_leftovers, staged, write_atomically


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
    with pytest.raises(WeightsError, match=r"file/x\.bin: cannot be written: .*file is not a folder"):
        write_atomically(tmp_path / "file" / "x.bin", [b"new"], WeightsError)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_staged_files_come_together_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    with pytest.raises(KeyError), staged(folder, WeightsError) as stage:
        (stage / "a").write_text("1")
        raise KeyError
    with pytest.raises(WeightsError) as caught, staged(folder, WeightsError) as stage:
        raise WeightsError("cannot be written: No space left on device", path=stage / "a")
    assert str(caught.value) == f"{folder}/a: cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []
    for text in ("1", "2"):
        with staged(folder, WeightsError) as stage:
            (stage / "a").write_text(text)
            (stage / "b").write_text(text)
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": text, "b": text}
    with pytest.raises(WeightsError, match="is not a folder"), staged(folder / "a", WeightsError):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_the_file_before_is_kept(tmp_path: Path) -> None:
    path, before = tmp_path / "x.bin", tmp_path / "before.bin"
    for content in (b"1", b"2", b"3"):
        write_atomically(path, [content], WeightsError, before)
    assert (path.read_bytes(), before.read_bytes()) == (b"3", b"2")


def test_leftovers_of_killed_processes(tmp_path: Path) -> None:
    gone = [".net.state.abcd1234.tmp", ".net_last.weights.0_aZ9xyz.tmp", ".chart.png.12345678.tmp"]
    stay = ["net.state", ".other.state.abcd1234.tmp", ".net.tmp", "net.state.abcd1234.tmp"]
    for name in (*gone, *stay):
        (tmp_path / name).write_bytes(b"")
    remove_leftovers(tmp_path, ("net", "chart.png"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stay)
    remove_leftovers(tmp_path / "none", ("net",))
