"""`csptrain new`: what it writes, that it changes nothing else, and that its commands work."""

from __future__ import annotations

import hashlib
import os
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain import graph
from csptrain.cfg import text
from csptrain.cfg.dataset import read_dataset
from csptrain.cli.main import main
from csptrain.datasets.sources import read_split
from csptrain.evaluate.anchor_fit import head_anchors
from tests import tiny
from tests.project import labelled


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixteen labelled pictures below the working directory."""
    monkeypatch.chdir(tmp_path)
    tiny.write_images(tmp_path / "pics", 16)
    (tmp_path / "pics" / "classes.txt").write_text("red\nblue\n")
    return Path("pics")


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def make(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["new", "cells", "pics", *words]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_folder_becomes_a_project(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(images)
    out, err = make(capsys, "--test", ".25", "--valid", ".25")
    assert snapshot(images) == before
    assert err == ""
    assert "labels      YOLO txt (16 files), 16 boxes" in out
    assert "names       red, blue (from pics/classes.txt)" in out
    assert [line.split() for line in out.splitlines() if line.startswith("  images")] == [["images", "8", "4", "4"]]
    data = read_dataset("cells/cells.data")
    assert (data.classes, data.names, data.backup) == (2, ("red", "blue"), Path("cells/backup"))
    parts = {part: read_split(data, part) for part in ("train", "valid", "test")}
    originals = {part: {Path(image).resolve() for image in samples.images} for part, samples in parts.items()}
    assert set.union(*originals.values()) == {path.resolve() for path in images.glob("*.png")}
    for samples in parts.values():
        assert np.bincount(samples.rows[:, 4].astype(int)).tolist() == [len(samples) // 2] * 2
        for index, image in enumerate(samples.images):
            words = images.joinpath(f"{Path(image).stem}.txt").read_text().split()
            row = samples.truth(index)[0].tolist()
            np.testing.assert_allclose([row[4], *row[:4]], [float(word) for word in words], atol=1e-6)


def test_the_cfg_fits_the_data(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = make(capsys, "--size", "64", "--iterations", "200")
    planned = graph.plan(text.read("cells/cells.cfg"))
    assert (planned.net.width, planned.net.max_batches, planned.net.steps) == (64, 200, (160, 180))
    assert [head.classes for head in planned.box_heads] == [2, 2, 2]
    (_, heads) = head_anchors(planned)
    assert heads[0].anchors.max() <= 64
    assert "network     csppeleenet-efm-sam at 64x64 (as asked)" in out
    assert "iterations  200, each picture about 533 times" in out


def test_another_network_and_a_cfg_of_ones_own(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = make(capsys, "--cfg", "yolov4-tiny", "--size", "96")
    assert "network     yolov4-tiny at 96x96" in out
    Path("own.cfg").write_text(
        "# mine\n" + tiny.cfg().replace("classes=2", "classes=5").replace("filters=14", "filters=20")
    )
    assert main(["new", "other", "pics", "--cfg", "own.cfg", "--size", "64", "--iterations", "24"]) == 0
    content = Path("other/other.cfg").read_text()
    assert content.startswith("# mine\n")
    planned = graph.plan(text.read("other/other.cfg"))
    assert (planned.net.width, planned.net.max_batches, planned.box_heads[0].classes) == (64, 24, 2)
    assert main(["new", "third", "pics", "--cfg", "yolov4-tinny"]) == 1


def test_every_command_that_it_tells_works(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From pictures to OpenCV by the lines it prints; the training is cut short."""
    Path("own.cfg").write_text(tiny.cfg(max_batches=4, batch=2, subdivisions=1))
    out, _ = make(capsys, "--cfg", "own.cfg", "--size", "32", "--iterations", "4")
    commands = [shlex.split(line)[1:] for line in out.splitlines() if line.startswith("  csptrain ")]
    assert [words[0] for words in commands] == ["doctor", "detector", "detector", "detector", "export"]
    for words in commands:
        more = ["--workers", "0", "--device", "cpu", "--map-every", "4"] if "train" in words else []
        assert main([*words, *more]) == 0, words
    for made in ("doctor.html", "backup/cells_best.weights", "opencv/cells.weights"):
        assert Path("cells", made).is_file()
    assert "csptrain detector train cells/cells.data cells/cells.cfg -map" in Path("cells/README.md").read_text()


def test_it_works_from_within_the_project_too(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(capsys, "--size", "64")
    os.chdir("cells")
    assert len(read_split(read_dataset("cells.data"), "train")) == 12


@pytest.mark.parametrize("kind", labelled.WRITERS)
def test_every_kind_of_labels_makes_the_same_project(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    labelled.write_pictures(tmp_path / "pics")
    labelled.WRITERS[kind](tmp_path / "pics")
    make(capsys, "--size", "64", "--copy")
    texts = [path.read_text() for path in sorted(Path("cells/images").glob("*.txt"))]
    assert not Path("cells/images/a.png").is_symlink()
    assert texts == [
        "0 0.187500 0.333333 0.250000 0.500000\n1 0.703125 0.520833 0.468750 0.625000\n",
        "1 0.125000 0.166667 0.250000 0.333333\n",
        "2 0.375000 0.541667 0.500000 0.750000\n0 0.781250 0.250000 0.312500 0.333333\n",
        "0 0.312500 0.416667 0.312500 0.416667\n",
        "2 0.562500 0.541667 0.500000 0.833333\n",
    ]
    assert Path("cells/cells.names").read_text().split() == list(labelled.NAMES)


def test_what_is_left_out_is_told(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "00.png").write_bytes(b"nothing")
    (images / "01.txt").unlink()
    (images / "02.txt").write_text("0 2 2 .1 .1\n")
    out, err = make(capsys, "--size", "64")
    assert "1 images without labels, as pics/01.png (--background takes them)" in err
    assert "00.png: is not an image that can be decoded" in err
    assert "02.txt:1: left out, its centre is outside the image" in err
    assert len(list(Path("cells/images").glob("*.png"))) == 14
    assert main(["new", "all", "pics", "--size", "64", "--background"]) == 0
    assert Path("all/images/01.txt").read_text() == ""
    assert len(list(Path("all/images").glob("*.png"))) == 15


def test_pictures_of_one_name_keep_apart(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "sub").mkdir()
    for suffix in (".png", ".txt"):
        (images / f"00{suffix}").rename(images / "sub" / f"01{suffix}")
    cv2.imwrite(str(images / "01.bmp"), np.zeros((9, 9, 3), np.uint8))
    make(capsys, "--size", "64")
    made = sorted(path.name for path in Path("cells/images").glob("*01*"))
    assert made == ["01.bmp", "01.txt", "01_2.png", "01_2.txt", "sub_01.png", "sub_01.txt"]
    label = (images / "sub" / "01.txt").read_text().split()
    assert Path("cells/images/sub_01.txt").read_text().split()[0] == label[0]


def test_the_same_picture_under_two_names_stays_on_one_side(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(8):
        for suffix in (".png", ".txt"):
            (images / f"copy{number}{suffix}").write_bytes((images / f"{number:02d}{suffix}").read_bytes())
    out, _ = make(capsys, "--size", "64", "--valid", ".5")
    assert "8 of them twice and kept together" in out
    listed = {Path(line).stem for line in Path("cells/train.txt").read_text().splitlines()}
    assert all((f"{number:02d}" in listed) == (f"copy{number}" in listed) for number in range(8))


def test_folders_called_train_and_valid_are_kept(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, numbers in (("train", range(13)), ("valid", range(13, 16))):
        (images / part).mkdir()
        for number in numbers:
            for suffix in (".png", ".txt"):
                (images / f"{number:02d}{suffix}").rename(images / part / f"{number:02d}{suffix}")
    out, _ = make(capsys, "--size", "64")
    assert "split       as the folders are called" in out
    assert Path("cells/valid.txt").read_text().split() == [f"cells/images/{number}.png" for number in (13, 14, 15)]
    assert main(["new", "again", "pics", "--size", "64", "--valid", ".5"]) == 0
    assert len(Path("again/valid.txt").read_text().split()) == 8


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--valid", "1"], 1, "shares of 1 to measure on and 0 to keep"),
        (["--format", "kitti"], 2, "--format: kitti is none of yolo, voc"),
        (["--names", "a"], 1, "class 1 is not one of 0..0"),
        (["--size", "100"], 1, "size"),
        (["--labels", "gone"], 1, "gone"),
    ],
)
def test_a_mistake_is_told_and_leaves_nothing(
    words: list[str], code: int, message: str, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = make(capsys, *words, code=code)
    assert message in err and err.count("\n") == 1
    assert not Path("cells").exists()


def test_a_few_pictures_are_enough_but_not_two(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3, 16):
        (images / f"{number:02d}.txt").unlink()
    make(capsys, "--size", "64", "--iterations", "100")
    assert [len(Path(f"cells/{part}.txt").read_text().split()) for part in ("train", "valid")] == [2, 1]
    (images / "02.txt").unlink()
    assert main(["new", "other", "pics"]) == 1
    assert "2 different pictures with labels are too few" in capsys.readouterr().err


def test_a_coco_json_has_names_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    labelled.write_pictures(tmp_path / "pics")
    labelled.coco(tmp_path / "pics")
    _, err = make(capsys, "--names", "a,b,c", code=1)
    assert "a COCO json names its classes itself" in err


def test_a_folder_in_use_is_left_alone(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cells").mkdir()
    Path("cells/mine").write_text("x")
    _, err = make(capsys, code=1)
    assert "the folder is in use" in err
    assert os.listdir("cells") == ["mine"]


def test_names_are_asked_for_at_a_terminal(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "classes.txt").unlink()
    out, _ = make(capsys, "--size", "64")
    assert "names       class0, class1 (no file of names was found; --names a,b,c gives them)" in out
    monkeypatch.setattr("csptrain.cli.new._at_a_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin.readline", lambda: "rot, blau\n", raising=False)
    assert main(["new", "asked", "pics", "--size", "64"]) == 0
    assert Path("asked/asked.names").read_text() == "rot\nblau\n"
