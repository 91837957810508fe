"""``csptrain classifier train``: from images sorted by class to a network that names the class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import DataSpec
from csptrain.cli.arguments import Arguments
from csptrain.cli.classifiers import check_classifier, find_class_data
from csptrain.cli.session import Overrides, need_list, sort_files
from csptrain.cli.trained import pick_workers, positive
from csptrain.cli.training_run import Course, Job, declare_training, prepare, say, train
from csptrain.errors import CfgError

if TYPE_CHECKING:
    from csptrain.datasets.class_list import ClassList
    from csptrain.evaluate.measured import Measured
    from csptrain.graph import Graph

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
    files = sort_files(options.files, VERB)
    data, _ = find_class_data(files.data, say)
    for note in data.notes:
        say(f"note: {note}")
    wanted = Overrides(options.size, options.iterations, data.classes)
    job = prepare(options, files, data, wanted, lambda graph: _check(graph, data))
    train(job, _course(job, measures=options.topk or options.map))
    return 0


def _check(graph: Graph, data: DataSpec) -> None:
    from csptrain.layers.base import Head

    check_classifier(graph, data)
    if not any(isinstance(node.layer, Head) and node.layer.has_loss for node in graph.nodes):
        raise CfgError("has no [softmax] or [cost], so it cannot be trained", path=graph.path)
    graph.net.check_crops()


def _course(job: Job, measures: bool) -> Course:
    from csptrain.datasets.class_list import class_labels, read_class_list
    from csptrain.datasets.classification import ClassificationDataset
    from csptrain.train.settings import class_augmentation, map_interval

    options, data, graph = job.options, job.data, job.graph
    labels = class_labels(data)
    listed = read_class_list(need_list(data.train, "train", data), labels)
    _tell_missing(listed, labels)
    valid = read_class_list(need_list(data.valid, "valid", data), labels) if measures else None
    say(f"images: {len(listed)} to train" + ("" if valid is None else f", {len(valid)} to validate"))
    every, first = map_interval(graph, len(listed), EPOCHS)

    return Course(
        lambda seed: ClassificationDataset(listed, data.classes, class_augmentation(graph), job.feed(seed)),
        lambda _seed, _iteration: (graph.net.width, graph.net.height),
        None if valid is None else _evaluator(job, valid),
        options.topk_every or every,
        0 if options.topk_every else first,
    )


def _evaluator(job: Job, valid: ClassList) -> Callable[[], tuple[Measured, list[str]]]:
    from csptrain.datasets.class_images import ClassImages
    from csptrain.datasets.views import centre_crop
    from csptrain.evaluate.classification import accuracy, guess, torch_classifier

    net, data = job.graph.net, job.data
    images = ClassImages(valid.source, valid.images, centre_crop, (net.width, net.height), net.channels)
    classify = torch_classifier(job.network, job.device)
    top = min(data.top, data.classes)
    workers = min(pick_workers(None, len(valid)), job.workers)

    def evaluate() -> tuple[Measured, list[str]]:
        guesses = guess(classify, images, top, workers=workers)
        return accuracy(guesses, valid.classes, data.names), [str(error.path) for error in images.bad]

    return evaluate


def _tell_missing(listed: ClassList, labels: Sequence[str]) -> None:
    missing = listed.without(labels)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        say(f"note: {listed.source} has no image of {', '.join(missing[:_SHOWN])}{more}")
