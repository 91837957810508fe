"""Where a training starts: at the newest whole state, or after the images that its weights have seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from csptrain.errors import CspError

if TYPE_CHECKING:
    from csptrain.cli.session import Say
    from csptrain.cli.training_run import Job
    from csptrain.train.loop import Plan
    from csptrain.train.state import Progress
    from csptrain.train.step import Trainer


def begin(job: Job, plan: Plan, trainer: Trainer, say: Say) -> Progress:
    """The progress that the training starts from, the same in all its processes.

    Raises:
        WeightsError: a state is there, but none that is whole, or it belongs to another cfg.
        CspError: nothing is left to train, or the processes of the training differ.
    """
    import torch

    from csptrain.train.state import Progress

    options = job.options
    torch.manual_seed(options.seed)
    progress = _resumed(job, plan, trainer, say) if options.resume else None
    if progress is None:
        progress = Progress(iteration=job.network.seen // job.graph.net.effective_batch, seed=options.seed)
        if progress.iteration >= plan.stop:
            raise CspError(
                f"the training is already at iteration {progress.iteration} of {plan.stop}",
                hint="raise max_batches or --iterations, or start over with -clear",
            )
    _check_alike(plan, trainer)
    return progress


def _resumed(job: Job, plan: Plan, trainer: Trainer, say: Say) -> Progress | None:
    from csptrain.datasets.identity import identity_changes
    from csptrain.formats.checkpoint import newest_state, pack, previous_of, unpack
    from csptrain.train.state import take_back

    processes, path = trainer.processes, plan.state_file
    found = None
    if processes.first and (path.exists() or previous_of(path).exists()):
        found, path, skipped = newest_state(path)
        for error in skipped:
            say(f"warning: {error}; it is skipped")
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
        say(f"warning: the training set {plan.data['source']} is not the one before: {change}; the training goes on")
    return progress


def _check_alike(plan: Plan, trainer: Trainer) -> None:
    """Raise CspError where processes have other weights, another cfg or another training set."""
    if trainer.processes.count == 1:
        return
    digest = hashlib.sha256(plan.cfg.encode())
    for layer in trainer.network.stored():
        for stored in layer:
            digest.update(stored.tensor.detach().cpu().contiguous().numpy().tobytes())
    own = f"{digest.hexdigest()[:16]} {plan.data.get('names')} {plan.data.get('truths')}"
    if len({*trainer.processes.gather_texts(own)}) > 1:
        raise CspError(
            "the processes start from other weights, another cfg or another training set",
            hint="each machine needs the same files",
        )
