"""How good an exported model is in onnxruntime: the AP50 of a detector, the top-1 accuracy of a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import DataSpec, read_dataset
from csptrain.cli.classifiers import check_classifier, find_class_data
from csptrain.cli.trained import check_classes, pick_list, progress_bar
from csptrain.cli.voice import tell

if TYPE_CHECKING:
    from csptrain.evaluate.classification import ClassificationResult
    from csptrain.evaluate.map_result import MapResult
    from csptrain.formats.onnx_model import OnnxModel
    from csptrain.formats.onnx_runtime import Session
    from csptrain.graph import Graph


def read_data(path: Path, graph: Graph) -> DataSpec:
    """The data file of a detector or classifier; raises DataError, or CfgError where its classes are others."""
    if graph.box_heads:
        data = read_dataset(path)
        check_classes(graph, data)
    else:
        data, _ = find_class_data(path, tell)
        check_classifier(graph, data)
    return data


def figure_name(graph: Graph) -> str:
    """What ``figure_of`` measures."""
    return "AP50" if graph.box_heads else "top-1"


def figure_of(graph: Graph, model: OnnxModel, data: DataSpec, split: str) -> float:
    """The figure of a model with the outputs that `boxes` gives, on a split of the data; raises CspError."""
    from csptrain.formats.runtimes import open_runtime

    with open_runtime(model, "onnxruntime") as session:
        if graph.box_heads:
            return _detections(graph, session, data, split).map
        return _guesses(graph, session, data, split).top1


def _detections(graph: Graph, session: Session, data: DataSpec, split: str) -> MapResult:
    from csptrain.datasets.sources import read_split
    from csptrain.evaluate.detect import eval_dataset, evaluate_detector
    from csptrain.formats.runtimes import session_detector

    images = eval_dataset(graph, read_split(data, split))
    with progress_bar(len(images)) as progress:
        evaluator = evaluate_detector(graph, session_detector(session).detect, images, data.names, progress=progress)
    _tell_bad(len(images.bad))
    return evaluator.result()


def _guesses(graph: Graph, session: Session, data: DataSpec, split: str) -> ClassificationResult:
    from csptrain.datasets.class_images import ClassImages
    from csptrain.datasets.class_list import class_labels, read_class_list
    from csptrain.datasets.views import centre_crop
    from csptrain.evaluate.classification import accuracy, guess
    from csptrain.formats.runtimes import session_classifier

    net = graph.net
    listed = read_class_list(pick_list(data, split), class_labels(data))
    images = ClassImages(listed.source, listed.images, centre_crop, (net.width, net.height), net.channels)
    with progress_bar(len(images)) as progress:
        guesses = guess(session_classifier(session), images, 1, progress=progress)
    _tell_bad(len(images.bad))
    return accuracy(guesses, listed.classes, data.names)


def _tell_bad(count: int) -> None:
    if count:
        tell(f"note: {count} image(s) cannot be decoded and are left out")
