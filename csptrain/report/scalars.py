"""The figures of a training for TensorBoard, where that is installed and asked for."""

from __future__ import annotations

from pathlib import Path

from csptrain.errors import CspError
from csptrain.train.log import MEASURES, Record


class Scalars:
    """Writes event files into a folder; a training that is gone on with hides what it does again.

    Raises CspError where the package is missing or the folder cannot be written.
    """

    def __init__(self, folder: Path, start_iteration: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise CspError("--tensorboard needs tensorboard", hint="pip install 'csptrain[tensorboard]'") from None
        try:
            self._writer = SummaryWriter(str(folder), purge_step=start_iteration)
        except OSError as error:
            raise CspError(f"cannot be written: {error.strerror}", path=folder) from None

    def add(self, record: Record) -> None:
        """One iteration, with what its evaluation measured."""
        figures = {
            "loss/iteration": record.loss,
            "loss/average": record.avg_loss,
            "rate": record.rate,
            "time/seconds": record.seconds,
            "time/data_wait": record.data_wait,
        }
        for layer, numbers in record.heads.items():
            figures.update({f"head_{layer}/{name}": value for name, value in numbers.items()})
        for name in MEASURES:
            if (value := getattr(record, name)) is not None:
                figures[f"validation/{name}"] = value
        for name, value in figures.items():
            self._writer.add_scalar(name, value, record.iteration)

    def close(self) -> None:
        """Write what is still kept back, and end the files."""
        self._writer.close()
