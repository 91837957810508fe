"""`.data` and `.yaml` files, and what they must refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from csptrain.cfg.dataset import read_dataset
from csptrain.errors import DataError

REPOSITORY = Path(__file__).parents[2]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def names(tmp_path: Path) -> Path:
    return write(tmp_path, "two.names", "cat\ndog\n\n")


def test_reads_a_data_file(tmp_path: Path, names: Path) -> None:
    write(tmp_path, "train.txt", "a.jpg\n")
    path = write(
        tmp_path,
        "x.data",
        "# comment\nclasses = 2\ntrain=train.txt\nnames=two.names\nbackup=out\neval=coco\ntop=5\n",
    )
    spec = read_dataset(path)
    assert (spec.classes, spec.names, spec.top, spec.eval) == (2, ("cat", "dog"), 5, "coco")
    assert spec.train == spec.valid == tmp_path / "train.txt"
    assert spec.test is None
    assert spec.backup == Path("out")


def test_working_directory_comes_before_the_files_folder(
    tmp_path: Path, names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    write(here, "train.txt", "a.jpg\n")
    write(tmp_path, "train.txt", "b.jpg\n")
    monkeypatch.chdir(here)
    path = write(tmp_path, "x.data", "classes=2\ntrain=train.txt\nvalid=nowhere.txt\n")
    spec = read_dataset(path)
    assert spec.train is not None and spec.train.resolve() == (here / "train.txt").resolve()
    assert spec.valid == Path("nowhere.txt")  # made later, or reported when it is read


def test_without_names_classes_are_numbered(tmp_path: Path) -> None:
    assert read_dataset(write(tmp_path, "x.data", "classes=2")).names == ("class0", "class1")


@pytest.mark.parametrize(
    "text",
    [
        "nc: 2\nnames: [cat, dog]\ntrain: images/train\nval: images/val\ndownload: https://example.org/x\n",
        "path: .\nnames:\n  0: cat\n  1: dog\ntrain: images/train\nval: images/val\n",
        "classes: 2\nnames: two.names\ntrain: images/train\nvalid: images/val\n",
    ],
)
def test_reads_yaml_styles(tmp_path: Path, names: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = read_dataset(write(tmp_path, "x.yaml", text))
    assert (spec.classes, spec.names) == (2, ("cat", "dog"))
    assert (spec.train, spec.valid) == (Path("images/train"), Path("images/val"))
    assert len(spec.notes) == text.count("download")


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("x.data", "classes=2\ntrian=a\n", 2, "did you mean train?"),
        ("x.data", "classes=2\nclasses=3\n", 2, "first given in line 1"),
        ("x.data", "classes\n", 1, "not key=value"),
        ("x.data", "classes=two\n", 1, "not an integer"),
        ("x.data", "classes=0\n", 1, "not an integer from 1"),
        ("x.data", "classes=3\nnames=two.names\n", 2, "2 names"),
        ("x.data", "classes=2\nnames=three.names\n", 2, "does not exist"),
        ("x.data", "classes=2\ntrain=\n", 2, "no value"),
        ("x.data", "train=a.txt\n", None, "neither classes nor names"),
        ("x.yaml", "nc: 2\nnames: [cat]\n", 2, "1 names"),
        ("x.yaml", "nc: 2\nnames: {0: cat, 2: dog}\n", 2, "where 1 was expected"),
        ("x.yaml", "nc: 2\ntrain: [a, b]\n", 2, "single value"),
        ("x.yaml", "nc: [2\n", 2, "not valid yaml"),
        ("x.yaml", "- 1\n", None, "not a yaml mapping"),
        ("x.yaml", "nc: 2\nvall: a\n", 2, "did you mean"),
    ],
)
def test_refuses(tmp_path: Path, names: Path, name: str, text: str, line: int | None, words: str) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(DataError, match=r".") as caught:
        read_dataset(path)
    assert words in str(caught.value)
    assert caught.value.path == str(path)
    assert caught.value.line == line


def test_refuses_what_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such data file"):
        read_dataset(tmp_path / "none.data")
    (tmp_path / "x.data").write_bytes(b"classes=2\nnames=\xff\xfe\n")
    with pytest.raises(DataError, match="x.data:2: .*UTF-8"):
        read_dataset(tmp_path / "x.data")


def test_coco_data_is_darknets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    spec = read_dataset("data/coco.data")
    assert spec.classes == len(set(spec.names)) == 80
    assert (spec.names[0], spec.names[-1], spec.eval) == ("person", "toothbrush", "coco")


def test_does_not_import_torch() -> None:
    code = "import sys, csptrain.cfg.dataset; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_a_coco_json_gives_names_and_their_number(tmp_path: Path) -> None:
    write(tmp_path, "instances_val.json", '{"categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}]}')
    spec = read_dataset(write(tmp_path, "x.data", "valid=instances_val.json\nimages=pictures\n"))
    assert (spec.classes, spec.names, spec.images) == (2, ("cat", "dog"), Path("pictures"))
    spec = read_dataset(write(tmp_path, "x.yaml", f"path: {tmp_path}\nval: instances_val.json\nimages: val\n"))
    assert (spec.names, spec.images) == (("cat", "dog"), tmp_path / "val")
    with pytest.raises(DataError, match=r"x\.data:2: classes=3, but 2 categories are in the COCO json"):
        read_dataset(write(tmp_path, "x.data", "valid=instances_val.json\nclasses=3\n"))


def test_classes_without_names_are_numbered(tmp_path: Path) -> None:
    plain = read_dataset(write(tmp_path, "x.data", "classes=2\n"))
    assert plain.names == ("class0", "class1") and not plain.has_names
    (tmp_path / "x.names").write_text("cat\ndog\nfish\n")
    named = read_dataset(write(tmp_path, "x.data", f"classes=2\nlabels=x.labels\nnames={tmp_path}/x.names\n"))
    assert named.names == ("cat", "dog") and named.has_names, "with labels=, the first names are those of the classes"
    with pytest.raises(DataError, match="classes=2, but 3 names"):
        read_dataset(write(tmp_path, "x.data", f"classes=2\nnames={tmp_path}/x.names\n"))
