"""Several measures of the same detections as one table, each with the thresholds it was taken with."""

from __future__ import annotations

from collections.abc import Sequence

from csptrain.evaluate.coco import CocoResult
from csptrain.evaluate.detection import MAP_NMS, MAP_THRESH, VALID_NMS, VALID_THRESH
from csptrain.evaluate.map_result import MapResult
from csptrain.evaluate.voc import VocResult

Row = tuple[str, str, str, str, str]

_HEAD: Row = ("metric", "figure", "overlap", "score", "NMS")
_COCO_WORDS = {
    "AP": ("COCO AP", "0.50:0.95"),
    "AP50": ("COCO AP50", ">= 0.50"),
    "AP75": ("COCO AP75", ">= 0.75"),
    "AP_small": ("COCO AP small", "0.50:0.95"),
    "AP_medium": ("COCO AP medium", "0.50:0.95"),
    "AP_large": ("COCO AP large", "0.50:0.95"),
    "AR_1": ("COCO AR, 1 a class", "0.50:0.95"),
    "AR_10": ("COCO AR, 10 a class", "0.50:0.95"),
    "AR_100": ("COCO AR, 100 a class", "0.50:0.95"),
    "AR_small": ("COCO AR small", "0.50:0.95"),
    "AR_medium": ("COCO AR medium", "0.50:0.95"),
    "AR_large": ("COCO AR large", "0.50:0.95"),
}


def metric_lines(
    darknet: MapResult | None, voc: VocResult | None, coco: CocoResult | None, nms_kind: str = "default"
) -> list[str]:
    """The table, one string a line; figures in percent, ``-`` where there is nothing to measure.

    ``nms_kind`` is the network's way of suppression, which all of them share.
    """
    rows: list[Row] = []
    if darknet is not None:
        rule = f"{darknet.points} points" if darknet.points else "area"
        settings = (f"> {MAP_THRESH:g}", f"{nms_kind} {MAP_NMS:.2f}")
        name = f"Darknet mAP@{darknet.iou_thresh:.2f}, {rule}"
        rows.append((name, _percent(darknet.map), f"> {darknet.iou_thresh:.2f}", *settings))
    settings = (f"> {VALID_THRESH:g}", f"{nms_kind} {VALID_NMS:.2f}")
    if voc is not None:
        overlap = f">= {voc.iou_thresh:.2f}"
        rows.append(("VOC mAP, 11 points (2007)", _percent(voc.map_eleven), overlap, *settings))
        rows.append(("VOC mAP, area (2010)", _percent(voc.map_area), overlap, *settings))
    if coco is not None:
        for key, figure in coco.figures.items():
            name, overlap = _COCO_WORDS[key]
            rows.append((name, _percent(figure), overlap, *settings))
    return [*_table([_HEAD, *rows]), *_notes(darknet, voc, coco)]


def _percent(figure: float) -> str:
    return "-" if figure < 0 else f"{figure * 100:.2f} %"


def _table(rows: Sequence[Row]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) if place == 1 else cell.ljust(width) for place, (cell, width) in
                 enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append(f" {'   '.join(cells)}".rstrip())
    return lines


def _notes(darknet: MapResult | None, voc: VocResult | None, coco: CocoResult | None) -> list[str]:
    """What a figure depends on that no column tells."""
    notes = []
    if darknet is not None and voc is not None and 0 in voc.truths:
        notes.append(
            f" {voc.truths.count(0)} class(es) without objects count 0 in Darknet's mean and not in the others"
        )
    if coco is not None:
        notes.append(f" COCO's figures are computed by {coco.engine}; at most 100 boxes of a class and image count")
    return notes
