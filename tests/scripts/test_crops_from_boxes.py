"""crops_from_boxes.py: from a detection set to folders that a classifier is trained on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.class_list import class_labels, read_class_list
from tests import tiny

Cut = Callable[..., tuple[int, str, str]]
SCRIPT = Path(__file__).parents[2] / "scripts" / "crops_from_boxes.py"


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cut:
    """The script as a function of its words, run in the test's folder; gives exit code, stdout and stderr."""
    spec = importlib.util.spec_from_file_location("crops_from_boxes", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        return (script.main(list(words)), *capsys.readouterr())

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight images, six to train and two to validate, one of which is called as one of the others."""
    path = tiny.write_set(tmp_path, 6)
    images = tiny.write_images(tmp_path / "more", 2)
    (tmp_path / "val.txt").write_text("".join(f"{image}\n" for image in images))
    path.write_text(path.read_text().replace(f"valid={tmp_path}/list.txt", f"valid={tmp_path}/val.txt"))
    return path


def test_a_set_to_train_on(data: Path, tmp_path: Path, cut: Cut) -> None:
    code, out, err = cut("tiny.data", "crops")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["crops/train: 6 crops: red 3, blue 3", "crops/val: 2 crops: red 1, blue 1"]
    spec = read_dataset(tmp_path / "crops" / "crops.data")
    assert (str(spec.train), str(spec.valid), spec.classes) == ("crops/train", "crops/val", 2)
    assert spec.train is not None
    listed = read_class_list(spec.train, class_labels(spec))
    for image, number in zip(listed.images, listed.classes.tolist(), strict=True):
        pixels = cv2.imread(image)[:, :, ::-1]
        label = (tmp_path / "images" / f"{Path(image).stem.split('_')[0]}.txt").read_text().split()
        assert pixels.shape[:2] == (round(float(label[4]) * 40), round(float(label[3]) * 48))
        assert np.abs(pixels.mean((0, 1)) - tiny.COLOURS[number]).max() < 12


def test_margin_and_least_size(data: Path, tmp_path: Path, cut: Cut) -> None:
    assert cut("tiny.data", "plain")[0] == cut("tiny.data", "wide", "--margin", ".2")[0] == 0
    plain, wide = (cv2.imread(str(tmp_path / name / "train/red/00_0.png")).shape for name in ("plain", "wide"))
    assert wide[0] > plain[0] and wide[1] > plain[1]
    code, _, err = cut("tiny.data", "none", "--least", "25")
    assert (code, err) == (1, "crops_from_boxes.py: tiny.data: has no box that is large enough to be cut out\n")
    assert not (tmp_path / "none").exists()


def test_images_of_one_name_do_not_meet(data: Path, tmp_path: Path, cut: Cut) -> None:
    (tmp_path / "val.txt").write_text(f"{tmp_path}/images/00.png\n{tmp_path}/more/00.png\n")
    assert "crops/val: 2 crops: red 2, blue 0" in cut("tiny.data", "crops")[1]
    assert len(list((tmp_path / "crops/val/red").iterdir())) == 2


def test_what_cannot_be_used(data: Path, tmp_path: Path, cut: Cut) -> None:
    code, _, err = cut("tiny.data", "images")
    assert code == 1 and err.endswith("images: the folder is in use (delete it or name another one)\n")
    (tmp_path / "tiny.names").write_text("a/b\nc\n")
    code, _, err = cut("tiny.data", "crops")
    assert code == 1 and "the class name 'a/b' cannot be a folder's" in err and not (tmp_path / "crops").exists()
    with pytest.raises(SystemExit) as stopped:
        cut("tiny.data")
    assert stopped.value.code == 2
