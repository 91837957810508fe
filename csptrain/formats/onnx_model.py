"""A network as an ONNX model, written node by node from its plan: no tracing, and layer names one can find again."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from csptrain import __version__
from csptrain.errors import ExportError
from csptrain.formats.files import write_atomically
from csptrain.graph import IMAGE
from csptrain.layers.anchors import AnchorHead, BoxHead
from csptrain.layers.base import Layer
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.softmax import Softmax
from csptrain.layers.target import NoEquivalent
from csptrain.network import Network

OPSETS = range(13, 22)
DEFAULT_OPSET = 13
OUTPUTS = ("raw", "boxes", "nms")
MOST_BYTES = 2**31 - 2**20  # protobuf's limit, less some room for what is not weights


class NotInstalled(ExportError):
    """A package or program that is not there, with what would install it as the hint."""


@dataclass(frozen=True)
class OnnxOptions:
    """What to write.

    ``output`` is `raw` (every head as Darknet's layer holds it), `boxes` (boxes [N, B, 4], x y w h relative to the
    network's input, and scores [N, B, classes]) or `nms` (detections [M, 7]: image, class, score, x, y, w, h, after
    suppression class by class). A network without boxes gives its heads in any case; a vector as [N, classes].
    ``also`` are layers whose outputs are outputs of the model too, under their own names.
    """

    output: str = "boxes"
    dynamic_batch: bool = False
    opset: int = DEFAULT_OPSET
    thresh: float = 0.25
    overlap: float = 0.45
    names: tuple[str, ...] = ()
    also: tuple[int, ...] = ()


@dataclass(frozen=True)
class OnnxModel:
    """A serialized model, the names of its outputs, and for each cfg layer the name of its value."""

    data: bytes = field(repr=False)
    outputs: tuple[str, ...]
    layers: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write the file atomically; raises ExportError."""
        write_atomically(path, [self.data], ExportError)


def build_onnx(network: Network, options: OnnxOptions | None = None) -> OnnxModel:
    """Write ``network`` as ONNX; its batch normalization is folded into the convolutions.

    Raises:
        ExportError: the package onnx is missing, a layer cannot be said in ONNX (with its line), heads whose boxes
            do not go together, or more weights than a file can hold.
    """
    options = options or OnnxOptions()
    onnx = import_onnx()
    if options.opset not in OPSETS:
        raise ExportError(f"opset {options.opset}", hint=f"legal: {OPSETS.start}..{OPSETS.stop - 1}")
    target = OnnxTarget(network.graph.net.shape, None if options.dynamic_batch else 1, options.opset)
    values = _layers(network, target)
    outputs = _outputs(network, target, values, options)
    outputs += [values[index] for index in options.also if values[index].name not in {value.name for value in outputs}]
    rows = {"detections"} if options.output == "nms" else set()
    data = _serialize(onnx, network, target, outputs, rows, options)
    return OnnxModel(data, tuple(value.name for value in outputs), tuple(value.name for value in values))


def import_onnx() -> ModuleType:
    """The package onnx; raises NotInstalled where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise NotInstalled("ONNX needs the package onnx", hint="pip install 'csptrain[onnx]'") from None
    module: ModuleType = onnx
    return module


def _layers(network: Network, target: OnnxTarget) -> list[Value]:
    values: dict[int, Value] = {IMAGE: target.image}
    for node, module in zip(network.graph.nodes, network.layers, strict=True):
        layer = node.layer
        target.enter(f"{layer.index}_{layer.kind}")
        try:
            values[layer.index] = target.leave(
                layer.to_onnx(target, [values[source] for source in node.sources], module)
            )
        except NoEquivalent as found:
            raise _refusal(layer, found) from None
    return [values[index] for index in range(len(network.graph.nodes))]


def _outputs(network: Network, target: OnnxTarget, values: Sequence[Value], options: OnnxOptions) -> list[Value]:
    heads = network.graph.heads
    box_heads = network.graph.box_heads
    if options.output == "raw":
        return [_output(target, values[index], f"{values[index].name}_output") for index in heads]
    if options.output == "nms" and not box_heads:
        raise ExportError("has no layer that gives boxes", path=network.graph.path, hint="leave out --nms")
    outputs = _decoded(network, target, values, options) if box_heads else []
    for index in heads:
        layer, value = network.graph.nodes[index].layer, values[index]
        if isinstance(layer, BoxHead):
            continue
        if value.shape.h * value.shape.w == 1:
            target.enter("probabilities" if isinstance(layer, Softmax) and len(heads) == 1 else f"{value.name}_vector")
            value = target.leave(target.reshape(value, value.shape.c))
        outputs.append(_output(target, value, f"{value.name}_output"))
    return outputs


def _output(target: OnnxTarget, value: Value, name: str) -> Value:
    """``value``, copied under ``name`` where it is the input itself."""
    if value != target.image:
        return value
    target.enter(name)
    return target.leave(target.apply("Identity", value))


def _decoded(network: Network, target: OnnxTarget, values: Sequence[Value], options: OnnxOptions) -> list[Value]:
    net, heads = network.graph.net, network.graph.box_heads
    if len({head.classes for head in heads}) > 1:
        error = heads[-1].error("the heads differ in their classes", "classes")
        raise ExportError(error.message, path=error.path, line=error.line, hint="export them with --output raw")
    parts = []
    for head in heads:
        target.enter(f"{head.index}_{head.kind}_boxes")
        try:
            parts.append(head.onnx_boxes(target, values[head.index], net.width, net.height))
        except NoEquivalent as found:
            raise _refusal(head, found) from None
    boxes, scores = [], []
    for one, other in parts:
        boxes.append(one)
        scores.append(other)
    joined = []
    for name, pieces in (("boxes", boxes), ("scores", scores)):
        target.enter(name)
        value = target.concatenate(pieces)
        joined.append(target.leave(value if len(pieces) > 1 else target.apply("Identity", value)))
    return [_suppressed(target, joined[0], joined[1], options)] if options.output == "nms" else joined


def _suppressed(target: OnnxTarget, boxes: Value, scores: Value, options: OnnxOptions) -> Value:
    """detections [M, 7] in Darknet's order of thought: class by class, the best box of each heap stays."""
    target.enter("detections")
    by_class = target.transpose(scores, 2, 1)
    most = np.asarray([boxes.dims[0]], np.int64)
    limits = [np.asarray([limit], np.float32) for limit in (options.overlap, options.thresh)]
    found = target.emit("NonMaxSuppression", [boxes, by_class, most, *limits], (3,), {"center_point_box": 1})
    of_box = target.emit("Gather", [found, np.asarray([0, 2], np.int64)], (2,), {"axis": 1})
    kept = target.emit("GatherND", [boxes, of_box], (4,))
    score = target.emit("GatherND", [by_class, found], ())
    score = target.emit("Reshape", [score, np.asarray([-1, 1], np.int64)], (1,))
    place = target.emit("Gather", [found, np.asarray([0, 1], np.int64)], (2,), {"axis": 1})
    numbers = target.emit("Cast", [place], (2,), {"to": 1})
    return target.leave(target.concatenate([numbers, score, kept]))


def _serialize(
    onnx: Any,
    network: Network,
    target: OnnxTarget,
    outputs: Sequence[Value],
    rows: Collection[str],
    options: OnnxOptions,
) -> bytes:
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    batch: int | str = "N" if options.dynamic_batch else 1

    def described(name: str, dims: Sequence[int]) -> Any:
        return helper.make_tensor_value_info(name, floats, ["M" if name in rows else batch, *dims])

    needed = _needed(target, outputs)
    operations = [operation for operation in target.operations if operation.output in needed]
    constants = {name: array for name, array in target.constants.items() if name in needed}
    if sum(array.nbytes for array in constants.values()) > MOST_BYTES:
        raise ExportError("holds more weights than one ONNX file can", path=network.graph.path)
    # Sizes of what suppression leaves are known to the runtime alone.
    known = [operation.output for operation in operations if not operation.output.startswith("detections")]
    graph = helper.make_graph(
        [
            helper.make_node(
                operation.operator, operation.inputs, [operation.output], operation.output, **operation.attributes
            )
            for operation in operations
        ],
        Path(network.graph.path).stem or "network",
        [described(target.image.name, target.image.dims)],
        [described(value.name, value.dims) for value in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        value_info=[
            described(name, target.dims[name]) for name in known if name not in {value.name for value in outputs}
        ],
    )
    opset = helper.make_opsetid("", options.opset)
    model = helper.make_model(
        graph,
        producer_name="csptrain",
        producer_version=__version__,
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
    )
    helper.set_model_props(model, metadata(network, options))
    data: bytes = model.SerializeToString()
    return data


def _needed(target: OnnxTarget, outputs: Sequence[Value]) -> set[str]:
    """Names of all values and constants that the outputs depend on."""
    needed = {value.name for value in outputs}
    for operation in reversed(target.operations):
        if operation.output in needed:
            needed.update(operation.inputs)
    return needed


def metadata(network: Network, options: OnnxOptions) -> dict[str, str]:
    """What a program needs beside the graph, as text under keys; lists and numbers are JSON."""
    net = network.graph.net
    fit = "letterboxed with grey 0.5" if net.letter_box else "stretched, without letterbox,"
    entries: dict[str, object] = {
        "csptrain_version": __version__,
        "cfg": Path(network.graph.path).name,
        "seen": network.seen,
        "preprocessing": f"RGB, 0..1, {fit} to {net.width}x{net.height} (width x height)",
        "letter_box": int(bool(net.letter_box)),
        "width": net.width,
        "height": net.height,
        "channels": net.channels,
        "output": options.output,
        "boxes": "x y w h of centre and size, relative to the network's input",
        "names": options.names,
        "anchors": {
            str(head.index): head.anchor_pairs for head in network.graph.box_heads if isinstance(head, AnchorHead)
        },
    }
    if options.output == "nms":
        entries |= {"thresh": options.thresh, "overlap": options.overlap}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in entries.items()}


def _refusal(layer: Layer, found: NoEquivalent) -> ExportError:
    error = layer.error(found.reason, found.key)
    return ExportError(error.message, path=error.path, line=error.line, hint="a layer is never left out")
