"""What stands on a backbone: a classifier, or one of these heads for boxes."""

from csptrain.zoo.heads.cem import CEM
from csptrain.zoo.heads.classifier import classifier
from csptrain.zoo.heads.efm import EFM, EFM_SPP
from csptrain.zoo.heads.fpn import FPN, YOLOV3_2L
from csptrain.zoo.heads.gfm import GFM
from csptrain.zoo.heads.head import Head
from csptrain.zoo.heads.panet import PANET_CSP, PANET_SPP
from csptrain.zoo.heads.prn import PRN, PRN_3L
from csptrain.zoo.heads.tiny import TINY, TINY_3L
from csptrain.zoo.heads.yolov3 import YOLOV3, YOLOV3_SPP

HEADS: dict[str, Head] = {
    "yolov3": YOLOV3,
    "yolov3-spp": YOLOV3_SPP,
    "yolov3-2l": YOLOV3_2L,
    "tiny": TINY,
    "tiny-3l": TINY_3L,
    "fpn": FPN,
    "prn": PRN,
    "prn-3l": PRN_3L,
    "cem": CEM,
    "gfm": GFM,
    "efm": EFM,
    "efm-spp": EFM_SPP,
    "panet-spp": PANET_SPP,
    "panet-csp": PANET_CSP,
}

__all__ = ["HEADS", "Head", "classifier"]
