"""Cases with a network: forward, grad, train, lr, weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from csptrain import graph
from csptrain.formats.weights import load_weights, save_weights
from csptrain.layers.base import Head
from csptrain.layers.batchnorm import BatchNorm
from csptrain.layers.convolutional import ConvolutionModule
from csptrain.layers.softmax import CostLayer
from csptrain.losses.classify import SECRET
from csptrain.network import Network
from csptrain.train.ema import Ema
from csptrain.train.optim import make_optimizer
from csptrain.train.schedule import rate, sequential_subdivisions
from tests.golden.case import Case, Worst

FORWARD = 1e-4
GRADIENT = 5e-4
NOISE = 1e-3
LOSS = 1e-4
WEIGHTS = 1e-4
RATE = 1e-5


def build(case: Case) -> Network:
    """The case's network with its recipe's weights."""
    network = Network(graph.load(case.cfg, lenient=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.weights"
        path.write_bytes(case.weights())
        load_weights(network, path)
    if case.amend is not None:
        case.amend(network)
    return network


def forward(case: Case, worst: Worst) -> None:
    """Every layer's output at inference; `ref` values where the GPU's rule is another."""
    network = build(case).eval()
    with torch.no_grad():
        outputs = network.layer_outputs(torch.from_numpy(case.inputs()))
    reference = case.golden.get("ref", {})
    for key, stock in case.golden["stock"].items():
        if key.startswith("out."):
            found = outputs[int(key[4:])].detach().numpy()
            worst.summary(key, found, reference.get(key, stock), FORWARD)
            array = case.arrays.get(f"ref/{key}" if key in reference else key)
            if array is not None:
                worst.array(key, found, array, FORWARD)


def _truth(case: Case, network: Network) -> torch.Tensor:
    rows = case.truths()
    assert rows is not None
    if case.golden["recipe"]["truth"]["kind"] == "det":
        rows = rows.reshape(len(rows), -1, 6)[:, :, :5]
    return torch.from_numpy(np.ascontiguousarray(rows))


def grad(case: Case, worst: Worst) -> None:
    """One training forward and backward: outputs, deltas, updates, batch statistics, costs."""
    network = build(case).train()
    images = torch.from_numpy(case.inputs())
    truth = _truth(case, network)
    network.seen += len(images)
    outputs: list[torch.Tensor] = []
    statistics = _watch_statistics(network)
    loss = network.loss(images, truth, outputs=outputs)
    for output in outputs:
        if output.requires_grad:
            output.retain_grad()
    loss.surrogate.backward()
    found: dict[str, torch.Tensor | float | None] = {"network_cost": float(loss.cost), **statistics}
    for index in range(len(network.graph.nodes)):
        found[f"tout.{index}"] = _shown(network, index, outputs, truth)
        found[f"gout.{index}"] = _delta(network, index, outputs, loss.heads)
        for stored in network.stored()[index]:
            gradient = stored.tensor.grad
            empty = torch.zeros_like(stored.tensor)
            found[f"grad.{index}.d{stored.name}"] = empty if gradient is None else -gradient
    found.update({f"cost.{index}": float(head.cost) for index, head in loss.heads.items()})
    boxes = [head.numbers() for head in loss.heads.values()]
    for word in ("total", "rewritten"):
        found[f"{word}_bbox"] = sum(numbers.get(word, 0) for numbers in boxes)
    for key in sorted(set(case.golden["stock"]) | set(case.golden.get(case.variant, {}))):
        _compare_gradient(case, worst, key, found.get(key))


def _compare_gradient(case: Case, worst: Worst, key: str, found: torch.Tensor | float | None) -> None:
    if found is None:
        return
    golden = case.value(key)
    if key.endswith("_bbox"):
        worst.equal(key, found, golden)
    elif isinstance(found, float):
        worst.number(key, found, golden, LOSS)
    else:
        output = key.startswith("tout")
        tolerance, noise = (FORWARD, 0.0) if output else (GRADIENT, NOISE)
        worst.summary(key, found.detach().numpy(), golden, tolerance, noise)
        array = case.array(key)
        if array is not None and golden["absmax"] >= noise:
            worst.array(key, found.detach().numpy(), array, tolerance)


def _watch_statistics(network: Network) -> dict[str, torch.Tensor]:
    """Mean and variance of what every batch normalization of a convolution sees, filled in by the next forward."""
    found: dict[str, torch.Tensor] = {}

    def watch(index: int, norm: BatchNorm) -> None:
        def note(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            x = inputs[0].detach()
            found[f"bmean.{index}"] = x.mean((0, 2, 3))
            found[f"bvar.{index}"] = x.var((0, 2, 3), unbiased=False)

        norm.register_forward_pre_hook(note)

    for index, module in enumerate(network.layers):
        if isinstance(module, ConvolutionModule) and module.norm is not None:
            watch(index, module.norm)
    return found


def _shown(network: Network, index: int, outputs: list[torch.Tensor], truth: torch.Tensor) -> torch.Tensor | None:
    """A layer's output as Darknet's buffers show it after the forward pass."""
    output = outputs[index].detach()
    if network.graph.nodes[index].layer.kind == "cost":
        return None  # the squares, which nothing reads; their sum is compared as cost.i
    after = network.graph.nodes[index + 1].layer if index + 1 < len(outputs) else None
    if isinstance(after, CostLayer) and after.type == "masked":
        marks = (truth == SECRET).view_as(output)
        return torch.where(marks, SECRET, output)  # Darknet writes the marks into the input
    return output


def _delta(network: Network, index: int, outputs: list[torch.Tensor], heads: dict[int, Any]) -> torch.Tensor | None:
    layer = network.graph.nodes[index].layer
    if index in heads and isinstance(layer, Head):
        # Darknet keeps a head's own delta without the normalizers that it applies while handing it on.
        factor = float(getattr(layer, "delta_normalizer", 1.0)) * float(getattr(layer, "scale", 1.0))
        return heads[index].delta / factor if layer.has_boxes or layer.kind == "cost" else None
    gradient = outputs[index].grad
    return None if gradient is None else -gradient


def train(case: Case, worst: Worst) -> None:
    """Ten iterations: losses, rates, weights and momentum buffers."""
    network = build(case).train()
    net = network.graph.net
    network.graph.refuse_training()
    optimizer = make_optimizer(network)
    ema = Ema(network) if net.ema_alpha else None
    images, truth = torch.from_numpy(case.inputs()), _truth(case, network)
    start = network.seen // net.effective_batch
    losses, rates = case.value("loss"), case.value("lr_after")
    for number in range(case.golden["iterations"]):
        iteration = start + number + 1
        total = 0.0
        for part in range(net.subdivisions):
            first = (number * net.subdivisions + part) * net.mini_batch
            rows = slice(first, first + net.mini_batch)
            network.seen += net.mini_batch
            loss = network.loss(images[rows], truth[rows], iteration)
            (loss.surrogate / net.effective_batch).backward()
            total += float(loss.cost) / net.effective_batch
        worst.number(f"loss {iteration}", total, losses[number], LOSS)
        current = rate(net, iteration)
        worst.number(f"rate {iteration}", current, rates[number], RATE, 1e-12)
        optimizer.step(iteration, current)
        if ema is not None:
            ema.update(iteration)
        _compare_state(case, worst, network, iteration, number + 1)
    worst.equal("seen", network.seen, int(case.value("seen")))
    if ema is not None:
        with ema.in_place():
            saved = torch.cat([stored.tensor.detach().flatten() for layer in network.stored() for stored in layer])
        worst.summary("the averages' file", saved.numpy(), case.value("saved_ema_file")["floats"], WEIGHTS)


def _compare_state(case: Case, worst: Worst, network: Network, iteration: int, number: int) -> None:
    batch = network.graph.net.effective_batch
    for index, layer in enumerate(network.stored()):
        for stored in layer:
            weights = case.value(f"w{number}.{index}.{stored.name}")
            if weights is not None:
                worst.summary(f"w{number}.{index}.{stored.name}", stored.tensor.detach().numpy(), weights, WEIGHTS)
            buffer = case.value(f"m{number}.{index}.d{stored.name}")
            if buffer is not None and stored.tensor.grad is not None:
                found = (-batch * stored.tensor.grad).numpy()
                worst.summary(f"m{number}.{index}.d{stored.name}", found, buffer, GRADIENT, NOISE)


def learning_rate(case: Case, worst: Worst) -> None:
    """The rate and the sequential subdivisions of some iterations."""
    net = graph.load(case.cfg, lenient=True).net
    for number, golden, sequential in zip(
        case.golden["iterations"], case.golden["rate"], case.golden["seq_subdiv"], strict=True
    ):
        worst.number(f"rate {number}", rate(net, number), golden, RATE, 1e-12)
        worst.equal(f"sequential subdivisions {number}", sequential_subdivisions(net, number), int(sequential))


def weights(case: Case, worst: Worst) -> None:
    """A file read and written again, and an old header."""
    network = build(case)
    blob, files = case.weights(), case.golden["files"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "saved.weights"
        save_weights(network, path)
        saved = path.read_bytes()
        worst.equal("payload", saved[20:] == blob[20:], files["payload_identical"])
        worst.equal("header", saved[:20].hex(), files["saved_header"])
        old = Path(folder) / "old.weights"
        old.write_bytes(bytes.fromhex(files["old_header_in"]) + blob[20:])
        load_weights(network, old)
        save_weights(network, path)
        worst.equal("old payload", path.read_bytes()[20:] == blob[20:], files["old_saved_identical_payload"])
        worst.equal("old header", path.read_bytes()[:20].hex(), files["old_saved_header"])
        iteration = network.seen // network.graph.net.effective_batch
        worst.equal("iteration", iteration, files["cur_iteration_after_load"])
