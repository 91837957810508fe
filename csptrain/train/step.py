"""One iteration of Darknet's training: forward and backward of every sub-batch, then the update."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from csptrain.layers.recompute import recomputing
from csptrain.losses.base import HeadLoss
from csptrain.network import Network, NetworkLoss
from csptrain.train import diagnosis
from csptrain.train.adversarial import attack_rate, attacked
from csptrain.train.diagnosis import NotFinite
from csptrain.train.distributed import Outcome, Processes, Share, Union
from csptrain.train.ema import Ema
from csptrain.train.optim import make_optimizer
from csptrain.train.schedule import rate

NOWHERE = "nowhere when the batch was run once more"


@dataclass(frozen=True)
class StepResult:
    """What an iteration came to: Darknet's printed loss, the rate used, and each head's mean statistics."""

    loss: float
    rate: float
    heads: dict[int, dict[str, float]]


class Trainer:
    """A network, its optimizer and averages, and where and how they compute.

    ``seed`` decides which images are attacked (``adversarial_lr``); ``rate_factor`` scales every learning rate.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        amp: torch.dtype | None = None,
        seed: int = 0,
        processes: Processes | None = None,
    ) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device
        self.amp = amp
        self.seed = seed
        self.rate_factor = 1.0
        #: Whether to keep less and compute more; the numbers are the same.
        self.checkpoint_activations = False
        self.optimizer = make_optimizer(network)
        self.ema = Ema(network) if network.graph.net.ema_alpha else None
        self.processes = processes or Processes()
        self.share = Share.of(network.graph.net, self.processes)
        alone = self.processes.count == 1
        self.union = None if alone else Union(network, self.optimizer, self.processes, self.share)

    def step(self, iteration: int, images: Tensor, truth: Tensor, whole: int | None = None) -> StepResult:
        """Train on one full batch.

        Args:
            iteration: its number, from 1.
            images: uint8 [batch, H, W, C] RGB, cut into `subdivisions` mini-batches; of several processes its `share`.
            truth: float32 [batch, T, 5], or [batch, classes] for classifiers.
            whole: images of the iteration in all processes, by default those given.

        Raises:
            NotFinite: the loss is not finite, the weights are still those before the step; or the updated weights are
                not. What else belongs to the training has moved on in either case.
        """
        self.network.train()
        whole = whole or len(images)
        if self.union is not None:
            self.union.begin(self.seed, iteration)
        total = torch.zeros((), device=self.device)
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        heads: dict[int, list[HeadLoss]] = {}
        sizes = []
        for x, target in self._mini_batches(iteration, images, truth, whole):
            loss = self._loss(x, target, iteration)
            (loss.surrogate / whole).backward()
            sizes.append(len(x))
            total += loss.cost
            finite &= loss.finite
            for index, head in loss.heads.items():
                heads.setdefault(index, []).append(head)
        outcome = self._outcome(total, finite, heads, sizes)
        value = outcome.cost / whole
        if not (outcome.finite and math.isfinite(value)):
            where = self._first_bad(iteration, images, truth, whole)
            raise NotFinite(f"iteration {iteration} is not finite (loss {value:g}): {where}")
        current = rate(self.network.graph.net, iteration) * self.rate_factor
        self.optimizer.step(iteration, current)
        if self.ema is not None:
            self.ema.update(iteration)
        healthy = self._healthy()
        means = outcome.heads or {index: _mean(losses) for index, losses in heads.items()}
        # Read last: the device has by then been waited for.
        if not healthy.item():
            where = diagnosis.in_update(self.optimizer.tensors, self.network)
            raise NotFinite(f"the update of iteration {iteration} is not finite (loss {value:g}): {where}")
        return StepResult(value, current, means)

    def _outcome(self, total: Tensor, finite: Tensor, heads: dict[int, list[HeadLoss]], sizes: list[int]) -> Outcome:
        """What the mini-batches came to, without the heads' numbers; of several processes all of it."""
        if self.union is None:
            value, sound = torch.stack((total, finite.float())).tolist()
            return Outcome(value, bool(sound), {})
        self.union.finish()
        return self.union.outcome(heads, finite, sizes)

    def _mini_batches(
        self, iteration: int, images: Tensor, truth: Tensor, whole: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels float32 [n, C, H, W] in 0..1 and truths of each mini-batch, on the device; counts them as seen."""
        net = self.network.graph.net
        size, start = whole // net.subdivisions, 0
        for part in range(net.subdivisions):
            rows = slice(start, start + len(self.share.rows(part, size)))
            start = rows.stop
            x = images[rows].to(self.device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
            target = truth[rows].to(self.device, non_blocking=True)
            # As many as the cfg says, however many `dynamic_minibatch` gives: an iteration is one full batch.
            self.network.seen += net.mini_batch
            if self.union is not None and rows.start == rows.stop:
                self.union.pass_over()
                continue
            strength = attack_rate(net, self.seed, iteration, part)
            if strength:
                with self._autocast():
                    x = attacked(self.network, x, target, strength)
            yield x, target

    def _loss(self, x: Tensor, target: Tensor, iteration: int, outputs: list[Tensor] | None = None) -> NetworkLoss:
        with self._autocast(), recomputing(self.checkpoint_activations):
            loss: NetworkLoss = self.network.loss(x, target, iteration, outputs)
        return loss

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.amp or torch.bfloat16, enabled=self.amp is not None)

    @torch.no_grad()
    def _healthy(self) -> Tensor:
        """A bool scalar: whether all that the weights file stores is finite (see `diagnosis`)."""
        tensors = [stored.tensor for layer in self.network.stored() for stored in layer]
        return torch.stack(torch._foreach_norm(tensors)).isfinite().all()

    @torch.no_grad()
    def _first_bad(self, iteration: int, images: Tensor, truth: Tensor, whole: int) -> str:
        """Where a batch leaves the finite numbers, by running it again; what the first process finds."""
        if self.union is None:
            return self._own_first_bad(iteration, images, truth, whole) or NOWHERE
        with self.union.apart():
            found = self._own_first_bad(iteration, images, truth, whole)
        return next(filter(None, self.processes.gather_texts(found or "")), NOWHERE)

    def _own_first_bad(self, iteration: int, images: Tensor, truth: Tensor, whole: int) -> str | None:
        # The statistics have by now taken in what is wrong.
        if found := diagnosis.in_stored(self.network, statistics=False):
            return found
        seen = self.network.seen
        found = None
        for x, target in self._mini_batches(iteration, images, truth, whole):
            outputs: list[Tensor] = []
            found = diagnosis.in_outputs(self.network, self._loss(x, target, iteration, outputs), outputs)
            if found:
                break
        self.network.seen = seen
        return found


def _mean(losses: list[HeadLoss]) -> dict[str, float]:
    numbers = [loss.numbers() for loss in losses]
    return {key: sum(number[key] for number in numbers) / len(numbers) for key in numbers[0]}
