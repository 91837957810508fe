"""The record of a training between two iterations, kept in memory or a file and taken back bit for bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from csptrain.errors import WeightsError
from csptrain.formats.checkpoint import State, load_state, save_state
from csptrain.train.step import Trainer


@dataclass
class Progress:
    """Where a training stands; ``iteration`` is the last one done, ``avg_loss`` Darknet's running average."""

    iteration: int = 0
    avg_loss: float = -1.0
    best_map: float = -1.0
    seed: int = 0

    def add(self, loss: float) -> float:
        """Take in the loss of a new iteration."""
        self.avg_loss = loss if self.avg_loss < 0 else self.avg_loss * 0.9 + loss * 0.1
        return self.avg_loss


def fingerprint(cfg: str) -> str:
    """A short name of a cfg text, to notice a resumed training whose network changed."""
    return hashlib.sha256(cfg.encode()).hexdigest()[:16]


def capture(trainer: Trainer, progress: Progress, cfg: str) -> State:
    """A copy of the full state in main memory.

    Weights, rolling statistics, what the optimizer keeps, averages, counters, the factor of the rate, and torch's
    random state.
    """
    tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
    if trainer.device.type == "cuda":
        tensors["rng_cuda"] = torch.cuda.get_rng_state(trainer.device)
    for index, layer in enumerate(trainer.network.stored()):
        tensors.update({f"layer.{index}.{stored.label}": stored.tensor for stored in layer})
    tensors.update(trainer.optimizer.state())
    if trainer.ema is not None:
        tensors.update(trainer.ema.state())
    meta = {
        "cfg": fingerprint(cfg),
        "iteration": progress.iteration,
        "avg_loss": progress.avg_loss,
        "best_map": progress.best_map,
        "seed": progress.seed,
        "seen": trainer.network.seen,
        "norms": [norm.batches for norm in trainer.network.batch_norms()],
        "rate_factor": trainer.rate_factor,
    }
    return State({name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}, meta)


def put_back(trainer: Trainer, state: State) -> None:
    """Give a trainer what ``capture`` took; raises KeyError, ValueError or RuntimeError where it does not fit."""
    with torch.no_grad():
        for index, layer in enumerate(trainer.network.stored()):
            for stored in layer:
                stored.tensor.copy_(state.tensors[f"layer.{index}.{stored.label}"])
    trainer.optimizer.restore(state.tensors)
    if trainer.ema is not None:
        trainer.ema.restore(state.tensors)
    for norm, batches in zip(trainer.network.batch_norms(), state.meta["norms"], strict=True):
        norm.batches = int(batches)
    trainer.network.seen = int(state.meta["seen"])
    trainer.seed = int(state.meta["seed"])
    trainer.rate_factor = float(state.meta.get("rate_factor", 1))
    torch.set_rng_state(state.tensors["rng"])
    if trainer.device.type == "cuda" and "rng_cuda" in state.tensors:
        torch.cuda.set_rng_state(state.tensors["rng_cuda"], trainer.device)


def save(path: Path, trainer: Trainer, progress: Progress, cfg: str) -> None:
    """Write the full state; raises WeightsError when it cannot be written."""
    save_state(path, capture(trainer, progress, cfg))


def restore(path: Path, trainer: Trainer, cfg: str) -> Progress:
    """Take a state back into a trainer of the same cfg.

    Raises:
        WeightsError: the file is missing or damaged, or belongs to another cfg.
    """
    state = load_state(path)
    if state.meta.get("cfg") != fingerprint(cfg):
        raise WeightsError(
            "belongs to a training with another cfg or other overrides",
            path=path,
            hint="give the same cfg and the same --size, --iterations as before",
        )
    try:
        put_back(trainer, state)
        return Progress(
            int(state.meta["iteration"]),
            float(state.meta["avg_loss"]),
            float(state.meta["best_map"]),
            int(state.meta["seed"]),
        )
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise WeightsError(f"does not fit the network: {error}", path=path) from None
