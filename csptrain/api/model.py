"""A network with what one does with it: the torch module of a cfg, and predict, train and export upon it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from csptrain import graph
from csptrain.api.prediction import Found, Pixels, Prediction
from csptrain.cfg.dataset import read_dataset, read_lines
from csptrain.cli.inputs import expand
from csptrain.errors import CfgError, DataError
from csptrain.formats.weights import fills_all, load_weights
from csptrain.graph import Graph
from csptrain.network import Network

if TYPE_CHECKING:
    from csptrain.evaluate.detect import Detector

StrPath = str | os.PathLike[str]
#: A picture: its file, or pixels uint8 [H, W, 3] RGB. A path may also be a folder, a pattern or a list of paths (.txt).
Picture = StrPath | Pixels
Names = StrPath | Sequence[str]
#: Pictures that an export is compared on at most.
MOST_COMPARED = 16


def load(
    cfg: StrPath,
    weights: StrPath | None = None,
    lenient: bool = False,
    partial: bool = False,
    *,
    names: Names | None = None,
) -> Model:
    """The network of a cfg, filled from a weights file when one is given; float32, in evaluation mode.

    Args:
        lenient: read the cfg as Darknet does: mistakes become ``model.graph.findings``.
        partial: accept a weights file that ends early or goes on.
        names: of the classes: a list, a file with one a line, or a data file.

    Raises:
        CfgError, WeightsError, DataError

    >>> model = load("tiny.cfg", names=["red", "blue"])
    >>> model.names
    ('red', 'blue')
    >>> [node.output.c for node in model.graph.nodes]
    [8, 16, 24, 14, 14]
    """
    return Model(graph.load(cfg, lenient), weights, lenient=lenient, partial=partial, names=names)


class Model(Network):
    """The network of a cfg as a torch module, with verbs.

    Everything of `csptrain.Network` and of a torch module works as ever: call it with images [N, C, H, W], ask it for
    ``layer_outputs``, move it with ``.to("cuda")``. Attributes: ``graph``, ``names`` of the classes, ``seen`` images.
    """

    def __init__(
        self,
        planned: Graph,
        weights: StrPath | None = None,
        *,
        lenient: bool = False,
        partial: bool = False,
        names: Names | None = None,
    ) -> None:
        """Fill the network of a graph from a file; without one its start weights are drawn. Raises as `load` does."""
        super().__init__(planned, draw=weights is None or not fills_all(planned, weights, partial))
        if weights is not None:
            load_weights(self, weights, partial)
        self.weights = weights
        self.names = _names(planned, names)
        self._flags = [flag for flag, given in (("--lenient", lenient), ("--partial", partial)) if given]
        self.eval()

    def predict(
        self, images: Picture | Sequence[Picture], *, thresh: float = 0.25, nms: float = 0.45
    ) -> list[Prediction]:
        """The objects on one or more pictures, one answer for each.

        Args:
            images: files, folders, patterns like ``a/*.jpg``, lists (.txt), or pixels uint8 [H, W, 3] RGB.
            thresh: least probability of an object.
            nms: overlap above which the weaker of two boxes goes; 0 keeps all.

        Raises:
            DataError: nothing of that name, or what is no image.
            CfgError: a network without boxes.

        >>> model = load("tiny.cfg", "tiny.weights", names="tiny.names")
        >>> (found,) = model.predict("images/00.png", thresh=0.001)
        >>> found.path, found.size
        ('images/00.png', (48, 40))
        >>> found.objects[0].name in model.names
        True
        >>> found.save("found.png")
        """
        from csptrain.evaluate.detect import torch_detector

        if not self.graph.box_heads:
            raise CfgError("has no [yolo] or [region] layer, so it finds no objects", path=self.graph.path)
        detect = torch_detector(self, next(self.parameters()).device)
        given = [images] if isinstance(images, (str, os.PathLike, np.ndarray)) else list(images)
        return [self._look(detect, path, pixels, thresh, nms) for path, pixels in _opened(given)]

    # Torch's own train() chooses the mode of a module and is called by eval(); a path asks for a training.
    @overload
    def train(self, mode: bool = True) -> Model: ...
    @overload
    def train(
        self,
        data: StrPath,
        /,
        *,
        iterations: int | None = None,
        size: int | tuple[int, int] | None = None,
        map: bool = False,
        seed: int = 0,
        backup: StrPath | None = None,
        device: str | None = None,
        workers: int | None = None,
        resume: bool = False,
        quiet: bool = False,
    ) -> Model: ...
    def train(
        self,
        mode: bool | StrPath = True,
        *,
        iterations: int | None = None,
        size: int | tuple[int, int] | None = None,
        map: bool = False,
        seed: int = 0,
        backup: StrPath | None = None,
        device: str | None = None,
        workers: int | None = None,
        resume: bool = False,
        quiet: bool = False,
    ) -> Model:
        """Train on a data file, as ``csptrain detector train`` (or ``classifier train``) does; the trained model.

        It starts from the weights file that the model was loaded with, else from fresh weights, and this model stays as
        it is. ``True`` and ``False`` are torch's own: they choose the module's mode.

        Args:
            mode: the data file (.data or .yaml).
            iterations: length instead of the cfg's; size: input size or (width, height) instead of the cfg's.
            map: measure on the validation list while training and give the best weights, not the last.
            backup: folder for weights, log and chart instead of the data file's.
            quiet: print nothing.

        Raises:
            CspError: what the command would say.

        >>> trained = load("tiny.cfg").train("tiny.data", iterations=4, workers=0, quiet=True)
        >>> trained.names, trained.seen
        (('red', 'blue'), 16)
        """
        if isinstance(mode, bool):
            super().train(mode)
            return self
        data = read_dataset(mode)
        words = [os.fspath(mode), os.fspath(self.graph.path)]
        words += [] if self.weights is None else [os.fspath(self.weights)]
        options = {
            "iterations": iterations,
            "size": f"{size[0]}x{size[1]}" if isinstance(size, tuple) else size,
            "seed": seed,
            "backup": None if backup is None else os.fspath(backup),
            "device": device,
            "workers": workers,
        }
        words += [f"--{key}={value}" for key, value in options.items() if value is not None]
        words += [flag for flag, given in (("-map", map), ("--resume", resume)) if given]
        if self.graph.box_heads:
            from csptrain.cli.detector_train import run
        else:
            from csptrain.cli.classifier_train import run
        _command(run, [*words, *self._flags], quiet)
        folder, stem = Path(backup or data.backup), Path(self.graph.path).stem
        best = folder / f"{stem}_best.weights"
        weights = best if map and best.exists() else folder / f"{stem}_final.weights"
        return load(folder / f"{stem}.cfg", weights, names=data.names)

    def export(self, target: StrPath, *, images: StrPath | None = None) -> list[Path]:
        """Write the network for another runtime, compared with it first; the files that were written.

        Args:
            target: ``x.onnx`` for onnxruntime, OpenVINO and OpenCV 5; else a folder for a cfg and weights of OpenCV 4.
            images: an image, a folder, a pattern or a list to compare on too, for OpenCV 4.

        Raises:
            ExportError: the runtime cannot compute the network equally; nothing is written then.

        >>> model = load("tiny.cfg", "tiny.weights", names="tiny.names")
        >>> [path.name for path in model.export("out")]
        ['tiny.cfg', 'tiny.names', 'tiny.weights', 'README.md', 'detect.py', 'detect.cpp']
        """
        place, stem = Path(target), Path(self.graph.path).stem
        if place.suffix == ".onnx":
            from csptrain.formats.onnx_export import prepare_onnx
            from csptrain.formats.onnx_model import OnnxOptions

            return [place, *prepare_onnx(self, OnnxOptions(names=self.names)).write(place).written]
        from csptrain.formats.opencv_export import export_opencv

        pictures = [] if images is None else [Path(path) for path in expand([os.fspath(images)])[:MOST_COMPARED]]
        report = export_opencv(self, place, stem, pictures, names=self.names)
        return [path for path in (report.cfg, report.names, report.weights, *report.ready.written) if path is not None]

    def _look(self, detect: Detector, path: str | None, pixels: Pixels, thresh: float, nms: float) -> Prediction:
        import cv2

        from csptrain.evaluate.look import look
        from csptrain.evaluate.pixels import pixel_edges
        from csptrain.report.draw import confident

        seen = pixels
        if self.graph.net.channels == 1:
            seen = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None], np.uint8)
        found, _ = look(self.graph, detect, seen, thresh, nms)
        boxes, labels, scores = confident(found, thresh)
        size = (pixels.shape[1], pixels.shape[0])
        edges = pixel_edges(boxes, size).tolist()
        objects = [
            Found(self.names[label], label, score, (left, top, right, bottom))
            for (left, top, right, bottom), label, score in zip(edges, labels.tolist(), scores.tolist(), strict=True)
        ]
        return Prediction(path, size, tuple(reversed(objects)), pixels if path is None else None)


def _names(planned: Graph, names: Names | None) -> tuple[str, ...]:
    """The names of the classes, class0, class1 ... where none are given; raises DataError for another number."""
    heads = planned.box_heads
    classes = heads[0].classes if heads else planned.nodes[-1].output.outputs
    path: str | None = None
    if names is None:
        found = tuple(f"class{number}" for number in range(classes))
    elif not isinstance(names, (str, os.PathLike)):
        found = tuple(names)
    else:
        path = os.fspath(names)
        is_data = path.endswith((".data", ".yaml", ".yml"))
        found = read_dataset(path).names if is_data else tuple(word for _, word in read_lines(Path(path), "names"))
    if len(found) != classes:
        raise DataError(f"{len(found)} names, but the network {planned.path} has {classes} classes", path=path)
    return found


def _opened(given: Iterable[Picture]) -> Iterator[tuple[str | None, Pixels]]:
    """Each picture with its path; raises DataError."""
    from csptrain.datasets.image import load_image

    for picture in given:
        if not isinstance(picture, np.ndarray):
            for path in expand([os.fspath(picture)]):
                yield path, load_image(path)
        elif picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size:
            yield None, picture
        else:
            raise DataError(
                f"an array of {picture.dtype} {list(picture.shape)} is no picture", hint="legal: uint8 [H, W, 3] RGB"
            )


def _command(run: Callable[[list[str]], int], words: list[str], quiet: bool) -> None:
    """Run a verb of the command line; what it prints is kept back where ``quiet`` is asked for."""
    with ExitStack() as stack:
        if quiet:
            stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(redirect_stderr(io.StringIO()))
        run(words)
