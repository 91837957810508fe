"""The programs that run an ONNX model, behind one call: onnxruntime, OpenVINO, and OpenCV in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from csptrain.errors import ExportError
from csptrain.formats import opencv_worker
from csptrain.formats.onnx_model import NotInstalled, OnnxModel

FloatArray = npt.NDArray[np.float32]

WORKER_SECONDS = 600


@dataclass(frozen=True)
class Ran:
    """What a runtime of this ``version`` gave: name of an output -> [N, ...]."""

    version: str
    outputs: dict[str, FloatArray]


def run_onnxruntime(model: OnnxModel, images: FloatArray) -> Ran:
    """Images [N, C, H, W] one at a time on the CPU; raises NotInstalled, or ExportError where it refuses the model."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise NotInstalled("onnxruntime is not installed", hint="pip install 'csptrain[onnx]'")
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    # Its errors have no base of their own.
    errors = tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
        parts = [session.run(list(model.outputs), {"image": image[None]}) for image in images]
    except errors as error:
        raise _refused("onnxruntime", onnxruntime.__version__, error) from None
    return Ran(onnxruntime.__version__, _stacked(model.outputs, parts))


def run_openvino(model: OnnxModel, images: FloatArray) -> Ran:
    """Images [N, C, H, W] one at a time on the CPU in float32; raises NotInstalled, ExportError."""
    if importlib.util.find_spec("openvino") is None:
        raise NotInstalled("OpenVINO is not installed", hint="pip install 'csptrain[openvino]'")
    import openvino

    version = openvino.__version__.split("-")[0]
    # Without the hint a CPU that has bfloat16 computes with it.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(model.data, b""), "CPU", settings)
        parts = []
        for image in images:
            found = compiled({"image": image[None]})
            parts.append([np.array(found[name]) for name in model.outputs])
    except RuntimeError as error:
        raise _refused("OpenVINO", version, error) from None
    return Ran(version, _stacked(model.outputs, parts))


def run_opencv(model: OnnxModel, images: FloatArray, python: Path | None = None, engine: str = "") -> Ran:
    """Images [N, C, H, W] one at a time in the OpenCV of another ``python``, else of this one.

    It always runs in a process of its own, because OpenCV's importer may end its process.

    Raises NotInstalled, ExportError.
    """
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        place, pictures, result = (Path(folder, name) for name in ("model.onnx", "images.npy", "result.npz"))
        place.write_bytes(model.data)
        np.save(pictures, images)
        program = str(python or sys.executable)
        words = [program, opencv_worker.__file__, str(place), engine, str(pictures), str(result), *model.outputs]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=WORKER_SECONDS, check=False)
        except OSError as error:
            raise NotInstalled(f"cannot be started: {error.strerror}", path=program) from None
        except subprocess.TimeoutExpired:
            raise ExportError(f"OpenCV does not answer within {WORKER_SECONDS} seconds") from None
        if done.returncode < 0:
            raise ExportError(f"OpenCV crashes on it (signal {-done.returncode})")
        if done.returncode:
            # Its own log stands before what the worker writes last.
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            missing = "No module named" in last[0]
            raise (NotInstalled if missing else ExportError)(f"OpenCV: {last[0]}", path=program if missing else None)
        with np.load(result) as archive:
            outputs = {name: archive[str(number)] for number, name in enumerate(model.outputs)}
            return Ran(str(archive["version"]), outputs)


def opencv_version(python: Path) -> str:
    """The version of the OpenCV of another Python; raises NotInstalled."""
    code = "import cv2; print(cv2.__version__)"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"cannot be started: {error}", path=python) from None
    if done.returncode:
        raise NotInstalled("has no OpenCV", path=python, hint="pip install 'opencv-python>=5'")
    return done.stdout.strip()


def _stacked(names: Sequence[str], parts: Sequence[Sequence[FloatArray]]) -> dict[str, FloatArray]:
    return {name: np.stack(arrays) for name, *arrays in zip(names, *parts, strict=True)}


def _refused(who: str, version: str, error: Exception) -> ExportError:
    return ExportError(f"{who} {version} refuses the model: {' '.join(str(error).split())[:300]}")
