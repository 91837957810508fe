"""Darknet's activations in operators of ONNX; each agrees with ops.activation everywhere."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt

from csptrain.layers.onnx_target import Attribute, OnnxTarget, Value


def activate(target: OnnxTarget, x: Value, name: str) -> Value:
    """activation(x) by its cfg word."""
    if name == "linear":
        return x
    if name in OPERATORS:
        operator, attributes = OPERATORS[name]
        return target.emit(operator, [x], x.dims, attributes)
    return COMPOSED[name](target, x)


OPERATORS: dict[str, tuple[str, dict[str, Attribute]]] = {
    "logistic": ("Sigmoid", {}),
    "relu": ("Relu", {}),
    "relie": ("LeakyRelu", {"alpha": 0.01}),
    "leaky": ("LeakyRelu", {"alpha": 0.1}),
    "revleaky": ("LeakyRelu", {"alpha": 0.1}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": 1.6732, "gamma": 1.0507}),
    "tanh": ("Tanh", {}),
}


def _gelu(target: OnnxTarget, x: Value) -> Value:
    # (1 + tanh(y)) / 2 is the logistic of 2 y; OpenCV 4.14 and 5.0 crash on the usual form, which they want to fuse.
    cube = target.multiply(target.multiply(x, x), x)
    inner = target.multiply(target.add(x, target.multiply(cube, 0.044715)), 2 * sqrt(2 / pi))
    return target.multiply(x, target.apply("Sigmoid", inner))


def _hard_mish(target: OnnxTarget, x: Value) -> Value:
    valley = target.clip(x, -2, 0)
    curve = target.add(target.multiply(target.multiply(valley, valley), 0.5), valley)
    return target.add(target.apply("Relu", x), curve)


def _stair(target: OnnxTarget, x: Value) -> Value:
    half, whole = target.apply("Floor", target.multiply(x, 0.5)), target.apply("Floor", x)
    odd = target.subtract(whole, target.multiply(half, 2.0))
    return target.add(half, target.multiply(odd, target.subtract(x, whole)))


def _plse(target: OnnxTarget, x: Value) -> Value:
    middle = target.clip(x, -4, 4)
    outer = target.multiply(target.subtract(x, middle), 0.01)
    return target.add(outer, target.add(target.multiply(middle, 0.125), 0.5))


def _lhtan(target: OnnxTarget, x: Value) -> Value:
    middle = target.clip(x, 0, 1)
    return target.add(target.multiply(target.subtract(x, middle), 0.001), middle)


def _share(target: OnnxTarget, x: Value) -> Value:
    total = target.add(target.reduce("ReduceSum", x, 1), 1e-4)
    return target.divide(x, total)


def _largest_first(target: OnnxTarget, x: Value) -> Value:
    return _share(target, target.apply("Exp", target.subtract(x, target.reduce("ReduceMax", x, 1))))


COMPOSED: dict[str, Callable[[OnnxTarget, Value], Value]] = {
    "relu6": lambda target, x: target.clip(x, 0, 6),
    "hardtan": lambda target, x: target.clip(x, -1, 1),
    "loggy": lambda target, x: target.apply("Tanh", target.multiply(x, 0.5)),
    "ramp": lambda target, x: target.add(target.apply("Relu", x), target.multiply(x, 0.1)),
    "swish": lambda target, x: target.multiply(x, target.apply("Sigmoid", x)),
    "mish": lambda target, x: target.multiply(x, target.apply("Tanh", target.apply("Softplus", x))),
    "gelu": _gelu,
    "hard_mish": _hard_mish,
    "plse": _plse,
    "stair": _stair,
    "lhtan": _lhtan,
    "normalize_channels": lambda target, x: _share(target, target.apply("Relu", x)),
    "normalize_channels_softmax": lambda target, x: _share(target, target.apply("Exp", x)),
    "normalize_channels_softmax_maxval": _largest_first,
}
