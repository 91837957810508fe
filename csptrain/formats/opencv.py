"""OpenCV's DNN module as a second runtime: heads, single layers and detections of a Darknet cfg and weights."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from csptrain import graph
from csptrain.errors import ExportError
from csptrain.graph import Graph
from csptrain.layers.base import Head
from csptrain.ops.decode import BOX_ENTRIES, Detections, concatenate

FloatArray = npt.NDArray[np.float32]


class OpenCVBackend:
    """A Darknet pair read by OpenCV 4 and run on the CPU.

    Only what ``formats.lowering`` writes is sure to be computed as Darknet does. The cfg is read by csptrain too
    (leniently), for the classes and order of its heads, whose names in OpenCV are ``head_names``.

    Raises:
        CfgError: csptrain cannot read the cfg.
        ExportError: OpenCV cannot read the pair, or it is OpenCV 5, which reads no Darknet files.
    """

    def __init__(self, cfg: str | os.PathLike[str], weights: str | os.PathLike[str], *, fusion: bool = True) -> None:
        self.graph: Graph = graph.load(cfg, lenient=True)
        self._path = os.fspath(cfg)
        read = getattr(cv2.dnn, "readNetFromDarknet", None)
        if read is None:
            raise ExportError(
                f"OpenCV {cv2.__version__} reads no Darknet files", path=cfg, hint="pip install 'opencv-python<5'"
            )
        with self._complaints():
            self._net = read(os.fspath(cfg), os.fspath(weights))
        self._net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        self._net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
        self._net.enableFusion(fusion)
        names = tuple(str(name) for name in self._net.getLayerNames())
        self.head_names = tuple(self._head_name(index, names) for index in self.graph.heads)

    def head_outputs(self, images: Tensor) -> list[FloatArray]:
        """[N, C, H, W] 0..1 RGB -> one array per head of ``graph.heads``.

        A box head gives [N, rows, 5 + classes]: x y w h relative to the input, objectness, and per class the
        probability times the objectness, cells row by row, anchors innermost; another head [N, C, H, W].
        """
        parts = [self._run(image, self.head_names) for image in images]
        shaped = []
        for index, outputs in zip(self.graph.heads, zip(*parts, strict=True), strict=True):
            node = self.graph.nodes[index]
            boxes = isinstance(node.layer, Head) and node.layer.has_boxes
            tail = (-1, outputs[0].shape[-1]) if boxes else (node.output.c, node.output.h, node.output.w)
            shaped.append(np.stack([output.reshape(tail) for output in outputs]))
        return shaped

    def convolution_output(self, images: Tensor, index: int) -> FloatArray:
        """[N, C, H, W] -> what the convolution that is layer ``index`` gives before its activation."""
        return np.concatenate([self._run(image, [f"conv_{index}"])[0] for image in images])

    def detect(self, images: Tensor, thresh: float) -> list[Detections]:
        """The candidates of each image of [N, C, H, W], as csptrain's own heads decode them.

        A [region] has OpenCV's own suppression at an overlap of 0.4 behind it, which cannot be switched off.
        """
        found: list[list[Detections]] = []
        for index, rows in zip(self.graph.heads, self.head_outputs(images), strict=True):
            layer = self.graph.nodes[index].layer
            if isinstance(layer, Head) and layer.has_boxes:
                found.append([_detections(image, layer.kind, thresh) for image in rows])
        if not found:
            raise ExportError("has no layer that gives boxes", path=self._path)
        return [concatenate(image) for image in zip(*found, strict=True)]

    def _run(self, image: Tensor, names: Sequence[str]) -> list[FloatArray]:
        # One image at a time: OpenCV 4.14 refuses [scale_channels] with more.
        self._net.setInput(np.ascontiguousarray(image.detach().float().cpu().numpy()[None]))
        with self._complaints():
            return [np.array(output, np.float32) for output in self._net.forward(list(names))]

    def _head_name(self, index: int, names: tuple[str, ...]) -> str:
        kind = self.graph.nodes[index].layer.kind
        if kind == "region":
            return "detection_out"
        # Without a head it is the last layer, behind which an activation may stand under a name of its own.
        return f"{kind}_{index}" if f"{kind}_{index}" in names and kind in ("yolo", "softmax") else names[-1]

    @contextlib.contextmanager
    def _complaints(self) -> Iterator[None]:
        """OpenCV's exceptions as one ExportError, without its own lines on the terminal."""
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            yield
        except cv2.error as error:
            reason = " ".join((error.err or str(error)).split())
            raise ExportError(f"OpenCV {cv2.__version__} cannot compute it: {reason}", path=self._path) from None
        finally:
            cv2.utils.logging.setLogLevel(level)


def _detections(rows: FloatArray, kind: str, thresh: float) -> Detections:
    """Rows of one image and head as candidates, with the thresholds of ``ops.decode``."""
    if kind == "yolo":
        rows = rows[rows[:, 4] > np.float32(thresh)]
    prob = rows[:, BOX_ENTRIES:].copy()
    prob[~(prob > np.float32(thresh))] = 0
    objectness = rows[:, 4].copy() if kind == "yolo" else np.ones(len(rows), np.float32)
    return Detections(rows[:, :4].copy(), objectness, prob)
