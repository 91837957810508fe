"""What ``detector train`` and ``classifier train`` share: a network made ready for its data, and the run to the end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csptrain.cfg.dataset import DataSpec
from csptrain.cfg.edit import parse_size
from csptrain.cli import voice
from csptrain.cli.arguments import Arguments
from csptrain.cli.launch import device_of, first
from csptrain.cli.resuming import begin
from csptrain.cli.session import Files, Overrides, load_graph, pick_device
from csptrain.cli.stopping import Stopping, duration, exit_code
from csptrain.cli.trained import natural, positive
from csptrain.errors import CspError

if TYPE_CHECKING:
    import torch

    from csptrain.datasets.loader import BatchLoader, TrainingSet
    from csptrain.datasets.stream import Feed
    from csptrain.evaluate.measured import Measured
    from csptrain.graph import Graph
    from csptrain.network import Network
    from csptrain.train.distributed import Processes
    from csptrain.train.log import RunLog
    from csptrain.train.loop import Plan
    from csptrain.train.state import Progress
    from csptrain.train.step import Trainer

CACHE_BYTES = 1 << 30
# What every training writes beside the files named after its cfg, by how their names begin.
WRITTEN = ("results.csv", "chart.png", "report.html", "bad", "not_finite", "aug_")


def declare_training(parser: Arguments) -> None:
    """Add the positional words and the options of every training."""
    parser.positional("files", "[data] cfg [weights]", many=True)
    parser.option("size", parse_size, None, "input size instead of the cfg's, 416 or 512x288", metavar="N[xM]")
    parser.option(
        "iterations", positive, None, "length of the run; max_batches, steps and burn_in move with it", metavar="N"
    )
    parser.option("seed", natural, 0, "start of all random numbers (default 0)", metavar="N")
    parser.option("device", str, None, "cpu, cuda, cuda:1 (default: cuda if there is one)")
    parser.option(
        "workers", natural, None, "processes that prepare images (default: by the number of cores)", metavar="N"
    )
    parser.option("amp", str, "auto", "bf16 arithmetic: on, off, auto (default)", choices=("auto", "on", "off"))
    parser.option("backup", Path, None, "folder for weights, state, chart and results instead of the data file's")
    parser.option("save_every", positive, None, "iterations between two numbered weights files", metavar="N")
    parser.option(
        "save_last", positive, None, "iterations between two saves of _last.weights and the state (100)", metavar="N"
    )
    parser.option("json_log", Path, None, "file for one JSON object an iteration", metavar="FILE")
    parser.option("gpus", str, None, "Darknet's list of GPUs: one process trains on each", metavar="0,1")
    parser.option("time_limit", duration, None, "save and stop after this time: 90, 45m, 1h30m, 2d", metavar="TIME")
    parser.option("mjpeg_port", int, None, "Darknet's chart server; the chart is a file here")
    parser.flag(
        "checkpoint_activations", "keep less for the backward pass and compute it again: same numbers, more time"
    )
    parser.flag("clear", "start counting images from 0 although the weights have seen some")
    parser.flag("resume", "go on from the full state in the backup folder")
    parser.flag("local_bn", "several processes: each normalizes its own images where a mini-batch is divided")
    parser.flag("partial", "accept start weights that end early or go on after the last layer")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become warnings")
    parser.flag("dont_show", "accepted; nothing is ever shown in a window")
    parser.flag("tensorboard", "write the figures of every iteration to backup/tensorboard too, for TensorBoard")
    parser.flag("show_imgs", "write the samples of the first iterations, as they are trained on, as aug_*.jpg")


@dataclass(frozen=True)
class Job:
    """A network on its device with its start weights, and where the results go."""

    options: argparse.Namespace
    data: DataSpec
    graph: Graph
    network: Network
    cfg: str
    base: str
    backup: Path
    device: torch.device
    amp: torch.dtype | None
    workers: int
    processes: Processes | None = None

    def feed(self, seed: int) -> Feed:
        """How the training asks for its images."""
        from csptrain.datasets.stream import Feed

        net = self.graph.net
        return Feed(net.effective_batch, seed, net.channels, CACHE_BYTES)


@dataclass(frozen=True)
class Course:
    """What a job trains on and is measured by.

    ``samples`` makes the training set from the run's seed, ``size_at`` gives the network's (width, height) from seed
    and iteration. ``evaluate`` gives the figures and the images that could not be decoded, of several processes to the
    first one; it is called every ``every`` iterations from iteration ``first`` on, and at the end. ``batch_at`` gives
    the number of images from seed and iteration, where that is not always the cfg's. ``evidence`` gives what the newest
    evaluation showed, as parts of the page. ``identity`` tells the training set from another, ``valid`` the one that it
    is measured by.
    """

    samples: Callable[[int], TrainingSet]
    size_at: Callable[[int, int], tuple[int, int]]
    evaluate: Callable[[], tuple[Measured, list[str]] | None] | None = None
    every: int = 0
    first: int = 0
    batch_at: Callable[[int, int], int] | None = None
    evidence: Callable[[], Sequence[str]] | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    valid: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """Where a training ended, with the exit code: 0 after its last iteration."""

    progress: Progress
    code: int = 0


def prepare(
    options: argparse.Namespace,
    files: Files,
    data: DataSpec,
    wanted: Overrides,
    check: Callable[[Graph], None],
    processes: Processes | None = None,
) -> Job:
    """Plan the network, ``check`` it for its purpose, and load its start weights; says what is run.

    Raises CspError.
    """
    from csptrain.datasets.loader import usable_workers
    from csptrain.formats.weights import load_weights
    from csptrain.network import Network

    if options.local_bn and processes is not None:
        wanted = _divided(files, wanted, options.lenient, processes.count)
    graph, cfg = load_graph(files.cfg, wanted, say, options.lenient)
    check(graph)
    graph.net.check_pictures()
    graph.refuse_training()
    if graph.net.max_batches < 1:
        raise graph.net.section.error("has no max_batches=", hint="give --iterations N")
    device = pick_device(device_of(options))
    amp = _amp(options.amp, device)
    network = Network(graph, options.seed)
    if files.weights is not None:
        report = load_weights(network, files.weights, options.partial)
        say(f"weights: {files.weights}, {len(report.read)} layers, seen {network.seen} images")
    if options.clear or files.weights is None:
        network.seen = 0
    workers = options.workers
    if workers is None:
        # As many as torchrun or -gpus started on this machine share its cores.
        workers = max(1, min(16, (os.cpu_count() or 2) // 2 // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    if usable_workers(workers) < workers:
        workers = 0
        warn("there is no shared memory (/dev/shm), so images are prepared without worker processes")
    together = f"{processes.count} processes, this one on " if processes is not None else ""
    say(
        f"run: {together}{device}, {'bf16' if amp else 'float32'}, seed {options.seed}, {workers} worker(s), "
        f"batch {graph.net.effective_batch} = {graph.net.subdivisions} x {graph.net.mini_batch}"
    )
    backup = options.backup or data.backup
    return Job(options, data, graph, network, cfg, files.cfg.stem, backup, device, amp, workers, processes)


def _divided(files: Files, wanted: Overrides, lenient: bool, processes: int) -> Overrides:
    """The overrides by which every process has whole mini-batches of its own; raises CfgError."""
    net = load_graph(files.cfg, wanted, lambda line: None, lenient)[0].net
    if net.subdivisions % processes == 0:
        return wanted
    parts = net.subdivisions * processes
    if net.effective_batch % parts:
        raise net.section.error(
            f"batch={net.batch} cannot be cut into {parts} equal parts for {processes} processes", "batch"
        )
    return replace(wanted, net={**wanted.net, "subdivisions": str(parts)})


def train(job: Job, course: Course) -> Ended:
    """Run the job to its last iteration or until it is asked to stop, from its state where it is resumed.

    Raises CspError.
    """
    from csptrain.datasets.loader import BatchLoader
    from csptrain.formats.files import remove_leftovers, utf8, write_atomically
    from csptrain.train.loop import SAVE_LAST, Plan, Watcher, darknet_interval, fit
    from csptrain.train.step import Trainer

    options, net, batch_at = job.options, job.graph.net, course.batch_at
    trainer = Trainer(job.network, job.device, job.amp, options.seed, job.processes)
    trainer.checkpoint_activations = options.checkpoint_activations
    plan = Plan(
        base=job.base,
        backup=job.backup,
        cfg=job.cfg,
        stop=net.max_batches,
        save_every=options.save_every or job.data.saveweights or darknet_interval(net.max_batches),
        save_last=options.save_last or job.data.savelast or SAVE_LAST,
        map_every=course.every,
        map_from=course.first,
        data=course.identity,
        valid=course.valid,
    )
    progress = begin(job, plan, trainer, say, warn)
    if trainer.processes.first:
        remove_leftovers(job.backup, (job.base, *WRITTEN))
        trained = job.backup / f"{job.base}.cfg"
        if not (trained.exists() and trained.samefile(job.graph.path)):  # the backup folder may be the cfg's own
            write_atomically(trained, [utf8(job.cfg)], CspError)
    loader = BatchLoader(
        course.samples(progress.seed),
        start_iteration=progress.iteration + 1,
        stop_iteration=plan.stop + 1,
        size_at=lambda iteration: course.size_at(progress.seed, iteration),
        batch_at=None if batch_at is None else lambda iteration: batch_at(progress.seed, iteration),
        workers=job.workers,
        pin=job.device.type == "cuda",
        slots_of=trainer.share.slots,
    )
    with Stopping(options.time_limit) as stopping:
        if trainer.processes.first:
            reason = _train_and_tell(job, course, trainer, plan, progress, loader, stopping)
        else:
            silent = Watcher(lambda *_: None, lambda *_: None, lambda *_: None, stopping.reason)
            reason = fit(trainer, loader, progress, _measuring(plan, course, None, silent.warned), None, silent)
    if reason is not None:
        say(f"stopped after iteration {progress.iteration} of {plan.stop} by {reason}; --resume goes on")
        return Ended(progress, exit_code(reason))
    say(f"weights: {plan.file('final')}")
    return Ended(progress)


def _train_and_tell(
    job: Job,
    course: Course,
    trainer: Trainer,
    plan: Plan,
    progress: Progress,
    loader: BatchLoader,
    stopping: Stopping,
) -> str | None:
    """Train and write all that a run leaves; the reason where it ended before its last iteration."""
    from csptrain.cli.progress import Display
    from csptrain.cli.run_report import open_report, open_scalars, watcher
    from csptrain.report.augmented import write_samples
    from csptrain.train.log import RunLog
    from csptrain.train.loop import fit

    options = job.options
    log = RunLog(job.backup, options.json_log, progress.iteration + 1)
    display = Display(progress.iteration, plan.stop, job.graph.net.effective_batch, job.backup)
    plan = _measuring(plan, course, log, display.warned)
    try:
        page = open_report(job, progress, course.evidence, display.warned)
        with page as report, open_scalars(job, progress) as scalars:
            batches = write_samples(loader, job.backup, job.data.names) if options.show_imgs else loader
            watch = replace(watcher(display, report, scalars), stop=stopping.reason)
            reason = fit(trainer, report.passed(batches), progress, plan, log, watch)
            report.ended(reason)
            return reason
    finally:
        display.close()
        log.close()


def _measuring(plan: Plan, course: Course, log: RunLog | None, warned: Callable[[str], None]) -> Plan:
    """The plan with the course's evaluation, whose images that cannot be decoded are told as those of the training."""
    from csptrain.train.loop import note_bad

    evaluate = course.evaluate
    if evaluate is None:
        return plan

    def measure() -> Measured | None:
        answer = evaluate()
        if answer is None:
            return None
        found, bad = answer
        note_bad(bad, log, warned)
        return found

    return replace(plan, evaluate=measure)


def say(line: str) -> None:
    """One line on the terminal, at once; of several processes the first one's."""
    if first():
        voice.say(line)


def warn(message: str) -> None:
    """A warning in its place in the log; of several processes the first one's."""
    if first():
        voice.warn(message)


def _amp(choice: str, device: torch.device) -> torch.dtype | None:
    import torch

    from csptrain.train.precision import fast_bf16

    return torch.bfloat16 if choice == "on" or (choice == "auto" and fast_bf16(device)) else None
