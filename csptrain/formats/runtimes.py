"""All programs that run an exported network, behind one call: as a session for its outputs, or as a detector."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor, from_numpy

from csptrain.formats.lowering import lower
from csptrain.formats.onnx_model import NotInstalled, OnnxModel, build_onnx
from csptrain.formats.onnx_runtime import FloatArray, Session, open_onnxruntime, open_openvino
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.opencv_process import open_opencv
from csptrain.network import Network
from csptrain.ops.decode import Detections

#: `opencv` reads the Darknet pair of ``formats.lowering``; all others the ONNX model.
RUNTIMES = ("opencv", "opencv-onnx", "opencv5", "opencv5-new", "onnxruntime", "openvino")


@dataclass(frozen=True)
class RuntimeDetector:
    """A network in a runtime of this ``version``.

    ``detect`` takes images [N, C, H, W] in 0..1 and a threshold; it gives each image's candidates, relative to the
    input, as ``evaluate.detect`` wants them.
    """

    version: str
    detect: Callable[[Tensor, float], list[Detections]]


@contextmanager
def open_detector(network: Network, runtime: str, python: Path | None = None) -> Iterator[RuntimeDetector]:
    """The detector ``network`` as one of ``RUNTIMES`` computes it, exported as the verbs of ``csptrain export`` do.

    ``python`` is an interpreter that has OpenCV 5. Raises NotInstalled, ExportError.
    """
    if runtime == "opencv":
        yield RuntimeDetector(cv2.__version__, open_pair(network).detect)
        return
    with open_runtime(build_onnx(network), runtime, python) as session:
        yield session_detector(session)


@contextmanager
def open_runtime(model: OnnxModel, runtime: str, python: Path | None = None) -> Iterator[Session]:
    """A model in one of ``RUNTIMES`` that reads ONNX; raises NotInstalled, ExportError."""
    if runtime == "onnxruntime":
        yield open_onnxruntime(model)
    elif runtime == "openvino":
        yield open_openvino(model)
    elif runtime == "opencv-onnx":
        with open_opencv(model) as session:
            yield session
    elif python is None:
        raise NotInstalled("OpenCV 5 is not given", hint="--opencv5-python names the Python that has it")
    else:
        with open_opencv(model, python, "new" if runtime == "opencv5-new" else "classic") as session:
            yield session


def open_pair(network: Network) -> OpenCVBackend:
    """``network`` lowered and read by OpenCV 4; raises ExportError."""
    # OpenCV reads files only; it is done with them when it has read them.
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        cfg, weights = Path(folder, "net.cfg"), Path(folder, "net.weights")
        lower(network).write(cfg, weights)
        return OpenCVBackend(cfg, weights)


def session_detector(session: Session) -> RuntimeDetector:
    """The detector that a model with the outputs `boxes` and `scores` is."""

    def detect(images: Tensor, thresh: float) -> list[Detections]:
        outputs = session.run(images.detach().float().cpu().numpy())
        boxes, scores = (
            outputs[name].reshape(len(images), -1, outputs[name].shape[-1]) for name in ("boxes", "scores")
        )
        return [_candidates(*image, thresh) for image in zip(boxes, scores, strict=True)]

    return RuntimeDetector(session.version, detect)


def session_classifier(session: Session) -> Callable[[Tensor], Tensor]:
    """The classifier that a model is by its last output: images [N, C, H, W] in 0..1 -> [N, classes]."""

    def classify(images: Tensor) -> Tensor:
        *_, values = session.run(images.detach().float().cpu().numpy()).values()
        return from_numpy(values.reshape(len(images), -1))

    return classify


def _candidates(boxes: FloatArray, scores: FloatArray, thresh: float) -> Detections:
    """Boxes with a score above ``thresh``; the model keeps no objectness, and the best score stands for it."""
    rows = np.flatnonzero(scores.max(1) > np.float32(thresh))
    prob = scores[rows]
    best = prob.max(1, initial=0.0)
    prob[~(prob > np.float32(thresh))] = 0
    return Detections(boxes[rows], best, prob)
