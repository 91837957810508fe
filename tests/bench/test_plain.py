"""The baseline computes what csptrain computes, or no ratio against it would mean anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from csptrain import graph
from csptrain.bench.plain import PlainNetwork
from csptrain.bench.plain_loss import PlainTrainer, head_loss, network_loss
from csptrain.cfg import text
from csptrain.errors import CfgError
from csptrain.formats.verify_matrix import randomized
from csptrain.graph import Graph
from csptrain.layers.yolo import Yolo
from csptrain.losses.yolo import yolo_activate, yolo_loss
from tests.bench.plain_weights import copy_weights
from tests.tiny import cfg


def tiny(yolo: str = "", middle: str = "") -> Graph:
    content = cfg(yolo=yolo, middle=middle).replace("iou_loss=ciou", "iou_loss=mse").replace("=0.07", "=0.5")
    return graph.plan(text.parse(content, "tiny.cfg"))


def truths(shared: bool = True) -> Tensor:
    """[4, 3, 5]: two objects in other cells, an image without any, and if ``shared`` two objects in one cell."""
    truth = torch.zeros(4, 3, 5)
    truth[0, 0] = torch.tensor((0.30, 0.30, 0.25, 0.20, 0))
    truth[0, 1] = torch.tensor((0.80, 0.60, 0.50, 0.60, 1))
    if shared:
        truth[0, 2] = torch.tensor((0.28, 0.32, 0.26, 0.22, 1))
    truth[1, 0] = torch.tensor((0.55, 0.90, 0.30, 0.10, 0))
    truth[2, 0] = torch.tensor((0.10, 0.10, 0.05, 0.90, 1))
    return truth


@pytest.mark.parametrize(
    "name", ["yolov3-tiny", "yolov4-tiny", "csppeleenet-efm-sam", "csppeleenet-ref-prn", "csresnext50-panet-spp"]
)
def test_outputs_are_those_of_the_network(name: str, repository: Path) -> None:
    network = randomized(graph.load(repository / f"cfg/{name}.cfg").resized(64, 64))
    plain = PlainNetwork(network.graph).eval()
    copy_weights(network, plain)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for ours, theirs in zip(network(x), plain(x), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-4 * float(ours.abs().max()))


@pytest.mark.parametrize("options", ["", "iou_thresh=0.2", "obj_normalizer=0.4"])
def test_gradients_of_the_loss_are_the_deltas(options: str) -> None:
    """Pass 3 of Darknet, which ``iou_thresh`` below 1 brings, divides where a cell has several classes: none here."""
    layer = tiny(options).nodes[-1].layer
    assert isinstance(layer, Yolo)
    truth = truths(shared="iou_thresh" not in options)
    raw = torch.randn(4, 14, 4, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
    delta = yolo_loss(yolo_activate(raw.detach(), layer.spec), truth, layer.spec, 32, 32).delta
    head_loss(raw, truth, layer, (32, 32)).backward()
    assert raw.grad is not None
    assert delta.abs().max() > 0.5
    assert torch.allclose(raw.grad, -delta, atol=1e-5)


def test_gradients_of_the_weights_are_those_of_the_network() -> None:
    network = randomized(tiny()).train()
    plain = PlainNetwork(network.graph).train()
    copy_weights(network, plain)
    x, truth = torch.rand(4, 3, 32, 32), truths()
    network.loss(x, truth).surrogate.backward()
    network_loss(plain, plain(x), truth).backward()
    ours = [item.tensor.grad for item in network.stored()[0] if item.name == "weights"]
    theirs = [next(plain.blocks[0].parameters()).grad]
    for one, other in zip(ours, theirs, strict=True):
        assert one is not None and other is not None
        assert torch.allclose(one, other, atol=1e-4 * float(one.abs().max()))


def test_a_step_lowers_the_loss() -> None:
    trainer = PlainTrainer(PlainNetwork(tiny()), torch.device("cpu"))
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    losses = [trainer.step(images, truths()) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_what_the_baseline_does_not_know_is_refused() -> None:
    with pytest.raises(CfgError, match=r"no such \[yolo\]"):
        PlainNetwork(tiny("label_smooth_eps=0.1"))
    with pytest.raises(CfgError, match=r"no such \[reorg3d\]"):
        PlainNetwork(tiny(middle="\n[reorg3d]\nstride=2\n"))
