"""SGD as Darknet does it: the gradients are the momentum buffers.

Darknet keeps one update buffer per tensor, adds every sub-batch's gradient to it, and multiplies it by the momentum
after the step instead of clearing it. A torch parameter's ``.grad`` is such a buffer: autograd adds to it, nobody
zeroes it. With gradients averaged over the batch this is SGD with momentum, no dampening, and decay inside the buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csptrain.layers.base import Layer
from csptrain.net import Net
from csptrain.network import Network


@dataclass(frozen=True)
class _Tensor:
    """One trained tensor with the layer whose options rule it."""

    layer: Layer
    parameter: nn.Parameter
    decays: bool
    mixes: bool


class DarknetSGD:
    """Updates the stored parameters of a network.

    Source: Darknet behaviour (GPU path): decay acts on weights, not on biases and scales; a layer's `learning_rate`
    multiplies the rate; `dont_update` and `burnin_update` hold a layer's update back while its buffer goes on
    collecting; layers before `stopbackward` are left alone, the marked layer itself only decays; mixing weights of a
    shortcut are clipped and do not decay.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.net: Net = network.graph.net
        self._tensors = [
            _Tensor(node.layer, stored.tensor, stored.name == "weights" and not stored.mixes, stored.mixes)
            for node, layer in zip(network.graph.nodes, network.stored(), strict=True)
            for stored in layer
            if isinstance(stored.tensor, nn.Parameter)
        ]

    @torch.no_grad()
    def step(self, iteration: int, rate: float) -> None:
        """Apply the buffers with the learning rate of this iteration (from 1), then let them fade by the momentum."""
        frozen = self.network.frozen_before(iteration)
        groups: dict[float, list[_Tensor]] = {}
        for item in self._tensors:
            if item.layer.index >= frozen and not self._held_back(item.layer, iteration):
                if item.parameter.grad is None:
                    item.parameter.grad = torch.zeros_like(item.parameter)
                groups.setdefault(item.layer.learning_rate, []).append(item)
        for factor, items in groups.items():
            self._update(items, rate * factor)

    def state(self) -> list[Tensor | None]:
        """The buffers, in the order of the weights file."""
        return [item.parameter.grad for item in self._tensors]

    def restore(self, buffers: list[Tensor | None]) -> None:
        """Take buffers back; raises ValueError when they belong to another network."""
        if len(buffers) != len(self._tensors):
            raise ValueError(f"{len(buffers)} buffers for {len(self._tensors)} tensors")
        for item, buffer in zip(self._tensors, buffers, strict=True):
            if buffer is not None and buffer.shape != item.parameter.shape:
                raise ValueError(f"a buffer of {tuple(buffer.shape)} for {tuple(item.parameter.shape)}")
            if buffer is None:
                item.parameter.grad = None
            else:
                item.parameter.grad = torch.empty_like(item.parameter).copy_(buffer)

    def _held_back(self, layer: Layer, iteration: int) -> bool:
        # A layer that trains only its statistics is never updated.
        if layer.train_only_bn:
            return True
        return iteration <= layer.dont_update or iteration < layer.burnin_update * self.net.burn_in

    def _update(self, items: list[_Tensor], rate: float) -> None:
        weights: list[Tensor] = [item.parameter for item in items]
        buffers = [item.parameter.grad for item in items if item.parameter.grad is not None]
        decaying = [(buffer, item.parameter) for item, buffer in zip(items, buffers, strict=True) if item.decays]
        if decaying and self.net.decay:
            torch._foreach_add_([b for b, _ in decaying], [w for _, w in decaying], alpha=self.net.decay)
        for item, buffer in zip(items, buffers, strict=True):
            if item.mixes:
                buffer.clamp_(-1 / self.net.effective_batch, 1 / self.net.effective_batch)
        torch._foreach_add_(weights, buffers, alpha=-rate)
        torch._foreach_mul_(buffers, self.net.momentum)
