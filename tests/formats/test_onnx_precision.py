"""Smaller numbers: what is kept in float32, how far the outputs move, and that every runtime reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from csptrain.errors import ExportError
from csptrain.formats.onnx_export import prepare_onnx
from csptrain.formats.onnx_model import OnnxModel, OnnxOptions, build_onnx
from csptrain.formats.onnx_precision import to_fp16, to_int8
from csptrain.formats.runtimes import open_runtime
from csptrain.network import Network
from tests.formats.networks import from_text, images

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

CONV = "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\npad=1\nactivation={}\n"
BODY = (
    "[net]\nwidth=32\nheight=32\nchannels=3\n"
    + CONV.format("leaky").replace("pad=1", "pad=1\nstride=2")
    + CONV.format("mish")
    + "[maxpool]\nsize=2\nstride=2\n[upsample]\nstride=2\n[route]\nlayers=-1,-3\n"
    + CONV.format("relu6")
    + "[shortcut]\nfrom=0\nactivation=linear\n"
    + "[convolutional]\nfilters=14\nactivation=linear\n"
)
YOLO = "[yolo]\nmask=0,1\nanchors=4,6,9,7\nnum=2\nclasses=2\n"


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return from_text(tmp_path, BODY + YOLO)


def kinds(model: OnnxModel) -> dict[str, int]:
    """Name of every constant -> its type."""
    return {one.name: one.data_type for one in onnx.load_from_string(model.data).graph.initializer}


def worst(exact: OnnxModel, model: OnnxModel, x: torch.Tensor, runtime: str = "onnxruntime") -> float:
    with open_runtime(exact, "onnxruntime") as one, open_runtime(model, runtime) as other:
        ours, theirs = one.run(x.numpy()), other.run(x.numpy())
    return max(float(np.abs(ours[name] - theirs[name]).max() / np.abs(ours[name]).max()) for name in ours)


@pytest.mark.parametrize("opset", [13, 21])
def test_half_precision_up_to_the_heads(network: Network, opset: int) -> None:
    exact = build_onnx(network, OnnxOptions(opset=opset))
    model = to_fp16(exact, network.graph)
    onnx.checker.check_model(onnx.load_from_string(model.data), full_check=True)
    types = onnx.TensorProto
    halves = {name.split("_")[0] for name, kind in kinds(model).items() if kind == types.FLOAT16}
    assert halves >= {"0", "1", "5", "7"} and "8" not in halves
    assert all(kind != types.FLOAT16 for name, kind in kinds(model).items() if name.startswith(("8_", "boxes")))
    assert len(model.data) < 0.75 * len(exact.data)
    assert 0 < worst(exact, model, images(network, 2)) < 5e-3


@pytest.mark.parametrize("runtime", ["opencv-onnx", "openvino"])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_other_runtimes_read_it(network: Network, runtime: str, precision: str) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="needs OpenVINO")
    exact, x = build_onnx(network), images(network, 2)
    small = to_fp16(exact, network.graph) if precision == "fp16" else to_int8(exact, network.graph, x[:, None])
    assert worst(exact, small, x, runtime) < (5e-3 if precision == "fp16" else 0.2)


def test_eight_bits_are_calibrated_on_the_images(network: Network) -> None:
    exact, x = build_onnx(network), images(network, 4)
    model = to_int8(exact, network.graph, x[:, None])
    read = onnx.load_from_string(model.data).graph
    quantized = {one.name.split("/")[0] for one in read.initializer if one.data_type == onnx.TensorProto.INT8}
    assert quantized == {"0_convolutional", "1_convolutional", "5_convolutional", "7_convolutional"}
    assert not any(node.op_type == "DequantizeLinear" and "8_yolo/" in node.name for node in read.node)
    good = worst(exact, model, x)
    # Ranges of dark images cut what bright ones hold.
    bad = worst(exact, to_int8(exact, network.graph, x[:, None] * 0.02), x)
    assert 0 < good < 0.2 < bad


def test_a_classifier_and_its_softmax(tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY + "[avgpool]\n[softmax]\n")
    exact, x = build_onnx(network), images(network, 2)
    for small, most in ((to_fp16(exact, network.graph), 5e-3), (to_int8(exact, network.graph, x[:, None]), 0.1)):
        assert worst(exact, small, x) < most


@pytest.mark.parametrize("opset", [13, 21])
def test_detections_and_any_batch(network: Network, opset: int) -> None:
    options = OnnxOptions("nms", dynamic_batch=True, thresh=0.1, opset=opset)
    for precision in ("fp16", "int8"):
        export = prepare_onnx(network, options, precision, images(network, 3)[:, None])
        assert export.change is None
        session = onnxruntime.InferenceSession(export.model.data, providers=["CPUExecutionProvider"])
        (rows,) = session.run(None, {"image": images(network, 2).numpy()})
        assert rows.shape[1] == 7 and set(rows[:, 0]) == {0, 1}


def test_numbers_beyond_half_precision_are_an_error(network: Network) -> None:
    with torch.no_grad():
        network.layers[0].weight.mul_(1e6)  # type: ignore[operator, union-attr]
    with pytest.raises(ExportError, match="too large for this precision"):
        prepare_onnx(network, OnnxOptions(), "fp16", tolerance=1)
