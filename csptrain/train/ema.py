"""Averages of the weights over the second half of a training (``ema_alpha``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from csptrain.network import Network

LAST = 1000  # iterations from which the averages are the weights


class Ema:
    """Exponential averages of what is trained, but for the mixing weights of shortcuts.

    They begin as a copy of the weights at half of `max_batches`, follow them with ``ema_alpha``, and take the weights'
    place 1,000 iterations before the end; the rest of the training goes on from them. Rolling statistics are not
    averaged, momentum goes on.

    Source: Darknet behaviour, golden case t08.
    Differs: a run of at most 2,000 iterations, in which Darknet's averages are never used, takes them at nine tenths.
    """

    def __init__(self, network: Network) -> None:
        net = network.graph.net
        self.alpha = net.ema_alpha
        self.begin = net.max_batches // 2
        self.swap = net.max_batches - (LAST if net.max_batches > 2 * LAST else net.max_batches // 10)
        self.averages: list[Tensor] | None = None
        self._swapped = False
        self._weights: list[Tensor] = [
            stored.tensor
            for layer in network.stored()
            for stored in layer
            if isinstance(stored.tensor, nn.Parameter) and not stored.mixes
        ]

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """Take in the weights after the step of ``iteration``, or put the averages into their place."""
        if iteration < self.begin:
            return
        if self.averages is None:
            self.averages = [weight.clone() for weight in self._weights]
        if iteration < self.swap:
            torch._foreach_mul_(self.averages, self.alpha)
            torch._foreach_add_(self.averages, self._weights, alpha=1 - self.alpha)
        elif not self._swapped:
            torch._foreach_copy_(self._weights, self.averages)
            self._swapped = True

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While this lasts the network holds the averages; there must be some."""
        assert self.averages is not None
        with torch.no_grad():
            kept = [weight.clone() for weight in self._weights]
            torch._foreach_copy_(self._weights, self.averages)
            try:
                yield
            finally:
                torch._foreach_copy_(self._weights, kept)

    def state(self) -> dict[str, Tensor]:
        """The averages by the number of their tensor, and whether they have been used."""
        averages = {f"ema.{index}": average for index, average in enumerate(self.averages or ())}
        return {**averages, "ema_swapped": torch.tensor(self._swapped)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state`` gave; raises KeyError or RuntimeError when it belongs to another network."""
        self._swapped = bool(state["ema_swapped"])
        self.averages = None
        if "ema.0" in state:
            self.averages = [weight.detach().clone() for weight in self._weights]
            for index, average in enumerate(self.averages):
                average.copy_(state[f"ema.{index}"])
