"""Networks set up for a data set of one's own: few images, objects of similar size, a short training.

The figures they reach are in docs/experiments.md.
"""

from __future__ import annotations

from csptrain.zoo.training import Options, Training

# Blood cells of the BCCD set in an input of 256 x 256: platelets below 25 pixels, red cells around 50, white around 90.
CELL_ANCHORS = (15, 19, 25, 34, 34, 46, 45, 42, 39, 57, 49, 54, 59, 71, 82, 109, 109, 91)

# iou_thresh=.5: every anchor that overlaps an object by half learns it too, which matters when images are few.
# A small jitter: all pictures come from one microscope at one scale.
CELL_HEAD: Options = (
    ("jitter", ".15"),
    ("ignore_thresh", ".7"),
    ("truth_thresh", "1"),
    ("iou_thresh", ".5"),
    ("random", "0"),
)
_COLOUR: Options = (("angle", "0"), ("saturation", "1.5"), ("exposure", "1.5"), ("hue", ".1"))


def short_cosine(batch: int, iterations: int, learning_rate: str, burn_in: int) -> Training:
    """One cosine from the rate down to a hundredth of it, the best use of a few thousand images a class."""
    schedule = (
        ("learning_rate", learning_rate),
        ("learning_rate_min", f"{float(learning_rate) / 100:g}"),
        ("burn_in", str(burn_in)),
        ("max_batches", str(iterations)),
        ("policy", "sgdr"),
    )
    return Training(batch, 1, schedule, _COLOUR)


def short_steps(batch: int, subdivisions: int, iterations: int, learning_rate: str, burn_in: int) -> Training:
    """Darknet's advice for a short training: the rate divided by ten at 80 % and 90 %."""
    steps = f"{iterations * 8 // 10},{iterations * 9 // 10}"
    schedule = (
        ("learning_rate", learning_rate),
        ("burn_in", str(burn_in)),
        ("max_batches", str(iterations)),
        ("policy", "steps"),
        ("steps", steps),
        ("scales", ".1,.1"),
    )
    return Training(batch, subdivisions, schedule, _COLOUR)
