"""make_shards.py: from a list to tar shards that train alike."""

from __future__ import annotations

import importlib.util
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from csptrain.datasets.class_list import read_class_list
from csptrain.datasets.lists import read_samples
from tests import tiny

Make = Callable[..., tuple[int, str, str]]
SCRIPT = Path(__file__).parents[2] / "scripts" / "make_shards.py"


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Make:
    """The script as a function of its words, run in the test's folder; gives exit code, stdout and stderr."""
    spec = importlib.util.spec_from_file_location("make_shards", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path, 5)

    def run(*words: str) -> tuple[int, str, str]:
        return (script.main(list(words)), *capsys.readouterr())

    return run


def test_the_shards_hold_the_list(make: Make, tmp_path: Path) -> None:
    (tmp_path / "images/02.txt").unlink()
    assert make("list.txt", "train", "--size", "2") == (0, "train: 3 shards\n", "")
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == [f"train-00000{n}.tar" for n in range(3)]
    with tarfile.open(tmp_path / "train/train-000001.tar") as tar:
        assert tar.getnames() == ["02.png", "03.png", "03.txt"]
    loose, packed = read_samples(tmp_path / "list.txt", 2), read_samples(tmp_path / "train", 2)
    assert len(packed) == 5 and loose.unlabelled == packed.unlabelled == 1
    assert np.array_equal(loose.rows, packed.rows) and np.array_equal(loose.starts, packed.starts)


def test_the_same_bytes_and_other_sizes(make: Make, tmp_path: Path) -> None:
    make("list.txt", "one", "--size", "5")
    (tmp_path / "images/00.png").touch()
    make("list.txt", "two/one", "--size", "5")
    make("one", "three/one", "--size", "9")
    contents = {(tmp_path / folder / "one-000000.tar").read_bytes() for folder in ("one", "two/one", "three/one")}
    assert len(contents) == 1


def test_folders_of_classes_stay(make: Make, tmp_path: Path) -> None:
    for name in ("cat/a.png", "dog/a.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        (tmp_path / "set" / name).write_bytes((tmp_path / "images/00.png").read_bytes())
    assert make("set", "packed")[0] == 0
    assert read_class_list(tmp_path / "packed", ("cat", "dog")).classes.tolist() == [0, 1]


def test_what_cannot_be_packed(make: Make, tmp_path: Path) -> None:
    assert make("list.txt", "images")[::2] == (
        1,
        f"make_shards.py: {tmp_path}/images: the folder is in use (delete it or name another one)\n",
    )
    (tmp_path / "twice.txt").write_text(f"{tmp_path}/images/00.png\n" * 2)
    assert "lists an image twice" in make("twice.txt", "new")[2] and not (tmp_path / "new").exists()
    with pytest.raises(SystemExit) as stopped:
        make("list.txt", "new", "--size", "0")
    assert stopped.value.code == 2
