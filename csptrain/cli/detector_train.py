"""``csptrain detector train``: the main job."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import DataSpec
from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Files, Overrides, find_data, load_graph, need_list, pick_device, sort_files
from csptrain.cli.trained import fraction, natural, positive, recall_points
from csptrain.errors import CspError

if TYPE_CHECKING:
    import torch

    from csptrain.datasets.lists import Samples
    from csptrain.evaluate.map_result import MapResult
    from csptrain.graph import Graph
    from csptrain.network import Network
    from csptrain.train.loop import Plan
    from csptrain.train.state import Progress
    from csptrain.train.step import Trainer

VERB = "detector train"
# The built-in set is for a first look: a run of minutes on two CPU cores unless the user asks for another.
FIRST_LOOK = Overrides(
    size=(160, 160),
    iterations=900,
    net={"batch": "32", "subdivisions": "1", "learning_rate": "0.003"},
    heads={"iou_thresh": ".5", "random": "0"},
)
CACHE_BYTES = 1 << 30


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Train a detector: csptrain detector train [x.data|x.yaml] net.cfg [start.weights]. Without a data file: "
        "data/coco.data when its lists exist, else a small built-in set, for a run of minutes.",
    )
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
    parser.option(
        "map_every",
        positive,
        None,
        "iterations between two evaluations with -map (default: Darknet's rule)",
        metavar="N",
    )
    parser.option("thresh", fraction, 0.25, "probability that counts in precision and recall of -map")
    parser.option("iou_thresh", fraction, 0.5, "overlap that counts as found in -map")
    parser.option("points", recall_points, 0, "mAP rule of -map: 0 area, 11 or 101 points")
    parser.option("json_log", Path, None, "file for one JSON object an iteration", metavar="FILE")
    parser.option("gpus", str, None, "Darknet's list of GPUs; the first is used", metavar="0,1")
    parser.option("mAP_epochs", positive, None, "epochs between two evaluations with -map", metavar="N")
    parser.option("mjpeg_port", int, None, "Darknet's chart server; the chart is a file here")
    parser.flag("map", "measure mAP on the validation list while training, keep _best.weights")
    parser.flag("clear", "start counting images from 0 although the weights have seen some")
    parser.flag("resume", "go on from the full state in the backup folder")
    parser.flag("partial", "accept start weights that end early or go on after the last layer")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become warnings")
    parser.flag("dont_show", "accepted; nothing is ever shown in a window")
    parser.flag("show_imgs", "accepted; nothing is ever shown in a window")
    parser.flag("no_export", "on the built-in set: do not export to OpenCV at the end")
    return parser


def run(argv: list[str]) -> int:
    """Train and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    files = sort_files(options.files, VERB)
    data, built_in = find_data(files.data, _say)
    for note in data.notes:
        _say(f"note: {note}")
    job = _prepare(options, files, data, built_in)
    best = _train(job)
    if built_in and not options.no_export:
        from csptrain.cli.first_look import show

        _say(f"AP50 on the validation split: {best:.4f} (best while training)")
        show(job.network, job.data, job.backup, job.base)
    return 0


@dataclass(frozen=True)
class _Job:
    options: argparse.Namespace
    data: DataSpec
    graph: Graph
    network: Network
    cfg: str
    base: str
    backup: Path
    device: torch.device
    amp: torch.dtype | None
    measures: bool
    workers: int


def _prepare(options: argparse.Namespace, files: Files, data: DataSpec, built_in: bool) -> _Job:
    from csptrain.formats.weights import load_weights
    from csptrain.network import Network

    wanted = Overrides(options.size, options.iterations, data.classes)
    if built_in and not (options.size or options.iterations):
        wanted = replace(FIRST_LOOK, classes=data.classes)
    graph, cfg = load_graph(files.cfg, wanted, _say, options.lenient)
    if not graph.box_heads:
        raise CspError("has no [yolo] or [region] layer, so it is no detector", path=files.cfg)
    graph.refuse_training()
    if graph.net.max_batches < 1:
        raise graph.net.section.error("has no max_batches=", hint="give --iterations N")
    gpu = None if options.gpus is None else f"cuda:{options.gpus.split(',')[0]}"
    device = pick_device(options.device or gpu)
    amp = _amp(options.amp, device)
    network = Network(graph, options.seed)
    if files.weights is not None:
        report = load_weights(network, files.weights, options.partial)
        _say(f"weights: {files.weights}, {len(report.read)} layers, seen {network.seen} images")
    if options.clear or files.weights is None:
        network.seen = 0
    workers = options.workers
    if workers is None:
        workers = max(1, min(16, (os.cpu_count() or 2) // 2))
    _say(
        f"run: {device}, {'bf16' if amp else 'float32'}, seed {options.seed}, {workers} worker(s), "
        f"batch {graph.net.effective_batch} = {graph.net.subdivisions} x {graph.net.mini_batch}"
    )
    backup = options.backup or data.backup
    measures = options.map or built_in
    return _Job(options, data, graph, network, cfg, files.cfg.stem, backup, device, amp, measures, workers)


def _train(job: _Job) -> float:
    from csptrain.cli.progress import Display
    from csptrain.datasets.detection import DetectionDataset
    from csptrain.datasets.lists import read_samples
    from csptrain.datasets.loader import BatchLoader
    from csptrain.formats.files import write_atomically
    from csptrain.train.log import RunLog
    from csptrain.train.loop import SAVE_LAST, Plan, Watcher, darknet_interval, fit, note_bad
    from csptrain.train.multiscale import size_at
    from csptrain.train.settings import augmentation, map_interval
    from csptrain.train.step import Trainer

    options, net, graph = job.options, job.graph.net, job.graph
    samples = read_samples(need_list(job.data.train, "train", job.data), job.data.classes)
    valid = read_samples(need_list(job.data.valid, "valid", job.data), job.data.classes) if job.measures else None
    _tell_findings(samples, job.backup)
    trainer = Trainer(job.network, job.device, job.amp)
    every, first = map_interval(graph, len(samples), options.mAP_epochs)
    plan = Plan(
        base=job.base,
        backup=job.backup,
        cfg=job.cfg,
        stop=net.max_batches,
        save_every=options.save_every or job.data.saveweights or darknet_interval(net.max_batches),
        save_last=options.save_last or job.data.savelast or SAVE_LAST,
        map_every=options.map_every or every,
        map_from=0 if options.map_every else first,
    )
    progress = _begin(job, plan, trainer)
    trained = job.backup / f"{job.base}.cfg"
    if not (trained.exists() and trained.samefile(graph.path)):  # the backup folder may be the cfg's own
        write_atomically(trained, [job.cfg.encode()], CspError)
    dataset = DetectionDataset(
        samples,
        augmentation(graph),
        batch=net.effective_batch,
        seed=progress.seed,
        channels=net.channels,
        cache_bytes=CACHE_BYTES,
    )
    loader = BatchLoader(
        dataset,
        start_iteration=progress.iteration + 1,
        stop_iteration=plan.stop + 1,
        size_at=lambda iteration: size_at(graph, progress.seed, iteration),
        workers=job.workers,
        pin=job.device.type == "cuda",
    )
    log = RunLog(job.backup, options.json_log, progress.iteration + 1)
    display = Display(progress.iteration, plan.stop, net.effective_batch, job.backup, options.iou_thresh)
    if valid is not None:
        plan = replace(plan, evaluate=_evaluator(job, valid, lambda bad: note_bad(bad, log, display.warned)))
    try:
        fit(
            trainer,
            loader,
            progress,
            plan,
            log,
            Watcher(display.iteration, display.evaluated, display.warned),
        )
    finally:
        display.close()
        log.close()
    _say(f"weights: {plan.file('final')}")
    return progress.best_map


def _begin(job: _Job, plan: Plan, trainer: Trainer) -> Progress:
    """Where the training starts: at the state it is resumed from, or after the images that its weights have seen."""
    import torch

    from csptrain.train import state

    options = job.options
    torch.manual_seed(options.seed)
    if options.resume and plan.state_file.exists():
        progress = state.restore(plan.state_file, trainer, job.cfg)
        _say(f"resumed after iteration {progress.iteration} of {plan.stop}")
        return progress
    if options.resume:
        _say(f"nothing to resume: there is no {plan.state_file} yet, so this starts from the beginning")
    progress = state.Progress(iteration=job.network.seen // job.graph.net.effective_batch, seed=options.seed)
    if progress.iteration >= plan.stop:
        raise CspError(
            f"the training is already at iteration {progress.iteration} of {plan.stop}",
            hint="raise max_batches or --iterations, or start over with -clear",
        )
    return progress


def _evaluator(job: _Job, samples: Samples, note_bad: Callable[[list[str]], None]) -> Callable[[], MapResult]:
    from csptrain.evaluate.detect import eval_dataset, evaluate_detector, torch_detector

    dataset = eval_dataset(job.graph, samples)
    detect = torch_detector(job.network, job.device)

    def evaluate() -> MapResult:
        found = evaluate_detector(job.graph, detect, dataset, job.data.names)
        note_bad([str(error.path) for error in dataset.bad])
        return found.result(job.options.iou_thresh, job.options.thresh, job.options.points)

    return evaluate


def _amp(choice: str, device: torch.device) -> torch.dtype | None:
    import torch

    from csptrain.train.precision import fast_bf16

    return torch.bfloat16 if choice == "on" or (choice == "auto" and fast_bf16(device)) else None


def _tell_findings(samples: Samples, backup: Path) -> None:
    from csptrain.formats.files import write_atomically

    if samples.unlabelled:
        _say(f"note: {samples.unlabelled} images of {samples.source} have no label file and count as background")
    if samples.findings:
        path = backup / "bad_label.list"
        write_atomically(path, [f"{finding}\n".encode() for finding in samples.findings], CspError)
        _say(f"note: {len(samples.findings)} label lines were corrected or left out, see {path}")


def _say(line: str) -> None:
    print(line, file=sys.stdout, flush=True)
