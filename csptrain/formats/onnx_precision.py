"""An ONNX model with smaller numbers: float16, or 8 bits calibrated on images. Heads and boxes stay in float32."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from csptrain.errors import ExportError
from csptrain.formats.onnx_model import NotInstalled, OnnxModel, import_onnx
from csptrain.graph import Graph

#: What is computed in 8 bits. Curved activations are not: they cost accuracy, and are composed of several operators.
QUANTIZED = ("Conv", "LeakyRelu", "Relu", "Add", "Concat", "Resize", "MaxPool", "AveragePool")


def to_fp16(model: OnnxModel, graph: Graph) -> OnnxModel:
    """Weights and maps in float16 up to the heads; input and outputs stay float32. Raises NotInstalled."""
    onnx = import_onnx()
    proto = onnx.load_from_string(model.data)
    exact = set(_exact(proto, graph))
    halves = _Halves(onnx, proto, {node.output[0] for node in proto.graph.node if node.name not in exact})
    nodes = [new for node in proto.graph.node for new in halves.rewritten(node, node.name in exact)]
    kept = {name for node in nodes for name in node.input}
    constants = [one for one in (*proto.graph.initializer, *halves.constants) if one.name in kept]
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(constants)
    for info in proto.graph.value_info:
        if info.name in halves.made:
            info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    return replace(model, data=proto.SerializeToString())


class _Halves:
    """The nodes of a model rewritten in float16; ``made`` are the values that are so, ``constants`` what they need."""

    def __init__(self, onnx: ModuleType, proto: Any, made: set[str]) -> None:
        self.made = made
        self.constants: list[Any] = []
        self._onnx = onnx
        self._initial = {one.name: one for one in proto.graph.initializer}
        self._there: set[str] = set()  # casts and constants that stand already

    def rewritten(self, node: Any, exact: bool) -> Iterator[Any]:
        """The node, behind the casts that it needs."""
        types = self._onnx.TensorProto
        for place, name in enumerate(node.input):
            if not exact and name in self._initial:
                # The factors of Resize are float32 in any case.
                if node.op_type != "Resize" and self._initial[name].data_type == types.FLOAT:
                    node.input[place] = self._constant(name)
            elif exact == (name in self.made):
                node.input[place] = cast = f"{name}/{'float32' if exact else 'float16'}"
                if self._is_new(cast):
                    kind = types.FLOAT if exact else types.FLOAT16
                    yield self._onnx.helper.make_node("Cast", [name], [cast], cast, to=kind)
        yield node

    def _constant(self, name: str) -> str:
        half = f"{name}/float16"
        if self._is_new(half):
            limits = np.finfo(np.float16)
            values = np.clip(self._onnx.numpy_helper.to_array(self._initial[name]), limits.min, limits.max)
            self.constants.append(self._onnx.numpy_helper.from_array(values.astype(np.float16), half))
        return half

    def _is_new(self, name: str) -> bool:
        new = name not in self._there
        self._there.add(name)
        return new


def to_int8(model: OnnxModel, graph: Graph, images: Iterable[Tensor]) -> OnnxModel:
    """The operators of ``QUANTIZED`` in 8 bits up to the heads, with the ranges of maps on ``images`` [1, C, H, W].

    Weights have a scale for each filter. Raises NotInstalled, ExportError.
    """
    onnx = import_onnx()
    _need_onnxruntime()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.left, None)
            return None if image is None else {"image": image.numpy()}

    proto = onnx.load_from_string(model.data)
    level = logging.root.level  # its advice is for those who quantize by hand
    logging.root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
            place = Path(folder, "int8.onnx")
            quantize_static(
                proto,
                str(place),
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTIZED),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_exact(proto, graph),
            )
            return replace(model, data=place.read_bytes())
    except ValueError as error:
        raise ExportError(f"onnxruntime cannot quantize it: {error}", path=graph.path) from None
    finally:
        logging.root.setLevel(level)


def _exact(proto: Any, graph: Graph) -> list[str]:
    """Names of the nodes of the heads and of all that follows them."""
    plain = {f"{node.layer.index}_{node.layer.kind}" for node in graph.nodes if node.layer.index not in graph.heads}
    return [node.name for node in proto.graph.node if node.name.split("/")[0] not in plain]


def _need_onnxruntime() -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        raise NotInstalled("8 bits need onnxruntime", hint="pip install 'csptrain[onnx]'")
