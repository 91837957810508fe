"""Options of [yolo] by family: how the boxes of public networks are learned.

*_AT have further ones by stride.
"""

from __future__ import annotations

from collections.abc import Mapping

from csptrain.zoo.training import Options

ByStride = Mapping[int, Options]

YOLOV3: Options = (("jitter", ".3"), ("ignore_thresh", ".7"), ("truth_thresh", "1"), ("random", "1"))

# The weight of the overlap against objectness and classes is that of the public YOLOv3 with GIoU.
GIOU: Options = (*YOLOV3, ("iou_loss", "giou"), ("iou_normalizer", "0.5"))

_CIOU: Options = (("cls_normalizer", "1.0"), ("iou_normalizer", "0.07"), ("iou_loss", "ciou"))
_GREEDY: Options = (("nms_kind", "greedynms"), ("beta_nms", "0.6"))

YOLOV4_TINY: Options = (
    ("jitter", ".3"),
    ("scale_x_y", "1.05"),
    *_CIOU,
    ("ignore_thresh", ".7"),
    ("truth_thresh", "1"),
    ("random", "0"),
    ("resize", "1.5"),
    *_GREEDY,
)

# YOLOv4's without max_delta, as the CSPDarknet53-PANet (SPP) before it has them.
PANET: Options = (
    ("jitter", ".3"),
    ("ignore_thresh", ".7"),
    ("truth_thresh", "1"),
    ("iou_thresh", "0.213"),
    *_CIOU,
    *_GREEDY,
)
PANET_AT: ByStride = {
    8: (("scale_x_y", "1.2"),),
    16: (("scale_x_y", "1.1"),),
    # Darknet reads random= of the last head.
    32: (("scale_x_y", "1.05"), ("random", "1")),
}
YOLOV4: Options = (*PANET, ("max_delta", "5"))

YOLOV4_CSP: Options = (
    ("jitter", ".1"),
    ("scale_x_y", "2.0"),
    ("new_coords", "1"),
    ("ignore_thresh", ".7"),
    ("truth_thresh", "1"),
    ("iou_thresh", "0.2"),
    ("iou_loss", "ciou"),
    ("iou_normalizer", "0.05"),
    ("cls_normalizer", "0.5"),
    ("resize", "1.5"),
    ("nms_kind", "diounms"),
    ("beta_nms", "0.6"),
)
YOLOV4_CSP_AT: ByStride = {
    8: (("objectness_smooth", "0"), ("obj_normalizer", "4.0"), ("max_delta", "5")),
    16: (("objectness_smooth", "1"), ("obj_normalizer", "1.0"), ("max_delta", "5")),
    32: (("objectness_smooth", "1"), ("obj_normalizer", "0.4"), ("max_delta", "2")),
}
