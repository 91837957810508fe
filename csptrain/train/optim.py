"""SGD as Darknet does it: the gradients are the momentum buffers.

Darknet keeps one update buffer per tensor, adds every sub-batch's gradient to it, and multiplies it by the momentum
after the step instead of clearing it. A torch parameter's ``.grad`` is such a buffer: autograd adds to it, nobody
zeroes it. With gradients averaged over the batch this is SGD with momentum, no dampening, and decay inside the buffer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.layers.base import Layer
from csptrain.net import Net
from csptrain.network import Network

BUFFER = "momentum"


@dataclass(frozen=True)
class Trained:
    """One trained tensor with its place in the weights file and the layer whose options rule it."""

    index: int
    layer: Layer
    parameter: nn.Parameter
    decays: bool
    mixes: bool

    @property
    def buffer(self) -> Tensor:
        """What Darknet calls the updates: zeros until a gradient comes."""
        if self.parameter.grad is None:
            self.parameter.grad = torch.zeros_like(self.parameter)
        return self.parameter.grad


class Optimizer(ABC):
    """Updates the stored parameters of a network from their buffers.

    Source: Darknet behaviour (GPU path): a layer's `learning_rate` multiplies the rate; `dont_update` and
    `burnin_update` hold a layer's update back while its buffer goes on collecting; layers before `stopbackward` are
    left alone, the marked layer itself only decays; mixing weights of a shortcut are clipped and do not decay.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.net: Net = network.graph.net
        places = (
            (node.layer, stored)
            for node, layer in zip(network.graph.nodes, network.stored(), strict=True)
            for stored in layer
        )
        trained = [
            (layer, stored, tensor) for layer, stored in places if isinstance(tensor := stored.tensor, nn.Parameter)
        ]
        self.tensors = [
            Trained(index, layer, tensor, stored.name == "weights" and not stored.mixes, stored.mixes)
            for index, (layer, stored, tensor) in enumerate(trained)
        ]

    @torch.no_grad()
    def step(self, iteration: int, rate: float) -> None:
        """Apply the buffers with the learning rate of this iteration (from 1)."""
        frozen = self.network.frozen_before(iteration)
        groups: dict[float, list[Trained]] = {}
        for item in self.tensors:
            if item.layer.index >= frozen and not self._held_back(item.layer, iteration):
                groups.setdefault(item.layer.learning_rate, []).append(item)
        for factor, items in groups.items():
            self._update(items, rate * factor, iteration)

    def state(self) -> dict[str, Tensor]:
        """The buffers that exist, by the number of their tensor in the order of the weights file."""
        return {
            f"{BUFFER}.{item.index}": item.parameter.grad for item in self.tensors if item.parameter.grad is not None
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state`` gave; raises ValueError when it belongs to another network."""
        names = {f"{BUFFER}.{item.index}": item for item in self.tensors}
        if unknown := [name for name in state if name.startswith(f"{BUFFER}.") and name not in names]:
            raise ValueError(f"no tensor for {unknown[0]} among {len(names)}")
        for name, item in names.items():
            item.parameter.grad = None
            if name in state:
                item.parameter.grad = _like(item.parameter, state[name], name)

    @abstractmethod
    def _update(self, items: list[Trained], rate: float, iteration: int) -> None:
        """Update tensors of one rate."""

    def _held_back(self, layer: Layer, iteration: int) -> bool:
        # A layer that trains only its statistics is never updated.
        if layer.train_only_bn:
            return True
        return iteration <= layer.dont_update or iteration < layer.burnin_update * self.net.burn_in

    def _momentum_step(self, items: list[Trained], rate: float) -> None:
        """Move against the buffers, then let them fade by the momentum."""
        weights: list[Tensor] = [item.parameter for item in items]
        buffers = [item.buffer for item in items]
        decaying = [(item.buffer, item.parameter) for item in items if item.decays]
        if decaying and self.net.decay:
            torch._foreach_add_([b for b, _ in decaying], [w for _, w in decaying], alpha=self.net.decay)
        for item in items:
            if item.mixes:
                item.buffer.clamp_(-1 / self.net.effective_batch, 1 / self.net.effective_batch)
        torch._foreach_add_(weights, buffers, alpha=-rate)
        torch._foreach_mul_(buffers, self.net.momentum)


class DarknetSGD(Optimizer):
    """SGD with momentum; decay acts on weights, not on biases and scales."""

    def _update(self, items: list[Trained], rate: float, iteration: int) -> None:
        self._momentum_step(items, rate)


class Adam(Optimizer):
    """Adam (``adam=1``): each step is the mean of the gradients over the root of their mean square.

    Source: Darknet behaviour (GPU path), golden case t09: moments of the gradient summed over the batch, to which decay
    times the weight has been added, for biases and scales too; corrected for their start at 0 by the number of the
    iteration; the buffer is emptied. Mixing weights of a shortcut keep the rule of `DarknetSGD`.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._moments: dict[str, dict[int, Tensor]] = {
            name: {item.index: torch.zeros_like(item.parameter) for item in self.tensors if not item.mixes}
            for name in ("mean", "square")
        }

    def state(self) -> dict[str, Tensor]:
        """As `Optimizer.state`, with both moments of each tensor."""
        moments = {f"{name}.{index}": moment for name, held in self._moments.items() for index, moment in held.items()}
        return {**super().state(), **moments}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """As `Optimizer.restore`; raises KeyError where a moment is missing."""
        super().restore(state)
        for name, held in self._moments.items():
            for index, moment in held.items():
                held[index] = _like(moment, state[f"{name}.{index}"], f"{name}.{index}")

    def _update(self, items: list[Trained], rate: float, iteration: int) -> None:
        mixing = [item for item in items if item.mixes]
        if mixing:
            self._momentum_step(mixing, rate)
        items = [item for item in items if not item.mixes]
        if not items:
            return
        net = self.net
        weights: list[Tensor] = [item.parameter for item in items]
        gradients = [item.buffer for item in items]
        means, squares = ([self._moments[name][item.index] for item in items] for name in ("mean", "square"))
        torch._foreach_add_(gradients, weights, alpha=net.decay)
        torch._foreach_mul_(gradients, net.effective_batch)
        torch._foreach_mul_(means, net.B1)
        torch._foreach_add_(means, gradients, alpha=1 - net.B1)
        torch._foreach_mul_(squares, net.B2)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - net.B2)
        roots = torch._foreach_div(squares, 1 - net.B2**iteration)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, net.eps)
        torch._foreach_addcdiv_(weights, means, roots, value=-rate / (1 - net.B1**iteration))
        torch._foreach_zero_(gradients)


def make_optimizer(network: Network) -> Optimizer:
    """The optimizer that [net] asks for."""
    return Adam(network) if network.graph.net.adam else DarknetSGD(network)


def _like(tensor: Tensor, value: Tensor, name: str) -> Tensor:
    """A copy of ``value`` on the device and in the memory order of ``tensor``."""
    if value.shape != tensor.shape:
        raise ValueError(f"{name} of {tuple(value.shape)} for {tuple(tensor.shape)}")
    return torch.empty_like(tensor, requires_grad=False).copy_(value)
