"""Every layer kind, head and option in ONNX: onnxruntime's numbers are csptrain's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from csptrain import graph
from csptrain.errors import ExportError
from csptrain.formats.onnx_model import OnnxModel, OnnxOptions, build_onnx
from csptrain.layers.contents import KINDS
from csptrain.network import Network
from csptrain.ops.activation import ACTIVATIONS
from csptrain.ops.decode import concatenate
from csptrain.ops.nms import nms_sort
from tests.formats.networks import fill, from_graph, from_text, images

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

CASES = Path(__file__).resolve().parents[1] / "golden_cases"
NETWORKS = sorted(path.parent.name for path in CASES.glob("[fbg]*/net.cfg") if path.parent.name[1:3] != "ra")
CLOSE = 1e-4

TWO_HEADS = """
[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=4
pad=1
activation=leaky
[convolutional]
filters=14
size=1
activation=linear
[yolo]
mask=0,1
anchors=4,6, 9,7, 12,14
num=3
classes=2
scale_x_y=1.1
[route]
layers=0
[convolutional]
filters=7
size=3
stride=2
pad=1
activation=linear
[yolo]
mask=2
anchors=4,6, 9,7, 12,14
num=3
classes=2
"""


def run(model: OnnxModel, x: torch.Tensor) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
    return dict(zip(model.outputs, session.run(None, {"image": x.numpy()}), strict=True))


def off(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.size == theirs.size
    return float(np.abs(ours.ravel() - theirs.ravel()).max() / max(np.abs(ours).max(), 1e-6))


def case(name: str) -> Network:
    return from_graph(graph.load(CASES / name / "net.cfg", lenient=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_of_the_golden_networks(name: str) -> None:
    network = case(name)
    every = tuple(range(len(network.graph.nodes)))
    model = build_onnx(network, OnnxOptions("raw", also=every))
    onnx.checker.check_model(onnx.load_from_string(model.data), full_check=True)
    x = images(network)
    theirs = run(model, x)
    with torch.inference_mode():
        ours = network.layer_outputs(x)
    worst = {
        name: off(output.detach().numpy(), theirs[name])
        for name, output in zip(model.layers, ours, strict=True)
        if name in theirs
    }
    assert max(worst.values()) <= CLOSE, worst


def test_the_golden_networks_hold_every_kind() -> None:
    held = {node.layer.kind for name in NETWORKS for node in graph.load(CASES / name / "net.cfg", True).nodes}
    assert {kind.kind for kind in KINDS} - held <= {"history", "contrastive", "empty", "activation"}


@pytest.mark.parametrize("name", [name for name in NETWORKS if graph.load(CASES / name / "net.cfg", True).box_heads])
def test_boxes_and_scores_are_those_of_the_heads(name: str) -> None:
    network = case(name)
    x = images(network)
    theirs = run(build_onnx(network), x)
    net = network.graph.net
    with torch.inference_mode():
        outputs = network.layer_outputs(x)
    found = [head.decode(outputs[head.index], net.width, net.height, float("-inf")) for head in network.graph.box_heads]
    ours = concatenate([image[0] for image in found])
    assert theirs["boxes"].shape == (1, len(ours), 4)
    assert off(ours.boxes, theirs["boxes"]) <= CLOSE
    assert off(ours.prob, theirs["scores"]) <= CLOSE


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activation(tmp_path: Path, name: str) -> None:
    network = from_text(tmp_path, f"[net]\nwidth=8\nheight=8\nchannels=3\n[activation]\nactivation={name}\n")
    x = (images(network, 1) - 0.5) * 16
    (theirs,) = run(build_onnx(network), x).values()
    assert off(network(x)[0].numpy(), theirs) <= 1e-6


def test_kinds_that_no_golden_network_holds(tmp_path: Path) -> None:
    text = "[net]\nwidth=8\nheight=8\nchannels=3\ntime_steps=3\n[empty]\n[history]\nhistory_size=2\n[contrastive]\n"
    network = from_text(tmp_path, text)
    x = images(network)
    (theirs,) = run(build_onnx(network), x).values()
    assert off(network(x)[0].numpy(), theirs) == 0


def test_a_dynamic_batch_gives_each_image_its_own(tmp_path: Path) -> None:
    network = from_text(tmp_path, TWO_HEADS)
    x = images(network, 3)
    together = run(build_onnx(network, OnnxOptions(dynamic_batch=True)), x)
    single = build_onnx(network)
    for number, image in enumerate(x):
        alone = run(single, image[None])
        assert all(np.allclose(together[name][number], alone[name][0], atol=1e-6) for name in ("boxes", "scores"))


def test_nms_keeps_what_darknet_keeps(tmp_path: Path) -> None:
    network = from_text(tmp_path, TWO_HEADS)
    x = images(network, 2)
    options = OnnxOptions("nms", dynamic_batch=True, thresh=0.2, overlap=0.3)
    rows = run(build_onnx(network, options), x)["detections"]
    outputs = network(x)
    heads = [head.decode(output, 32, 32, 0.2) for head, output in zip(network.graph.box_heads, outputs, strict=True)]
    ours = []
    for number, parts in enumerate(zip(*heads, strict=True)):
        kept = nms_sort(concatenate(parts), 0.3)
        for box, prob in zip(kept.boxes, kept.prob, strict=True):
            ours += [(number, label, prob[label], *box) for label in np.flatnonzero(prob)]
    assert len(ours) == len(rows) > 10
    assert np.allclose(np.asarray(sorted(ours)), np.asarray(sorted(map(tuple, rows))), atol=1e-5)


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_opsets(opset: int) -> None:
    network = case("f20_gaussian_out")
    model = build_onnx(network, OnnxOptions(opset=opset))
    assert [entry.version for entry in onnx.load_from_string(model.data).opset_import] == [opset]
    x = images(network)
    assert off(run(build_onnx(network), x)["scores"], run(model, x)["scores"]) <= 1e-6


def test_shapes_are_declared_and_names_are_layers(tmp_path: Path) -> None:
    model = build_onnx(from_text(tmp_path, TWO_HEADS), OnnxOptions("raw", dynamic_batch=True))
    read = onnx.load_from_string(model.data).graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*read.input, *read.output)
    }
    assert shapes == {"image": ["N", 3, 32, 32], "2_yolo": ["N", 14, 8, 8], "5_yolo": ["N", 7, 4, 4]}
    assert "0_convolutional/Conv" in {node.name for node in read.node}


def test_metadata_tells_how_to_feed_it(tmp_path: Path) -> None:
    network = from_text(tmp_path, TWO_HEADS.replace("channels=3", "channels=3\nletter_box=1"))
    model = build_onnx(network, OnnxOptions(names=("cat", "dog")))
    entries = {entry.key: entry.value for entry in onnx.load_from_string(model.data).metadata_props}
    assert entries["names"] == '["cat", "dog"]'
    assert entries["anchors"].startswith('{"2": [[4.0, 6.0], [9.0, 7.0]')
    assert "RGB, 0..1, letterboxed" in entries["preprocessing"] and "32x32" in entries["preprocessing"]


def test_a_classifier_gives_a_vector(tmp_path: Path) -> None:
    text = "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=5\n[avgpool]\n[softmax]\n"
    model = build_onnx(from_text(tmp_path, text))
    assert model.outputs == ("probabilities",)
    assert run(model, torch.rand(1, 3, 8, 8))["probabilities"].shape == (1, 5)


def test_a_tree_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.tree").write_text("a -1\nb -1\nc 0\n")
    path = tmp_path / "net.cfg"
    path.write_text("[net]\nwidth=1\nheight=1\nchannels=3\n[softmax]\ntree=x.tree\n")
    with pytest.raises(ExportError, match=r"net\.cfg:6: layer 0 \[softmax\]: .*tree"):
        build_onnx(fill(Network(graph.load(path))))


def test_heads_of_different_classes_give_no_common_boxes(tmp_path: Path) -> None:
    network = from_text(
        tmp_path, TWO_HEADS[: TWO_HEADS.rindex("classes=2")].replace("filters=7", "filters=8") + "classes=3"
    )
    with pytest.raises(ExportError, match="differ in their classes"):
        build_onnx(network)
    assert build_onnx(network, OnnxOptions("raw")).outputs == ("2_yolo", "5_yolo")


def test_nms_needs_boxes_and_the_opset_is_bounded() -> None:
    with pytest.raises(ExportError, match="no layer that gives boxes"):
        build_onnx(case("f14_classifier"), OnnxOptions("nms"))
    with pytest.raises(ExportError, match="opset 9"):
        build_onnx(case("f14_classifier"), OnnxOptions(opset=9))


def test_a_missing_package_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install 'csptrain\[onnx\]'"):
        build_onnx(case("f14_classifier"))
