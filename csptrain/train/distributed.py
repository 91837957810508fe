"""One training in several processes: what each does of an iteration, and how their work becomes one.

The outcome is that of one process with the same batch. Where `subdivisions` is a multiple of the number of processes,
each takes whole mini-batches, and nothing is exchanged before all are done; else every mini-batch is divided, and batch
normalization takes its statistics over all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from csptrain.errors import CspError
from csptrain.layers.batchnorm import BatchNorm
from csptrain.losses.base import HeadLoss, merge
from csptrain.net import Net
from csptrain.network import Network
from csptrain.train.optim import Optimizer

BUCKET = 16 << 20  # numbers that are added up at once


@dataclass(frozen=True)
class Processes:
    """The processes of a training, and which one this is; a single one exchanges nothing.

    ``device`` is where tensors must lie to be exchanged. All methods are called by every process at the same place.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def first(self) -> bool:
        """Whether this process is the one that prints and writes files."""
        return self.rank == 0

    def add_up(self, tensor: Tensor) -> None:
        """Put the sum over all processes into ``tensor``."""
        if self.count > 1:
            dist.all_reduce(tensor)

    def add_up_all(self, tensors: Sequence[Tensor]) -> None:
        """The same for many tensors, in few messages."""
        bucket: list[Tensor] = []
        held = 0
        for tensor in tensors:
            bucket.append(tensor)
            held += tensor.numel()
            if held >= BUCKET:
                self._add_up_bucket(bucket)
                bucket, held = [], 0
        if bucket:
            self._add_up_bucket(bucket)

    def gather(self, numbers: Tensor) -> Tensor:
        """Float64 [...] of each process, of the same shape -> [processes, ...]."""
        rows = torch.zeros((self.count, *numbers.shape), dtype=torch.float64, device=self.device)
        rows[self.rank] = numbers
        self.add_up(rows)
        return rows

    def gather_texts(self, text: str) -> list[str]:
        """The text of each process."""
        own = torch.tensor(list(text.encode("utf-8", "surrogateescape")), dtype=torch.float64)
        lengths = [int(length) for length in self.gather(torch.tensor(len(own))).tolist()]
        if not any(lengths):
            return [""] * self.count
        row = torch.zeros(max(lengths), dtype=torch.float64)
        row[: len(own)] = own
        texts = self.gather(row).byte().cpu()
        return [
            bytes(found[:length].tolist()).decode("utf-8", "surrogateescape")
            for found, length in zip(texts, lengths, strict=True)
        ]

    def gather_lines(self, lines: Sequence[str]) -> tuple[str, ...]:
        """The lines of all processes."""
        if self.count == 1:
            return tuple(lines)
        return tuple(line for text in self.gather_texts("\n".join(lines)) for line in text.split("\n") if line)

    def from_first(self, content: bytes) -> bytes:
        """What the first process holds."""
        return content if self.count == 1 else self._told_by(0, content)

    def to_first(self, content: bytes) -> list[bytes] | None:
        """What each process holds, on the first one; the others get None."""
        held = [content]
        # One after another, so that no process needs memory for more than one share beside its own.
        for rank in range(1, self.count):
            told = self._told_by(rank, content)
            if self.first:
                held.append(told)
        return held if self.first else None

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process goes through this block before all others, so that these find what it has written."""
        if not self.first:
            self.gather(torch.zeros(1))
        yield
        if self.first:
            self.gather(torch.zeros(1))

    def _told_by(self, rank: int, content: bytes) -> bytes:
        length = torch.tensor([len(content)], device=self.device)
        dist.broadcast(length, rank)
        if not int(length):
            return b""
        data = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.rank == rank:
            data.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        dist.broadcast(data, rank)
        return data.cpu().numpy().tobytes()

    def _add_up_bucket(self, tensors: Sequence[Tensor]) -> None:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self.add_up(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(
            list(tensors), [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
        )


@dataclass(frozen=True)
class Share:
    """Which images of an iteration a process computes; ``whole`` when each of its mini-batches is a whole one."""

    rank: int = 0
    count: int = 1
    subdivisions: int = 1
    whole: bool = True

    @classmethod
    def of(cls, net: Net, processes: Processes) -> Share:
        """The share of this process; raises CspError where there are more processes than images in a mini-batch."""
        # An attack looks at the rolling statistics within the iteration, so all processes must have them then.
        whole = net.subdivisions % processes.count == 0 and not (net.adversarial_lr and processes.count > 1)
        if not whole and net.mini_batch < processes.count:
            raise CspError(
                f"{processes.count} processes cannot divide mini-batches of {net.mini_batch}",
                path=net.section.path,
                line=net.section.line,
                hint="a larger batch, subdivisions= a multiple of the processes, or fewer of these",
            )
        return cls(processes.rank, processes.count, net.subdivisions, whole)

    def rows(self, part: int, size: int) -> range:
        """The images of mini-batch ``part``, of ``size`` images, by their place in the iteration."""
        start = part * size
        if not self.whole:
            return range(start + size * self.rank // self.count, start + size * (self.rank + 1) // self.count)
        return range(start, start + size) if part % self.count == self.rank else range(start, start)

    def slots(self, batch: int) -> list[int]:
        """All images of an iteration of ``batch`` images."""
        size = batch // self.subdivisions
        return [slot for part in range(self.subdivisions) for slot in self.rows(part, size)]


@dataclass(frozen=True)
class Outcome:
    """What an iteration came to: the summed cost, whether all was finite, and each head's mean numbers."""

    cost: float
    finite: bool
    heads: dict[int, dict[str, float]]


class Union:
    """The gradients and statistics of all processes as those of one.

    Momentum buffers and rolling statistics are linear in what an iteration adds to them. So all processes but the first
    start an iteration from zero, and the sum over them is what one process would hold.
    """

    def __init__(self, network: Network, optimizer: Optimizer, processes: Processes, share: Share) -> None:
        self.network = network
        self.optimizer = optimizer
        self.processes = processes
        self.share = share
        self.norms = network.batch_norms()
        self.connect()

    def connect(self) -> None:
        """Let batch normalization span all processes where mini-batches are divided."""
        for norm in self.norms:
            norm.add_up = None if self.share.whole else self.processes.add_up

    @contextmanager
    def apart(self) -> Iterator[None]:
        """While this lasts, each process computes for itself."""
        for norm in self.norms:
            norm.add_up = None
        try:
            yield
        finally:
            self.connect()

    @torch.no_grad()
    def begin(self, seed: int, iteration: int) -> None:
        """Start an iteration, with random numbers of its own (of [dropout]) in each process."""
        start = np.random.SeedSequence([seed, iteration, self.processes.rank, 3]).generate_state(1, np.uint64)
        torch.manual_seed(int(start[0]))
        collected = self._collected()
        if collected and not self.processes.first:
            torch._foreach_zero_(collected)

    def pass_over(self) -> None:
        """Count a mini-batch that another process computes."""
        for norm, calls in self._calls.items():
            for _ in range(calls):
                norm.pass_over()

    @torch.no_grad()
    def finish(self) -> None:
        """Add up what all processes have collected."""
        self.processes.add_up_all(self._collected())

    def outcome(self, heads: Mapping[int, Sequence[HeadLoss]], finite: Tensor, images: Sequence[int]) -> Outcome:
        """Of all processes, from the heads' losses of the own mini-batches and their numbers of images."""
        keys = {index: ("cost", *losses[0].stats) for index, losses in heads.items()}
        own = [
            torch.stack([loss.stats.get(key, loss.cost).double() for key in keys[index]])
            for index, losses in heads.items()
            for loss in losses
        ]
        sizes = torch.tensor([*images], dtype=torch.float64, device=finite.device)
        found = self.processes.gather(torch.cat((finite.double().view(1), sizes, *own))).tolist()
        ranks = [iter(row) for row in found]
        sound = all([next(row) == 1 for row in ranks])
        counts = [[int(next(row)) for _ in images] for row in ranks]
        means: dict[int, dict[str, float]] = {}
        for index, losses in heads.items():
            parts = [
                [(count, {key: next(row) for key in keys[index]}) for count in own_counts]
                for row, own_counts in zip(ranks, counts, strict=True)
            ]
            groups = [[one] for row in parts for one in row] if self.share.whole else [*zip(*parts, strict=True)]
            numbers = [merge(group, losses[0].means) for group in groups]
            means[index] = {key: sum(number[key] for number in numbers) / len(numbers) for key in keys[index]}
        cost = sum(head["cost"] for head in means.values()) / max(len(means), 1) * self.share.subdivisions
        return Outcome(cost, sound, means)

    def _collected(self) -> list[Tensor]:
        tensors = [item.parameter.grad for item in self.optimizer.tensors if item.parameter.grad is not None]
        if self.share.whole:
            tensors += [tensor for norm in self.norms for tensor in (norm.running_mean, norm.running_var)]
        return tensors

    @cached_property
    def _calls(self) -> Counter[BatchNorm]:
        """How often a mini-batch runs through each normalization: more than once where layers share it."""
        return Counter(
            module for layer in self.network.layers for module in layer.modules() if isinstance(module, BatchNorm)
        )
