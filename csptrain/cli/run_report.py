"""The page of a training, made ready from what the command line asked for."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain import __version__

if TYPE_CHECKING:
    from csptrain.cli.progress import Display
    from csptrain.cli.training_run import Job
    from csptrain.graph import Graph
    from csptrain.report.run.live import RunReport
    from csptrain.report.scalars import Scalars
    from csptrain.train.loop import Watcher
    from csptrain.train.state import Progress


def open_report(
    job: Job, progress: Progress, evidence: Callable[[], Sequence[str]] | None, warn: Callable[[str], None]
) -> RunReport:
    """The page of this job, which goes on with that of the run it resumes."""
    from csptrain.cfg import text
    from csptrain.report.run.live import RunReport
    from csptrain.report.run.sheet import Facts

    given = text.render(text.read(job.graph.path, text.Reading(lenient=True)))
    facts = Facts(
        name=job.base,
        stop=job.graph.net.max_batches,
        batch=job.graph.net.effective_batch,
        heads=_heads(job.graph),
        given=given.splitlines(),
        trained=job.cfg.splitlines(),
        environment=_environment(job, progress),
        classes=job.data.names,
    )
    return RunReport(job.backup, facts, progress.iteration + 1, device=job.device, evidence=evidence, warn=warn)


@contextmanager
def open_scalars(job: Job, progress: Progress) -> Iterator[Scalars | None]:
    """What writes for TensorBoard, None where nobody asks for it; raises CspError."""
    from csptrain.report.scalars import Scalars

    if not job.options.tensorboard:
        yield None
        return
    scalars = Scalars(job.backup / "tensorboard", progress.iteration + 1)
    try:
        yield scalars
    finally:
        scalars.close()


def watcher(display: Display, report: RunReport, scalars: Scalars | None) -> Watcher:
    """Whoever shows the training: the terminal, its page, and TensorBoard where asked for."""
    from csptrain.evaluate.measured import Measured
    from csptrain.train.log import Record
    from csptrain.train.loop import Watcher

    def iteration(record: Record, hours_left: float) -> None:
        display.iteration(record, hours_left)
        report.iteration(record, hours_left)
        if scalars is not None:
            scalars.add(record)

    def evaluated(number: int, found: Measured, best: bool) -> None:
        display.evaluated(number, found, best)
        report.evaluated(number)

    def warned(message: str) -> None:
        display.warned(message)
        report.warned(message)

    return Watcher(iteration, evaluated, warned)


def _heads(graph: Graph) -> dict[int, str]:
    """The layers with a loss: number, kind, and for boxes their grid."""
    from csptrain.layers.base import Head

    found = {}
    for node in graph.nodes:
        layer = node.layer
        if isinstance(layer, Head) and layer.has_loss:
            cells = f", {node.output.w}x{node.output.h} cells" if layer.has_boxes else ""
            found[layer.index] = f"layer {layer.index} [{layer.kind}]{cells}"
    return found


def _command() -> str:
    name = Path(sys.argv[0]).name
    return shlex.join(["csptrain" if name == "__main__.py" else name, *sys.argv[1:]])


def _environment(job: Job, progress: Progress) -> list[tuple[str, str]]:
    import cv2
    import numpy
    import torch

    device = str(job.device)
    if job.device.type == "cuda":
        device = f"{device}, {torch.cuda.get_device_name(job.device)}"
    net = job.graph.net
    return [
        ("command", _command()),
        ("started", time.strftime("%Y-%m-%d %H:%M:%S") + f" at iteration {progress.iteration + 1}"),
        ("data", str(job.data.path)),
        ("input", f"{net.width}x{net.height}x{net.channels}"),
        ("batch", f"{net.effective_batch} images in {net.subdivisions} parts"),
        ("random numbers", f"seed {progress.seed}"),
        ("device", device),
        ("arithmetic", "float32" if job.amp is None else "bf16"),
        ("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores, {job.workers} loader processes"),
        ("csptrain", __version__),
        ("Python", platform.python_version()),
        ("torch", torch.__version__),
        ("NumPy", numpy.__version__),
        ("OpenCV", cv2.__version__),
        ("system", platform.platform()),
    ]
