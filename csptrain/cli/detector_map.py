"""``csptrain detector map``: mean average precision of trained weights on a list of images."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.trained import (
    declare,
    declare_list,
    fraction,
    load_trained,
    pick_list,
    pick_workers,
    progress_bar,
    recall_points,
    tell,
    tell_bad,
)

if TYPE_CHECKING:
    from csptrain.datasets.lists import Samples

VERB = "detector map"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Measure mean average precision: csptrain detector map x.data net.cfg net.weights. Without a data "
        "file: data/coco.data when its lists exist, else the built-in set.",
    )
    parser.positional("files", "[data] cfg weights", many=True)
    parser.option("thresh", fraction, 0.25, "score that counts in precision, recall and average IoU (0.25)")
    parser.option("iou_thresh", fraction, 0.5, "overlap with a truth above which a box is right (0.5)")
    parser.option("points", recall_points, 0, "0 area under the curve (default), 11 (VOC 2007) or 101 (COCO)")
    declare_list(parser)
    declare(parser)
    parser.flag("json", "print one JSON object and nothing else")
    parser.flag("dont_show", "accepted; nothing is ever shown in a window")
    return parser


def run(argv: list[str]) -> int:
    """Measure, print, and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    trained = load_trained(options, VERB)

    from csptrain.datasets.lists import read_samples
    from csptrain.evaluate.detect import eval_dataset, evaluate_detector, torch_detector

    net, data = trained.graph.net, trained.data
    samples = read_samples(pick_list(data, options.split), data.classes)
    _tell_findings(samples)
    images = eval_dataset(trained.graph, samples)
    started = time.perf_counter()
    with progress_bar(len(samples)) as progress:
        evaluator = evaluate_detector(
            trained.graph,
            torch_detector(trained.network, trained.device),
            images,
            data.names,
            batch=options.batch,
            workers=pick_workers(options.workers, len(samples)),
            progress=progress,
        )
    result = evaluator.result(options.iou_thresh, options.thresh, options.points)
    seconds = time.perf_counter() - started
    tell_bad(images.bad, data.results)
    if options.json:
        about = {
            "cfg": str(trained.files.cfg),
            "weights": str(trained.weights),
            "data": str(data.path),
            "split": options.split,
            "images": len(evaluator.image_ids),
            "bad_images": len(images.bad),
            "width": net.width,
            "height": net.height,
            "letter_box": net.letter_box,
            "seconds": round(seconds, 3),
        }
        print(json.dumps({**result.as_dict(), **about}))
    else:
        print(*result.lines(), sep="\n")
        print(f"Total Detection Time: {seconds:.0f} Seconds")
    return 0


def _tell_findings(samples: Samples) -> None:
    if samples.unlabelled:
        tell(f"note: {samples.unlabelled} images of {samples.source} have no labels and count as background")
    for finding in samples.findings[:3]:
        tell(f"note: {finding}")
    if len(samples.findings) > 3:
        tell(f"note: {len(samples.findings) - 3} more label lines were corrected or left out")
