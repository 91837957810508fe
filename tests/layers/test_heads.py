"""[yolo] and [region] as layers: their options and what they ask of the layer before."""

from __future__ import annotations

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.layers.yolo import Yolo
from tests.plans import built, planned, random_images

YOLO = "[yolo]\nclasses=2\nmask=0,2\nnum=3\nanchors=4,5, 6,7, 8,9\n"
REGION = "[region]\nclasses=2\nnum=2\ncoords=4\nanchors=1,2, 3,4\nsoftmax=1\n"


def conv(filters: int) -> str:
    return f"[convolutional]\nfilters={filters}\nactivation=linear\n"


def message(text: str) -> str:
    with pytest.raises(CfgError) as caught:
        planned(text)
    return str(caught.value)


@pytest.mark.parametrize("head", [YOLO, REGION])
def test_wrong_filters_say_the_right_number(head: str) -> None:
    planned(conv(14) + head)
    said = message(conv(12) + head)
    assert said.startswith("x.cfg:10: layer 1 ") and "has 12 channels" in said
    assert "set filters=14 in the [convolutional] before" in said


def test_mask_and_anchors_must_agree_with_num() -> None:
    assert "legal: 0..2" in message(conv(14) + YOLO.replace("mask=0,2", "mask=0,3"))
    assert "num=4 but 6 numbers in anchors=" in message(conv(14) + YOLO.replace("num=3", "num=4"))
    graph = planned(conv(14) + YOLO.replace("num=3", "num=4"), lenient=True)
    assert len(graph.findings) == 1
    head = graph.nodes[1].layer
    assert isinstance(head, Yolo) and head.anchor_pairs[3] == (0.5, 0.5)


def test_darknets_defaults() -> None:
    head = planned(conv(25) + "[yolo]\n").nodes[1].layer
    assert isinstance(head, Yolo)
    assert (head.classes, head.num, head.max, head.mask_used) == (20, 1, 200, (0,))
    assert (head.ignore_thresh, head.truth_thresh, head.iou_thresh, head.iou_loss) == (0.5, 1.0, 1.0, "mse")
    assert (head.iou_normalizer, head.obj_normalizer, head.jitter, head.anchor_pairs) == (0.75, 1.0, 0.2, ((0.5, 0.5),))


def test_counters_for_another_number_of_classes() -> None:
    assert "1 counters for classes=2" in message(conv(14) + YOLO + "counters_per_class=5\n")


def test_yolo_activates_and_decodes() -> None:
    network = built(conv(14) + YOLO + "scale_x_y=1.1\n")
    raw, out = network.layer_outputs(random_images(network))
    raw, out = raw.unflatten(1, (2, 7)), out.unflatten(1, (2, 7))
    torch.testing.assert_close(out[:, :, :2], raw[:, :, :2].sigmoid() * 1.1 - 0.05)
    torch.testing.assert_close(out[:, :, 2:4], raw[:, :, 2:4])
    torch.testing.assert_close(out[:, :, 4:], raw[:, :, 4:].sigmoid())
    head = network.graph.box_heads[0]
    found = head.decode(out.flatten(1, 2), 8, 8, 0.0)
    assert [len(one) for one in found] == [128, 128]


def test_a_region_map_is_laid_out_by_cells() -> None:
    network = built(conv(14) + REGION)
    x = random_images(network)
    assert network(x)[0].shape == (2, 8, 8, 14)
    found = network.graph.box_heads[0].decode(network(x)[0], 8, 8, 0.5)
    assert len(found[0]) == 128, "region gives every anchor"


def test_network_options_come_from_the_last_head() -> None:
    text = conv(14) + YOLO + "jitter=.1\n" + "[route]\nlayers=0\n" + YOLO + "jitter=.4\nrandom=1\n"
    graph = planned(text)
    assert [head.jitter for head in graph.box_heads] == [0.1, 0.4]
    assert graph.heads == (1, 3)
