"""A training on the terminal: Darknet's log line, a progress bar where there is a terminal, chart.png."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tqdm import tqdm

from csptrain.cli.voice import quiet, say, warn
from csptrain.errors import CspError
from csptrain.evaluate.measured import Measured
from csptrain.report.chart import draw_chart
from csptrain.train.log import Record, darknet_line, read_results

CHART_SECONDS = 20.0


class Display:
    """Prints iterations as they come; the bar shows images a second, the share of time spent waiting for data, ETA."""

    def __init__(self, done: int, stop: int, batch: int, folder: Path) -> None:
        self.batch = batch
        self.stop = stop
        self.folder = folder
        self._drawn = 0.0
        self._waited = 0.0
        self._worked = 0.0
        self._bar = tqdm(
            total=stop,
            initial=done,
            unit="it",
            dynamic_ncols=True,
            disable=True if quiet() else None,
            file=sys.stderr,
            leave=False,
        )

    def iteration(self, record: Record, hours_left: float) -> None:
        """One iteration is done."""
        self._write(darknet_line(record, hours_left))
        self._worked = 0.9 * self._worked + record.seconds
        self._waited = 0.9 * self._waited + record.data_wait
        rate = self.batch / max(record.seconds, 1e-9)
        share = self._waited / max(self._worked, 1e-9)
        self._bar.set_postfix_str(f"{rate:.1f} img/s, {share:.0%} data-wait, loss {record.avg_loss:.3f}", refresh=False)
        self._bar.update(1)
        if time.monotonic() - self._drawn > CHART_SECONDS or record.iteration == self.stop:
            self._draw()

    def evaluated(self, iteration: int, result: Measured, best: bool) -> None:
        """The validation set was measured."""
        for line in result.lines():
            self._write(line)
        kept = " (best so far, kept as _best.weights)" if best else ""
        self._write(f"iteration {iteration}: {result.headline}{kept}")

    def warned(self, message: str) -> None:
        """Something went wrong that does not stop the training."""
        if self._bar.disable:
            warn(message)
        else:
            self._bar.write(f"warning: {message}")

    def close(self) -> None:
        """Leave the terminal in order."""
        self._bar.close()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        try:
            draw_chart(read_results(self.folder / "results.csv"), self.folder / "chart.png", self.stop)
        except CspError as error:
            self.warned(str(error))

    def _write(self, line: str) -> None:
        if self._bar.disable:
            say(line)
        else:
            self._bar.write(line)
