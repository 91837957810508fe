"""Sets that are made: once, as a whole, and never over what somebody else has put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from csptrain.datasets.made import Manifest, ensure_made, new_folder
from csptrain.errors import DataError


def make(folder: Path, manifest: Manifest, made: list[Manifest]) -> None:
    def write(fresh: Path) -> None:
        assert fresh.name == folder.name
        fresh.mkdir()
        made.append(manifest)

    ensure_made(folder, manifest, write)


def test_made_once_for_the_same_manifest(tmp_path: Path) -> None:
    made: list[Manifest] = []
    one, other = {"set": "a", "seed": 1}, {"set": "a", "seed": 2}
    for manifest in (one, one, other, other, one):
        make(tmp_path / "x", manifest, made)
    assert made == [one, other, one]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a.json"]


def test_another_set_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path / "x", {"set": "a"}, [])
    with pytest.raises(DataError, match="in use"):
        make(tmp_path / "x", {"set": "b"}, [])
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="in use"):
        make(tmp_path / "file", {"set": "a"}, [])


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    make(tmp_path / "x", {"set": "a"}, [])
    with pytest.raises(DataError, match="x: cannot be written: No such file"), new_folder(tmp_path / "x") as fresh:
        (fresh / "no/such").write_text("")
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "x"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["x"] and (tmp_path / "x/a.json").exists()


def test_who_was_faster_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "x", lambda: True) as fresh:
        fresh.mkdir()
        (tmp_path / "x").mkdir()
        (tmp_path / "x/theirs").write_text("")
    assert (tmp_path / "x/theirs").exists()
