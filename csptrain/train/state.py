"""The record of a training between two iterations, kept in memory or a file and taken back bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from csptrain.cfg import text
from csptrain.errors import CspError, WeightsError
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


def cfg_changes(then: str, now: str) -> str:
    """The first options in which two cfg texts differ, in words."""
    try:
        old, new = text.parse(then), text.parse(now)
    except CspError:
        return ""
    if [section.kind for section in old] != [section.kind for section in new]:
        return f"{len(new)} sections, then {len(old)}, or other kinds of them"
    changes = []
    for before, after in zip(old, new, strict=True):
        values = ({option.key: option.value for option in section.options} for section in (before, after))
        was, now_is = values
        for key in [*was, *(key for key in now_is if key not in was)]:
            if was.get(key) != now_is.get(key):
                place = f"[{after.kind}] of line {after.line}: {key}"
                changes.append(f"{place}={now_is.get(key, '(none)')}, then {was.get(key, '(none)')}"[:120])
    more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
    return "; ".join(changes[:3]) + more


def fingerprint(cfg: str) -> str:
    """A short name of a cfg text, to notice a resumed training whose network changed."""
    return hashlib.sha256(cfg.encode()).hexdigest()[:16]


def capture(trainer: Trainer, progress: Progress, cfg: str, data: Mapping[str, Any] | None = None) -> State:
    """A copy of the full state in main memory.

    Weights, rolling statistics, what the optimizer keeps, averages, counters, the factor of the rate, and torch's
    random state; with the cfg's text, and what tells the training set ``data`` from another.
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
        "cfg_text": cfg,
        "data": dict(data or {}),
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
    return take_back(load_state(path), path, trainer, cfg)


def take_back(state: State, path: Path, trainer: Trainer, cfg: str) -> Progress:
    """The same with a state that is read already."""
    if state.meta.get("cfg") != fingerprint(cfg):
        changes = cfg_changes(str(state.meta.get("cfg_text", "")), cfg)
        raise WeightsError(
            f"belongs to a training with another cfg or other overrides{': ' if changes else ''}{changes}",
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
