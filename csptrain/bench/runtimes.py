"""Works of inference: images of a stream, one at a time, to the arrays of the heads, in one runtime each.

Every pass takes the next image, float32 [1, C, H, W] in 0..1, and gives NumPy arrays. A function imports the runtime
that it needs and no other, so that its process holds nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from csptrain.bench.work import Work

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FloatArray = npt.NDArray[np.float32]
Options = Mapping[str, Any]


def _stream(options: Options) -> Iterator[FloatArray]:
    images = np.load(options["images"])
    return cycle([np.ascontiguousarray(image[None]) for image in images])


def _threads() -> int:
    return int(os.environ["OMP_NUM_THREADS"])


def csptrain(options: Options) -> Work:
    """The network as the verbs run it, with channels last; ``amp`` computes in bf16."""
    import torch

    from csptrain.formats.darknet import load

    device = torch.device(options["device"])
    network = load(options["cfg"], options["weights"], lenient=True).to(device)
    network = network.fused(torch.bfloat16 if options["amp"] else torch.float32, consume=True)
    about = {"version": f"torch {torch.__version__.partition('+')[0]}"}
    return _in_torch(network, _stream(options), device, torch.channels_last, about)


def plain(options: Options) -> Work:
    """The plain baseline, which keeps all outputs."""
    import torch

    from csptrain import graph
    from csptrain.bench.plain import PlainNetwork

    network = PlainNetwork(graph.load(options["cfg"], lenient=True)).eval()
    device = torch.device(options["device"])
    return _in_torch(network.to(device), _stream(options), device, torch.contiguous_format, {})


def _in_torch(
    network: nn.Module,
    stream: Iterator[FloatArray],
    device: torch.device,
    layout: torch.memory_format,
    about: Mapping[str, str],
) -> Work:
    import torch

    def run() -> list[FloatArray]:
        image = torch.from_numpy(next(stream)).to(device, memory_format=layout)
        with torch.inference_mode():
            outputs: list[Tensor] = network(image)
        return [output.float().cpu().numpy() for output in outputs]

    return Work(run, about, device_peak(device))


def device_peak(device: torch.device) -> Callable[[], int] | None:
    """What counts the memory of a device that has its own."""
    import torch

    return (lambda: torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None


def opencv(options: Options) -> Work:
    """The lowered pair in OpenCV 4; ``names`` are its heads, which OpenCV decodes."""
    import cv2

    net = cv2.dnn.readNetFromDarknet(options["cfg"], options["weights"])
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    return _in_opencv(net, _stream(options), options["names"])


def opencv_onnx(options: Options) -> Work:
    """The ONNX model in the OpenCV of this Python; ``engine`` is a choice that OpenCV 5 has."""
    from csptrain.formats.opencv_worker import read_model

    return _in_opencv(read_model(options["model"], options["engine"]), _stream(options), options["names"])


def _in_opencv(net: Any, stream: Iterator[FloatArray], names: Sequence[str]) -> Work:
    import cv2

    cv2.setNumThreads(_threads())

    def run() -> list[FloatArray]:
        net.setInput(next(stream))
        return list(net.forward(list(names)))

    return Work(run, {"version": str(cv2.__version__)})


def onnxruntime(options: Options) -> Work:
    """The ONNX model in onnxruntime on the CPU."""
    import onnxruntime as runtime

    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = _threads()
    settings.log_severity_level = 3
    session = runtime.InferenceSession(options["model"], settings, providers=["CPUExecutionProvider"])
    names, stream = list(options["names"]), _stream(options)
    return Work(lambda: session.run(names, {"image": next(stream)}), {"version": str(runtime.__version__)})


def openvino(options: Options) -> Work:
    """The ONNX model in OpenVINO on the CPU; ``amp`` lets it compute in bf16."""
    import openvino as runtime

    settings = {"INFERENCE_PRECISION_HINT": "bf16" if options["amp"] else "f32", "INFERENCE_NUM_THREADS": _threads()}
    core = runtime.Core()
    compiled = core.compile_model(core.read_model(Path(options["model"])), "CPU", settings)
    names, stream = list(options["names"]), _stream(options)

    def run() -> list[FloatArray]:
        found = compiled({"image": next(stream)}, share_inputs=True)
        return [np.array(found[name]) for name in names]

    return Work(run, {"version": str(runtime.__version__).split("-")[0]})
