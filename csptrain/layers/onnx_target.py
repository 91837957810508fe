"""The operators of ONNX that layers are said in, as a set of instructions; the package onnx is not needed for it.

A layer's ``to_onnx`` says itself in these. All operators here mean the same in opset 13 and every later one, and all
are read by onnxruntime, OpenVINO, OpenCV 4.14 and both engines of OpenCV 5.0, suppression apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from csptrain.layers.base import Shape
from csptrain.layers.target import NoEquivalent

Array = npt.NDArray[np.float32] | npt.NDArray[np.int64]
Attribute = int | float | str | Sequence[int]

#: The opset from which on reductions take their axes as an input.
REDUCTION_BY_INPUT = 18


@dataclass(frozen=True)
class Value:
    """A float32 tensor of the graph: its name, and its shape behind the batch axis."""

    name: str
    dims: tuple[int, ...]

    @property
    def shape(self) -> Shape:
        """The shape of one image's output; of a value with three axes behind the batch."""
        c, h, w = self.dims
        return Shape(c, h, w)


@dataclass(frozen=True)
class Operation:
    """One node: operator, names of inputs and of the output, attributes."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Attribute]


Operand = Value | Array | float


class OnnxTarget:
    """An ONNX graph while it is written.

    ``operations`` in order, ``constants`` by name, ``dims`` of every value behind the batch axis, whose length is
    ``batch``, None for any.
    """

    def __init__(self, image: Shape, batch: int | None, opset: int) -> None:
        self.image = Value("image", (image.c, image.h, image.w))
        self.batch = batch
        self.opset = opset
        self.operations: list[Operation] = []
        self.constants: dict[str, Array] = {}
        self.dims: dict[str, tuple[int, ...]] = {}
        self._scope = ""
        self._start = 0
        self._taken: set[str] = set()

    def enter(self, scope: str) -> None:
        """Let the names of what follows begin with ``scope``."""
        self._scope = scope
        self._start = len(self.operations)

    def leave(self, value: Value) -> Value:
        """``value`` under the name of the scope itself, if an operation of the scope made it."""
        name = self._scope
        own = self.operations[self._start :]
        if all(operation.output != value.name for operation in own):
            return value
        self.operations[self._start :] = [
            Operation(
                operation.operator,
                tuple(name if read == value.name else read for read in operation.inputs),
                name if operation.output == value.name else operation.output,
                operation.attributes,
            )
            for operation in own
        ]
        self.dims[name] = self.dims.pop(value.name)
        return Value(name, value.dims)

    def emit(
        self,
        operator: str,
        inputs: Sequence[Operand],
        dims: Sequence[int],
        attributes: dict[str, Attribute] | None = None,
    ) -> Value:
        """One node; arrays and numbers among its inputs become constants of the graph."""
        output = self._free(operator)
        names = tuple(self._name(operand, f"{output}.{place}") for place, operand in enumerate(inputs))
        self.operations.append(Operation(operator, names, output, attributes or {}))
        self.dims[output] = tuple(dims)
        return Value(output, tuple(dims))

    def _name(self, operand: Operand, name: str) -> str:
        if isinstance(operand, Value):
            return operand.name
        # One number has one axis: some importers know no tensor without any.
        self.constants[name] = np.asarray([operand], np.float32) if isinstance(operand, int | float) else operand
        return name

    def _free(self, operator: str) -> str:
        base = f"{self._scope}/{operator}"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    def convolution(
        self,
        x: Value,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        strides: tuple[int, int] = (1, 1),
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> Value:
        """A convolution with weight [filters, C / groups, h, w]; strides (down, right), ``padding`` on every side."""
        filters, _, *kernel = weight.shape
        c, *sides = x.dims
        reach = [dilation * (size - 1) + 1 for size in kernel]
        out = [
            (side + 2 * padding - size) // stride + 1 for side, size, stride in zip(sides, reach, strides, strict=True)
        ]
        inputs: list[Operand] = [x, as_array(weight)]
        if bias is not None:
            inputs.append(as_array(bias))
        attributes: dict[str, Attribute] = {
            "kernel_shape": kernel,
            "strides": strides,
            "pads": [padding] * 4,
            "dilations": [dilation] * 2,
            "group": groups,
        }
        return self.emit("Conv", inputs, (filters, *out), attributes)

    def scale(self, x: Value, factors: Tensor, offsets: Tensor | None = None) -> Value:
        """factor * x + offset, each channel with its own: factors and offsets [C]."""
        y = self.multiply(x, as_array(factors.reshape(1, -1, 1, 1)))
        return y if offsets is None else self.add(y, as_array(offsets.reshape(1, -1, 1, 1)))

    def pool(
        self, operator: str, x: Value, size: int, strides: tuple[int, int], margins: tuple[int, int, int, int]
    ) -> Value:
        """MaxPool or AveragePool over whole windows; margins (left, right, top, bottom) count for nothing."""
        left, right, top, bottom = margins
        if max(margins) >= size:
            raise NoEquivalent("a window lies wholly in the padding", "padding")
        c, h, w = x.dims
        out = ((h + top + bottom - size) // strides[0] + 1, (w + left + right - size) // strides[1] + 1)
        attributes: dict[str, Attribute] = {
            "kernel_shape": [size, size],
            "strides": strides,
            "pads": [top, left, bottom, right],
        }
        if operator == "AveragePool":
            attributes["count_include_pad"] = 0
        return self.emit(operator, [x], (c, *out), attributes)

    def avgpool(self, x: Value) -> Value:
        """The mean of each map."""
        return self.emit("GlobalAveragePool", [x], (x.dims[0], 1, 1))

    def add(self, x: Value, y: Operand) -> Value:
        """x + y, which broadcasts to ``x``."""
        return self.emit("Add", [x, y], x.dims)

    def subtract(self, x: Value, y: Operand) -> Value:
        """x - y, which broadcasts to ``x``."""
        return self.emit("Sub", [x, y], x.dims)

    def multiply(self, x: Value, y: Operand) -> Value:
        """x * y, which broadcasts to ``x``."""
        return self.emit("Mul", [x, y], x.dims)

    def divide(self, x: Value, y: Operand) -> Value:
        """x / y, which broadcasts to ``x``."""
        return self.emit("Div", [x, y], x.dims)

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger of each pair."""
        return self.emit("Max", [x, y], x.dims)

    def apply(self, operator: str, x: Value) -> Value:
        """A function of each number, by the name of its operator."""
        return self.emit(operator, [x], x.dims)

    def clip(self, x: Value, low: float, high: float) -> Value:
        """Limited to low..high."""
        return self.emit("Clip", [x, np.asarray(low, np.float32), np.asarray(high, np.float32)], x.dims)

    def softmax(self, x: Value, axis: int) -> Value:
        """Along one axis, the batch being axis 0."""
        return self.emit("Softmax", [x], x.dims, {"axis": axis})

    def reduce(self, operator: str, x: Value, axis: int) -> Value:
        """ReduceSum, ReduceMean or ReduceMax along one axis, which stays with length 1."""
        dims = [1 if place == axis else length for place, length in enumerate(x.dims, 1)]
        if operator == "ReduceSum" or self.opset >= REDUCTION_BY_INPUT:
            return self.emit(operator, [x, _integers(axis)], dims, {"keepdims": 1})
        return self.emit(operator, [x], dims, {"axes": [axis], "keepdims": 1})

    def concatenate(self, parts: Sequence[Value], axis: int = 1) -> Value:
        """The parts one behind the other; of one part, that itself."""
        if len(parts) == 1:
            return parts[0]
        dims = list(parts[0].dims)
        dims[axis - 1] = sum(part.dims[axis - 1] for part in parts)
        return self.emit("Concat", parts, dims, {"axis": axis})

    def cut(self, x: Value, axis: int, start: int, end: int, step: int = 1) -> Value:
        """x[..., start:end:step, ...] of one axis behind the batch; all of it is ``x`` itself."""
        length = x.dims[axis - 1]
        if (start, end, step) == (0, length, 1):
            return x
        dims = list(x.dims)
        dims[axis - 1] = len(range(start, end, step))
        return self.emit("Slice", [x, _integers(start), _integers(end), _integers(axis), _integers(step)], dims)

    def reshape(self, x: Value, *dims: int) -> Value:
        """The same numbers of each image in another shape."""
        if dims == x.dims:
            return x
        return self.emit("Reshape", [x, _integers(-1 if self.batch is None else self.batch, *dims)], dims)

    def transpose(self, x: Value, *axes: int) -> Value:
        """Axes in another order; the batch stays in front and is not named."""
        return self.emit("Transpose", [x], [x.dims[axis - 1] for axis in axes], {"perm": [0, *axes]})

    def upsample(self, x: Value, stride: int) -> Value:
        """Nearest neighbour."""
        c, h, w = x.dims
        if stride == 1:
            return x
        none, scales = np.zeros(0, np.float32), np.asarray([1, 1, stride, stride], np.float32)
        attributes: dict[str, Attribute] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return self.emit("Resize", [x, none, scales], (c, h * stride, w * stride), attributes)

    def space_to_depth(self, x: Value, side: int) -> Value:
        """Channel (dy*side+dx)*C + c at (j, i) is channel c at (j*side+dy, i*side+dx)."""
        c, h, w = x.dims
        return self.emit("SpaceToDepth", [x], (c * side * side, h // side, w // side), {"blocksize": side})

    def depth_to_space(self, x: Value, side: int) -> Value:
        """The inverse of ``space_to_depth``."""
        c, h, w = x.dims
        return self.emit(
            "DepthToSpace", [x], (c // (side * side), h * side, w * side), {"blocksize": side, "mode": "DCR"}
        )

    def learnt(self, x: Value, values: Tensor) -> Value:
        """The same values [C, H, W] for every image of ``x``."""
        seed = x
        for axis in range(1, 1 + len(x.dims)):
            seed = self.cut(seed, axis, 0, 1)
        return self.emit("Add", [self.multiply(seed, 0.0), as_array(values[None])], values.shape)


def as_array(tensor: Tensor) -> npt.NDArray[np.float32]:
    """A tensor as a float32 constant."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


def _integers(*values: int) -> npt.NDArray[np.int64]:
    return np.asarray(values, np.int64)
