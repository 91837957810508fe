"""What a side does, as the process that does it knows it; needs nothing but Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Work:
    """One pass is one call of ``run``; ``about`` is said of it, words by the name of their column.

    ``device_peak`` gives the bytes that were in use at most where that is not the process's own memory.
    """

    run: Callable[[], object]
    about: Mapping[str, str] = field(default_factory=dict)
    device_peak: Callable[[], int] | None = None


#: Name of a work -> the function that prepares it from a mapping of options, and packages that are there before it.
#: Their memory is that of the process, not of the work.
WORKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "csptrain": ("csptrain.bench.runtimes:csptrain", ("torch", "csptrain.formats.darknet")),
    "opencv": ("csptrain.bench.runtimes:opencv", ("cv2",)),
    "opencv-onnx": ("csptrain.bench.runtimes:opencv_onnx", ("cv2",)),
    "onnxruntime": ("csptrain.bench.runtimes:onnxruntime", ("onnxruntime",)),
    "openvino": ("csptrain.bench.runtimes:openvino", ("openvino",)),
    "plain": ("csptrain.bench.runtimes:plain", ("torch", "csptrain.bench.plain")),
    "train": ("csptrain.bench.training:own", ("csptrain.bench.training",)),
    "train-plain": ("csptrain.bench.training:plain", ("csptrain.bench.training",)),
    "pipeline": ("csptrain.bench.pipeline:pipeline", ("csptrain.bench.pipeline",)),
    "decode": ("csptrain.bench.pipeline:decode", ("csptrain.bench.pipeline",)),
    "coco": ("csptrain.bench.evaluation:own_coco", ("csptrain.evaluate.coco",)),
    "pycocotools": ("csptrain.bench.evaluation:pycocotools_alone", ("pycocotools.cocoeval",)),
    "map": ("csptrain.bench.evaluation:darknet_map", ("csptrain.evaluate.detection",)),
    "nms": ("csptrain.bench.suppression:own", ("csptrain.ops.nms",)),
    "nms-loop": ("csptrain.bench.suppression:loop", ("torch",)),
    "load": ("csptrain.bench.loading:own", ("torch", "csptrain.formats.darknet")),
    "read": ("csptrain.bench.loading:read", ("numpy",)),
}

#: Works that run in a process as the command line sets it up, which the others must not be helped or hindered by.
AS_THE_COMMAND = frozenset({"csptrain", "train", "pipeline", "coco", "map", "nms", "load"})


def prepare(name: str, options: Mapping[str, Any], imported: Callable[[str], Any]) -> Callable[[], Work]:
    """A call that prepares one of ``WORKS``; its packages are imported, by ``imported``, before it is given."""
    place, packages = WORKS[name]
    for package in packages:
        imported(package)
    module, _, function = place.partition(":")
    make = getattr(imported(module), function)
    return lambda: make(options)
