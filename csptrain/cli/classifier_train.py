"""``csptrain classifier train``: from images sorted by class to a network that names the class."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import DataSpec
from csptrain.cli.arguments import Arguments
from csptrain.cli.classifiers import check_classifier, find_class_data
from csptrain.cli.launch import joined, launch
from csptrain.cli.session import Files, Overrides, sort_files
from csptrain.cli.trained import pick_workers, positive
from csptrain.cli.training_run import Course, Job, declare_training, prepare, say, train
from csptrain.errors import CfgError

if TYPE_CHECKING:
    from csptrain.datasets.class_list import ClassList
    from csptrain.datasets.turns import Turns
    from csptrain.evaluate.classification import ClassificationResult, Guesses
    from csptrain.evaluate.measured import Measured
    from csptrain.graph import Graph
    from csptrain.train.distributed import Processes

VERB = "classifier train"
# Darknet measures a classifier every two epochs, a detector every four.
EPOCHS = 2
_SHOWN = 5


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Train a classifier: csptrain classifier train x.data net.cfg [start.weights]. train= and valid= of the data "
        "file are lists of images whose paths hold a label, or folders with one sub-folder a class. Without a data "
        "file: data/imagenet.data when its images are there.",
    )
    declare_training(parser)
    parser.option(
        "topk_every",
        positive,
        None,
        "iterations between two evaluations with -topk (default: every two epochs)",
        metavar="N",
    )
    parser.flag("topk", "measure top-1 and top-k on the validation images while training, keep _best.weights")
    parser.flag("map", "the same as -topk")
    parser.flag("dontuse_opencv", "accepted; training images are always read with OpenCV here")
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
    data, _ = find_class_data(files.data, say)
    for note in data.notes:
        say(f"note: {note}")
    wanted = Overrides(options.size, options.iterations, data.classes)
    job = prepare(options, files, data, wanted, lambda graph: _check(graph, data), processes)
    return train(job, _course(job, measures=options.topk or options.map)).code


def _check(graph: Graph, data: DataSpec) -> None:
    from csptrain.layers.base import Head

    check_classifier(graph, data)
    if not any(isinstance(node.layer, Head) and node.layer.has_loss for node in graph.nodes):
        raise CfgError("has no [softmax] or [cost], so it cannot be trained", path=graph.path)
    graph.net.check_crops()


def _course(job: Job, measures: bool) -> Course:
    from csptrain.datasets.class_list import class_labels, read_class_list
    from csptrain.datasets.classification import ClassificationDataset
    from csptrain.datasets.identity import identity
    from csptrain.train.settings import class_augmentation, map_interval

    options, data, graph = job.options, job.data, job.graph
    labels = class_labels(data)
    listed = read_class_list(data.split("train"), labels)
    _tell_missing(listed, labels)
    valid = read_class_list(data.split("valid"), labels) if measures else None
    say(f"images: {len(listed)} to train" + ("" if valid is None else f", {len(valid)} to validate"))
    every, first = map_interval(graph, len(listed), EPOCHS)
    validation = None if valid is None else _Validation(job, valid)

    return Course(
        lambda seed: ClassificationDataset(listed, data.classes, class_augmentation(graph), job.feed(seed)),
        lambda _seed, _iteration: (graph.net.width, graph.net.height),
        None if validation is None else validation.measure,
        options.topk_every or every,
        0 if options.topk_every else first,
        evidence=None if validation is None else validation.evidence,
        identity=identity(listed.source, listed.images, (listed.classes,)),
        valid={} if valid is None else identity(valid.source, valid.images, (valid.classes,)),
    )


class _Validation:
    """The validation images as they are measured while training, and what the newest measurement showed."""

    def __init__(self, job: Job, valid: ClassList) -> None:
        from csptrain.datasets.class_images import ClassImages
        from csptrain.datasets.views import centre_crop

        net = job.graph.net
        self._images = ClassImages(valid.source, valid.images, centre_crop, (net.width, net.height), net.channels)
        self._network, self._device, self._processes = job.network, job.device, job.processes
        self._valid, self._names = valid, job.data.names
        self._top = min(job.data.top, job.data.classes)
        self._workers = min(pick_workers(None, len(valid)), job.workers)
        self._newest: tuple[Guesses, ClassificationResult] | None = None

    def measure(self) -> tuple[Measured, list[str]] | None:
        """The accuracies, and the images that could not be decoded; None where another process has them."""
        from csptrain.datasets.turns import ALL, left_out
        from csptrain.evaluate.classification import accuracy
        from csptrain.evaluate.shares import join_guesses, of_guesses
        from csptrain.train.validation import gathered

        if self._processes is None:
            guesses = self._guesses(ALL)
            bad = [str(error.path) for error in self._images.bad]
        else:
            shares = gathered(self._processes, lambda turns: of_guesses(self._guesses(turns)))
            if shares is None:
                return None
            guesses = join_guesses(shares)
            bad = left_out(self._valid.source, self._valid.images, guesses.indices.tolist())
        result = accuracy(guesses, self._valid.classes, self._names)
        self._newest = guesses, result
        return result, bad

    def evidence(self) -> list[str]:
        """Parts of the page, made of the newest measurement."""
        from csptrain.report.run.evidence import classifier_parts

        if self._newest is None:
            return []
        return list(classifier_parts(*self._newest, self._valid.classes, self._valid.images))

    def _guesses(self, turns: Turns) -> Guesses:
        from csptrain.evaluate.classification import guess, torch_classifier

        classify = torch_classifier(self._network.fused(), self._device)
        return guess(classify, self._images, self._top, workers=self._workers, turns=turns)


def _tell_missing(listed: ClassList, labels: Sequence[str]) -> None:
    missing = listed.without(labels)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        say(f"note: {listed.source} has no image of {', '.join(missing[:_SHOWN])}{more}")
