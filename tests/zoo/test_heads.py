"""The heads: on any backbone, size, classes, anchors and activation; the costs that calibrate them."""

from __future__ import annotations

import pytest

from csptrain.cfg import text
from csptrain.errors import CfgError
from csptrain.graph import Graph, plan
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.yolo import Yolo
from csptrain.summary import summarize
from csptrain.zoo.backbone import Style
from csptrain.zoo.backbones import BACKBONES
from csptrain.zoo.heads import HEADS
from csptrain.zoo.heads.boxes import TINY_ANCHORS, TINY_MASKS, BoxHeads
from csptrain.zoo.training import detector
from csptrain.zoo.writer import CfgWriter

#: Three kinds of taps: few channels, as many as a large network, odd ones.
VARIED = ("cspdarknet53-tiny", "cspresnext50", "mobilenet-v2")
SEVEN = (8, 8, 12, 14, 20, 18, 31, 40, 55, 50, 80, 90, 120, 110)


def built(
    backbone: str, head: str, boxes: BoxHeads, size: tuple[int, int] = (416, 416), activation: str = "leaky"
) -> Graph:
    cfg = CfgWriter(activation)
    HEADS[head].write(cfg, BACKBONES[backbone].write(cfg, Style(boxes=True)), boxes)
    return plan(text.parse(cfg.text(detector(subdivisions=4).net(*size), [])))


@pytest.mark.parametrize("attention", ["none", "sam"])
@pytest.mark.parametrize("backbone", VARIED)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_stands_on_any_backbone(head: str, backbone: str, attention: str) -> None:
    strides = HEADS[head].strides
    boxes = BoxHeads.spread(3, strides, SEVEN, attention)
    planned = built(backbone, head, boxes, (160, 96), "mish")
    assert planned.findings == ()
    found = {}
    for predicting in planned.box_heads:
        assert isinstance(predicting, Yolo)
        node = planned.nodes[predicting.index]
        assert node.output.c == 8 * len(predicting.mask_used)
        assert 160 * node.output.h == 96 * node.output.w
        found[160 // node.output.w] = predicting.mask_used
    assert found == dict(boxes.masks)
    assert sorted(number for mask in found.values() for number in mask) == list(range(7))
    assert sum(node.layer.kind == "sam" for node in planned.nodes) == (attention == "sam") * len(strides)


@pytest.mark.parametrize("head", HEADS)
def test_no_convolution_has_an_activation_of_its_own(head: str) -> None:
    """Those without normalization predict or weigh; all others, and sums, have the network's."""
    planned = built("cspdarknet53-tiny", head, BoxHeads.spread(1, HEADS[head].strides), (64, 64), "swish")
    normalized = {
        node.layer.activation
        for node in planned.nodes
        if isinstance(node.layer, Convolutional) and node.layer.batch_normalize
    }
    assert normalized == {"swish"}
    others = {str(getattr(node.layer, "activation", "linear")) for node in planned.nodes}
    assert others <= {"swish", "linear", "logistic"}


@pytest.mark.parametrize(
    ("backbone", "head", "size", "bflops", "floats"),
    [
        ("peleenet", "prn", 416, "4.04", "3.16"),
        ("peleenet", "prn", 320, "2.39", "3.16"),
        ("peleenet", "prn-3l", 416, "5.03", "3.36"),
        ("peleenet", "fpn", 416, "4.84", "3.75"),
        ("peleenet", "fpn", 320, "2.86", "3.75"),
        ("peleenet", "yolov3-2l", 416, "5.06", "3.91"),
        ("peleenet", "yolov3-2l", 320, "2.99", "3.91"),
        ("sparsepeleenet", "prn", 416, "3.65", None),
        ("sparsepeleenet", "prn", 320, "2.16", None),
    ],
)
def test_costs_that_prns_authors_print(backbone: str, head: str, size: int, bflops: str, floats: str | None) -> None:
    """BFLOPs, and millions of floats of the weights file."""
    boxes = BoxHeads(80) if head == "prn-3l" else BoxHeads(80, TINY_ANCHORS, TINY_MASKS)
    totals = summarize(built(backbone, head, boxes, (size, size)))
    assert f"{totals.paper_bflops:.2f}" == bflops
    assert floats in (None, f"{totals.all / 1e6:.2f}")


def test_maxout_narrows_what_efm_sends_down_by_three_quarters() -> None:
    """The paper's 75 % of the memory of a pyramid: what is upsampled has a quarter of its scale's channels."""
    nodes = built("csppeleenet", "efm", BoxHeads(80)).nodes
    narrowed = [node for node in nodes if getattr(node.layer, "maxpool_depth", 0)]
    sent = [
        node
        for node in narrowed
        if any(after.layer.kind == "upsample" for after in nodes if node.layer.index in after.sources)
    ]
    # To stride 8 it goes in two steps, by way of what the fusion reads: 128, 64, 32.
    assert [1 - node.output.c / 256 for node in sent[:1]] == [0.75]
    assert [(node.inputs[0].c, node.output.c) for node in sent] == [(256, 64), (64, 32)]


def test_anchors_are_shared_out_from_small_to_large() -> None:
    boxes = BoxHeads.spread(2, (32, 16, 8), SEVEN)
    assert dict(boxes.masks) == {8: (0, 1), 16: (2, 3), 32: (4, 5, 6)}
    assert dict(BoxHeads.spread(2, (32, 16)).masks) == {16: (0, 1, 2), 32: (3, 4, 5)}
    assert BoxHeads.spread(2, (32, 16)).anchors == TINY_ANCHORS
    assert dict(BoxHeads.spread(2, (32, 16, 8)).masks) == {8: (0, 1, 2), 16: (3, 4, 5), 32: (6, 7, 8)}


def test_mistakes_are_named() -> None:
    with pytest.raises(CfgError, match=r"anchors=8,8,12: 3 numbers for 2 scales \(legal: a width and a height"):
        BoxHeads.spread(1, (32, 16), (8, 8, 12))
    with pytest.raises(CfgError, match="4 numbers for 3 scales"):
        BoxHeads.spread(1, (32, 16, 8), (8, 8, 12, 12))
    with pytest.raises(CfgError, match=r"attention=san \(legal: none, sam\)"):
        BoxHeads(1, attention="san")
