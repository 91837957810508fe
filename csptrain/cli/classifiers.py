"""What the classifier verbs share: their data, the check that a network is a classifier, their options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import DataSpec, read_dataset
from csptrain.cli.arguments import Arguments, UsageError
from csptrain.cli.session import Say
from csptrain.cli.trained import declare_network
from csptrain.errors import CfgError

if TYPE_CHECKING:
    from csptrain.graph import Graph

IMAGENET = Path("data/imagenet.data")
IMAGENET_IMAGES = Path("data/imagenet/train")


def find_class_data(given: Path | None, say: Say) -> tuple[DataSpec, bool]:
    """The data set with the names of its classes: the one given, else ImageNet when it is there; never a built-in one.

    Raises DataError, and UsageError where there is none.
    """
    from csptrain.datasets.class_list import class_names

    if given is None:
        if not (IMAGENET.exists() and IMAGENET_IMAGES.is_dir()):
            raise UsageError(
                f"no data file is given, and there is no {IMAGENET_IMAGES}",
                hint="csptrain classifier VERB x.data net.cfg; scripts/get_imagenet.sh arranges ImageNet",
            )
        given = IMAGENET
        say(f"data: {IMAGENET}")
    data = read_dataset(given)
    return replace(data, names=class_names(data)), False


def check_classifier(graph: Graph, data: DataSpec) -> None:
    """Raise CfgError for a network with boxes, or one that does not give a value for each class of the data."""
    if graph.box_heads:
        raise graph.box_heads[0].error("predicts boxes, so this is no classifier", hint="csptrain detector runs it")
    if _values(graph) != data.classes:
        last = graph.nodes[graph.heads[-1]].layer
        what = f"gives {_values(graph)} values, but {data.path} has {data.classes} classes"
        raise last.error(what, hint="name the data file and cfg of the same training")


def check_any_size(graph: Graph) -> None:
    """Raise CfgError for a network whose weights or classes are only right for one input size."""
    from csptrain.network import Network

    other = graph.resized(graph.net.width, 2 * graph.net.height)
    shapes, others = ([p.shape for p in Network(each, shapes_only=True).parameters()] for each in (graph, other))
    if shapes != others or _values(other) != _values(graph):
        raise CfgError("runs at one size only, for want of an [avgpool] before its last layers", path=graph.path)


def _values(graph: Graph) -> int:
    return graph.nodes[graph.heads[-1]].output.outputs


def declare(parser: Arguments) -> None:
    """Add the options of every verb that runs a trained classifier."""
    declare_network(parser)
    parser.flag("dontuse_opencv", "accepted; images are always resized by Darknet's own rule here")
