"""What is not finite is undone: back to the last good state, once with half the rate, then the training stops."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from csptrain.datasets.loader import Batch
from csptrain.errors import CspError
from csptrain.formats.checkpoint import State
from csptrain.formats.files import write_atomically
from csptrain.train import state
from csptrain.train.diagnosis import NotFinite
from csptrain.train.step import StepResult, Trainer

LIST = "not_finite.list"
FACTOR = 0.5
ADVICE = "lower learning_rate or lengthen burn_in and look at those images"


class Guard:
    """Makes the steps of a training and keeps its last good state in memory.

    The state is that of the start, and then each one that is written to the state file, so that a resumed run goes back
    to where the unbroken one would have gone. Schedule and batches are not turned back; the steps since are lost.
    """

    def __init__(self, trainer: Trainer, good: State, folder: Path, last_weights: Path) -> None:
        self.trainer = trainer
        self.good = good
        self.folder = folder
        self.last_weights = last_weights

    def step(self, batch: Batch, warned: Callable[[str], None]) -> StepResult | None:
        """One step; None when it was not finite and has been undone. Raises NotFinite when that has happened before."""
        try:
            return self.trainer.step(batch.iteration, batch.images, batch.truth, batch.whole)
        except NotFinite as error:
            files = self.trainer.processes.gather_lines(batch.files)
            found = f"{error}; {self._listed(files)}"
            if self.trainer.rate_factor < 1:
                again = f", and start again from {self.last_weights}" if self.last_weights.exists() else ""
                raise NotFinite(f"{found}; the rate has been halved before", hint=ADVICE + again) from None
            state.put_back(self.trainer, self.good)
            self.trainer.rate_factor = FACTOR
            self.trainer.network.seen = batch.iteration * self.trainer.network.graph.net.effective_batch
            since = self.good.meta["iteration"]
            warned(f"{found}; the weights are those after iteration {since} again, the rate is halved")
            return None

    def _listed(self, files: tuple[str, ...]) -> str:
        path = self.folder / LIST
        if not self.trainer.processes.first:
            return f"{path} lists its images"
        try:
            write_atomically(path, [os.fsencode(f"{file}\n") for file in files], CspError)
        except CspError as error:
            return f"its images cannot be listed: {error}"
        return f"{path} lists the {len(files)} images of the batch"
