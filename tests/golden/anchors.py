"""Cases without a network that end in anchors: kmeans, calc_anchors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from csptrain.datasets.anchors import (
    anchors_text,
    box_sizes,
    counters_text,
    kmeans,
    mean_best_iou,
)
from csptrain.datasets.lists import Samples
from tests.golden.case import Case, Worst

RELATIVE = 1e-6
COARSE = 33  # a width for which anchors are written as whole numbers


def k_means(case: Case, worst: Worst) -> None:
    """Which cluster each point falls to, the sorted centres, the mean IoU and the text of the anchors."""
    points = case.arrays["points"].astype(np.float64)
    found = kmeans(points, points[case.golden["init_idx"]])
    unsorted = case.arrays["centers"].astype(np.float64)
    order = np.argsort(unsorted.prod(1), kind="stable")
    worst.equal("clusters", np.array_equal(found.labels, np.argsort(order)[case.arrays["assign"]]), True)
    worst.close("centres", found.centres, unsorted[order], RELATIVE, 0.0)
    worst.close("sorted centres", found.centres, np.array(case.golden["sorted_centers"]), RELATIVE, 0.0)
    percent = 100 * mean_best_iou(points, found.centres)
    worst.number("mean IoU", percent, case.golden["avg_iou_percent"], RELATIVE)
    worst.equal("anchors", anchors_text(found.centres, COARSE), case.golden["anchors_line"])


def calc_anchors(case: Case, worst: Worst) -> None:
    """From labels to the two files and the printed figure."""
    golden = case.golden
    images = golden["labels_per_image"]
    rows = np.array([(*box, label) for labels in images for label, *box in labels], np.float32)
    starts = np.cumsum([0, *(len(labels) for labels in images)], dtype=np.int64)
    samples = Samples(Path("train.txt"), tuple(f"{number}.jpg" for number in range(len(images))), rows, starts)
    sizes = box_sizes(samples, golden["width"], golden["height"])
    found = kmeans(sizes, sizes[golden["init_idx"]])
    worst.equal("iterations", found.updates, golden["iterations"])
    worst.close("centres", found.centres, np.array(golden["centers_sorted"]), RELATIVE, 0.0)
    worst.equal("mean IoU", f"{100 * mean_best_iou(sizes, found.centres):2.2f}", f"{golden['avg_iou_percent']:2.2f}")
    worst.equal("anchors.txt", anchors_text(found.centres, golden["width"]), golden["anchors_txt"])
    worst.equal("counters", counters_text(samples, golden["classes"]), golden["counters_per_class_txt"])
    worst.equal("clusters asked for", len(found.centres), golden["num_of_clusters"])
