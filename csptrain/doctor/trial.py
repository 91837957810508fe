"""Training before training: one step at the largest size, and eight pictures learnt by heart."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from csptrain.datasets.augment import Augmentation
from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.lists import Samples
from csptrain.datasets.loader import BatchLoader
from csptrain.datasets.stream import Feed
from csptrain.doctor.book import Book
from csptrain.evaluate.detect import eval_dataset, evaluate_detector, torch_detector
from csptrain.graph import Graph
from csptrain.network import Network
from csptrain.train.diagnosis import NotFinite
from csptrain.train.multiscale import largest_size
from csptrain.train.precision import fast_bf16
from csptrain.train.settings import augmentation
from csptrain.train.step import Trainer

BY_HEART = 8
LEARNT = 0.5  # of the first loss: what the last may be
FOUND_AGAIN = 0.5  # AP50 on the pictures that were learnt
TIGHT = 0.9  # of the memory
_AVERAGED = 5  # iterations at either end
_CACHE_BYTES = 1 << 28


@dataclass(frozen=True)
class DryRun:
    """One mini-batch of ``images`` at the largest size: seconds, and the most memory in bytes of what there is.

    ``iteration`` and ``course`` are the seconds of all subdivisions and of max_batches, at that size.
    """

    width: int
    height: int
    images: int
    device: str
    seconds: float
    memory: int
    available: int
    iteration: float
    course: float


@dataclass(frozen=True)
class Overfit:
    """``images`` learnt for ``iterations`` without augmentation: losses at both ends, AP50 on the same images."""

    images: int
    iterations: int
    first_loss: float
    last_loss: float
    ap50: float


def dry_run(graph: Graph, samples: Samples, device: torch.device, book: Book) -> DryRun | None:
    """Train two mini-batches at the largest size and measure the second.

    None where it fails, as noted. Raises CfgError for what cannot be trained, DataError without an image that can be
    decoded.
    """
    graph.refuse_training()
    net, size = graph.net, largest_size(graph)
    small = replace(graph, net=replace(net, batch=net.mini_batch, subdivisions=1))
    dataset = DetectionDataset(samples, augmentation(graph), Feed(net.mini_batch, channels=net.channels))
    batches = list(BatchLoader(dataset, start_iteration=1, stop_iteration=3, size_at=lambda _: size))
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    try:
        trainer = _trainer(small, device)
        seconds = 0.0
        for batch in batches:
            started = time.perf_counter()
            trainer.step(batch.iteration, batch.images, batch.truth)
            seconds = time.perf_counter() - started
    except (torch.cuda.OutOfMemoryError, MemoryError):
        found = f"{net.mini_batch} images of {size[0]}x{size[1]} do not fit into the memory of {device}"
        book.add("step-fails", found, graph.path, net.section.line)
        return None
    except NotFinite as error:
        book.add("step-fails", str(error), graph.path, net.section.line)
        return None
    memory = torch.cuda.max_memory_reserved(device) if on_gpu else _peak()
    available = torch.cuda.get_device_properties(device).total_memory if on_gpu else _installed()
    iteration = seconds * net.subdivisions
    done = DryRun(
        *size, net.mini_batch, str(device), seconds, memory, available, iteration, iteration * net.max_batches
    )  # fmt: skip
    if memory > TIGHT * available:
        found = f"{memory >> 20} of {available >> 20} MiB at {size[0]}x{size[1]}"
        book.add("memory-tight", found, graph.path, net.section.line)
    return done


def overfit(
    graph: Graph, samples: Samples, names: Sequence[str], device: torch.device, iterations: int, book: Book
) -> Overfit | None:
    """Train from random weights on a few images with boxes, at the cfg's rate from the first iteration on.

    None where it fails, as noted. Raises as `dry_run` does.
    """
    graph.refuse_training()
    few = _few(samples)
    net, head, count = graph.net, graph.box_heads[-1], len(few)
    parts = next(part for part in range(1, count + 1) if count % part == 0 and count // part <= max(net.mini_batch, 1))
    still = replace(
        net,
        batch=count,
        subdivisions=parts,
        burn_in=0,
        policy="constant",
        max_batches=iterations,
        ema_alpha=0.0,
        adversarial_lr=0.0,
    )
    small = replace(graph, net=still)
    settings = Augmentation(letter_box=bool(net.letter_box), max_truths=head.max)
    dataset = DetectionDataset(few, settings, Feed(count, channels=net.channels, cache_bytes=_CACHE_BYTES))
    size = net.width, net.height
    trainer = _trainer(small, device)
    losses = []
    try:
        loader = BatchLoader(dataset, start_iteration=1, stop_iteration=iterations + 1, size_at=lambda _: size)
        for batch in loader:
            losses.append(trainer.step(batch.iteration, batch.images, batch.truth).loss)
    except (torch.cuda.OutOfMemoryError, MemoryError, NotFinite) as error:
        book.add("overfit-fails", str(error), graph.path, net.section.line)
        return None
    found = evaluate_detector(small, torch_detector(trainer.network, device), eval_dataset(small, few), tuple(names))
    first, last = float(np.mean(losses[:_AVERAGED])), float(np.mean(losses[-_AVERAGED:]))
    ap50 = found.result().score
    if last > LEARNT * first:
        told = f"the loss went from {first:.4g} to {last:.4g} in {iterations} iterations"
        book.add("overfit-fails", told, graph.path, net.section.line)
    elif ap50 < FOUND_AGAIN:
        told = f"AP50 is {100 * ap50:.1f} % on {count} images after {iterations} iterations"
        book.add("overfit-weak", told, graph.path, net.section.line)
    return Overfit(count, iterations, first, last, ap50)


def _trainer(graph: Graph, device: torch.device) -> Trainer:
    amp = torch.bfloat16 if fast_bf16(device) else None
    return Trainer(Network(graph, 0), device, amp)


def _few(samples: Samples) -> Samples:
    """At most ``BY_HEART`` images that have boxes, spread evenly over the list."""
    counts = np.diff(samples.starts)
    shown = np.flatnonzero(counts)
    chosen = shown[np.unique(np.linspace(0, len(shown) - 1, min(BY_HEART, len(shown))).round().astype(int))]
    rows = np.concatenate([samples.truth(image) for image in chosen.tolist()])
    starts = np.concatenate(([0], np.cumsum(counts[chosen]))).astype(np.int64)
    return Samples(samples.source, tuple(samples.images[image] for image in chosen.tolist()), rows, starts)


def _peak() -> int:
    """The most memory in bytes that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _installed() -> int:
    """The memory of the machine in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
