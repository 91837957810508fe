"""What Darknet itself gets wrong: the CPU program, the GPU program, or both.

Source: Darknet behaviour, measured on the CPU by golden cases; what concerns the GPU only is read, not measured.
"""

from __future__ import annotations

from typing import Any

from csptrain.graph import IMAGE, Graph, Node
from csptrain.layers.convolutional import Convolutional
from csptrain.lint.rule import DEPENDS, REFUSES, TRAINS_OTHERWISE, WRONG, Rule, always, given

#: On the CPU these give 0 where no section takes care of them itself.
_DEAD_ON_CPU = ("mish", "swish", "hard_mish")
_CARING = {"convolutional": _DEAD_ON_CPU, "shortcut": ("mish", "swish")}
_NORMALIZING = ("normalize_channels", "normalize_channels_softmax", "normalize_channels_softmax_maxval")


def _dead_on_cpu(layer: Any, node: Node, graph: Graph) -> bool:
    word = getattr(layer, "activation", "linear")
    return word == "relu6" or (word in _DEAD_ON_CPU and word not in _CARING.get(layer.kind, ()))


def _shrunk_pointwise(layer: Any, node: Node, graph: Graph) -> bool:
    down, right = layer.strides
    return bool(layer.size == 1 and ((right == 1 and down > 1) or layer.padding_pixels > 0))


def _overlapping_at_stride_1(layer: Any, node: Node, graph: Graph) -> bool:
    return bool(not layer.maxpool_depth and layer.window_size > 1 and layer.strides[1] == 1)


def _mistaken_fast_path(layer: Any, node: Node, graph: Graph) -> bool:
    sources = layer.sources()
    if len(sources) != 2 or layer.weights_type != "none" or sources[1] == IMAGE:
        return False
    source = graph.nodes[sources[1]]
    return bool(source.inputs[0] == node.output != source.output)


def _unequal_maps(layer: Any, node: Node, graph: Graph) -> bool:
    return any((shape.h, shape.w) != (node.output.h, node.output.w) for shape in node.inputs[1:])


def _read_from_afar(layer: Any, node: Node, graph: Graph) -> bool:
    option = layer.section.get("antialiasing")
    if option is None or option.value == "0":
        return False
    return any(layer.index in other.sources for other in graph.nodes[layer.index + 2 :])


def _second_reader(layer: Any, node: Node, graph: Graph) -> bool:
    """A convolution that reads what another layer reads too; the first of the network is named."""
    first = _first_shared(graph)
    return first is not None and bool(layer.index == first.index)


def _first_shared(graph: Graph) -> Convolutional | None:
    readers: dict[int, int] = {}
    for node in graph.nodes:
        for source in node.sources:
            readers[source] = readers.get(source, 0) + 1
    convolutions = (node for node in graph.nodes if isinstance(node.layer, Convolutional))
    for node in convolutions:
        if node.sources[0] != IMAGE and readers[node.sources[0]] > 1:
            assert isinstance(node.layer, Convolutional)
            return node.layer
    return None


def _first_normalized(layer: Any, node: Node, graph: Graph) -> bool:
    if not layer.batch_normalize:
        return False
    earlier = (other.layer for other in graph.nodes[: layer.index])
    return not any(isinstance(other, Convolutional) and other.batch_normalize for other in earlier)


def _cost_behind(layer: Any, node: Node, graph: Graph) -> bool:
    return any(other.layer.kind == "cost" and layer.index in other.sources for other in graph.nodes)


def _routed_dropout(layer: Any, node: Node, graph: Graph) -> bool:
    source = node.sources[0]
    return any(source in other.sources and other.layer.index != layer.index for other in graph.nodes)


_GPU = "run it on the GPU, or with csptrain"

RULES = (
    Rule("*", "activation", _dead_on_cpu, WRONG, "on the CPU activation={layer.activation} gives 0 here", _GPU),
    Rule(
        "convolutional",
        "padding",
        _shrunk_pointwise,
        WRONG,
        "a 1x1 kernel with padding, or with stride_y alone, is computed as if it had none",
        "size=1 without pad or padding, one stride",
    ),
    Rule(
        "convolutional",
        "antialiasing",
        _read_from_afar,
        WRONG,
        "antialiasing reaches the next layer only; a route to this one reads the larger map",
    ),
    Rule(
        "shortcut",
        "from",
        _mistaken_fast_path,
        WRONG,
        "on the CPU a fast path is chosen by the source's input shape",
        _GPU,
    ),
    Rule(
        "shortcut",
        "from",
        _unequal_maps,
        REFUSES,
        "maps of unequal size; the Darknet of 2018 sampled them, as csptrain does",
        "bring both to one size",
    ),
    Rule("dropout", None, lambda layer, node, graph: layer.index == 0, REFUSES, "dropout as the first layer crashes"),
    Rule(
        "maxpool",
        "size",
        _overlapping_at_stride_1,
        DEPENDS,
        "a CPU program built with AVX loses columns at the left border when stride=1",
        "build it without AVX, or use the GPU",
    ),
    Rule(
        "shortcut",
        "weights_type",
        lambda layer, node, graph: layer.weights_type != "none",
        TRAINS_OTHERWISE,
        "CPU and GPU normalize and update the weights of a shortcut differently",
    ),
    Rule(
        "convolutional",
        "batch_normalize",
        _first_normalized,
        TRAINS_OTHERWISE,
        "on the CPU the biases of batch normalization (here and below) never move; GPU and csptrain train them",
        _GPU,
    ),
    Rule(
        "convolutional",
        None,
        _second_reader,
        TRAINS_OTHERWISE,
        "on the CPU a convolution overwrites the gradient that other readers of its input have left there (here and "
        "below)",
        _GPU,
    ),
    *(
        Rule(kind, None, always, TRAINS_OTHERWISE, f"[{kind}] passes gradients on and is never updated itself")
        for kind in ("connected", "implicit", "rnn", "gru", "lstm")
    ),
    Rule(
        "convolutional",
        "share_index",
        given("share_index", "-1000000000"),
        TRAINS_OTHERWISE,
        "the statistics of the later layer spoil the gradient of the earlier",
    ),
    Rule(
        "*",
        "activation",
        lambda layer, node, graph: getattr(layer, "activation", "") == "gelu",
        TRAINS_OTHERWISE,
        "the derivative of gelu is taken at the output instead of the input",
    ),
    Rule(
        "*",
        "activation",
        lambda layer, node, graph: getattr(layer, "activation", "") in _NORMALIZING,
        TRAINS_OTHERWISE,
        "the gradient of {layer.activation} is no derivative",
    ),
    Rule(
        "yolo",
        "cls_normalizer",
        lambda layer, node, graph: layer.cls_normalizer != 1 and layer.counters_per_class is None,
        DEPENDS,
        "cls_normalizer acts with counters_per_class only",
    ),
    Rule(
        "yolo",
        "delta_normalizer",
        lambda layer, node, graph: layer.delta_normalizer != 1,
        TRAINS_OTHERWISE,
        "delta_normalizer acts on the GPU only",
    ),
    Rule("convolutional", "grad_centr", given("grad_centr"), TRAINS_OTHERWISE, "grad_centr acts on the GPU only"),
    Rule("*", "clip", given("clip"), TRAINS_OTHERWISE, "clip acts on the GPU only"),
    Rule(
        "softmax", None, _cost_behind, TRAINS_OTHERWISE, "a [cost] behind it doubles the gradient", "remove the [cost]"
    ),
    Rule(
        "dropout",
        None,
        _routed_dropout,
        TRAINS_OTHERWISE,
        "it changes the output of the layer before in place: other readers of that see the dropped values",
    ),
)
