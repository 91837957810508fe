"""Does another runtime compute what csptrain computes? Every head, and the first layer where they part."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from csptrain.errors import ExportError
from csptrain.formats.lowering import lower
from csptrain.formats.onnx_model import DEFAULT_OPSET, NotInstalled, OnnxModel, OnnxOptions, build_onnx
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.opencv_export import TOLERANCE, HeadError, compare, difference
from csptrain.formats.runtimes import open_runtime
from csptrain.network import Network

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RuntimeReport:
    """How far a runtime is off: ``heads`` of all quantities, ``layers`` in order where they were compared.

    ``refused`` is why it cannot run the network, ``missing`` why there is no such runtime; either is None else.
    """

    runtime: str
    version: str = ""
    heads: tuple[HeadError, ...] = ()
    layers: tuple[HeadError, ...] = ()
    refused: str | None = None
    missing: str | None = None

    @property
    def worst(self) -> HeadError | None:
        """The head entry of the largest relative error."""
        return max(self.heads, key=lambda head: np.nan_to_num(head.relative, nan=np.inf), default=None)

    def agrees(self, tolerance: float = TOLERANCE) -> bool:
        """Whether it ran and every head is within ``tolerance`` parts of its range."""
        return bool(self.heads) and all(head.relative <= tolerance for head in self.heads)

    def first_diverging(self, tolerance: float = TOLERANCE) -> HeadError | None:
        """The first layer that is not within ``tolerance`` parts of its range."""
        return next((layer for layer in self.layers if not layer.relative <= tolerance), None)

    def as_dict(self, tolerance: float = TOLERANCE) -> dict[str, object]:
        """The report for JSON."""
        first = self.first_diverging(tolerance)
        return {
            "runtime": self.runtime,
            "version": self.version,
            "agrees": self.agrees(tolerance),
            "missing": self.missing,
            "refused": self.refused,
            "heads": [head.as_dict() for head in self.heads],
            "layers": [layer.as_dict() for layer in self.layers],
            "first_off": None if first is None else first.layer,
        }


@dataclass(frozen=True)
class Verification:
    """What is compared: a network in evaluation mode on images, each [N, C, H, W].

    ``python`` is an interpreter that has OpenCV 5.
    """

    network: Network
    images: tuple[Tensor, ...]
    python: Path | None = None
    opset: int = DEFAULT_OPSET
    tolerance: float = TOLERANCE

    def report(self, runtime: str, layers: bool = False) -> RuntimeReport:
        """Run one of ``formats.runtimes.RUNTIMES``; ``layers`` compares every layer even where the heads agree.

        A runtime that is missing or refuses the network is said in the report.
        """
        try:
            return self._lowered() if runtime == "opencv" else self._onnx(runtime, layers)
        except NotInstalled as error:
            return RuntimeReport(runtime, missing=str(error))
        except ExportError as error:
            return RuntimeReport(runtime, refused=error.message)

    def _lowered(self) -> RuntimeReport:
        import cv2

        lowered = lower(self.network)
        with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
            cfg, weights = Path(folder, "lowered.cfg"), Path(folder, "lowered.weights")
            copy = lowered.write(cfg, weights)
            heads = compare(self.network, copy, OpenCVBackend(cfg, weights), self.images)
        return RuntimeReport("opencv", cv2.__version__, tuple(heads))

    def _onnx(self, runtime: str, layers: bool) -> RuntimeReport:
        network = self.network
        names = len({head.classes for head in network.graph.box_heads}) <= 1
        options = OnnxOptions("boxes" if names else "raw", opset=self.opset, also=network.graph.heads)
        heads = self.network.graph.heads
        version, found = self._compare(runtime, build_onnx(network, options), self.images, heads)
        report = RuntimeReport(runtime, version, _worst(found))
        if not layers and report.agrees(self.tolerance):
            return report
        every = tuple(range(len(network.graph.nodes)))
        model = build_onnx(network, replace(options, output="raw", also=every))
        try:
            _, found = self._compare(runtime, model, self.images[:1], every)
        except ExportError:
            if layers:
                raise
            return report  # it cannot give its layers, and that its heads are off is the news
        return replace(report, layers=tuple(found))

    def _compare(
        self, runtime: str, model: OnnxModel, batches: Sequence[Tensor], layers: Sequence[int]
    ) -> tuple[str, list[HeadError]]:
        """The version of the runtime, and the entries of all batches."""
        with open_runtime(model, runtime, self.python) as session:
            found = [
                entry
                for images in batches
                for entry in self._entries(model, images, session.run(images.numpy()), layers)
            ]
            return session.version, found

    def _entries(
        self, model: OnnxModel, images: Tensor, outputs: dict[str, FloatArray], layers: Sequence[int]
    ) -> Iterator[HeadError]:
        with torch.inference_mode():
            ours = self.network.layer_outputs(images)
        seen = set[str]()
        for index in layers:
            name = model.layers[index]
            # A layer that gives its input on has no value of its own.
            if name in outputs and name not in seen:
                seen.add(name)
                yield self._entry(index, "output", ours[index].detach().numpy(), outputs[name])
        if "boxes" in outputs:
            yield from self._compare_boxes(ours, outputs)

    def _compare_boxes(self, ours: Sequence[Tensor], outputs: dict[str, FloatArray]) -> Iterator[HeadError]:
        net, start = self.network.graph.net, 0
        for head in self.network.graph.box_heads:
            decoded = head.decode(ours[head.index], net.width, net.height, float("-inf"))
            end = start + len(decoded[0])
            for quantity, mine in (
                ("boxes", np.stack([image.boxes for image in decoded])),
                ("scores", np.stack([image.prob for image in decoded])),
            ):
                theirs = outputs[quantity].reshape(len(decoded), -1, mine.shape[2])
                yield self._entry(head.index, quantity, mine, theirs[:, start:end])
            start = end

    def _entry(self, index: int, quantity: str, ours: FloatArray, theirs: FloatArray) -> HeadError:
        return HeadError(index, self.network.graph.nodes[index].layer.kind, quantity, *difference(ours, theirs))


def random_images(network: Network, count: int = 2) -> Tensor:
    """[count, C, H, W] uniform in 0..1, the same at every call."""
    shape = network.graph.net.shape
    return torch.rand(count, shape.c, shape.h, shape.w, generator=torch.Generator().manual_seed(0))


def _worst(found: Sequence[HeadError]) -> tuple[HeadError, ...]:
    """Of each head and quantity the largest relative error."""
    worst: dict[tuple[int, str], HeadError] = {}
    for one in found:
        key = (one.layer, one.quantity)
        if key not in worst or not one.relative <= worst[key].relative:
            worst[key] = one
    return tuple(worst.values())
