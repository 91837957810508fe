"""``python -m tests.train.ranks RANK COUNT STORE``: trains the cases as one of several processes, prints what comes.

What is measured by all together is in a folder ``set`` beside the store.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from csptrain import graph
from csptrain.datasets.class_images import ClassImages
from csptrain.datasets.lists import label_images
from csptrain.datasets.turns import ALL, Turns
from csptrain.datasets.views import centre_crop
from csptrain.errors import CspError
from csptrain.evaluate.classification import accuracy, guess, torch_classifier
from csptrain.evaluate.detect import eval_dataset, evaluate_detector, torch_detector
from csptrain.evaluate.shares import join_detections, join_guesses, of_detections, of_guesses
from csptrain.formats.checkpoint import State
from csptrain.network import Network
from csptrain.train import state
from csptrain.train.diagnosis import NotFinite
from csptrain.train.distributed import Processes
from csptrain.train.state import Progress
from csptrain.train.step import StepResult, Trainer
from csptrain.train.validation import gathered
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
IMAGES = 13  # that are measured, two at a time
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


def trained(name: str, processes: Processes) -> tuple[Trainer, list[StepResult]]:
    """A case after its iterations, and what each of them came to."""
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
    return trainer, results


def run(name: str, processes: Processes) -> dict[str, object]:
    """Losses and heads of every iteration, and sums of all that a state holds."""
    trainer, results = trained(name, processes)
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
        "bits": bits(held),
        "seen": trainer.network.seen,
        "norms": held.meta["norms"],
    }


def bits(held: State) -> str:
    """A name for all that two processes must hold alike to the last bit."""
    digest = hashlib.sha256()
    for key, tensor in sorted(held.tensors.items()):
        if not key.startswith("rng"):
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


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


def measured(processes: Processes, folder: Path) -> dict[str, object]:
    """What each process measures alone, and all together, with networks that they have trained together."""
    found: dict[str, object] = {}
    for name in ("whole mini-batches", "divided"):
        network = trained(name, processes)[0].network
        for images in (IMAGES, 1):
            found[f"{name}, {images} images"] = both_ways(processes, detector(network, folder, images))
    network = trained("classes", processes)[0].network
    for images in (IMAGES, 1):
        found[f"classes, {images} images"] = both_ways(processes, classifier(network, folder, images))
    return found


Found = Mapping[str, np.ndarray]


class Way:
    """How something is measured: alone or for some turns, sent, joined, and what figures come of it."""

    def __init__(
        self,
        run: Callable[[Turns], Any],
        send: Callable[[Any], Found],
        join: Callable[[Sequence[Found]], Any],
        figures: Callable[[Any], dict[str, object]],
    ) -> None:
        self.run, self.send, self.join, self.figures = run, send, join, figures

    def told(self, found: Any) -> dict[str, object]:
        """Everything that was found, to the last bit, and its figures."""
        arrays = {
            key: f"{array.dtype} {array.shape} {array.tobytes().hex()}" for key, array in self.send(found).items()
        }
        return {"arrays": arrays, "figures": self.figures(found)}


def both_ways(processes: Processes, way: Way) -> dict[str, object]:
    own: list[int] = []

    def compute(turns: Turns) -> Found:
        arrays = way.send(way.run(turns))
        own.append(len(next(iter(arrays.values()))))
        return arrays

    shares = gathered(processes, compute)
    together = None if shares is None else way.told(way.join(shares))
    return {"alone": way.told(way.run(ALL)), "together": together, "own": own}


def detector(network: Network, folder: Path, images: int) -> Way:
    dataset = eval_dataset(network.graph, label_images(folder, sorted(map(str, folder.glob("*.png")))[:images], 2))
    detect = torch_detector(network.fused())
    return Way(
        lambda turns: evaluate_detector(network.graph, detect, dataset, tiny.NAMES, batch=2, turns=turns),
        of_detections,
        lambda shares: join_detections(tiny.NAMES, shares),
        lambda evaluator: evaluator.result().as_dict(),
    )


def classifier(network: Network, folder: Path, images: int) -> Way:
    paths = sorted(map(str, folder.glob("*.png")))[:images]
    listed = ClassImages(folder, paths, centre_crop, (24, 24))
    truth, names = np.arange(len(paths)) % 10, [str(label) for label in range(10)]
    return Way(
        lambda turns: guess(torch_classifier(network.fused()), listed, 3, batch=2, turns=turns),
        of_guesses,
        join_guesses,
        lambda guesses: accuracy(guesses, truth, names).as_dict(),
    )


def refused(processes: Processes) -> str:
    """What becomes of an error that the last process alone meets."""

    def compute(turns: Turns) -> Found:
        if turns.rank == turns.count - 1:
            raise CspError("no images here", path="valid.txt")
        return {"ids": np.arange(3)}

    try:
        return str(gathered(processes, compute))
    except CspError as error:
        return str(error)


def outcomes(processes: Processes, folder: Path) -> Iterator[tuple[str, object]]:
    for name in CASES:
        yield name, run(name, processes)
    yield "measured", measured(processes, folder)
    yield "refused", refused(processes)
    yield "not finite", not_finite(processes)
    yield "lines", processes.gather_lines((f"é {processes.rank}", "b") if processes.first else ())
    yield "from first", processes.from_first(b"\x00state" if processes.first else b"").hex()


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, count = int(sys.argv[1]), int(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=count)
    print(json.dumps(dict(outcomes(Processes(rank, count), Path(sys.argv[3]).with_name("set")))))
    dist.destroy_process_group()
