"""``csptrain verify --darknet``: the objects or probabilities that the user's own Darknet finds, beside csptrain's."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.exporting import find_images
from csptrain.cli.session import Overrides, load_graph, sort_files
from csptrain.cli.trained import fraction, positive
from csptrain.cli.voice import say, show, show_object, tell
from csptrain.errors import ExportError

if TYPE_CHECKING:
    from csptrain.evaluate.same_objects import SameObjects
    from csptrain.formats.darknet_program import DarknetProgram, Pixels
    from csptrain.graph import Graph
    from csptrain.network import Network
    from csptrain.ops.decode import Detections

VERB = "verify"
THRESH = 0.25
# Enough to compare; a program that writes its answer with strcat is slow with many thousands.
MOST_OBJECTS = 300
_OTHERS = ("runtimes", "opencv5_python", "layers", "opset", "matrix", "markdown")
_HEADS = ("yolo", "Gaussian_yolo", "region")


def declare_darknet(parser: Arguments) -> None:
    """Add the options of the comparison with a Darknet program."""
    parser.option("darknet", Path, None, "a darknet executable: compare what it finds, alone", metavar="PATH")
    parser.option(
        "thresh",
        fraction,
        None,
        f"least score of an object, with --darknet ({THRESH}; with random weights the best {MOST_OBJECTS} a picture)",
        metavar="T",
    )
    parser.option("seconds", positive, None, "time that the darknet program has (600)", metavar="N")


def run_darknet(options: argparse.Namespace, parser: Arguments) -> int:
    """Compare, print the table, and return 1 where the two differ; raises CspError."""
    from csptrain.formats.darknet_program import LEAST_SCORE, SECONDS, DarknetError, DarknetProgram

    for name in _OTHERS:
        if getattr(options, name):
            flag = f"--{name.replace('_', '-')}"
            raise parser.error(f"--darknet compares with that program alone, {flag} has no effect beside it")
    files = sort_files(options.words, VERB)
    if files.data is not None:
        raise parser.error(f"no data file is needed, found {files.data}")
    program = DarknetProgram.find(options.darknet, options.seconds or SECONDS)
    graph, cfg = load_graph(files.cfg, Overrides(size=options.size), say, options.lenient)
    _refuse(graph)
    if options.thresh is not None and not graph.box_heads:
        raise parser.error("--thresh has no effect on a classifier")
    if options.thresh is not None and options.thresh < LEAST_SCORE:
        raise parser.error(f"--thresh {options.thresh:g}: Darknet writes no objects below {LEAST_SCORE:g}")
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        network, weights = _weights(graph, files.weights, options.partial, Path(folder))
        names, pictures = _pictures(graph, [path for word in files.inputs for path in find_images(word)])
        sides = _Sides(program, network, cfg, weights, names, pictures, options.tolerance)
        default = None if files.weights is None else THRESH
        try:
            record = sides.objects(options.thresh or default) if graph.box_heads else sides.probabilities()
        except DarknetError as error:
            for line in error.tail:
                tell(f"{program.path.name}: {line}", always=True)
            raise
    net = graph.net
    show_object(
        {
            "cfg": str(files.cfg),
            "weights": None if files.weights is None else str(files.weights),
            "input": [net.width, net.height, net.channels],
            "images": len(pictures) if files.inputs else 0,
            "tolerance": options.tolerance,
            "agree": record["agree"],
            "darknet": {"program": str(program.path), **record},
        }
    )
    return 0 if record["agree"] else 1


def _refuse(graph: Graph) -> None:
    """Raise for what the command line of Darknet does not run, or runs on another part of the picture."""
    from csptrain.layers.hierarchy import HierarchyHead

    net = graph.net
    for node in graph.nodes:
        if isinstance(node.layer, HierarchyHead) and node.layer.tree:
            raise node.layer.error("a tree of classes cannot be compared with a Darknet program", "tree")
    for head in graph.box_heads:
        if head.kind not in _HEADS:
            raise head.error("cannot be compared: Darknet's detector test is for [yolo] and [region]")
    if net.inputs and not (net.width and net.height) or net.channels not in (1, 3):
        raise ExportError("takes no pictures, and that is all a Darknet program can be given", path=graph.path)
    if net.time_steps > 1:
        raise ExportError(
            f"takes sequences of {net.time_steps} pictures, Darknet is given single ones", path=graph.path
        )
    if not graph.box_heads and (net.width != net.height or net.channels != 3):
        raise ExportError(
            "Darknet's classifier predict cuts another part out of a picture unless the input is square and in colour",
            path=graph.path,
        )


def _weights(graph: Graph, given: Path | None, partial: bool, folder: Path) -> tuple[Network, Path]:
    """The network and a file with all of its weights; where the given one leaves some, or is none, a new one."""
    from csptrain.formats.darknet import fill, save_weights
    from csptrain.formats.verify_matrix import randomized
    from csptrain.formats.weights import fills_all

    network = randomized(graph) if given is None else fill(graph, given, partial)
    if given is not None and fills_all(graph, given, partial):
        return network, given
    path = folder / "net.weights"
    save_weights(network, path)
    return network, path


def _pictures(graph: Graph, paths: Sequence[Path]) -> tuple[list[str], list[Pixels]]:
    """Names and pixels; without paths two random pictures, one of the network's size and one that must be resized."""
    import cv2
    import numpy as np

    from csptrain.datasets.image import load_image

    net = graph.net
    if paths:
        return [str(path) for path in paths], [load_image(path, net.channels) for path in paths]
    # Patches, so that both sizes show the same and a deep network has something to find.
    patches = np.random.default_rng(0).integers(0, 256, (13, 13, net.channels)).astype(np.uint8)
    sizes = ((net.width, net.height), (net.width * 3 // 4 + 1, net.height // 2 + 3))
    shown = [cv2.resize(patches, size, interpolation=cv2.INTER_LINEAR).reshape(*size[::-1], -1) for size in sizes]
    return [f"random {width}x{height}" for width, height in sizes], [np.asarray(each, np.uint8) for each in shown]


@dataclass(frozen=True)
class _Sides:
    """csptrain's network and the program, which reads the same from ``cfg`` and ``weights``; and what both are shown.

    The records are for JSON, ``agree`` among them.
    """

    program: DarknetProgram
    network: Network
    cfg: str
    weights: Path
    names: list[str]
    pictures: list[Pixels]
    tolerance: float

    def objects(self, thresh: float | None) -> dict[str, object]:
        """Compare objects above ``thresh``, None for one that leaves some hundred; prints a line a picture."""
        from csptrain.evaluate.detect import torch_detector
        from csptrain.evaluate.look import as_input
        from csptrain.evaluate.same_objects import same_objects, worst
        from csptrain.formats.darknet_program import LEAST_SCORE, NMS, ROUNDING

        tolerance = self.tolerance + ROUNDING
        graph, detect = self.network.graph, torch_detector(self.network)
        least = max((LEAST_SCORE if thresh is None else thresh) - tolerance, 0.0)
        ours = [detect(as_input(graph, picture), least)[0] for picture in self.pictures]
        if thresh is None:
            thresh = max(_telling(ours), LEAST_SCORE)
        theirs = self.program.detect(self.cfg, self.weights, self.pictures, graph.box_heads[0].classes, thresh)
        self._head(f"objects above {thresh:g}")
        show(f"  {'picture':<32}{'csptrain':>9}{'Darknet':>9}{'pixels':>10}{'of side':>10}{'score':>10}  alone")
        found = []
        for name, picture, one, other in zip(self.names, self.pictures, ours, theirs, strict=True):
            size = (picture.shape[1], picture.shape[0])
            found.append(same_objects(graph, one, other, size, thresh, NMS, tolerance))
            show(_line(name, found[-1]))
        total = worst(found)
        show(_line("all", total))
        agree = total.agree(tolerance)
        if total.ours or total.theirs:
            show(f"  {'agree' if agree else 'DIFFER'} within {self.tolerance:g}")
        else:
            show("  there is nothing to compare, a lower --thresh gives some")
        pictures = [{"picture": name, **asdict(same)} for name, same in zip(self.names, found, strict=True)]
        return {"agree": agree, "thresh": thresh, **asdict(total), "pictures": pictures}

    def probabilities(self) -> dict[str, object]:
        """Compare the probabilities of all classes, or whatever the last layer gives; prints a line a picture."""
        import numpy as np
        from torch import from_numpy

        from csptrain.datasets.image import to_planes
        from csptrain.datasets.views import centre_crop
        from csptrain.evaluate.classification import torch_classifier
        from csptrain.formats.darknet_program import ROUNDING

        net, classify = self.network.graph.net, torch_classifier(self.network)
        views = [centre_crop(to_planes(picture), (net.width, net.height)) for picture in self.pictures]
        ours = [classify(from_numpy(np.ascontiguousarray(view)))[0].cpu().numpy() for view in views]
        theirs = self.program.classify(self.cfg, self.weights, self.pictures, len(ours[0]))
        self._head(f"probabilities of {len(ours[0])} classes")
        show(f"  {'picture':<32}{'csptrain':>18}{'Darknet':>18}{'error':>11}{'of range':>10}")
        errors, within, pictures = [], True, []
        for name, one, other in zip(self.names, ours, theirs, strict=True):
            error, most = (float(np.nan_to_num(np.abs(each), nan=np.inf).max()) for each in (one - other, one))
            within &= error <= self.tolerance * most + ROUNDING
            first, second = (f"{side.argmax()}: {side.max():.6f}" for side in (one, other))
            show(f"  {name[-31:]:<32}{first:>18}{second:>18}{error:>11.1e}{error / max(most, ROUNDING):>10.1e}")
            errors.append(error)
            pictures.append({"picture": name, "ours": int(one.argmax()), "theirs": int(other.argmax()), "error": error})
        show(f"  {'agree' if within else 'DIFFER'} within {self.tolerance:g} of the largest")
        return {"agree": within, "error": max(errors), "pictures": pictures}

    def _head(self, what: str) -> None:
        net = self.network.graph.net
        show(f"csptrain against {self.program.path}, {what}, {net.width}x{net.height}:")


def _telling(found: Sequence[Detections]) -> float:
    """A threshold that leaves about ``MOST_OBJECTS`` a picture before suppression, 0 where there are not so many."""
    import numpy as np

    scores = np.sort(np.concatenate([one.prob[one.prob > 0] for one in found]))[::-1].astype(np.float64)
    last = MOST_OBJECTS * len(found)
    if len(scores) <= last:
        return 0.0
    # In the widest gap of the last tenth, so that rounding puts no score on the other side.
    near = scores[last * 9 // 10 : last + 1]
    gap = int((near[:-1] - near[1:]).argmax())
    return float(near[gap] + near[gap + 1]) / 2


def _line(name: str, same: SameObjects) -> str:
    alone = f"{same.ours_alone} here, {same.theirs_alone} there" if same.ours_alone or same.theirs_alone else "0"
    undecided = f", {same.undecided} undecided" if same.undecided else ""
    return (
        f"  {name[-31:]:<32}{same.ours:>9}{same.theirs:>9}{same.pixels:>10.1e}{same.box:>10.1e}{same.score:>10.1e}"
        f"  {alone}{undecided}"
    )
