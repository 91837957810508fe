"""Write an ONNX model with its README and programs, and only where onnxruntime then computes what csptrain computes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from csptrain.errors import ExportError
from csptrain.formats.files import staged
from csptrain.formats.onnx_model import OnnxModel, OnnxOptions, build_onnx
from csptrain.formats.onnx_precision import to_fp16, to_int8
from csptrain.formats.onnx_runtime import open_onnxruntime
from csptrain.formats.opencv_export import TOLERANCE, difference
from csptrain.formats.ready import Exported, Ready, write_ready
from csptrain.formats.verify import RuntimeReport, Verification, random_images
from csptrain.network import Network


@dataclass(frozen=True)
class OnnxExport:
    """A model that may be written: how far onnxruntime is off, the ``exact`` model, and the one in its ``precision``.

    ``change`` is the largest difference between the two, in parts of the range of an output; None where they are the
    same or give detections.
    """

    network: Network
    options: OnnxOptions
    precision: str
    report: RuntimeReport
    exact: OnnxModel
    model: OnnxModel
    change: float | None = None

    def write(self, place: Path) -> Ready:
        """The file and what comes beside it, all or nothing; raises ExportError."""
        words = {"fp32": "the model", "fp16": "the model, in float16", "int8": "the model, its convolutions in 8 bits"}
        options = self.options
        files = {place.name: words[self.precision]}
        with staged(place.parent, ExportError) as stage:
            self.model.write(stage / place.name)
            return write_ready(
                Exported(self.network.graph, "onnx", files, options.names, options.output), stage, place.parent
            )


def prepare_onnx(
    network: Network,
    options: OnnxOptions,
    precision: str = "fp32",
    calibration: Iterable[Tensor] = (),
    tolerance: float = TOLERANCE,
) -> OnnxExport:
    """The model in `fp32`, `fp16` or `int8`, compared in float32 with csptrain where onnxruntime is there.

    ``calibration`` are images [1, C, H, W] for int8. Raises ExportError where a head differs by more than ``tolerance``
    parts of its range.
    """
    model = exact = build_onnx(network, options)
    check = Verification(network, (random_images(network),), opset=options.opset, tolerance=tolerance)
    report = check.report("onnxruntime")
    _judge(network, report, tolerance)
    if precision == "fp16":
        model = to_fp16(model, network.graph)
    elif precision == "int8":
        model = to_int8(model, network.graph, calibration)
    change = None if model is exact else _change(network, exact, model)
    return OnnxExport(network, options, precision, report, exact, model, change)


def _change(network: Network, exact: OnnxModel, model: OnnxModel) -> float | None:
    """The largest difference of an output on a random image, in parts of its range.

    Raises ExportError where numbers are lost.
    """
    image = random_images(network, 1).numpy()
    ours, theirs = (open_onnxruntime(one).run(image) for one in (exact, model))
    if not all(np.isfinite(found).all() for found in theirs.values()):
        raise ExportError("its numbers are too large for this precision", path=network.graph.path)
    if "detections" in ours:
        return None
    parts = (difference(ours[name], theirs[name]) for name in ours)
    return max(error / max(reach, 1e-12) for error, reach in parts)


def _judge(network: Network, report: RuntimeReport, tolerance: float) -> None:
    worst = report.worst
    if report.missing or report.agrees(tolerance):
        return
    if worst is None:
        raise ExportError(f"{report.refused}: nothing was written", path=network.graph.path)
    raise ExportError(
        f"layer {worst.layer} [{worst.kind}]: onnxruntime differs: {worst.quantity} by {worst.error:.3g} of "
        f"{worst.reach:.3g}",
        path=network.graph.path,
        hint=f"allowed are {tolerance:g} parts of the range; nothing was written",
    )
