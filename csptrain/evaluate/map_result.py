"""The outcome of one mAP evaluation: numbers, JSON and Darknet's own lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One class: ``ap`` as a fraction, true and false positives at conf_thresh, all its truths."""

    index: int
    name: str
    ap: float
    true_positives: int
    false_positives: int
    truths: int


@dataclass(frozen=True, slots=True)
class MapResult:
    """mAP at one IoU threshold, and precision, recall, F1 and average IoU at one confidence threshold.

    All rates are fractions in 0..1; a rate whose denominator is 0 is 0 (Darknet prints -nan).
    ``detections_count`` counts every class of every box; ``avg_iou`` is the summed IoU of the true
    positives over true and false positives.
    """

    classes: tuple[ClassResult, ...]
    iou_thresh: float
    conf_thresh: float
    points: int
    detections_count: int
    unique_truth_count: int
    avg_iou: float

    @property
    def map(self) -> float:
        """Mean of the classes' average precision; classes without truths count as 0."""
        return _ratio(sum(result.ap for result in self.classes), len(self.classes))

    @property
    def score(self) -> float:
        """What the best weights of a training are chosen by: the mean average precision."""
        return self.map

    @property
    def headline(self) -> str:
        """The score in a few words."""
        return f"AP{round(100 * self.iou_thresh)} = {self.map:.4f}"

    def columns(self) -> dict[str, float]:
        """The figure of results.csv and of the chart."""
        return {"map": self.map}

    @property
    def true_positives(self) -> int:
        """True positives of all classes."""
        return sum(result.true_positives for result in self.classes)

    @property
    def false_positives(self) -> int:
        """False positives of all classes."""
        return sum(result.false_positives for result in self.classes)

    @property
    def false_negatives(self) -> int:
        """Truths that no detection above the confidence threshold found."""
        return self.unique_truth_count - self.true_positives

    @property
    def precision(self) -> float:
        """Share of the detections above the confidence threshold that are right."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of the truths found above the confidence threshold."""
        return _ratio(self.true_positives, self.unique_truth_count)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.precision * self.recall, self.precision + self.recall)

    def as_dict(self) -> dict[str, object]:
        """Everything above, ready for JSON; rates are fractions."""
        return {
            "map": self.map,
            "iou_thresh": self.iou_thresh,
            "points": self.points,
            "conf_thresh": self.conf_thresh,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "avg_iou": self.avg_iou,
            "TP": self.true_positives,
            "FP": self.false_positives,
            "FN": self.false_negatives,
            "detections_count": self.detections_count,
            "unique_truth_count": self.unique_truth_count,
            "classes": [
                {
                    "id": result.index,
                    "name": result.name,
                    "ap": result.ap,
                    "TP": result.true_positives,
                    "FP": result.false_positives,
                    "truths": result.truths,
                }
                for result in self.classes
            ],
        }

    def lines(self) -> list[str]:
        """The report in Darknet's words and layout, one string per line, without line ends."""
        rule = f"used {self.points} Recall-points" if self.points else "used Area-Under-Curve for each unique Recall"
        conf = f" for conf_thresh = {self.conf_thresh:.2f}"
        return [
            f" detections_count = {self.detections_count}, unique_truth_count = {self.unique_truth_count}  ",
            *(
                f"class_id = {result.index}, name = {result.name}, ap = {result.ap * 100:.2f}%   \t "
                f"(TP = {result.true_positives}, FP = {result.false_positives}) "
                for result in self.classes
            ),
            "",
            f"{conf}, precision = {self.precision:.2f}, recall = {self.recall:.2f}, F1-score = {self.f1:.2f} ",
            f"{conf}, TP = {self.true_positives}, FP = {self.false_positives}, "
            f"FN = {self.false_negatives}, average IoU = {self.avg_iou * 100:.2f} % ",
            "",
            f" IoU threshold = {self.iou_thresh * 100:.0f} %, {rule} ",
            f" mean average precision (mAP@{self.iou_thresh:.2f}) = {self.map:.6f}, or {self.map * 100:.2f} % ",
        ]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
