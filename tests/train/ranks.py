"""``python -m tests.train.ranks RANK COUNT STORE``: trains the cases as one of several processes, prints what comes."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from csptrain import graph
from csptrain.network import Network
from csptrain.train import state
from csptrain.train.diagnosis import NotFinite
from csptrain.train.distributed import Processes
from csptrain.train.state import Progress
from csptrain.train.step import Trainer
from tests import tiny, tiny_classes

ITERATIONS = 20
SHARED = "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=leaky\n"
CASES = {
    "whole mini-batches": tiny.cfg(subdivisions=4, middle=f"{SHARED}{SHARED}share_index=2\n"),
    "divided": tiny.cfg(subdivisions=1, yolo="truth_thresh=.2\n"),
    "divided unevenly": tiny.cfg(batch=10, subdivisions=2).replace("iou_loss=ciou", "iou_loss=mse"),
    "attacked": tiny.cfg(subdivisions=2, burn_in=0, net="adversarial_lr=.2\n"),
    "adam and averages": tiny.cfg(max_batches=ITERATIONS, net="adam=1\nema_alpha=.9\n", learning_rate=0.001),
    "buffers that wait": tiny.cfg(middle="\ndont_update=9\n", learning_rate=0.005),
    "classes": tiny_classes.cfg(max_batches=ITERATIONS),
    "classes divided": tiny_classes.cfg(max_batches=ITERATIONS).replace("subdivisions=2", "subdivisions=1"),
}
BAD = 3  # the image, of iteration 2, that is no number in the last case


def batch_of(iteration: int, count: int, classes: int, side: int) -> tuple[Tensor, Tensor]:
    """Images and truths of an iteration, up to three boxes each."""
    draw = torch.Generator().manual_seed(iteration)
    images = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=draw)
    if classes:
        return images, torch.eye(classes)[torch.randint(0, classes, (count,), generator=draw)]
    boxes = torch.rand((count, 3, 4), generator=draw) * 0.6 + 0.2
    truth = torch.cat((boxes, torch.randint(0, 2, (count, 3, 1), generator=draw).float()), 2)
    truth[torch.rand((count, 3), generator=draw) < 0.4] = 0
    return images, truth


def make(cfg: str, processes: Processes) -> Trainer:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.cfg"
        path.write_text(cfg)
        trainer = Trainer(Network(graph.load(path), seed=3), torch.device("cpu"), processes=processes)
    if processes.count == 1:
        # Torch's own kernel rounds otherwise than the one that spans processes.
        for norm in trainer.network.batch_norms():
            norm.add_up = lambda _: None
    return trainer


def run(name: str, processes: Processes) -> dict[str, object]:
    """Losses and heads of every iteration, and sums of all that a state holds."""
    trainer = make(CASES[name], processes)
    if name in ("whole mini-batches", "classes", "adam and averages", "buffers that wait"):
        for norm in trainer.network.batch_norms():
            norm.add_up = None
    net = trainer.network.graph.net
    results = []
    for iteration in range(1, ITERATIONS + 1):
        images, truth = batch_of(iteration, net.batch, 10 if "classes" in name else 0, net.width)
        mine = trainer.share.slots(net.batch)
        results.append(trainer.step(iteration, images[mine], truth[mine], net.batch))
    held = state.capture(trainer, Progress(), "")
    sums = {
        key: float(tensor.double().abs().sum()) for key, tensor in held.tensors.items() if not key.startswith("rng")
    }
    heads = [{f"{index} {key}": value for index, head in result.heads.items() for key, value in head.items()}
             for result in results]  # fmt: skip
    return {
        "losses": [result.loss for result in results],
        "heads": heads,
        "sums": sums,
        "seen": trainer.network.seen,
        "norms": held.meta["norms"],
    }


def not_finite(processes: Processes) -> str:
    """What is said of weights that one process alone meets as no number in its images."""
    trainer = make(CASES["whole mini-batches"], processes)
    images, truth = batch_of(1, 4, 0, 32)
    truth[BAD] = torch.tensor([0.5, 0.5, float("nan"), 0.4, 1.0])
    mine = trainer.share.slots(4)
    try:
        trainer.step(1, images[mine], truth[mine], 4)
    except NotFinite as error:
        return str(error)
    return "it was finite"


def outcomes(processes: Processes) -> Iterator[tuple[str, object]]:
    for name in CASES:
        yield name, run(name, processes)
    yield "not finite", not_finite(processes)
    yield "lines", processes.gather_lines((f"é {processes.rank}", "b") if processes.first else ())
    yield "from first", processes.from_first(b"\x00state" if processes.first else b"").hex()


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, count = int(sys.argv[1]), int(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=count)
    print(json.dumps(dict(outcomes(Processes(rank, count)))))
    dist.destroy_process_group()
