"""What OpenCV 4's importer (cv2.dnn.readNetFromDarknet) refuses or computes silently wrong.

Source: measured with OpenCV 4.14 against Darknet on the same random weights.
"""

from __future__ import annotations

from typing import Any

from csptrain.graph import Graph, Node
from csptrain.layers.target import NATIVE
from csptrain.lint.rule import DEPENDS, REFUSES, WRONG, Rule, always, given, missing

_EXPORT = "csptrain export opencv says it in layers that OpenCV computes"
UNKNOWN = (
    "local_avgpool batchnorm activation normalization implicit empty local reorg3d Gaussian_yolo detection contrastive "
    "history rnn gru lstm crnn conv_lstm"
).split()


def _uneven(layer: Any, node: Node, graph: Graph) -> bool:
    return bool(layer.strides != (layer.stride, layer.stride))


def _activation(layer: Any, node: Node, graph: Graph) -> bool:
    # The kinds without a word of their own are refused as a whole.
    return layer.kind not in UNKNOWN and getattr(layer, "activation", "linear") not in NATIVE


def _reads_image_map(layer: Any, node: Node, graph: Graph) -> bool:
    return node.inputs[0].h * node.inputs[0].w > 1


def _stride_left_out(layer: Any, node: Node, graph: Graph) -> bool:
    return not layer.maxpool_depth and layer.section.get("stride") is None and not _uneven(layer, node, graph)


def _several(layer: Any, node: Node, graph: Graph) -> bool:
    return len(layer.sources()) > 2


RULES = (
    *(Rule(kind, None, always, REFUSES, f"OpenCV knows no [{kind}]", _EXPORT) for kind in UNKNOWN),
    Rule(
        "*",
        None,
        lambda layer, node, graph: layer.section.kind != layer.kind,
        REFUSES,
        "OpenCV does not know this short name",
        "write [convolutional], [maxpool] ...: csptrain cfg format does",
    ),
    Rule("*", "activation", _activation, REFUSES, "OpenCV knows no activation={layer.activation}", _EXPORT),
    Rule("convolutional", None, missing("size"), REFUSES, "size= is missing", "write size=1"),
    Rule(
        "convolutional",
        None,
        missing("activation"),
        WRONG,
        "without activation= OpenCV takes linear, Darknet logistic",
        "write activation=logistic",
    ),
    Rule(
        "convolutional",
        "dilation",
        lambda layer, node, graph: layer.dilation_used > 1,
        WRONG,
        "dilation={layer.dilation} is ignored",
        _EXPORT,
    ),
    Rule(
        "convolutional", "stride_x", _uneven, WRONG, "stride_x and stride_y are ignored, stride={layer.stride} counts"
    ),
    Rule("convolutional", "antialiasing", given("antialiasing"), WRONG, "antialiasing is ignored"),
    Rule(
        "convolutional",
        "share_index",
        given("share_index", "-1000000000"),
        WRONG,
        "share_index is ignored, so that all later weights are read from the wrong place",
        _EXPORT,
    ),
    Rule(
        "maxpool",
        "maxpool_depth",
        lambda layer, node, graph: layer.maxpool_depth,
        WRONG,
        "maxpool_depth is ignored: this is an ordinary pooling to OpenCV, the maxout of the EFM is lost",
        _EXPORT,
    ),
    Rule(
        "maxpool",
        None,
        _stride_left_out,
        WRONG,
        "without stride= OpenCV takes 2, Darknet 1",
        "write stride=1",
    ),
    Rule(
        "maxpool",
        "stride_x",
        _uneven,
        WRONG,
        "stride_x and stride_y are ignored, stride={layer.stride} counts",
        _EXPORT,
    ),
    Rule("maxpool", "antialiasing", given("antialiasing"), WRONG, "antialiasing is ignored"),
    Rule("shortcut", "from", _several, WRONG, "of several from= only the first is added", _EXPORT),
    Rule(
        "shortcut",
        "weights_type",
        lambda layer, node, graph: layer.weights_type != "none",
        WRONG,
        "its weights are not read, so that all later weights are read from the wrong place",
        _EXPORT,
    ),
    Rule(
        "route",
        "groups",
        lambda layer, node, graph: layer.groups > 1 and len(node.inputs) > 1,
        WRONG,
        "groups= of several layers: OpenCV splits what they give together, Darknet each of them",
        _EXPORT,
    ),
    Rule("upsample", None, missing("stride"), WRONG, "without stride= OpenCV takes 1, Darknet 2", "write stride=2"),
    Rule("upsample", "scale", lambda layer, node, graph: layer.scale != 1, WRONG, "scale= is ignored", _EXPORT),
    Rule("upsample", "stride", lambda layer, node, graph: layer.stride < 0, REFUSES, "a negative stride", _EXPORT),
    Rule("reorg", "reverse", lambda layer, node, graph: layer.reverse, WRONG, "reverse= is ignored"),
    Rule(
        "softmax",
        "temperature",
        lambda layer, node, graph: layer.temperature != 1,
        WRONG,
        "temperature= is ignored",
        _EXPORT,
    ),
    Rule("softmax", "groups", lambda layer, node, graph: layer.groups > 1, REFUSES, "softmax in groups"),
    Rule("softmax", "tree", given("tree", ""), WRONG, "tree= is ignored"),
    Rule("softmax", None, _reads_image_map, WRONG, "one softmax for each pixel, Darknet's is one for the whole map"),
    Rule(
        "connected",
        "batch_normalize",
        lambda layer, node, graph: layer.batch_normalize,
        DEPENDS,
        "releases before 4.14 read the batch normalization of [connected] in another order",
        _EXPORT,
    ),
    Rule(
        "connected",
        None,
        missing("activation"),
        WRONG,
        "without activation= OpenCV takes linear, Darknet logistic",
        "write activation=logistic",
    ),
    Rule("scale_channels", "scale_wh", given("scale_wh"), REFUSES, "scale_wh=1"),
    Rule(
        "dropout", None, lambda layer, node, graph: layer.index == 0, REFUSES, "dropout as the first layer", "remove it"
    ),
    Rule(
        "crop",
        None,
        lambda layer, node, graph: layer.index == 0 and not layer.noadjust,
        REFUSES,
        "[crop] as the first layer without noadjust=1",
        _EXPORT,
    ),
    Rule(
        "yolo",
        None,
        missing("thresh"),
        DEPENDS,
        "without thresh= OpenCV sets class scores below 0.2 to zero, which lowers a COCO AP",
        "write thresh=0.001; Darknet does not read it",
    ),
    Rule(
        "region", "softmax", lambda layer, node, graph: not layer.softmax, WRONG, "softmax=0: OpenCV always takes one"
    ),
)
