"""What csptrain wants to be, as ratios against named baselines, and whether a run met it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from csptrain.bench import evaluation, loading, memory, pipeline, suppression, training
from csptrain.bench.infer import OPENCV, OWN, side_name
from csptrain.bench.result import Comparison

Measure = Literal["speed", "time", "memory", "seconds"]
_FP32, _BF16 = side_name(OWN, False), side_name(OWN, True)


@dataclass(frozen=True)
class Goal:
    """A ratio of a side to another one of the same comparison, or the seconds of a pass.

    ``measure``: `speed` is how many times as fast and at least ``bound``; `time` and `memory` are in parts of the
    other's and at most ``bound``, as `seconds` are.
    """

    work: str
    key: str
    side: str
    against: str
    measure: Measure
    bound: float

    def find(self, comparisons: Iterable[Comparison]) -> float | None:
        """The figure of a run; None where it is not in it."""
        comparison = next((one for one in comparisons if one.key == self.key), None)
        if comparison is None:
            return None
        if self.measure == "memory":
            return comparison.memory(self.side, self.against)
        if self.measure == "seconds":
            figure = comparison.figure(self.side)
            return figure.seconds if figure else None
        speed = comparison.speed(self.side, self.against)
        return 1 / speed if speed and self.measure == "time" else speed

    def met(self, value: float) -> bool:
        """Whether a figure is good enough, in the digits that are shown."""
        shown = round(value, 2)
        return shown >= self.bound if self.measure == "speed" else shown <= self.bound

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"≥ {self.bound:g}x" if self.measure == "speed" else f"≤ {self._unit(f'{self.bound:g}')}"

    def shown(self, value: float) -> str:
        """A figure in words."""
        return self._unit(f"{value:.2f}")

    def _unit(self, number: str) -> str:
        return f"{number} s" if self.measure == "seconds" else f"{number}x"


@dataclass(frozen=True)
class Verdict:
    """A goal and what a run found; None where it was not measured."""

    goal: Goal
    value: float | None

    @property
    def cells(self) -> list[str]:
        """The row of a table under ``HEADER``."""
        goal, value = self.goal, self.value
        found = ("not measured", "") if value is None else (goal.shown(value), "yes" if goal.met(value) else "no")
        against = "" if goal.measure == "seconds" else goal.against
        return [f"{goal.work}, {goal.side}", against, goal.wanted, *found]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        goal, value = self.goal, self.value
        return {
            "work": goal.work,
            "key": goal.key,
            "side": goal.side,
            "against": goal.against,
            "measure": goal.measure,
            "goal": goal.bound,
            "measured": value,
            "met": None if value is None else goal.met(value),
        }


HEADER = ("work", "baseline in the same run", "goal", "measured", "met")


def _training() -> list[Goal]:
    wanted = {"yolov3-tiny": (2.5, 6.0), "csppeleenet-efm": (2.0, 4.0), "csresnext50-panet-spp": (2.0, 4.0)}
    return [
        Goal(f"training step, {name}", f"train/{name}", side, training.PLAIN, "speed", bound)
        for name, bounds in wanted.items()
        for side, bound in zip((training.OWN, training.OWN_BF16), bounds, strict=True)
    ]


def _inference() -> list[Goal]:
    tiny, first = "inference, yolov3-tiny", "infer/yolov3-tiny"
    return [
        Goal(tiny, first, _FP32, OPENCV, "speed", 3.0),
        Goal(tiny, first, _BF16, OPENCV, "speed", 7.0),
        Goal(tiny, first, _FP32, "onnxruntime", "speed", 1.0),
        Goal(tiny, first, _BF16, side_name("openvino", True), "speed", 0.65),
        *(
            Goal(f"inference, {name}", f"infer/{name}", _FP32, OPENCV, "speed", 2.0)
            for name in ("csppeleenet-efm", "csresnext50")
        ),
    ]


GOALS: Sequence[Goal] = (
    *_training(),
    *_inference(),
    Goal("peak memory, inference of yolov4, 608", "memory/infer-yolov4", _FP32, memory.KEEP_ALL, "memory", 0.4),
    *(
        Goal(
            "peak memory, training of csppeleenet-efm",
            "memory/train-csppeleenet-efm",
            side,
            training.PLAIN,
            "memory",
            bound,
        )
        for side, bound in ((training.OWN, 0.75), (training.CHECKPOINTS, 0.5))
    ),
    Goal("training samples with mosaic, per core", "data/mosaic", pipeline.OWN, pipeline.DECODE, "speed", 0.8),
    Goal("cfg and weights of yolov4", "load/yolov4", loading.OWN, loading.READ, "time", 1.5),
    Goal("evaluation of 5,000 images", "eval/coco", evaluation.OWN, evaluation.ALONE, "time", 1.1),
    Goal("evaluation of 5,000 images", "eval/coco", evaluation.MAP, evaluation.ALONE, "seconds", 3.0),
    Goal("suppression of 10,000 boxes x 80 classes", "eval/nms", suppression.OWN, suppression.LOOP, "speed", 3.0),
)


def judge(comparisons: Sequence[Comparison]) -> list[Verdict]:
    """All goals of those comparisons that were made, in their order."""
    keys = {comparison.key for comparison in comparisons}
    return [Verdict(goal, goal.find(comparisons)) for goal in GOALS if goal.key in keys]
