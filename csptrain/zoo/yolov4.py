"""YOLOv4 and its scaled cross-stage partial forms, in the layer order of the public networks."""

from __future__ import annotations

from csptrain.zoo.backbone import Partial, Taps, join, split
from csptrain.zoo.darknet import csp_darknet53, residual_blocks
from csptrain.zoo.heads.boxes import YOLOV4_ANCHORS, BoxHeads
from csptrain.zoo.heads.options import PANET_AT, YOLOV4, YOLOV4_CSP, YOLOV4_CSP_AT
from csptrain.zoo.heads.panet import panet_csp, panet_spp
from csptrain.zoo.writer import IMAGE, CfgWriter


def yolov4(cfg: CfgWriter, classes: int) -> None:
    """YOLOv4: PANet (SPP) with leaky activations on CSPDarknet-53 with those of ``cfg``."""
    taps = csp_darknet53(cfg)
    cfg.activation = "leaky"
    panet_spp(cfg, taps, BoxHeads(classes, YOLOV4_ANCHORS, options=YOLOV4, options_at=PANET_AT))


def yolov4_csp(cfg: CfgWriter, classes: int) -> None:
    """YOLOv4-CSP: the head is cross-stage partial too."""
    taps = scaled_csp_darknet53(cfg, (64, 128, 256, 512, 1024), (1, 2, 8, 8, 4))
    panet_csp(cfg, taps, _csp_boxes(classes))


def yolov4x(cfg: CfgWriter, classes: int) -> None:
    """YOLOv4x: YOLOv4-CSP with a quarter more channels and blocks, and half as many pairs more in the head."""
    taps = scaled_csp_darknet53(cfg, (80, 160, 320, 640, 1280), (1, 3, 10, 10, 5))
    panet_csp(cfg, taps, _csp_boxes(classes), width=640, pairs=3)


def _csp_boxes(classes: int) -> BoxHeads:
    return BoxHeads(classes, YOLOV4_ANCHORS, options=YOLOV4_CSP, options_at=YOLOV4_CSP_AT)


def scaled_csp_darknet53(cfg: CfgWriter, widths: tuple[int, ...], blocks: tuple[int, ...]) -> Taps:
    """CSPDarknet-53 of these widths and numbers of blocks by stage; its first stage is not partial."""
    cfg.comment("stem, stride 1")
    x = cfg.conv(IMAGE, 32, 3)
    taps = []
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        cfg.comment(f"stage {stage + 1}, stride {2 << stage}: residual blocks" + (" on one part" if stage else ""))
        x = cfg.conv(x, width, 3, 2)
        if stage:
            part1, part2 = split(cfg, x, (width // 2, width // 2), Partial())
            x = join(cfg, part1, residual_blocks(cfg, part2, count, width // 2), Partial(), width)
        else:
            x = residual_blocks(cfg, x, count, width // 2)
        taps.append(x)
    return Taps(*taps[2:])
