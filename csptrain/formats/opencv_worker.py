"""Runs an ONNX model in OpenCV as a script of this or another Python, with whatever OpenCV that has.

It needs OpenCV and NumPy alone: ``python opencv_worker.py FOLDER ENGINE NAME...`` reads ``model.onnx`` of the folder
and answers with the version of OpenCV. After every line that it is given it runs ``images.npy``, writes ``result.npz``
and answers again.
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

MODEL, IMAGES, RESULT = "model.onnx", "images.npy", "result.npz"
ANSWER = "csptrain: "  # OpenCV may print lines of its own


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
    """Serve until the input ends; the arrays of a result are ``0``, ``1``, ... in the order of the names."""
    folder, engine, *names = arguments
    cv2.setNumThreads(int(os.environ.get("OMP_NUM_THREADS", "0")) or -1)
    try:
        net = read_model(os.path.join(folder, MODEL), engine)
        _answer(cv2.__version__)
        for _ in iter(sys.stdin.readline, ""):
            outputs = run_model(net, np.load(os.path.join(folder, IMAGES)), names)
            np.savez(os.path.join(folder, RESULT), *outputs)
            _answer("done")
    except cv2.error as error:
        sys.stderr.write(" ".join((error.err or str(error)).split()))
        return 1
    return 0


def _answer(text: str) -> None:
    sys.stdout.write(f"{ANSWER}{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
