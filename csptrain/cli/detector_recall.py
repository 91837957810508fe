"""``csptrain detector recall``: how many objects the boxes of trained weights cover, whatever their class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.trained import (
    declare,
    declare_list,
    fraction,
    labelled_images,
    load_trained,
    pick_workers,
    progress_bar,
    tell_bad,
)
from csptrain.cli.voice import quiet, show, show_object

if TYPE_CHECKING:
    from csptrain.evaluate.recall import RecallResult

VERB = "detector recall"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Measure how many objects are covered by a box of any class: csptrain detector recall x.data net.cfg "
        "net.weights. Prints Darknet's line after every image, with --quiet after the last.",
    )
    parser.positional("files", "[data] cfg weights", many=True)
    parser.option("thresh", fraction, None, "least objectness of a box (default Darknet's, 0.001)")
    parser.option("iou_thresh", fraction, 0.5, "overlap above which an object is found (0.5)")
    declare_list(parser)
    declare(parser)
    parser.json()
    return parser


def run(argv: list[str]) -> int:
    """Measure, print, and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    trained = load_trained(options, VERB)

    from csptrain.evaluate.detect import torch_detector
    from csptrain.evaluate.recall import RECALL_THRESH, recall_by_image

    samples, images = labelled_images(trained, options.split)
    result: RecallResult | None = None
    with progress_bar(len(samples)) as progress:
        for result in recall_by_image(
            trained.graph,
            torch_detector(trained.fused, trained.device),
            images.batches(options.batch, pick_workers(options.workers, len(samples))),
            RECALL_THRESH if options.thresh is None else options.thresh,
            options.iou_thresh,
        ):
            progress(1)
            if not quiet():
                show(result.line())
    tell_bad(images.bad, trained.data.results)
    if result is not None:
        if quiet():
            show(result.line())
        show_object(result.as_dict())
    return 0
