"""Hostile files of every kind: a result or a CspError that names the file, within 5 seconds and 2 GiB."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz import files

MUTANTS = 60  # of each kind; `python -m tests.fuzz --files N` takes more
MONSTERS = {name: kind.monsters() for name, kind in files.KINDS.items()}


@pytest.mark.parametrize("name", files.KINDS)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    kind = files.KINDS[name]
    path = tmp_path / f"x{kind.suffix}"
    wrong = []
    for mutant, content in files.mutants(kind, MUTANTS, seed=1):
        path.write_bytes(content)
        if found := files.attempt(kind, path):
            wrong.append(f"{mutant}: {found}")
    assert wrong == []


@pytest.mark.parametrize(("name", "monster"), [(name, each) for name in files.KINDS for each in MONSTERS[name]])
def test_monsters(name: str, monster: str, tmp_path: Path) -> None:
    kind = files.KINDS[name]
    path = tmp_path / f"x{kind.suffix}"
    path.write_bytes(MONSTERS[name][monster])
    assert files.attempt(kind, path) is None


@pytest.mark.parametrize("name", files.KINDS)
def test_what_is_no_file(name: str, tmp_path: Path) -> None:
    kind = files.KINDS[name]
    places = {word: tmp_path / f"{word}{kind.suffix}" for word in ("pipe", "folder", "loop", "none", "zero", "x" * 300)}
    os.mkfifo(places["pipe"])
    places["folder"].mkdir()
    places["loop"].symlink_to(places["loop"])
    places["zero"].symlink_to("/dev/zero")
    assert {word: found for word, path in places.items() if (found := files.attempt(kind, path))} == {}
