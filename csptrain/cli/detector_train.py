"""``csptrain detector train``: the main job."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csptrain.cli.arguments import Arguments
from csptrain.cli.launch import first, joined, launch
from csptrain.cli.session import Files, Overrides, find_data, sort_files
from csptrain.cli.trained import fraction, positive, recall_points
from csptrain.cli.training_run import Course, Job, declare_training, prepare, say, train
from csptrain.errors import CspError

if TYPE_CHECKING:
    from csptrain.datasets.lists import Samples
    from csptrain.datasets.turns import Turns
    from csptrain.evaluate.detection import DetectionEvaluator
    from csptrain.evaluate.map_result import MapResult
    from csptrain.evaluate.measured import Measured
    from csptrain.graph import Graph
    from csptrain.train.distributed import Processes

VERB = "detector train"
# The built-in set is for a first look: a run of minutes on two CPU cores unless the user asks for another.
FIRST_LOOK = Overrides(
    size=(160, 160),
    iterations=900,
    net={"batch": "32", "subdivisions": "1", "learning_rate": "0.003"},
    heads={"iou_thresh": ".5", "random": "0"},
)


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Train a detector: csptrain detector train [x.data|x.yaml] net.cfg [start.weights]. Without a data file: "
        "data/coco.data when its lists exist, else a small built-in set, for a run of minutes.",
    )
    declare_training(parser)
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
    parser.option("mAP_epochs", positive, None, "epochs between two evaluations with -map", metavar="N")
    parser.flag("map", "measure mAP on the validation list while training, keep _best.weights")
    parser.flag("reduced_decoding", "decode JPEGs far larger than the network at half of their size or less")
    parser.flag("no_export", "on the built-in set: do not export to OpenCV at the end")
    return parser


def run(argv: list[str]) -> int:
    """Train and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    files = sort_files(options.files, VERB, takes_inputs=False)
    code = launch(VERB, argv, options)
    if code is not None:
        return code
    with joined(options) as processes:
        return _run(options, files, processes)


def _run(options: argparse.Namespace, files: Files, processes: Processes | None) -> int:
    # The built-in set is drawn by one process.
    with nullcontext() if processes is None else processes.first_alone():
        data, built_in = find_data(files.data, say)
    for note in data.notes:
        say(f"note: {note}")
    wanted = Overrides(options.size, options.iterations, data.classes)
    if built_in and not (options.size or options.iterations):
        wanted = replace(FIRST_LOOK, classes=data.classes)
    job = prepare(options, files, data, wanted, _check, processes)
    ended = train(job, _course(job, measures=options.map or built_in))
    if not ended.code and built_in and not options.no_export and first():
        from csptrain.cli.first_look import show

        say(f"AP50 on the validation split: {ended.progress.best_map:.4f} (best while training)")
        show(job.network, job.data, job.backup, job.base)
    return ended.code


def _check(graph: Graph) -> None:
    if not graph.box_heads:
        raise CspError("has no [yolo] or [region] layer, so it is no detector", path=graph.path)


def _course(job: Job, measures: bool) -> Course:
    from csptrain.datasets.detection import DetectionDataset
    from csptrain.datasets.sources import read_split
    from csptrain.train.multiscale import batch_at, size_at
    from csptrain.train.settings import augmentation, map_interval

    options, data, graph = job.options, job.data, job.graph
    samples = read_split(data, "train")
    valid = read_split(data, "valid") if measures else None
    if first():
        _tell_findings(samples, job.backup)
    every, start = map_interval(graph, len(samples), options.mAP_epochs)
    validation = None if valid is None else _Validation(job, valid)

    return Course(
        lambda seed: DetectionDataset(
            samples, augmentation(graph), replace(job.feed(seed), reduced=options.reduced_decoding)
        ),
        lambda seed, iteration: size_at(graph, seed, iteration),
        None if validation is None else validation.measure,
        options.map_every or every,
        0 if options.map_every else start,
        lambda seed, iteration: batch_at(graph, seed, iteration),
        None if validation is None else validation.evidence,
        _identity(samples),
        {} if valid is None else _identity(valid),
    )


def _identity(samples: Samples) -> dict[str, Any]:
    from csptrain.datasets.identity import identity

    return identity(samples.source, samples.images, (samples.starts, samples.rows))


class _Validation:
    """The validation list as it is measured while training, and what the newest measurement showed."""

    def __init__(self, job: Job, samples: Samples) -> None:
        from csptrain.evaluate.detect import eval_dataset

        self._job = job
        self._dataset = eval_dataset(job.graph, samples)
        self._newest: DetectionEvaluator | None = None

    def measure(self) -> tuple[Measured, list[str]] | None:
        """The figures, and the images that could not be decoded; None where another process has them."""
        from csptrain.datasets.turns import ALL, left_out
        from csptrain.evaluate.shares import join_detections, of_detections
        from csptrain.train.validation import gathered

        job, samples = self._job, self._dataset.samples
        if job.processes is None:
            self._newest = self._detected(ALL)
            return self._result(self._newest), [str(error.path) for error in self._dataset.bad]
        shares = gathered(job.processes, lambda turns: of_detections(self._detected(turns)))
        if shares is None:
            return None
        self._newest = join_detections(job.data.names, shares)
        bad = left_out(samples.source, samples.images, self._newest.image_ids)
        return self._result(self._newest), bad

    def evidence(self) -> list[str]:
        """Parts of the page; they are made of the newest measurement, which is let go then."""
        from csptrain.report.run.evidence import detector_parts

        if self._newest is None:
            return []
        newest, self._newest = self._newest, None
        return list(detector_parts(newest, self._result(newest), self._dataset.samples.images))

    def _detected(self, turns: Turns) -> DetectionEvaluator:
        from csptrain.evaluate.detect import evaluate_detector, torch_detector

        job = self._job
        detect = torch_detector(job.network.fused(), job.device)
        return evaluate_detector(job.graph, detect, self._dataset, job.data.names, turns=turns)

    def _result(self, found: DetectionEvaluator) -> MapResult:
        options = self._job.options
        return found.result(options.iou_thresh, options.thresh, options.points)


def _tell_findings(samples: Samples, backup: Path) -> None:
    from csptrain.formats.files import utf8, write_atomically

    if samples.unlabelled:
        say(f"note: {samples.unlabelled} images of {samples.source} have no label file and count as background")
    if samples.findings:
        path = backup / "bad_label.list"
        write_atomically(path, [utf8(f"{finding}\n") for finding in samples.findings], CspError)
        say(f"note: {len(samples.findings)} label lines were corrected or left out, see {path}")
