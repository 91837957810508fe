"""What a forward pass and a training step ask of torch: operators, copies and bytes, which no machine's speed changes.

A number that went down may be lowered here; one that went up needs a reason.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.layers.fused import FusedConvolution
from csptrain.layers.route import Route
from csptrain.network import Network
from csptrain.train.step import Trainer
from tests.ledger import Ledger
from tests.threads import one_thread

CPU = torch.device("cpu")
COPIES = ("aten.copy_", "aten.clone", "aten._to_copy", "aten.contiguous")


@pytest.fixture(scope="module")
def planned() -> graph.Graph:
    dense = graph.load(Path(__file__).parent.parent / "cfg/csppeleenet-efm.cfg").resized(64, 64)
    return dataclasses.replace(dense, net=dataclasses.replace(dense.net, batch=2, subdivisions=1))


def image(planned: graph.Graph) -> torch.Tensor:
    return torch.rand(1, *dataclasses.astuple(planned.net.shape)).contiguous(memory_format=torch.channels_last)


def concatenations(planned: graph.Graph) -> int:
    return sum(isinstance(node.layer, Route) and len(node.sources) > 1 for node in planned.nodes)


def test_a_fused_forward_pass_is_one_operator_a_layer_and_copies_nothing(planned: graph.Graph) -> None:
    network = Network(planned).fused()
    x = image(planned)
    with one_thread(), torch.inference_mode(), Ledger() as ledger:
        network(x)
    convolutions = sum(isinstance(module, FusedConvolution) for module in network.layers)
    assert ledger.calls["aten.cat"] == concatenations(planned) == 28
    assert convolutions == 128
    assert ledger.calls["aten.batch_norm"] + ledger.calls["aten.native_batch_norm"] == 0
    # A head writes the sizes back, which it does not activate.
    assert sum(ledger.calls[name] for name in COPIES) == len(planned.heads)
    assert ledger.calls.total() <= len(planned.nodes)


def test_a_forward_pass_holds_a_tenth_of_all_outputs(planned: graph.Graph) -> None:
    network = Network(planned).fused()
    x = image(planned)
    with one_thread(), torch.inference_mode(), Ledger() as ledger:
        network(x)
    everything = 4 * sum(node.output.outputs for node in planned.nodes)
    assert ledger.peak <= 0.1 * everything


def test_a_training_step_asks_and_holds_no_more_than_it_did(planned: graph.Graph) -> None:
    trainer = Trainer(Network(planned), CPU)
    batch = planned.net.batch
    images = torch.randint(0, 256, (batch, 64, 64, 3), dtype=torch.uint8)
    truth = torch.tensor([[[0.5, 0.5, 0.4, 0.4, 1.0]]]).repeat(batch, 1, 1)
    everything = 4 * batch * sum(node.output.outputs for node in planned.nodes)
    with one_thread():
        trainer.step(1, images, truth)  # its gradients are there from then on
        for recomputed, calls, share in ((False, 3100, 1.50), (True, 4300, 1.02)):
            trainer.checkpoint_activations = recomputed
            with Ledger() as ledger:
                trainer.step(2, images, truth)
            assert ledger.calls.total() <= calls
            assert ledger.calls["aten.convolution"] == ledger.calls["aten.convolution_backward"] == 128
            assert ledger.peak <= share * everything
