"""What users get wrong: one message that names file and line, exit code 1 (2 for usage), nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from csptrain.cli.main import main
from csptrain.formats.darknet import load, save_weights
from tests import tiny

YOLO_LINE = tiny.cfg().splitlines().index("[yolo]") + 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with all that a training needs."""
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path)
    (tmp_path / "tiny.cfg").write_text(tiny.cfg(max_batches=3))
    return tmp_path


WORDS = ("detector", "train", "tiny.data", "tiny.cfg", "--workers", "0", "--device", "cpu")


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> str:
    """The one line that a command says on stderr, without the program's name."""
    capsys.readouterr()
    assert main([*words]) == code
    error = capsys.readouterr().err
    assert error.startswith("csptrain: error: ") and error.count("\n") == 1, error
    return error.removeprefix("csptrain: error: ").rstrip("\n")


def left_behind(folder: Path) -> list[str]:
    """What is in the backup folder that a training would go on from or be mistaken for a result."""
    return sorted(path.name for path in (folder / "backup").glob("*") if path.suffix != ".list")


def rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))

    return change


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


DATA = {
    "missing image": (
        lambda folder: (folder / "images" / "03.png").unlink(),
        "list.txt:4: the image {folder}/images/03.png does not exist",
    ),
    "class out of range": (
        write("images/02.txt", b"0 .5 .5 .2 .2\n2 .5 .5 .2 .2\n"),
        "images/02.txt:2: class 2 is not one of 0..1",
    ),
    "a label that is none": (
        write("images/02.txt", b"0 .5 .5 .2\n"),
        "images/02.txt:1: 4 values where 5 were expected",
    ),
    "a label of words": (write("images/02.txt", b"0 a b c d\n"), "images/02.txt:1: '0 a b c d' is not class x y w h"),
    "not a number": (write("images/02.txt", b"0 nan .5 .2 .2\n"), "not finite"),
    "empty list": (write("list.txt", b"\n# nothing\n"), "list.txt: the list names no image"),
    "no list": (lambda folder: (folder / "list.txt").unlink(), "tiny.data:2: train={folder}/list.txt does not exist"),
    "a list with no place": (
        lambda folder: rewrite("tiny.data", f"train={folder}/list.txt", "train=gone.txt")(folder),
        "tiny.data:2: train=gone.txt does not exist (looked for from the working directory, then from the data file",
    ),
    "no label at all": (
        lambda folder: [path.unlink() for path in (folder / "images").glob("*.txt")] and None,
        "list.txt: no image of the list has a label file",
    ),
    "no data file": (lambda folder: (folder / "tiny.data").unlink(), "tiny.data"),
    "no train list": (rewrite("tiny.data", "train=", "#"), "tiny.data: has no train="),
    "misspelt data key": (rewrite("tiny.data", "names=", "nmaes="), "tiny.data:4: "),
    "no names": (lambda folder: (folder / "tiny.names").unlink(), "tiny.data:4: the names file"),
    "nothing that can be decoded": (
        lambda folder: [path.write_bytes(b"\xff\xd8 no") for path in (folder / "images").glob("*.png")] and None,
        "list.txt: no image of the list can be decoded",
    ),
}


@pytest.mark.parametrize(("name", "workers"), [*((name, "0") for name in DATA), ("nothing that can be decoded", "1")])
def test_data(name: str, workers: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, words = DATA[name]
    spoil(folder)
    said = refused(capsys, *WORDS, "--workers", workers)
    assert words.format(folder=folder) in said
    assert not [name for name in left_behind(folder) if name.endswith((".weights", ".state", ".tmp"))]


#: What to replace in the cfg, by what, and what is said then.
CFG = {
    "misspelt key": ("max_batches", "max_batchs", "11: unknown key max_batchs= in [net] (did you mean max_batches?)"),
    "channels of no image": (
        "channels=3",
        "channels=4",
        "6: channels=4 in [net] (images have channels=3, grey ones 1)",
    ),
    "misspelt section": ("[yolo]", "[yollo]", f"{YOLO_LINE}: unknown section [yollo] (did you mean yolo?)"),
    "wrong filters": (
        "filters=14",
        "filters=21",
        f"{YOLO_LINE + 3}: layer 4 [yolo]: the layer before has 21 channels, 2 anchors of 2 classes need 14",
    ),
    "reference out of range": (
        "[yolo]",
        "[route]\nlayers=-9\n[yolo]",
        f"{YOLO_LINE + 1}: layer 4 [route]: layers=-9 points outside the layers before it (legal: -4..-1 or 0..3)",
    ),
    "no number": ("momentum=0.9", "momentum=high", "8: momentum=high in [net] (legal: a number)"),
    "given twice": ("width=32", "width=32\nwidth=64", "5: width= is given again in [net]"),
    "no option": ("width=32", "width", "4: 'width' is not key=value"),
    "no size": ("width=32", "width=0", "4: width=0 in [net]"),
    "no length": ("max_batches=3", "max_batches=0", "1: has no max_batches= (give --iterations N)"),
    "not computed": ("decay=", "contrastive=1\ndecay=", "9: contrastive=1 of [net] is not supported in training"),
    "no detector": ("[yolo]\nmask=0,1\nanchors=8,8, 16,16\nclasses=2\nnum=2\n", "[softmax]\n", ""),
}


@pytest.mark.parametrize("name", CFG)
def test_cfg(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, words = CFG[name]
    rewrite("tiny.cfg", old, new)(folder)
    assert f"tiny.cfg:{words}" in refused(capsys, *WORDS)
    assert left_behind(folder) == []


def test_file_names_that_are_no_text(folder: Path) -> None:
    names = [os.fsencode(folder / "images") + name for name in (b"/\xe9.png", b"/\xfc.png")]
    for name, content in zip(names, [(folder / "images" / "00.png").read_bytes(), b"no picture"], strict=True):
        with open(name, "wb") as stream:
            stream.write(content)
    rewrite("tiny.data", "list.txt", "images")(folder)
    assert main([*WORDS, "--iterations", "8"]) == 0
    backup = folder / "backup"
    assert names[1] in (backup / "bad.list").read_bytes() and names[1] in (backup / "report.html").read_bytes()
    rewrite("tiny.data", "list.txt", "images")(folder)
    assert main(["detector", "valid", "tiny.data", "tiny.cfg", "backup/tiny_final.weights"]) == 0
    assert any(b"\n\xe9 " in file.read_bytes() for file in (folder / "results").glob("comp4*"))


def test_files_that_are_something_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tiny.cfg").write_bytes(b"[net]\0")
    assert "tiny.cfg: holds NUL bytes, so it is no cfg" in refused(capsys, *WORDS)
    (folder / "tiny.cfg").unlink()
    assert "tiny.cfg: no such cfg file" in refused(capsys, *WORDS)
    assert left_behind(folder) == []


@pytest.fixture
def weights(folder: Path) -> Path:
    path = folder / "start.weights"
    save_weights(load(folder / "tiny.cfg"), path)
    return path


def test_truncated_and_foreign_weights(folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = weights.read_bytes()
    for content, words in (
        (whole[:-4], "start.weights: ends inside layer 3 [convolutional] (tiny.cfg:"),
        (whole[:1200], "start.weights: ends inside layer 1 [convolutional] (tiny.cfg:"),
        (whole[:19], "start.weights: 19 bytes are too short for a weights file"),
        (whole + b"\0\0\0\0", "start.weights: goes on for 4 bytes after layer 3"),
        (b"", "start.weights: 0 bytes are too short"),
    ):
        weights.write_bytes(content)
        assert words in refused(capsys, *WORDS, str(weights))
    weights.unlink()
    assert "start.weights: no such weights file" in refused(capsys, *WORDS, str(weights))
    assert left_behind(folder) == []
    weights.write_bytes(whole[:1200])
    assert main([*WORDS, str(weights), "--partial", "-clear", "--iterations", "1"]) == 0


def test_another_number_of_classes(folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite("tiny.data", "classes=2", "classes=3")(folder)
    rewrite("tiny.names", "red", "red\ngreen")(folder)
    said = refused(capsys, "detector", "map", "tiny.data", "tiny.cfg", str(weights))
    assert f"tiny.cfg:{YOLO_LINE + 3}: " in said and "classes=2, but tiny.data has 3" in said
    # Training adapts the heads instead; the weights of the old heads then do not fit.
    assert "start.weights: ends inside layer 3" in refused(capsys, *WORDS, str(weights))


def test_names_and_classes_that_disagree(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite("tiny.data", "classes=2", "classes=5")(folder)
    said = refused(capsys, *WORDS)
    assert "tiny.data" in said and "5" in said and "2" in said


def test_no_valid_list_is_told_before_anything_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "backup").mkdir()
    (folder / "backup" / "results.csv").write_text("precious\n")
    rewrite("tiny.data", "valid=", "valid=no")(folder)
    assert f"tiny.data:3: valid=no{folder}/list.txt does not exist" in refused(capsys, *WORDS, "-map")
    assert (folder / "backup" / "results.csv").read_text() == "precious\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["detector", "train"], "detector train needs a cfg: none is given"),
        (["detector", "train", "tiny.data"], "detector train needs a cfg: none is given"),
        (["detector", "train", "tiny.data", "x.jpg"], "found 'x.jpg'"),
        ([*WORDS, "--sise", "32"], "unknown flag '--sise' (did you mean --size?)"),
        ([*WORDS, "--size", "0"], "0"),
        ([*WORDS, "--size"], "needs a value"),
        ([*WORDS, "--seed", "-1"], "-1 is no integer from 0 on"),
        ([*WORDS, "--iterations", "0"], "0 is no integer from 1 on"),
        ([*WORDS, "--iterations", "many"], "many is no integer from 1 on"),
        ([*WORDS, "--workers", "-2"], "-2 is no integer from 0 on"),
        ([*WORDS, "--points", "5"], "5 is none of 0, 11, 101"),
        ([*WORDS, "--thresh", "2"], "2 is no number in 0..1"),
        ([*WORDS, "--amp", "fast"], "fast"),
    ],
)
def test_usage(words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(capsys, *words, code=2)
    assert left_behind(folder) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "device 'cuda'" in refused(capsys, *WORDS[:4], "--device", "cuda")
    assert "device 'gpu' is unknown (legal: cpu, cuda, cuda:0 ...)" in refused(capsys, *WORDS[:4], "--device", "gpu")


def test_a_folder_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "backup").write_text("a file")
    assert "backup" in refused(capsys, *WORDS)
    assert (folder / "backup").read_text() == "a file"


def full_disk(folder: Path, room: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that may write no file of more than ``room`` bytes, as on a disk that is full by then."""
    return subprocess.run(
        [sys.executable, "-m", "csptrain", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_room_for_weights(folder: Path) -> None:
    done = full_disk(folder, 8192, *WORDS)
    assert done.returncode == 1
    assert done.stderr.startswith("csptrain: error: ") and done.stderr.count("\n") == 1
    assert "tiny_final.weights: cannot be written: File too large" in done.stderr
    assert "tiny_last.weights: cannot be written" in done.stdout
    assert [name for name in left_behind(folder) if name not in ("tiny.cfg", "results.csv", "chart.png")] == []
    assert not list((folder / "backup").glob(".*"))


def test_no_room_at_all(folder: Path) -> None:
    done = full_disk(folder, 0, *WORDS)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "backup/tiny.cfg: cannot be written: File too large" in done.stderr
    assert os.listdir(folder / "backup") == []
