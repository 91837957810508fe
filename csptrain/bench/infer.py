"""Inference: one network in several runtimes, or several networks in one, image by image on the same stream."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from csptrain.bench.alternate import Say, Turns, alternate
from csptrain.bench.result import Comparison, Figure
from csptrain.bench.runtimes import FloatArray
from csptrain.bench.side import Process, Side, SideFailed
from csptrain.errors import CfgError, ExportError
from csptrain.formats.darknet import fill, save_weights
from csptrain.formats.files import write_atomically
from csptrain.formats.lowering import lower
from csptrain.formats.onnx_model import OnnxOptions, build_onnx
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.opencv_export import TOLERANCE, compare, difference, network_input
from csptrain.formats.runtimes import RUNTIMES
from csptrain.formats.verify_matrix import randomized
from csptrain.graph import Graph
from csptrain.network import Network

OWN, OPENCV = "csptrain", "opencv"
ALL = (OWN, *RUNTIMES)
DEFAULT = (OWN, OPENCV, "onnxruntime", "openvino")
BF16 = (OWN, "openvino")
ERROR = "max error"
_SMALL = 96
_RANDOM_IMAGES = 4


@dataclass(frozen=True)
class Subject:
    """A network to run: its name, cfg text and plan; the weights (random ones without) and images (likewise)."""

    name: str
    text: str
    graph: Graph
    weights: Path | None = None
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """How to run: the runtimes, whether in bf16 too, on how many threads; csptrain's device, a Python with OpenCV 5."""

    threads: int
    runtimes: tuple[str, ...] = DEFAULT
    bf16: bool = False
    device: str = "cpu"
    opencv5_python: Path | None = None

    @property
    def variants(self) -> list[tuple[str, bool]]:
        """Each runtime in float32, and in bf16 where that is wanted and it can."""
        return [(one, amp) for one in self.runtimes for amp in (False, True) if not amp or (self.bf16 and one in BF16)]


def side_name(runtime: str, amp: bool) -> str:
    """How a runtime is called in the tables."""
    return f"{runtime} {'bf16' if amp else 'fp32'}" if runtime in BF16 else runtime


def runtimes(subject: Subject, wanted: Wanted, turns: Turns, say: Say) -> Comparison:
    """One network in all wanted runtimes, whose heads must agree with csptrain's; the baseline is OpenCV.

    Raises CspError for weights or images that cannot be read.
    """
    net, note = subject.graph.net, f"{ERROR}: of the heads, in parts of their range, against csptrain in float32"
    title = f"Inference of {subject.name}, {net.width}x{net.height}, batch 1"
    baseline = OPENCV if OPENCV in wanted.runtimes else side_name(*wanted.variants[0])
    what = Comparison(f"infer/{subject.name}", title, baseline, wanted.threads, notes=(note,))
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        prepared = Prepared(subject, Path(folder), wanted)
        sides, refused = [], []
        for runtime, amp in wanted.variants:
            name = side_name(runtime, amp)
            try:
                sides.append(prepared.side(runtime, amp, name))
            except ExportError as error:
                refused.append(Figure(name, left_out=error.message))
        found = alternate(what, sides, turns, say, prepared.reference.check)
    return replace(found, figures=(*found.figures, *refused))


def networks(subjects: Sequence[Subject], runtime: str, wanted: Wanted, turns: Turns, say: Say) -> Comparison:
    """Several networks in one runtime; the baseline is the first. Raises CspError."""
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        sides, refused = [], []
        references: dict[str, Reference] = {}
        for number, subject in enumerate(subjects):
            place = Path(folder, str(number))
            place.mkdir()
            prepared = Prepared(subject, place, wanted)
            references[subject.name] = prepared.reference
            try:
                sides.append(prepared.side(runtime, False, subject.name))
            except ExportError as error:
                refused.append(Figure(subject.name, left_out=error.message))
        title = f"Networks in {runtime}, batch 1"
        what = Comparison(f"networks/{runtime}", title, subjects[0].name, wanted.threads)
        found = alternate(what, sides, turns, say, lambda process: references[process.side.name].check(process))
    return replace(found, figures=(*found.figures, *refused))


@dataclass(frozen=True)
class Reference:
    """The heads of the first image as csptrain computes them; ``file`` is a place for those of others."""

    outputs: tuple[FloatArray, ...]
    file: Path

    def check(self, process: Process) -> None:
        """Say how far a side's heads are from these, unless it is known; raises SideFailed where they are others."""
        if ERROR in process.about:
            return
        process.save(self.file)
        with np.load(self.file) as archive:
            theirs = [archive[f"arr_{number}"] for number in range(len(self.outputs))]
        errors = [difference(ours, other) for ours, other in zip(self.outputs, theirs, strict=True)]
        error = max(off / reach if reach else off for off, reach in errors)
        process.about[ERROR] = f"{error:.0e}"
        if not (error <= TOLERANCE or process.side.options["amp"]):
            raise SideFailed(f"its heads are off by {error:.2g} of their range")


class Prepared:
    """A network in a folder with what its sides read: the cfg, weights, images, and exports as they are asked for."""

    def __init__(self, subject: Subject, folder: Path, wanted: Wanted) -> None:
        """Raises CspError for weights or images that cannot be read."""
        self.folder, self.wanted = folder, wanted
        planned, weights = subject.graph, subject.weights
        self.network = fill(planned, weights) if weights else random_network(planned)
        images = [network_input(self.network, path) for path in subject.images]
        shape, generator = planned.net.shape, torch.Generator().manual_seed(0)
        random = torch.rand(_RANDOM_IMAGES, shape.c, shape.h, shape.w, generator=generator)
        self.images = torch.cat(images) if images else random
        with torch.inference_mode():
            outputs = tuple(output.numpy() for output in self.network(self.images[:1]))
        self.reference = Reference(outputs, self._path("outputs.npz"))
        write_atomically(self._path("net.cfg"), [subject.text.encode()], ExportError)
        save_weights(self.network, self._path("net.weights"))
        np.save(self._path("images.npy"), self.images.numpy())

    def side(self, runtime: str, amp: bool, name: str) -> Side:
        """The side of a runtime; raises ExportError where it cannot run the network."""
        options: dict[str, object] = {"images": str(self._path("images.npy")), "amp": amp}
        python: str | None = None
        about: dict[str, str] = {}
        if runtime == OWN:
            options |= {name: str(self._path(f"net.{name}")) for name in ("cfg", "weights")}
            options["device"] = self.wanted.device
        elif runtime == OPENCV:
            pair, about = self._pair()
            options |= pair
        else:
            options |= self._model()
            if runtime.startswith("opencv"):
                python, options["engine"] = self._other_opencv(runtime)
        work = "opencv-onnx" if runtime.startswith("opencv5") else runtime
        return Side(name, work, options, self.wanted.threads, python, about)

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _pair(self) -> tuple[dict[str, object], dict[str, str]]:
        """The lowered pair; OpenCV decodes its heads, so that they are compared here."""
        cfg, weights = self._path("lowered.cfg"), self._path("lowered.weights")
        copy = lower(self.network).write(cfg, weights)
        backend = OpenCVBackend(cfg, weights)
        found = compare(self.network, copy, backend, [self.images[:1]])
        worst = max(head.relative for head in found)
        if not worst <= TOLERANCE:
            raise ExportError(f"its heads are off by {worst:.2g} of their range")
        return {"cfg": str(cfg), "weights": str(weights), "names": backend.head_names}, {ERROR: f"{worst:.0e}"}

    def _model(self) -> dict[str, object]:
        model, path = build_onnx(self.network, OnnxOptions("raw")), self._path("net.onnx")
        model.write(path)
        return {"model": str(path), "names": model.outputs}

    def _other_opencv(self, runtime: str) -> tuple[str | None, str]:
        if runtime == "opencv-onnx":
            return None, ""
        if self.wanted.opencv5_python is None:
            raise ExportError("OpenCV 5 is not given", hint="--opencv5-python names the Python that has it")
        return str(self.wanted.opencv5_python), "new" if runtime.endswith("new") else "classic"


def random_network(planned: Graph) -> Network:
    """A network of random weights whose maps keep their range; statistics are taken of small images where they can."""
    try:
        small = randomized(planned.resized(_SMALL, _SMALL))
        network = Network(planned, draw=False).eval()
        network.load_state_dict(small.state_dict())
    except (CfgError, RuntimeError):  # layers whose weights depend on the size
        return randomized(planned)
    return network
