"""Where a training starts: at the newest whole state, or after the images that its weights have seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from csptrain.cli.launch import may_restart, restarted
from csptrain.errors import CspError

if TYPE_CHECKING:
    from csptrain.cli.session import Say
    from csptrain.cli.training_run import Job
    from csptrain.train.loop import Plan
    from csptrain.train.state import Progress
    from csptrain.train.step import Trainer


def begin(job: Job, plan: Plan, trainer: Trainer, say: Say, warn: Say) -> Progress:
    """The progress that the training starts from, the same in all its processes.

    What torchrun has started again is resumed without being asked.

    Raises:
        WeightsError: a state is there, but none that is whole, or it belongs to another cfg.
        CspError: nothing is left to train, or the processes of the training differ.
    """
    import torch

    from csptrain.train.state import Progress

    options = job.options
    torch.manual_seed(options.seed)
    resumes = options.resume or restarted()
    progress = _resumed(job, plan, trainer, say, warn) if resumes else None
    if progress is None:
        progress = Progress(iteration=job.network.seen // job.graph.net.effective_batch, seed=options.seed)
        if progress.iteration >= plan.stop:
            raise CspError(
                f"the training is already at iteration {progress.iteration} of {plan.stop}",
                hint="raise max_batches or --iterations, or start over with -clear",
            )
        if may_restart() and not resumes:
            _save_start(plan, trainer, progress, warn)
    _check_alike(plan, trainer)
    return progress


def _resumed(job: Job, plan: Plan, trainer: Trainer, say: Say, warn: Say) -> Progress | None:
    from csptrain.datasets.identity import identity_changes
    from csptrain.formats.checkpoint import newest_state, pack, previous_of, unpack
    from csptrain.train.state import take_back

    processes, path = trainer.processes, plan.state_file
    found = None
    if processes.first and (path.exists() or previous_of(path).exists()):
        found, path, skipped = newest_state(path)
        for error in skipped:
            warn(f"{error}; it is skipped")
    if processes.count > 1:
        # The others may be on machines that do not see the folder.
        content = processes.from_first(b"" if found is None else pack(found))
        found = unpack(content) if content else None
    if found is None:
        say(f"nothing to resume: there is no {path} yet, so this starts from the beginning")
        return None
    progress = take_back(found, path, trainer, job.cfg)
    older = "" if path == plan.state_file else f", from {path}"
    say(f"resumed after iteration {progress.iteration} of {plan.stop}{older}")
    for change in identity_changes(found.meta.get("data", {}), plan.data):
        warn(f"the training set {plan.data['source']} is not the one before: {change}; the training goes on")
    return progress


def _save_start(plan: Plan, trainer: Trainer, progress: Progress, warn: Say) -> None:
    """Leave a state before the first iteration: a restart must not find that of an older training in the folder."""
    from csptrain.formats.checkpoint import save_state
    from csptrain.train.state import capture

    if not trainer.processes.first:
        return
    try:
        save_state(plan.state_file, capture(trainer, progress, plan.cfg, plan.data))
    except CspError as error:
        warn(f"{error}; the training goes on")


def _check_alike(plan: Plan, trainer: Trainer) -> None:
    """Raise CspError where processes have other weights, another cfg or other images to train on or to measure by."""
    if trainer.processes.count == 1:
        return
    digest = hashlib.sha256(plan.cfg.encode())
    for layer in trainer.network.stored():
        for stored in layer:
            digest.update(stored.tensor.detach().cpu().contiguous().numpy().tobytes())
    sets = [of.get(key) for of in (plan.data, plan.valid) for key in ("names", "truths")]
    own = f"{digest.hexdigest()[:16]} {sets}"
    if len({*trainer.processes.gather_texts(own)}) > 1:
        raise CspError(
            "the processes start from other weights, another cfg or other sets of images",
            hint="each machine needs the same files",
        )
