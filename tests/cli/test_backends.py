"""``--backend``: the same figures and boxes through every runtime that is installed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from csptrain.cli.main import main

MAP01 = Path(__file__).parents[1] / "golden_cases" / "map01_resize"
ONNX = ("opencv-onnx", "onnxruntime", "openvino")


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Data file, cfg and weights of a trained detector with 12 images."""
    monkeypatch.chdir(tmp_path)
    Path("valid.txt").write_text("".join(f"{image}\n" for image in sorted(MAP01.glob("*.png"))))
    Path("x.data").write_text(f"classes=3\nvalid=valid.txt\nnames={MAP01 / 'names'}\n")
    return ["x.data", str(MAP01 / "net.cfg"), str(MAP01 / "net.weights")]


def figures(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert main(["detector", "map", *words, "--metrics", "darknet,voc,coco", "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


@pytest.mark.parametrize("backend", ["opencv", *ONNX, "opencv5", "opencv5-new"])
def test_the_figures_are_the_same_everywhere(
    words: list[str], backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = ["--backend", backend]
    if backend != "opencv":
        pytest.importorskip("onnx", reason="needs the package onnx")
    if backend in ("onnxruntime", "openvino"):
        pytest.importorskip(backend, reason=f"needs the package {backend}")
    if backend.startswith("opencv5"):
        python = os.environ.get("CSPTRAIN_OPENCV5_PYTHON")
        if not python:
            pytest.skip("needs a Python with OpenCV 5, named by CSPTRAIN_OPENCV5_PYTHON")
        extra += ["--opencv5-python", python]
    ours, _ = figures(words, capsys)
    theirs, said = figures([*words, *extra], capsys)
    assert f"backend: {backend} " in said
    assert (ours.pop("backend"), theirs.pop("backend")) == ("csptrain", backend)
    assert f"{theirs['map']:.4f}" == "0.5707"
    assert theirs["voc"]["map_11_points"] == pytest.approx(ours["voc"]["map_11_points"], abs=1e-3)
    assert theirs["coco"] == pytest.approx(ours["coco"], abs=1e-3)
    assert theirs["map"] == pytest.approx(ours["map"], abs=1e-3)
    for key in ("TP", "FP", "FN", "detections_count"):
        assert theirs[key] == ours[key], key


@pytest.mark.parametrize(
    ("backend", "code", "message"),
    [("opencv3", 2, "unknown backend 'opencv3'"), ("opencv5", 1, "--opencv5-python")],
)
def test_a_backend_that_is_not_there(
    words: list[str], backend: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="needs the package onnx")
    assert main(["detector", "map", *words, "--backend", backend]) == code
    assert message in capsys.readouterr().err
