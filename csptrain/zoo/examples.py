"""Networks set up for a data set of one's own: few images, objects of similar size, a short training.

The figures they reach are in docs/experiments.md.
"""

from __future__ import annotations

from dataclasses import replace

from csptrain.zoo.detectors import SAM, TWO_SCALES, on
from csptrain.zoo.heads.options import YOLOV4_TINY
from csptrain.zoo.recipe import Recipe
from csptrain.zoo.training import Options, Training

# Blood cells of the BCCD set in an input of 224x224: platelets around 15 pixels, red cells around 42, white around 80.
CELL_ANCHORS = (13, 17, 22, 30, 30, 40, 39, 37, 34, 50, 43, 47, 52, 62, 72, 95, 95, 80)

# YOLOv4's way with boxes: several anchors learn an object, by its complete IoU.
# A small jitter: all pictures come from one microscope at one scale.
CELL_HEAD: Options = (
    ("jitter", ".15"),
    ("ignore_thresh", ".7"),
    ("truth_thresh", "1"),
    ("iou_thresh", "0.213"),
    ("scale_x_y", "1.05"),
    ("iou_normalizer", "0.07"),
    ("cls_normalizer", "1.0"),
    ("iou_loss", "ciou"),
    ("nms_kind", "greedynms"),
    ("beta_nms", "0.6"),
    ("random", "0"),
)
# Pictures of any kind: objects come nearer and farther.
OWN_HEAD: Options = (("jitter", ".3"), *CELL_HEAD[1:])
_COLOUR: Options = (("angle", "0"), ("saturation", "1.5"), ("exposure", "1.5"), ("hue", ".1"))
_MOSAIC: Options = (("mosaic", "1"),)


def short_steps(
    batch: int, subdivisions: int, iterations: int, learning_rate: str, burn_in: int, further: Options = ()
) -> Training:
    """Darknet's advice for a short training: the rate divided by ten at 80% and 90%; ``further`` options of images."""
    steps = f"{iterations * 8 // 10},{iterations * 9 // 10}"
    schedule = (
        ("learning_rate", learning_rate),
        ("burn_in", str(burn_in)),
        ("max_batches", str(iterations)),
        ("policy", "steps"),
        ("steps", steps),
        ("scales", ".1,.1"),
    )
    return Training(batch, subdivisions, schedule, (*_COLOUR, *further))


def own_data(size: int, classes: int, iterations: int) -> Recipe:
    """The network that `csptrain new` starts from: the example of the cells for pictures of any kind.

    A mini-batch holds as many images as three million pixels make, so that it fits into a few GB.
    """
    images = 32
    subdivisions = next((parts for parts in (1, 2, 4, 8) if images // parts * size * size <= 3_000_000), 16)
    burn_in = min(max(iterations // 20, 60), 1000)
    return Recipe(
        "CSPPeleeNet with EFM and spatial attention, set up for a data set of one's own",
        "docs/start.md tells how it was chosen",
        size,
        classes,
        short_steps(images, subdivisions, iterations, "0.003", burn_in, further=_MOSAIC),
        on("csppeleenet", "efm", replace(SAM, options=OWN_HEAD)),
    )


EXAMPLES: dict[str, Recipe] = {
    "csppeleenet-efm-sam-bccd": Recipe(
        "CSPPeleeNet with EFM and spatial attention, set up for the 364 blood cell images of BCCD",
        "an example of one's own data: docs/experiments.md has what it reaches",
        224,
        3,
        short_steps(32, 1, iterations=1000, learning_rate="0.003", burn_in=60, further=_MOSAIC),
        on("csppeleenet", "efm", replace(SAM, anchors=CELL_ANCHORS, options=CELL_HEAD)),
    ),
    "yolov4-tiny-bccd": Recipe(
        "YOLOv4-tiny with the settings of a short Darknet run on the blood cell images of BCCD",
        "for a comparison at equal images: docs/experiments.md",
        224,
        3,
        short_steps(batch=16, subdivisions=2, iterations=300, learning_rate="0.001", burn_in=100),
        on("cspdarknet53-tiny", "tiny", replace(TWO_SCALES, options=YOLOV4_TINY)),
    ),
}
