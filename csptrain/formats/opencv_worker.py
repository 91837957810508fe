"""Runs an ONNX model in OpenCV, in this process or as a script of another Python with another OpenCV.

As a script it needs OpenCV and NumPy alone: ``python opencv_worker.py MODEL ENGINE IMAGES.npy RESULT.npz NAME...``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def read_model(path: str, engine: str = "") -> Any:
    """OpenCV's network of a model; ``engine`` `classic` or `new` is a choice that OpenCV 5 alone has."""
    choice = [getattr(cv2.dnn, f"ENGINE_{engine.upper()}")] if engine else []
    net = cv2.dnn.readNetFromONNX(path, *choice)
    if engine != "new":
        # The new engine runs on the CPU only and knows no choice.
        net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    return net


def run_model(net: Any, images: FloatArray, names: Sequence[str]) -> list[FloatArray]:
    """[N, C, H, W], one image at a time -> the named outputs, [N, ...] each."""
    parts = []
    for image in images:
        net.setInput(np.ascontiguousarray(image[None]))
        parts.append([np.array(output, np.float32) for output in net.forward(list(names))])
    return [np.stack(outputs) for outputs in zip(*parts, strict=True)]


def main(arguments: Sequence[str]) -> int:
    """Write the outputs of the images to an archive: ``0``, ``1``, ... in the order of the names, and ``version``."""
    model, engine, images, result, *names = arguments
    cv2.setNumThreads(int(os.environ.get("OMP_NUM_THREADS", "0")) or -1)
    try:
        outputs = run_model(read_model(model, engine), np.load(images), names)
    except cv2.error as error:
        sys.stderr.write(" ".join((error.err or str(error)).split()))
        return 1
    named: dict[str, Any] = {str(place): array for place, array in enumerate(outputs)}
    np.savez(result, version=np.array(cv2.__version__), **named)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
