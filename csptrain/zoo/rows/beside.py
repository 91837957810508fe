"""Figures that the authors printed beside the paper, in the repositories of CSPNet and of PRN."""

from __future__ import annotations

from csptrain.zoo import evidence
from csptrain.zoo.rows.row import Counting, Row


def _row(
    name: str, cfg: str, size: int, figures: str, words: str, counting: Counting = "weights", backbone: str = ""
) -> Row:
    """``figures``: #Parameter, BFLOPs; - for what is not known."""
    parameters, bflops = ("" if figure == "-" else figure for figure in figures.split())
    return Row(
        0,
        name,
        cfg,
        size=size,
        counting=counting,
        evidence=words,
        backbone=backbone,
        parameters=parameters,
        bflops=bflops,
    )


_PRN = "exact: both costs are met"

BESIDE = (
    _row("CSPDenseNetb Reference", "cspdensenetb-ref", 224, "1.38M 0.631", evidence.CSP_DENSENET_REFERENCE),
    _row("CSPPeleeNetb Reference", "csppeleenetb-ref", 224, "2.01M 0.897", evidence.CSP_PELEENET_REFERENCE),
    _row("CSPResNet-50", "csresnet50", 256, "21.57M -", evidence.CSP_RESNET50),
    _row("CSPDarkNet-53", "csdarknet53", 256, "27.61M -", evidence.CSP_DARKNET53),
    _row("CSPResNet-50-Elastic", "csresnet50-elastic", 256, "- 9.36", evidence.ELASTIC),
    _row("CSPResNeXt-50-Elastic", "csresnext50-elastic", 256, "- 5.45", evidence.ELASTIC),
    _row("CSPDarkNet-53-Elastic", "csdarknet53-elastic", 256, "- 7.74", evidence.ELASTIC),
    _row("MobileNet-v2", "mobilenet-v2", 224, "3.47M 0.858", evidence.MOBILENET_V2),
    _row("FPN", "peleenet-fpn", 416, "3.75M 4.84", _PRN, "file", "PeleeNet"),
    _row("FPN", "peleenet-fpn", 320, "3.75M 2.86", _PRN, "file", "PeleeNet"),
    _row("YOLOv3", "peleenet-yolov3-2l", 416, "3.91M 5.06", _PRN, "file", "PeleeNet"),
    _row("YOLOv3", "peleenet-yolov3-2l", 320, "3.91M 2.99", _PRN, "file", "PeleeNet"),
    _row("PRN", "peleenet-prn", 320, "3.16M 2.39", _PRN, "file", "PeleeNet"),
)
