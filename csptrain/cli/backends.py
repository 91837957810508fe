"""The choice of what computes a trained detector: csptrain itself, or a runtime that it is shipped to."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments, unknown
from csptrain.cli.trained import Trained
from csptrain.cli.voice import tell

if TYPE_CHECKING:
    from csptrain.evaluate.detect import Detector

OWN = "csptrain"


def declare_backend(parser: Arguments) -> None:
    """Add the options of a verb that may run a detector elsewhere."""
    parser.option(
        "backend",
        str,
        OWN,
        "what computes the network: csptrain (default); opencv, the OpenCV 4 of this Python, on the exported pair; or, "
        "on the ONNX model, opencv-onnx, opencv5, opencv5-new (its new engine), onnxruntime, openvino",
        metavar="NAME",
    )
    parser.option("opencv5_python", Path, None, "a Python with OpenCV 5, for opencv5 and opencv5-new", metavar="PATH")


@contextmanager
def open_backend(options: argparse.Namespace, trained: Trained) -> Iterator[Detector]:
    """The detector that was asked for; says which version of which program it is; raises UsageError, ExportError."""
    from csptrain.evaluate.detect import torch_detector
    from csptrain.formats.runtimes import RUNTIMES, open_detector

    if options.backend == OWN:
        yield torch_detector(trained.fused, trained.device)
        return
    if options.backend not in RUNTIMES:
        raise unknown("backend", options.backend, (OWN, *RUNTIMES))
    if trained.bf16:
        tell(f"note: --amp on changes the arithmetic of csptrain alone, not of {options.backend}")
    with open_detector(trained.network, options.backend, options.opencv5_python) as runtime:
        tell(f"backend: {options.backend} {runtime.version}")
        yield runtime.detect
