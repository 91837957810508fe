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
from csptrain.network import Network
from csptrain.train.optim import DarknetSGD
from csptrain.train.schedule import rate, sequential_subdivisions
from tests.golden.case import Case, Worst

FORWARD = 1e-4
GRADIENT = 5e-4
NOISE_FLOOR = 1e-3
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
    return network


def forward(case: Case, worst: Worst) -> None:
    """Every layer's output at inference; `ref` values where the GPU's rule is another."""
    network = build(case).eval()
    with torch.no_grad():
        outputs = network.layer_outputs(torch.from_numpy(case.inputs()))
    reference = case.golden.get("ref", {})
    for key, stock in case.golden["stock"].items():
        if key.startswith("out."):
            found = outputs[int(key[4:])].numpy()
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
    network.seen += len(images)
    outputs: list[torch.Tensor] = []
    loss = network.loss(images, _truth(case, network), outputs=outputs)
    kept = [output for output in outputs if output.requires_grad]
    for output in kept:
        output.retain_grad()
    loss.surrogate.backward()
    for key in sorted(set(case.golden["stock"]) | set(case.golden.get(case.variant, {}))):
        word, _, rest = key.partition(".")
        golden = case.value(key)
        if word == "tout" and network.graph.nodes[int(rest)].layer.kind == "cost":
            continue  # Darknet leaves the squares there; nothing reads them, and their sum is compared as cost.i
        if word == "tout":
            worst.summary(key, outputs[int(rest)].detach().numpy(), golden, FORWARD)
        elif word == "gout":
            found = _delta(network, int(rest), outputs, loss.heads)
            if found is not None:
                worst.summary(key, found.numpy(), golden, GRADIENT, NOISE_FLOOR)
        elif word == "grad":
            layer, name = rest.split(".")
            stored = {item.name: item.tensor for item in network.stored()[int(layer)]}
            gradient = stored[name[1:]].grad
            found = torch.zeros_like(stored[name[1:]]) if gradient is None else -gradient
            worst.summary(key, found.detach().numpy(), golden, GRADIENT, NOISE_FLOOR)
        elif word == "cost":
            worst.add(key, abs(float(loss.heads[int(rest)].cost) - golden) / max(abs(golden), 1e-6), LOSS)
        elif word == "network_cost":
            worst.add(key, abs(float(loss.cost) - golden) / max(abs(golden), 1e-6), LOSS)


def _delta(
    network: Network, index: int, outputs: list[torch.Tensor], heads: dict[int, Any]
) -> torch.Tensor | None:
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
    optimizer = DarknetSGD(network)
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
        worst.add(f"loss {iteration}", abs(total - losses[number]) / abs(losses[number]), LOSS)
        current = rate(net, iteration)
        worst.add(f"rate {iteration}", abs(current - rates[number]) / max(rates[number], 1e-12), RATE)
        optimizer.step(iteration, current)
        _compare_state(case, worst, network, iteration, number + 1)
    worst.equal("seen", network.seen, int(case.value("seen")))


def _compare_state(case: Case, worst: Worst, network: Network, iteration: int, number: int) -> None:
    batch = network.graph.net.effective_batch
    for index, layer in enumerate(network.stored()):
        for stored in layer:
            weights = case.value(f"w{number}.{index}.{stored.name}")
            if weights is not None:
                worst.summary(
                    f"w{number}.{index}.{stored.name}", stored.tensor.detach().numpy(), weights, WEIGHTS
                )
            buffer = case.value(f"m{number}.{index}.d{stored.name}")
            if buffer is not None and stored.tensor.grad is not None:
                found = (-batch * stored.tensor.grad).numpy()
                worst.summary(f"m{number}.{index}.d{stored.name}", found, buffer, GRADIENT, NOISE_FLOOR)


def learning_rate(case: Case, worst: Worst) -> None:
    """The rate and the sequential subdivisions of some iterations."""
    net = graph.load(case.cfg, lenient=True).net
    for number, golden, sequential in zip(
        case.golden["iterations"], case.golden["rate"], case.golden["seq_subdiv"], strict=True
    ):
        worst.add(f"rate {number}", abs(rate(net, number) - golden) / max(abs(golden), 1e-12), RATE)
        worst.equal(
            f"sequential subdivisions {number}", sequential_subdivisions(net, number), int(sequential)
        )


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
