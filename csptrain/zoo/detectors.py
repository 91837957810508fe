"""The paper's own detectors, of Tables 2, 4 and 5, and those that its figures compare them with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from csptrain.zoo.backbone import Style
from csptrain.zoo.backbones import BACKBONES
from csptrain.zoo.heads import HEADS
from csptrain.zoo.heads.boxes import TINY_ANCHORS, TINY_MASKS, BoxHeads
from csptrain.zoo.heads.options import GIOU
from csptrain.zoo.recipe import Recipe
from csptrain.zoo.training import LEARNING_RATE, detector
from csptrain.zoo.writer import CfgWriter

CLASSES = 80
# Templates: a recipe fills in the number of classes.
TWO_SCALES = BoxHeads(CLASSES, TINY_ANCHORS, TINY_MASKS)
THREE_SCALES = BoxHeads(CLASSES)
SAM = replace(THREE_SCALES, attention="sam")
_GIOU = replace(THREE_SCALES, options=GIOU)


def on(backbone: str, head: str, boxes: BoxHeads) -> Callable[[CfgWriter, int], None]:
    """The layers of one of ``BACKBONES`` and of one of ``HEADS``."""

    def write(cfg: CfgWriter, classes: int) -> None:
        taps = BACKBONES[backbone].write(cfg, Style(boxes=True))
        HEADS[head].write(cfg, taps, replace(boxes, classes=classes))

    return write


def _paper(
    backbone: str, head: str, where: str, boxes: BoxHeads = THREE_SCALES, size: int = 416, activation: str = "leaky"
) -> Recipe:
    below, above = BACKBONES[backbone], HEADS[head]
    # The reason for the word stands in the cfg of the classifier.
    strength = below.evidence.partition(":")[0]
    words = [above.title]
    words += [f"{activation} activations"] if activation != "leaky" else []
    words += ["spatial attention"] if boxes.attention == "sam" else []
    words += ["the GIoU loss"] if boxes.options == GIOU else []
    return Recipe(
        f"{below.title} with {' and '.join(words)}: {where}",
        f"backbone {strength}; head {above.evidence}",
        size,
        CLASSES,
        detector(below.subdivisions, LEARNING_RATE),
        on(backbone, head, boxes),
        activation,
    )


_TABLE2, _TABLE4, _FIGURE7 = (f"{place} of the CSPNet paper" for place in ("Table 2", "Table 4", "Figure 7"))
_TABLES24, _TABLES45 = (f"Tables {two} of the CSPNet paper" for two in ("2 and 4", "4 and 5"))

DETECTORS: dict[str, Recipe] = {
    "peleenet-prn": _paper("peleenet", "prn", _TABLE4, TWO_SCALES),
    "peleenet-fpn": _paper("peleenet", "fpn", "what PRN is compared with", TWO_SCALES),
    "peleenet-yolov3-2l": _paper("peleenet", "yolov3-2l", _FIGURE7, TWO_SCALES),
    "csppeleenet-prn": _paper("csppeleenet", "prn", _TABLE2, TWO_SCALES),
    "csppeleenet-swish-prn": _paper("csppeleenet", "prn", _TABLE2, TWO_SCALES, activation="swish"),
    "csppeleenet-prn-3l": _paper("csppeleenet", "prn-3l", _TABLE2),
    "csppeleenet-cem": _paper("csppeleenet", "cem", _TABLE2),
    "csppeleenet-cem-sam": _paper("csppeleenet", "cem", _TABLE2, SAM),
    "csppeleenet-gfm": _paper("csppeleenet", "gfm", _TABLE2),
    "csppeleenet-efm": _paper("csppeleenet", "efm", _TABLE2),
    "csppeleenet-efm-giou": _paper("csppeleenet", "efm", _TABLE2, _GIOU),
    "csppeleenet-efm-sam": _paper("csppeleenet", "efm", _TABLES24, SAM),
    "csppeleenet-efm-spp": _paper("csppeleenet", "efm-spp", _TABLE2),
    "csppeleenet-ref-prn": _paper("csppeleenet-ref", "prn", _TABLES45, TWO_SCALES, 320),
    "csppeleenet-ref-prn-3l": _paper("csppeleenet-ref", "prn-3l", _TABLES45, size=320),
    "csppeleenet-ref-efm-sam": _paper("csppeleenet-ref", "efm", _TABLES45, SAM, 320),
    "cspdensenet-ref-prn": _paper("cspdensenet-ref", "prn", _TABLES45, TWO_SCALES, 320),
    "cspdensenet-ref-efm-sam": _paper("cspdensenet-ref", "efm", _TABLES45, SAM, 320),
    "cspdensenetb-ref-prn": _paper("cspdensenetb-ref", "prn", _TABLES45, TWO_SCALES, 320),
}
