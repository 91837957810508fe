"""The public Darknet detectors that people start from, written by our own recipes.

Layer numbers, shapes, references and settings are those of the public files, so that public weights fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from csptrain.zoo import yolov2, yolov4
from csptrain.zoo.darknet_tiny import partial_residual_reference
from csptrain.zoo.detectors import CLASSES, THREE_SCALES, TWO_SCALES, on
from csptrain.zoo.evidence import PUBLIC as EVIDENCE
from csptrain.zoo.heads import boxes, options
from csptrain.zoo.heads.prn import prn
from csptrain.zoo.recipe import Recipe
from csptrain.zoo.training import Options, Training, detector
from csptrain.zoo.writer import CfgWriter


def _tiny_prn(cfg: CfgWriter, classes: int) -> None:
    prn(cfg, partial_residual_reference(cfg), replace(TWO_SCALES, classes=classes))


_EVEN = replace(TWO_SCALES, masks=boxes.TWO_SCALES)
_V4_TINY = replace(TWO_SCALES, options=options.YOLOV4_TINY)
_V4_TINY_3L = replace(THREE_SCALES, anchors=boxes.YOLOV4_ANCHORS, options=options.YOLOV4_TINY)
_PANET = replace(THREE_SCALES, anchors=boxes.YOLOV4_ANCHORS, options=options.PANET, options_at=options.PANET_AT)

_MOSAIC: Options = (("mosaic", "1"),)
_SCALED: Options = (*_MOSAIC, ("letter_box", "1"))
_AVERAGED: Options = (*_SCALED, ("ema_alpha", "0.9998"))
_HEADS_FIRST = "The public file, for a trained backbone, first trains the last layers alone for 800 iterations"
_PAPER = "Table 4 of the CSPNet paper"


def _yolo(subdivisions: int) -> Training:
    return detector(subdivisions, max_batches=500200)


def _v4(learning_rate: str = "0.001", further: Options = _MOSAIC, notes: tuple[str, ...] = ()) -> Training:
    return detector(8, learning_rate, momentum="0.949", further=further, notes=notes)


def _public(
    title: str, size: int, training: Training, write: Callable[[CfgWriter, int], None], activation: str = "leaky"
) -> Recipe:
    return Recipe(title, EVIDENCE, size, CLASSES, training, write, activation)


PUBLIC: dict[str, Recipe] = {
    "yolov2": _public("YOLOv2, a detector", 416, _yolo(8), yolov2.yolov2),
    "yolov2-tiny": _public("YOLOv2-tiny, a small detector", 416, _yolo(2), yolov2.yolov2_tiny),
    "yolov3": _public(f"YOLOv3: {_PAPER}", 416, _yolo(16), on("darknet53", "yolov3", THREE_SCALES)),
    "yolov3-spp": _public(
        f"YOLOv3 with spatial pyramid pooling: {_PAPER}",
        608,
        _yolo(32),
        on("darknet53", "yolov3-spp", THREE_SCALES),
    ),
    "yolov3-tiny": _public(f"YOLOv3-tiny, a small detector: {_PAPER}", 416, _yolo(2), on("darknet-ref", "tiny", _EVEN)),
    "yolov3-tiny-prn": _public(
        f"YOLOv3-tiny with partial residual connections, a small detector: {_PAPER}", 416, _yolo(4), _tiny_prn
    ),
    "yolov4-tiny": _public(
        "YOLOv4-tiny, a small detector",
        416,
        detector(1, "0.00261", 2000200, (1600000, 1800000)),
        on("cspdarknet53-tiny", "tiny", _V4_TINY),
    ),
    "yolov4-tiny-3l": _public(
        "YOLOv4-tiny with a third head at stride 8, a small detector",
        608,
        detector(1, "0.00261", 500200),
        on("cspdarknet53-tiny", "tiny-3l", _V4_TINY_3L),
    ),
    "csresnext50-panet-spp": _public(
        f"CSPResNeXt-50 with PANet (SPP): {_PAPER}",
        512,
        detector(16),
        on("cspresnext50", "panet-spp", THREE_SCALES),
    ),
    "csdarknet53-panet-spp": _public(
        "CSPDarknet-53 with PANet (SPP): between the CSPNet paper's detector and YOLOv4",
        512,
        _v4("0.00261"),
        on("cspdarknet53", "panet-spp", _PANET),
    ),
    "yolov4": _public(
        "YOLOv4: CSPDarknet-53 with mish activations, PANet (SPP)", 608, _v4("0.0013"), yolov4.yolov4, "mish"
    ),
    "yolov4-csp": _public(
        "YOLOv4-CSP: YOLOv4 with a cross-stage partial head",
        512,
        _v4(further=_AVERAGED),
        yolov4.yolov4_csp,
        "mish",
    ),
    "yolov4x-mish": _public(
        "YOLOv4x-mish: YOLOv4-CSP, wider and deeper by a quarter",
        640,
        _v4(further=_SCALED, notes=(_HEADS_FIRST,)),
        yolov4.yolov4x,
        "mish",
    ),
}
