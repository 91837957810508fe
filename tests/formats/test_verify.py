"""Other runtimes against csptrain: agreement, refusal, crash, and the first layer that is off."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from csptrain.errors import ExportError
from csptrain.formats import runtimes
from csptrain.formats.onnx_model import NotInstalled, OnnxModel
from csptrain.formats.onnx_runtime import FloatArray, Session
from csptrain.formats.opencv_process import open_opencv
from csptrain.formats.verify import Verification, random_images
from csptrain.formats.verify_matrix import Row, insert, markdown, randomized, try_cfg
from csptrain.graph import load
from tests.formats.networks import from_text

pytest.importorskip("onnx", reason="needs the package onnx")
pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

SMALL = """
[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=mish
[maxpool]
size=2
stride=2
[convolutional]
filters=8
size=3
pad=1
activation=gelu
[maxpool]
maxpool_depth=1
out_channels=4
[convolutional]
filters=14
activation=linear
[yolo]
mask=0,1
anchors=4,6, 9,7
num=2
classes=2
"""


@pytest.fixture
def check(tmp_path: Path) -> Verification:
    network = from_text(tmp_path, SMALL)
    return Verification(network, (random_images(network),))


@pytest.fixture
def opencv5() -> Path:
    place = os.environ.get("CSPTRAIN_OPENCV5_PYTHON")
    if not place:
        pytest.skip("needs a Python with OpenCV 5, named by CSPTRAIN_OPENCV5_PYTHON")
    return Path(place)


@pytest.mark.parametrize("runtime", ["onnxruntime", "opencv-onnx", "openvino"])
def test_runtimes_agree(check: Verification, runtime: str) -> None:
    report = check.report(runtime)
    if report.missing:
        pytest.skip(report.missing)
    assert report.refused is None
    assert {entry.quantity for entry in report.heads} == {"output", "boxes", "scores"}
    assert report.agrees(1e-4) and not report.layers


def test_the_pair_for_opencv_4(tmp_path: Path) -> None:
    network = from_text(tmp_path, SMALL.replace("gelu", "relu6"))
    assert Verification(network, (random_images(network),)).report("opencv").agrees()


@pytest.mark.parametrize("runtime", ["opencv5", "opencv5-new"])
def test_opencv_5_agrees_in_both_engines(check: Verification, opencv5: Path, runtime: str) -> None:
    report = replace(check, python=opencv5).report(runtime)
    assert report.version.startswith("5.")
    assert report.agrees(1e-4)


def test_every_layer_is_compared_when_asked(check: Verification) -> None:
    layers = check.report("onnxruntime", layers=True).layers
    assert [entry.layer for entry in layers] == [0, 1, 2, 3, 4, 5]


def test_the_first_layer_that_is_off_is_named(check: Verification, monkeypatch: pytest.MonkeyPatch) -> None:
    real = runtimes.open_onnxruntime

    def wrong_from_layer_2(model: OnnxModel) -> Session:
        session = real(model)

        def run(images: FloatArray) -> dict[str, FloatArray]:
            found = session.run(images)
            return {name: array + (not name.startswith(("0_", "1_"))) for name, array in found.items()}

        return Session(session.version, run)

    monkeypatch.setattr(runtimes, "open_onnxruntime", wrong_from_layer_2)
    report = check.report("onnxruntime")
    assert not report.agrees()
    first = report.first_diverging()
    assert first is not None and (first.layer, first.kind) == (2, "convolutional")


def test_a_refusal_is_said_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "x.tree").write_text("a -1\nb -1\n")
    network = from_text(tmp_path, "[net]\nwidth=1\nheight=1\nchannels=2\n[softmax]\ntree=x.tree\n")
    report = Verification(network, (random_images(network),)).report("onnxruntime")
    assert report.refused is not None and "tree" in report.refused
    assert not report.agrees()


def test_opencv_5_must_be_named(check: Verification) -> None:
    assert "--opencv5-python" in (check.report("opencv5").missing or "")


def test_a_worker_that_crashes_or_lacks_opencv(tmp_path: Path) -> None:
    model = OnnxModel(b"", (), ())
    for script, error, words in (
        ("kill -SEGV $$", ExportError, "crashes on it"),
        ("echo \"ModuleNotFoundError: No module named 'cv2'\" >&2; exit 1", NotInstalled, "No module named"),
        ("exit 3", ExportError, "no reason given"),
    ):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(error, match=words), open_opencv(model, python):
            pass
    with pytest.raises(NotInstalled, match="cannot be started"), open_opencv(model, tmp_path / "nowhere"):
        pass


def test_a_worker_that_dies_between_two_batches(check: Verification, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho csptrain: 5.9\nread line\nkill -SEGV $$\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    with open_opencv(OnnxModel(b"", (), ()), python) as session:
        assert session.version == "5.9"
        for _ in range(2):  # it stays dead
            with pytest.raises(ExportError, match="crashes on it"):
                session.run(random_images(check.network).numpy())


def test_a_worker_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csptrain.formats.opencv_process.WORKER_SECONDS", 0.2)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(ExportError, match="does not answer"), open_opencv(OnnxModel(b"", (), ()), python):
        pass


def test_this_opencv_refuses_what_is_no_model() -> None:
    with (
        pytest.raises(ExportError, match="OpenCV: "),
        open_opencv(OnnxModel(b"no model", ("x",), ("x",))),
    ):
        pass


def test_random_weights_keep_the_range_of_every_map(check: Verification) -> None:
    network = randomized(check.network.graph)
    with torch.inference_mode():
        spread = [float(output.std()) for output in network.layer_outputs(random_images(network))]
    assert all(0.05 < value < 20 for value in spread)


def test_the_matrix_holds_numbers_and_numbered_reasons(check: Verification, tmp_path: Path) -> None:
    good = try_cfg(tmp_path / "net.cfg", ["onnxruntime", "opencv5"], None, (16, 16), 13)
    assert good.size == (16, 16)
    bad = Row(Path("bad.cfg"), None, (), "no such thing")
    table = list(markdown([good, bad], ["onnxruntime", "opencv5"]))
    assert table[0].startswith("| cfg | input | onnxruntime ")
    assert "| not there |" in table[2] and "e-" in table[2]
    assert table[3] == "| bad.cfg |  | no (1) | no (1) |"
    assert table[-1] == "1. no such thing"


@pytest.mark.parametrize(("crop", "size"), [(28, 128), (260, 264)])
def test_a_size_that_the_network_cannot_have_gives_way_to_a_larger_one_or_its_own(
    crop: int, size: int, tmp_path: Path
) -> None:
    path = tmp_path / "net.cfg"
    path.write_text(f"[net]\nwidth=264\nheight=264\nchannels=1\n[crop]\ncrop_width={crop}\ncrop_height={crop}\n")
    assert try_cfg(path, ["onnxruntime"], None, (16, 16), 13).size == (size, size)
    assert load(path).net.width == 264


def test_the_page_keeps_what_stands_around_the_matrix() -> None:
    page = insert("# Title\n\n<!-- matrix begins -->\nold\n<!-- matrix ends -->\nend\n", ["new"])
    assert page == "# Title\n\n<!-- matrix begins -->\nnew\n<!-- matrix ends -->\nend\n"
    assert insert("", ["new"]).count("new") == 1
    with pytest.raises(ExportError, match="matrix ends"):
        insert("<!-- matrix begins -->", ["new"])
