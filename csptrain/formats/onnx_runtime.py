"""The programs of this Python that run an ONNX model: onnxruntime and OpenVINO."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from csptrain.errors import ExportError
from csptrain.formats.onnx_model import NotInstalled, OnnxModel

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Session:
    """A model opened in a runtime of this ``version``.

    ``run`` takes images [N, C, H, W] and gives name of an output -> [N, ...]; it raises ExportError.
    """

    version: str
    run: Callable[[FloatArray], dict[str, FloatArray]]


def open_onnxruntime(model: OnnxModel) -> Session:
    """Images go one at a time through the CPU; raises NotInstalled, or ExportError where it refuses the model."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise NotInstalled("onnxruntime is not installed", hint="pip install 'csptrain[onnx]'")
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    # Its errors have no base of their own.
    errors = tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))
    version = str(onnxruntime.__version__)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
    except errors as error:
        raise _refused("onnxruntime", version, error) from None

    def run(images: FloatArray) -> dict[str, FloatArray]:
        try:
            parts = [session.run(list(model.outputs), {"image": image[None]}) for image in images]
        except errors as error:
            raise _refused("onnxruntime", version, error) from None
        return _stacked(model.outputs, parts)

    return Session(version, run)


def open_openvino(model: OnnxModel) -> Session:
    """Images go one at a time through the CPU in float32; raises NotInstalled, ExportError."""
    if importlib.util.find_spec("openvino") is None:
        raise NotInstalled("OpenVINO is not installed", hint="pip install 'csptrain[openvino]'")
    import openvino

    version = str(openvino.__version__).split("-")[0]
    # Without the hint a CPU that has bfloat16 computes with it.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(model.data, b""), "CPU", settings)
    except RuntimeError as error:
        raise _refused("OpenVINO", version, error) from None

    def run(images: FloatArray) -> dict[str, FloatArray]:
        parts = []
        try:
            for image in images:
                found = compiled({"image": image[None]})
                parts.append([np.array(found[name]) for name in model.outputs])
        except RuntimeError as error:
            raise _refused("OpenVINO", version, error) from None
        return _stacked(model.outputs, parts)

    return Session(version, run)


def _stacked(names: Sequence[str], parts: Sequence[Sequence[FloatArray]]) -> dict[str, FloatArray]:
    return {name: np.stack(arrays) for name, *arrays in zip(names, *parts, strict=True)}


def _refused(who: str, version: str, error: Exception) -> ExportError:
    return ExportError(f"{who} {version} refuses the model: {' '.join(str(error).split())[:300]}")
