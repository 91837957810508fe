"""The Python interface: what it answers, that it is still the torch module, and that its examples run."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import csptrain
from csptrain.api import model as model_module
from csptrain.cli.main import main
from csptrain.datasets.image import load_image
from tests import tiny
from tests.threads import one_thread

GOLDEN_CASES = Path(__file__).parents[1] / "golden_cases"
MAP01 = GOLDEN_CASES / "map01_resize"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory with all that the examples name."""
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path)
    Path("tiny.cfg").write_text(tiny.cfg())
    csptrain.save_weights(csptrain.load("tiny.cfg"), "tiny.weights")
    return tmp_path


def test_the_examples_run(folder: Path) -> None:
    with one_thread():
        results = doctest.testmod(model_module, globs=vars(model_module) | {"load": csptrain.load})
    assert results.failed == 0 and results.attempted >= 12


def test_importing_stays_cheap() -> None:
    program = "import sys, csptrain\nsys.exit(' '.join({'torch', 'numpy', 'cv2', 'yaml'} & set(sys.modules)) or 0)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_predict_finds_what_the_command_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image, names = str(MAP01 / "im02.png"), MAP01 / "names"
    Path("x.data").write_text(f"classes=3\nnames={names}\n")
    files = [str(MAP01 / "net.cfg"), str(MAP01 / "net.weights")]
    assert main(["detector", "test", "x.data", *files, image, "-thresh", ".1", "-out", "r.json"]) == 0
    (frame,) = json.loads(Path("r.json").read_text())
    (found,) = csptrain.load(*files, names=names).predict(image, thresh=0.1)
    width, height = found.size
    expected = sorted(
        (
            one["name"],
            one["confidence"],
            (one["relative_coordinates"]["center_x"] - one["relative_coordinates"]["width"] / 2) * width,
            (one["relative_coordinates"]["center_y"] + one["relative_coordinates"]["height"] / 2) * height,
        )
        for one in frame["objects"]
    )
    assert len(expected) > 0
    for (name, score, left, bottom), one in zip(
        expected, sorted(found.objects, key=lambda one: (one.name, one.score)), strict=True
    ):
        assert one.name == name
        assert (one.score, one.box[0], one.box[3]) == pytest.approx((score, left, bottom), abs=2e-3)
    scores = [one.score for one in found.objects]
    assert scores == sorted(scores, reverse=True)


def test_pictures_may_be_files_folders_patterns_and_pixels(folder: Path) -> None:
    model = csptrain.load("tiny.cfg", "tiny.weights")
    pixels = load_image("images/00.png")
    found = model.predict(["images", "images/0[01].png", Path("list.txt"), pixels], thresh=0.001)
    assert [None if one.path is None else Path(one.path).name for one in found] == [
        *(f"{number:02d}.png" for number in range(6)), "00.png", "01.png",
        *(f"{number:02d}.png" for number in range(6)), None,
    ]  # fmt: skip
    assert found[-1].objects == found[0].objects
    np.testing.assert_array_equal(found[-1].pixels, pixels)
    with pytest.raises(csptrain.DataError, match="gone.png: no such image"):
        model.predict("gone.png")
    with pytest.raises(csptrain.DataError, match=r"float64 \[4, 4, 3\] is no picture"):
        model.predict(np.zeros((4, 4, 3)))  # type: ignore[arg-type]
    with pytest.raises(csptrain.DataError, match=r"uint8 \[0, 4, 3\] is no picture"):
        model.predict(np.zeros((0, 4, 3), np.uint8))


def test_a_prediction_is_drawn(folder: Path) -> None:
    (found,) = csptrain.load("tiny.cfg", "tiny.weights", names=tiny.NAMES).predict("images/00.png", thresh=0.001)
    found.save("out.jpg")
    drawn = cv2.imread("out.jpg")
    assert drawn.shape[:2] == found.draw().shape[:2] == (480, 576)
    (nothing,) = csptrain.load("tiny.cfg", "tiny.weights").predict("images/00.png", thresh=0.9)
    assert nothing.objects == () and nothing.draw().shape == (480, 576, 3)
    with pytest.raises(csptrain.DataError, match="is no kind of picture"):
        found.save("out.xyz")


def test_training_gives_a_model_and_leaves_this_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = csptrain.load("tiny.cfg", "tiny.weights")
    before = [tensor.clone() for tensor in model.parameters()]
    with one_thread():
        trained = model.train(
            "tiny.data", iterations=6, size=(64, 32), map=True, seed=3, backup="b", device="cpu", workers=0, quiet=True
        )
    assert capsys.readouterr() == ("", "")
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert (trained.seen, trained.names) == (24, tiny.NAMES)
    assert (trained.graph.net.width, trained.graph.net.height) == (64, 32)
    assert Path(str(trained.weights)).name == "tiny_best.weights"
    assert not trained.training
    with one_thread():
        again = trained.train("tiny.data", iterations=8, workers=0, device="cpu", backup="c", quiet=True)
    assert again.seen == 32
    assert trained.predict("images")[0].path == "images/00.png"


def test_train_without_a_path_is_torchs(folder: Path) -> None:
    model = csptrain.load("tiny.cfg")
    assert model.train() is model and model.training
    assert not model.eval().training
    assert model.train(mode=True).layers[0].training


def test_a_mistake_in_training_is_raised(folder: Path) -> None:
    with pytest.raises(csptrain.CspError, match="unknown|cpuu"):
        csptrain.load("tiny.cfg").train("tiny.data", device="cpuu", quiet=True)
    with pytest.raises(csptrain.DataError, match="no such data file"):
        csptrain.load("tiny.cfg").train("gone.data")


def test_export_to_onnx(folder: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = csptrain.load("tiny.cfg", "tiny.weights", names=tiny.NAMES)
    files = [Path("net.onnx"), Path("README.md"), Path("detect.py"), Path("detect.cpp")]
    assert model.export("net.onnx") == files and all(file.exists() for file in files)
    assert onnxruntime.InferenceSession("net.onnx").get_inputs()[0].shape[1:] == [3, 32, 32]


def test_export_to_opencv_is_of_the_weights_in_memory(folder: Path) -> None:
    model = csptrain.load("tiny.cfg", "tiny.weights", names=tiny.NAMES)
    with torch.no_grad():
        model.layers[0].weight.mul_(2)
    cfg, names, weights, *_ = model.export("out", images="images")
    again = csptrain.load(cfg, weights, names=names)
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        for a, b in zip(model(x), again(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("names", [["one"], "one.names"])
def test_names_must_be_as_many_as_classes(names: str | list[str], folder: Path) -> None:
    Path("one.names").write_text("one\n")
    with pytest.raises(csptrain.DataError, match=r"1 names, but the network tiny\.cfg has 2 classes"):
        csptrain.load("tiny.cfg", names=names)


def test_names_come_from_a_data_file_too(folder: Path) -> None:
    assert csptrain.load("tiny.cfg", names="tiny.data").names == tiny.NAMES
    assert csptrain.load("tiny.cfg").names == ("class0", "class1")


def test_a_classifier_has_names_but_finds_no_objects(folder: Path) -> None:
    Path("c.cfg").write_text("[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=4\n[avgpool]\n[softmax]\n")
    model = csptrain.load("c.cfg", names="a b c d".split())
    with pytest.raises(csptrain.CfgError, match=r"no \[yolo\] or \[region\] layer"):
        model.predict("images/00.png")
