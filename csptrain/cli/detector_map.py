"""``csptrain detector map``: how good the boxes of trained weights are, by Darknet's, VOC's and COCO's measures."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.backends import declare_backend, open_backend
from csptrain.cli.trained import (
    Trained,
    declare,
    declare_list,
    fraction,
    labelled_images,
    load_trained,
    pick_workers,
    progress_bar,
    recall_points,
    tell_bad,
)
from csptrain.cli.voice import show, show_object, tell

if TYPE_CHECKING:
    from csptrain.datasets.lists import Samples
    from csptrain.evaluate.coco import CocoResult
    from csptrain.evaluate.detection import DetectionEvaluator
    from csptrain.evaluate.map_result import MapResult
    from csptrain.evaluate.pixels import PixelDetections
    from csptrain.evaluate.voc import VocResult

VERB = "detector map"
METRICS = ("darknet", "voc", "coco")


def metrics(text: str) -> tuple[str, ...]:
    """Measures by name; raises ArgumentTypeError for an unknown one."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    wrong = [name for name in names if name not in METRICS]
    if wrong:
        raise argparse.ArgumentTypeError(f"{wrong[0] or 'nothing'} is none of {', '.join(METRICS)}")
    return names


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Measure mean average precision: csptrain detector map x.data net.cfg net.weights. Without a data "
        "file: data/coco.data when its lists exist, else the built-in set.",
    )
    parser.positional("files", "[data] cfg weights", many=True)
    parser.option(
        "metrics", metrics, METRICS[:1], "any of darknet (default), voc, coco: darknet,voc,coco", metavar="A,B"
    )
    parser.option("thresh", fraction, 0.25, "score that counts in precision, recall and average IoU (0.25)")
    parser.option("iou_thresh", fraction, 0.5, "overlap with a truth above which a box is right (0.5)")
    parser.option("points", recall_points, 0, "0 area under the curve (default), 11 (VOC 2007) or 101 (COCO)")
    parser.option("plots", Path, None, "draw precision-recall curves and the confusion of classes there", metavar="DIR")
    declare_backend(parser)
    declare_list(parser)
    declare(parser)
    parser.json()
    return parser


@dataclass(frozen=True)
class _Outcome:
    """What was measured; ``darknet`` is always there, the others when they were asked for."""

    asked: tuple[str, ...]
    darknet: MapResult
    voc: VocResult | None
    coco: CocoResult | None
    seconds: float

    def as_dict(self) -> dict[str, object]:
        found = {**self.darknet.as_dict()}
        if self.voc is not None:
            found["voc"] = self.voc.as_dict()
        if self.coco is not None:
            found["coco"] = self.coco.as_dict()
        return found

    def lines(self, nms_kind: str) -> list[str]:
        """Darknet's own words, and the table where there is more than them."""
        from csptrain.report.metrics import metric_lines

        darknet = self.darknet if "darknet" in self.asked else None
        lines = [] if darknet is None else darknet.lines()
        if self.asked != METRICS[:1]:
            lines += ["", *metric_lines(darknet, self.voc, self.coco, nms_kind)]
        return lines


def run(argv: list[str]) -> int:
    """Measure, print, draw, and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    trained = load_trained(options, VERB)

    from csptrain.evaluate.detect import evaluate_detector, nms_settings
    from csptrain.evaluate.pixels import PixelDetections

    samples, images = labelled_images(trained, options.split)
    pixels = PixelDetections() if set(options.metrics) - {"darknet"} else None
    started = time.perf_counter()
    with open_backend(options, trained) as detect, progress_bar(len(samples)) as progress:
        evaluator = evaluate_detector(
            trained.graph,
            detect,
            images,
            trained.data.names,
            batch=options.batch,
            workers=pick_workers(options.workers, len(samples)),
            progress=progress,
            pixels=pixels,
        )
    outcome = _measure(options, evaluator, pixels, samples, started)
    tell_bad(images.bad, trained.data.results)
    show(*outcome.lines(nms_settings(trained.graph)[0]), f"Total Detection Time: {outcome.seconds:.0f} Seconds")
    about = {**_about(trained, options), "images": len(evaluator.image_ids), "bad_images": len(images.bad)}
    show_object({**outcome.as_dict(), **about, "seconds": round(outcome.seconds, 3)})
    if options.plots is not None:
        _draw(options, evaluator)
    return 0


def _measure(
    options: argparse.Namespace,
    evaluator: DetectionEvaluator,
    pixels: PixelDetections | None,
    samples: Samples,
    started: float,
) -> _Outcome:
    from csptrain.evaluate.coco import coco_result
    from csptrain.evaluate.pixels import objects_of
    from csptrain.evaluate.voc import voc_result

    darknet = evaluator.result(options.iou_thresh, options.thresh, options.points)
    voc = coco = None
    if pixels is not None:
        objects = objects_of(samples, pixels, len(evaluator.names))
        voc = voc_result(pixels, objects, options.iou_thresh) if "voc" in options.metrics else None
        coco = coco_result(pixels, objects) if "coco" in options.metrics else None
    return _Outcome(options.metrics, darknet, voc, coco, time.perf_counter() - started)


def _about(trained: Trained, options: argparse.Namespace) -> dict[str, object]:
    net = trained.graph.net
    return {
        "cfg": str(trained.files.cfg),
        "weights": str(trained.weights),
        "data": str(trained.data.path),
        "split": options.split,
        "backend": options.backend,
        "width": net.width,
        "height": net.height,
        "letter_box": net.letter_box,
    }


def _draw(options: argparse.Namespace, evaluator: DetectionEvaluator) -> None:
    from csptrain.evaluate.confusion import confusion
    from csptrain.report.confusion_picture import draw_confusion
    from csptrain.report.curves import draw_curves
    from csptrain.report.draw import save_png

    result = evaluator.result(options.iou_thresh, options.thresh)
    pictures = {
        "precision_recall.png": draw_curves(evaluator.curves(options.iou_thresh), result),
        "confusion.png": draw_confusion(confusion(evaluator, options.iou_thresh, options.thresh)),
    }
    for name, picture in pictures.items():
        save_png(picture, options.plots / name)
        tell(f"picture: {options.plots / name}")
