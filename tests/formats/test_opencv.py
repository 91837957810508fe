"""Whole networks in OpenCV, the export that proves itself, and OpenCV as a detector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from csptrain import graph
from csptrain.errors import ExportError
from csptrain.evaluate.detect import torch_detector
from csptrain.formats import opencv_export
from csptrain.formats.darknet import load
from csptrain.formats.lowering import Lowered, lower
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.opencv_export import export_opencv
from csptrain.formats.weights import save_weights
from csptrain.network import Network
from tests.formats.networks import fill, from_graph, from_text, images
from tests.golden.case import Case
from tests.golden.networks import build

WANTED = 1e-4
SMALL = ("yolov3-tiny", "yolov4-tiny", "csppeleenet-efm", "csppeleenet-efm-sam", "yolov3-tiny-prn", "csppeleenet")
GOLDEN = ("f22_net_yolov3spp_like", "f23_net_v4tiny_like", "f24_net_v4_like", "f25_net_resnext_se")
YOLO = "[yolo]\nmask=0,1\nanchors=4,6,12,10,20,24\nnum=3\nclasses=2\n"
REGION = "[region]\nanchors=3,4,5,4\nnum=2\nclasses=2\ncoords=4\nsoftmax=1\nthresh=.6\n"
BODY = (
    "[net]\nwidth=48\nheight=32\nchannels=3\n"
    "[convolutional]\nfilters=8\nsize=3\nstride=4\npad=1\nbatch_normalize=1\nactivation=leaky\n"
    "[maxpool]\nmaxpool_depth=1\nout_channels=4\n"
    "[convolutional]\nfilters=14\nsize=1\nstride=1\nactivation=linear\n"
)


def test_the_yolo_shaped_networks_of_the_project(repository: Path, tmp_path: Path) -> None:
    for name in SMALL:
        network = from_graph(graph.load(repository / "cfg" / f"{name}.cfg").resized(96, 96))
        report = export_opencv(network, tmp_path, name, tolerance=WANTED)
        assert {head.layer for head in report.heads} == set(network.graph.heads), name
        assert report.worst.relative < WANTED, name
        assert all(head.error < WANTED for head in report.heads if head.quantity in ("objectness", "scores", "output"))


def test_a_csresnext_shaped_network(repository: Path, tmp_path: Path) -> None:
    planned = graph.load(repository / "cfg" / "csresnext50.cfg").resized(64, 64)
    # The first stages hold every pattern of the network; the later ones repeat them with more channels.
    part = graph.build(planned.path, planned.net, tuple(node.layer for node in planned.nodes[:32]), ())
    report = export_opencv(from_graph(part), tmp_path, "csresnext", tolerance=WANTED)
    assert report.worst.relative < WANTED


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_networks(golden_cases: Path, tmp_path: Path, name: str) -> None:
    report = export_opencv(build(Case(golden_cases / name)), tmp_path, "net", tolerance=WANTED)
    assert 0 < report.worst.relative < WANTED


@pytest.mark.parametrize("head", [YOLO, YOLO + "scale_x_y=1.2\n", REGION], ids=["yolo", "scale_x_y", "region"])
def test_export_writes_a_pair_that_both_read(tmp_path: Path, head: str) -> None:
    network = from_text(tmp_path, BODY + head)
    report = export_opencv(network, tmp_path / "out", "net", names=("cell", "plate"))
    files = ["README.md", "detect.cpp", "detect.py", "net.cfg", "net.names", "net.weights"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert (tmp_path / "out" / "net.names").read_text() == "cell\nplate\n"
    x = images(network, 2)
    with torch.inference_mode():
        ours, again = network(x)[0], load(report.cfg, report.weights)(x)[0]
    assert torch.allclose(ours, again, atol=1e-5)
    assert report.layers == (4, 6)


def test_low_scores_survive_only_in_the_lowered_pair(tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY.replace("[maxpool]\nmaxpool_depth=1\nout_channels=4\n", "") + YOLO)
    save_weights(network, tmp_path / "net.weights")
    raw = OpenCVBackend(tmp_path / "net.cfg", tmp_path / "net.weights").head_outputs(images(network))[0]
    report = export_opencv(network, tmp_path / "out", "net")
    lowered = OpenCVBackend(report.cfg, report.weights).head_outputs(images(network))[0]
    assert (raw[..., 5:] == 0).mean() > 0.1
    assert (lowered[..., 5:] > 0).all()


def test_real_images_are_compared_too(golden_cases: Path, tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY.replace("channels=3", "channels=3\nletter_box=1") + YOLO)
    found = sorted(golden_cases.glob("img_*/*.png"))[:2]
    report = export_opencv(network, tmp_path / "out", "net", found)
    assert report.images == len(found) == 2
    assert "letter_box=1" in report.cfg.read_text()


def test_a_difference_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = from_text(tmp_path, BODY + YOLO)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ExportError, match=r"net\.cfg:\d+: layer 3 \[yolo\]: .* by "):
        export_opencv(network, tmp_path / "a" / "out", "net", tolerance=0)
    other = from_text(tmp_path, BODY + YOLO, seed=1)
    monkeypatch.setattr(opencv_export, "lower", lambda _: lower(other))
    with pytest.raises(ExportError, match="csptrain computes the written pair otherwise"):
        export_opencv(network, tmp_path / "out", "net")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_older_export_stays_when_a_new_one_fails(tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY + YOLO)
    report = export_opencv(network, tmp_path / "out", "net")
    kept = {path: path.read_bytes() for path in (report.cfg, report.weights, *report.ready.written)}
    with pytest.raises(ExportError):
        export_opencv(fill(network, 5), tmp_path / "out", "net", tolerance=0)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == kept


def test_the_original_is_not_replaced(tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY + YOLO)
    text = (tmp_path / "net.cfg").read_text()
    with pytest.raises(ExportError, match="own cfg"):
        export_opencv(network, tmp_path, "net")
    assert (tmp_path / "net.cfg").read_text() == text


def test_a_file_in_the_way_and_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY + YOLO)
    with pytest.raises(ExportError, match="is not a folder"):
        export_opencv(network, tmp_path / "net.cfg", "x")
    with pytest.raises(ExportError, match="cannot be written"):
        export_opencv(network, Path("/proc/nothing/here"), "x")


@pytest.mark.parametrize("thresh", [0.005, 0.25])
def test_opencv_detects_what_csptrain_detects(tmp_path: Path, thresh: float) -> None:
    second = "[route]\nlayers=1\n[convolutional]\nfilters=7\nsize=1\nstride=1\nactivation=linear\n" + YOLO.replace(
        "0,1", "2"
    )
    network = from_text(tmp_path, BODY + YOLO + second)
    report = export_opencv(network, tmp_path / "out", "net")
    x = images(network, 3)
    ours, theirs = torch_detector(network)(x, thresh), OpenCVBackend(report.cfg, report.weights).detect(x, thresh)
    assert [len(image) for image in ours] == [len(image) for image in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) > 3
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one.objectness, other.objectness, atol=1e-6)
        np.testing.assert_allclose(one.prob, other.prob, atol=1e-6)


def test_a_region_is_detected_but_for_opencvs_own_suppression(tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY + REGION)
    report = export_opencv(network, tmp_path / "out", "net")
    x = images(network)
    (ours,), (theirs,) = torch_detector(network)(x, 0.1), OpenCVBackend(report.cfg, report.weights).detect(x, 0.1)
    np.testing.assert_allclose(ours.boxes, theirs.boxes, rtol=1e-5)
    np.testing.assert_array_equal(ours.objectness, theirs.objectness)
    kept = theirs.prob > 0
    assert 0 < kept.sum() < (ours.prob > 0).sum()
    np.testing.assert_allclose(ours.prob[kept], theirs.prob[kept], atol=1e-6)


def test_a_classifier_has_no_detections(tmp_path: Path) -> None:
    network = from_text(tmp_path, BODY + "[avgpool]\n[softmax]\n")
    report = export_opencv(network, tmp_path / "out", "net")
    with pytest.raises(ExportError, match="no layer that gives boxes"):
        OpenCVBackend(report.cfg, report.weights).detect(images(network), 0.5)


def test_opencv_5_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = from_text(tmp_path, BODY + YOLO)
    monkeypatch.delattr(cv2.dnn, "readNetFromDarknet")
    with pytest.raises(ExportError, match="opencv-python<5"):
        export_opencv(network, tmp_path / "out", "net")


def test_the_lowered_network_is_its_own_lowering(tmp_path: Path) -> None:
    """What is written is plain already: nothing is left to say otherwise."""
    once: Lowered = lower(from_text(tmp_path, BODY + YOLO))
    network: Network = once.network()
    again = lower(network)
    assert [line for line in again.cfg_text.splitlines() if line[:1] != "#"] == [
        line for line in once.cfg_text.splitlines() if line[:1] != "#"
    ]
