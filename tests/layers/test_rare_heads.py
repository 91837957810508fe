"""[Gaussian_yolo], [detection] and [contrastive]: what they ask for, give and refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from csptrain.errors import CfgError
from csptrain.evaluate.detect import nms_settings
from csptrain.layers.detection import Detection
from csptrain.layers.gaussian_yolo import GaussianYolo
from csptrain.layers.masked import MaskedHead
from tests.plans import built, planned, random_images

GAUSSIAN = "[Gaussian_yolo]\nclasses=2\nmask=0,2\nnum=3\nanchors=4,5, 6,7, 8,9\n"
DETECTION = "[connected]\noutput={}\nactivation=linear\n[detection]\nclasses=3\ncoords=4\nside=2\nnum=2\n"


def conv(filters: int) -> str:
    return f"[convolutional]\nfilters={filters}\nactivation=linear\n"


def test_gaussian_needs_nine_entries_a_box() -> None:
    planned(conv(22) + GAUSSIAN)
    with pytest.raises(CfgError, match="set filters=22 in the .convolutional. before"):
        planned(conv(14) + GAUSSIAN)


def test_gaussian_defaults_and_suppression() -> None:
    graph = planned(conv(22) + GAUSSIAN + "nms_kind=greedynms\nbeta_nms=.7\n")
    head = graph.nodes[1].layer
    assert isinstance(head, GaussianYolo)
    assert (head.iou_normalizer, head.uc_normalizer, head.max, head.yolo_point) == (0.75, 1.0, 200, "center")
    assert nms_settings(graph) == ("greedynms", 0.7)


@pytest.mark.parametrize(("point", "shift"), [("center", 0.0), ("left_top", 0.5), ("right_bottom", -0.5)])
def test_gaussian_boxes_hang_on_their_point(point: str, shift: float) -> None:
    network = built(conv(22) + GAUSSIAN + f"yolo_point={point}\n")
    head = network.graph.box_heads[0]
    with torch.no_grad():
        (out,) = network(random_images(network, 1))
    (found,) = head.decode(out, 8, 8, 0.0)
    x, sx, y, _, w, _, h, _, objectness, *classes = out.unflatten(1, (2, 11))[0, 1, :, 3, 5].tolist()
    deviations = out.unflatten(1, (2, 11))[0, 1, 1:8:2, 3, 5]
    assert sx == deviations[0]
    row = (3 * 8 + 5) * 2 + 1
    width, height = np.exp(w) * 8 / 8, np.exp(h) * 9 / 8
    wanted = [(5 + x) / 8 + shift * width, (3 + y) / 8 + shift * height, width, height]
    np.testing.assert_allclose(found.boxes[row], wanted, rtol=1e-5)
    certainty = 1 - float(deviations.mean())
    np.testing.assert_allclose(found.prob[row], [objectness * one * certainty for one in classes], rtol=1e-5)
    assert found.objectness[row] == np.float32(objectness)


def test_gaussian_does_not_change_what_it_decodes() -> None:
    network = built(conv(22) + GAUSSIAN)
    with torch.no_grad():
        (out,) = network(random_images(network, 1))
    before = out.clone()
    network.graph.box_heads[0].decode(out, 8, 8, 0.0)
    torch.testing.assert_close(out, before, rtol=0, atol=0)


@pytest.mark.parametrize("text", [conv(14) + GAUSSIAN.replace("Gaussian_yolo", "yolo"), conv(22) + GAUSSIAN])
def test_a_mask_beyond_num_is_what_the_cfg_lists_there(text: str) -> None:
    text = text.replace("num=3", "num=2")
    with pytest.raises(CfgError, match="num=2 but 6 numbers in anchors="):
        planned(text)
    graph = planned(text, lenient=True)
    assert [finding.message.partition(": ")[2] for finding in graph.findings] == [
        "num=2 but 6 numbers in anchors=",
        "mask=2 with num=2",
    ]
    head = graph.nodes[1].layer
    assert isinstance(head, MaskedHead) and head.anchor_pairs == ((4, 5), (6, 7), (8, 9))


@pytest.mark.parametrize("mask", ["0,3", "-1,0", "0,2000000000"])
def test_a_mask_without_an_anchor_is_an_error_in_any_reading(mask: str) -> None:
    for lenient in (False, True):
        with pytest.raises(CfgError, match=r"mask=.* with num=3 \(legal: 0\.\.2\)"):
            planned(conv(22) + GAUSSIAN.replace("mask=0,2", f"mask={mask}"), lenient=lenient)


def test_a_number_of_anchors_that_cannot_be() -> None:
    with pytest.raises(CfgError, match="num=1000000000 is more than 4096"):
        planned(conv(22) + "[Gaussian_yolo]\nnum=1000000000\nmask=0,1\nclasses=2\n", lenient=True)


def test_detection_says_how_long_its_vector_must_be() -> None:
    planned(DETECTION.format(52))
    with pytest.raises(CfgError, match=r"gives 50 values, a grid of 2x2.*set output=52 in the .connected. before"):
        planned(DETECTION.format(50))
    with pytest.raises(CfgError, match=r"coords=5 \(legal: 4\)"):
        planned(DETECTION.format(52).replace("coords=4", "coords=5"))


@pytest.mark.parametrize("square", [0, 1])
def test_detection_reads_classes_then_objectness_then_boxes(square: int) -> None:
    head = planned(DETECTION.format(52) + f"sqrt={square}\n").nodes[1].layer
    assert isinstance(head, Detection)
    vector = torch.arange(104, dtype=torch.float32).view(2, 52, 1, 1) / 104
    found = head.decode(vector, 8, 8, 0.2)
    flat = vector.flatten(1)[1].double().numpy()
    assert [len(one) for one in found] == [8, 8]
    for cell in range(4):
        for number in range(2):
            box = cell * 2 + number
            x, y, w, h = flat[20 + 4 * box : 24 + 4 * box]
            size = (w * w, h * h) if square else (w, h)
            np.testing.assert_allclose(found[1].boxes[box], [(x + cell % 2) / 2, (y + cell // 2) / 2, *size], rtol=1e-6)
            assert found[1].objectness[box] == np.float32(flat[12 + box])
            prob = flat[12 + box] * flat[3 * cell : 3 * cell + 3]
            np.testing.assert_allclose(found[1].prob[box], np.where(prob > 0.2, prob, 0), rtol=1e-6)


def test_detection_softmax_is_over_the_classes_of_a_cell() -> None:
    network = built(DETECTION.format(52) + "softmax=1\n")
    with torch.no_grad():
        raw, out = network.layer_outputs(random_images(network))
    torch.testing.assert_close(out[:, :3].sum(1), torch.ones(2, 1, 1))
    torch.testing.assert_close(out[:, 3:6, 0, 0], raw[:, 3:6, 0, 0].softmax(1))
    torch.testing.assert_close(out[:, 12:], raw[:, 12:], rtol=0, atol=0)


def test_detection_is_a_head_that_cannot_be_trained() -> None:
    graph = planned(DETECTION.format(52))
    assert graph.heads == (1,) and len(graph.box_heads) == 1
    with pytest.raises(CfgError, match=r"x\.cfg:9: layer 1 .detection.: has no loss here, so the network can be run"):
        graph.refuse_training()


def test_contrastive_gives_its_embeddings_and_cannot_be_trained() -> None:
    head = "[yolo]\nclasses=2\nnum=1\nanchors=4,5\n"
    text = conv(7) + head + "[route]\nlayers=0\n[contrastive]\nyolo_layer=-2\nclasses=1\n"
    network = built(text)
    with torch.no_grad():
        outputs = network.layer_outputs(random_images(network))
    torch.testing.assert_close(outputs[3], outputs[0], rtol=0, atol=0)
    assert network.graph.heads == (1,)
    with pytest.raises(CfgError, match="layer 3 .contrastive.: has no loss here"):
        network.graph.refuse_training()
    with pytest.raises(CfgError, match="yolo_layer=-9 points outside"):
        planned(text.replace("yolo_layer=-2", "yolo_layer=-9"))
