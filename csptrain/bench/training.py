"""Training steps: csptrain's against the plain baseline's, loss and update included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from csptrain import graph
from csptrain.bench.alternate import Say, Turns, alternate
from csptrain.bench.plain import PlainNetwork
from csptrain.bench.plain_loss import PlainTrainer
from csptrain.bench.result import Comparison
from csptrain.bench.runtimes import device_peak
from csptrain.bench.side import Side
from csptrain.bench.work import Work
from csptrain.network import Network
from csptrain.train.step import Trainer

PLAIN, OWN, OWN_BF16 = "plain PyTorch", "csptrain fp32", "csptrain bf16"
CHECKPOINTS = "csptrain fp32, --checkpoint-activations"
OBJECTS = 8  # in each image


@dataclass(frozen=True)
class Course:
    """What is trained: a name, the cfg, whose size counts, the images of a batch, and the device.

    ``bf16``: also in bf16. The cfg's file must stay where it is.
    """

    name: str
    cfg: Path
    batch: int = 4
    device: str = "cpu"
    bf16: bool = True

    def sides(self, threads: int) -> list[Side]:
        """The baseline, csptrain, and csptrain in bf16."""
        sides = [Side(PLAIN, "train-plain", self._options(), threads), Side(OWN, "train", self._options(), threads)]
        return [*sides, Side(OWN_BF16, "train", self._options(amp=True), threads)] if self.bf16 else sides

    def checkpointed(self, threads: int) -> Side:
        """csptrain, which computes again for the backward pass what it has not kept."""
        return Side(CHECKPOINTS, "train", self._options(checkpoint=True), threads)

    def _options(self, amp: bool = False, checkpoint: bool = False) -> dict[str, object]:
        network = {"cfg": str(self.cfg), "batch": self.batch, "device": self.device}
        return {**network, "amp": amp, "checkpoint": checkpoint}

    def comparison(self, threads: int) -> Comparison:
        """What is compared; raises CfgError for a cfg that cannot be trained or has no baseline."""
        planned = graph.load(self.cfg, lenient=True)
        planned.refuse_training()
        with torch.device("meta"):
            PlainNetwork(planned)
        title = f"Training step of {self.name}, {planned.net.width}x{planned.net.height}, batch {self.batch}"
        return Comparison(f"train/{self.name}", title, PLAIN, threads, "image", self.batch)


def compare(course: Course, threads: int, turns: Turns, say: Say) -> Comparison:
    """Time steps of all sides of a course; raises CfgError for a cfg that cannot be trained or has no baseline."""
    return alternate(course.comparison(threads), course.sides(threads), turns, say)


def own(options: Mapping[str, Any]) -> Work:
    """A step as ``csptrain detector train`` makes it."""
    device = torch.device(options["device"])
    planned = graph.load(options["cfg"], lenient=True)
    trainer = Trainer(Network(planned), device, torch.bfloat16 if options["amp"] else None)
    trainer.checkpoint_activations = options["checkpoint"]
    images, truth = _batch(planned, options["batch"])

    def run() -> None:
        trainer.step(1, images, truth)

    return Work(run, {}, device_peak(device))


def plain(options: Mapping[str, Any]) -> Work:
    """A step of the plain baseline."""
    device = torch.device(options["device"])
    planned = graph.load(options["cfg"], lenient=True)
    trainer = PlainTrainer(PlainNetwork(planned), device)
    images, truth = _batch(planned, options["batch"])

    def run() -> None:
        trainer.step(images, truth)

    return Work(run, {}, device_peak(device))


def _batch(planned: graph.Graph, count: int) -> tuple[Tensor, Tensor]:
    """uint8 [count, H, W, C] images and [count, OBJECTS, 5] truths, the same at every call."""
    net, generator = planned.net, torch.Generator().manual_seed(0)
    shape = (count, net.height, net.width, net.channels)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    boxes = torch.rand(count, OBJECTS, 4, generator=generator) * 0.4 + 0.1
    classes = min(head.classes for head in planned.box_heads)
    labels = torch.randint(0, classes, (count, OBJECTS, 1), generator=generator)
    return images, torch.cat((boxes[..., :2] + 0.2, boxes[..., 2:], labels.float()), 2)
