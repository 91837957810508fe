"""How the networks are trained: the options of [net].

Source: section 4.1 of the CSPNet paper, which follows YOLOv3's settings; where its text is silent or
misprinted, the settings of the Darknet networks of that family.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Training:
    """Options of [net] beside the input's size."""

    batch: int
    subdivisions: int
    schedule: Options
    augmentation: Options
    notes: tuple[str, ...] = ()
    momentum: str = "0.9"

    def net(self, width: int, height: int) -> list[tuple[str, str]]:
        """The options of [net] for an input of this size in pixels."""
        head = (("batch", self.batch), ("subdivisions", self.subdivisions))
        size = (("width", width), ("height", height), ("channels", 3))
        options = [(key, str(value)) for key, value in (*head, *size)]
        return options + [("momentum", self.momentum), ("decay", "0.0005"), *self.augmentation, *self.schedule]

    def resized(self, times: float) -> Training:
        """The same for an input ``times`` as wide: a classifier's crops are in pixels."""
        crops = ("min_crop", "max_crop")
        options = ((key, str(round(int(value) * times)) if key in crops else value) for key, value in self.augmentation)
        return replace(self, augmentation=tuple(options))


# The paper prints no rate for COCO. This one is that of the public cfgs of CSP detectors by its authors; YOLOv3's 0.001
# learns far less in a short training (docs/experiments.md).
LEARNING_RATE = "0.00261"


def detector(
    subdivisions: int,
    learning_rate: str = "0.001",
    max_batches: int = 500500,
    steps: tuple[int, int] = (400000, 450000),
    momentum: str = "0.9",
    further: Options = (),
    notes: tuple[str, ...] = (),
) -> Training:
    """A detector on COCO: batch 64, the rate divided by ten at each of two steps; ``further`` options of its images."""
    schedule = (
        ("learning_rate", learning_rate),
        ("burn_in", "1000"),
        ("max_batches", str(max_batches)),
        ("policy", "steps"),
        ("steps", f"{steps[0]},{steps[1]}"),
        ("scales", ".1,.1"),
    )
    colour = (("angle", "0"), ("saturation", "1.5"), ("exposure", "1.5"), ("hue", ".1"))
    return Training(64, subdivisions, schedule, (*colour, *further), notes, momentum)


IMAGENET_NOTES = (
    "Training as in section 4.1 but for two numbers: the paper prints decay 0.005 and, for ResNets, 8000,000",
    "steps; the settings that it follows have 0.0005 and 800,000",
)


def imagenet(
    max_batches: int,
    batch: int = 128,
    learning_rate: str = "0.1",
    crops: Options = (("min_crop", "128"), ("max_crop", "448")),
    notes: tuple[str, ...] = IMAGENET_NOTES,
) -> Training:
    """A classifier on ImageNet: batch 128, rate 0.1 falling with the fourth power of the time left."""
    schedule = (
        ("learning_rate", learning_rate),
        ("burn_in", "1000"),
        ("max_batches", str(max_batches)),
        ("policy", "poly"),
        ("power", "4"),
    )
    colour = (("angle", "7"), ("hue", ".1"), ("saturation", ".75"), ("exposure", ".75"), ("aspect", ".75"))
    return Training(batch, 4, schedule, (*crops, *colour), notes)


#: The settings of the public cfg, whose accuracy the paper prints.
EFFICIENTNET = imagenet(
    max_batches=800000,
    batch=120,
    learning_rate="0.256",
    crops=(("max_crop", "256"), ("blur", "1"), ("cutmix", "1"), ("mosaic", "1")),
    notes=("Training as in the public cfg, whose accuracy the paper prints",),
)
