"""The table of several measures: every figure with its thresholds."""

from __future__ import annotations

from csptrain.evaluate.coco import NAMES, CocoResult
from csptrain.evaluate.map_result import ClassResult, MapResult
from csptrain.evaluate.voc import VocResult
from csptrain.report.metrics import metric_lines

DARKNET = MapResult((ClassResult(0, "a", 0.5, 1, 1, 2),), 0.5, 0.25, 11, 4, 2, 0.4)
VOC = VocResult((0.25, 0.0), (0.5, 0.0), (3, 0), 0.5)
COCO = CocoResult({name: place / 100 if place else -1.0 for place, name in enumerate(NAMES)}, "pycocotools")


def test_figures_stand_beside_their_thresholds() -> None:
    head, *rows = metric_lines(DARKNET, VOC, COCO, "greedynms")
    assert head.split() == ["metric", "figure", "overlap", "score", "NMS"]
    assert rows[0].split() == "Darknet mAP@0.50, 11 points 50.00 % > 0.50 > 0.005 greedynms 0.45".split()
    assert rows[1].split() == "VOC mAP, 11 points (2007) 25.00 % >= 0.50 > 0.001 greedynms 0.60".split()
    assert rows[3].split() == "COCO AP - 0.50:0.95 > 0.001 greedynms 0.60".split()
    assert rows[4].split() == "COCO AP50 1.00 % >= 0.50 > 0.001 greedynms 0.60".split()
    assert len(rows) == 3 + 12 + 2
    assert rows[-2].startswith(" 1 class(es) without objects") and "pycocotools" in rows[-1]
    assert len({row.index("greedynms") for row in rows[:-2]}) == 1


def test_only_what_was_measured() -> None:
    assert len(metric_lines(None, VOC, None)) == 3
    assert len(metric_lines(None, None, COCO)) == 1 + 12 + 1
