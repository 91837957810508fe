"""An evaluation by several processes: what each found as plain arrays, and those of all as one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csptrain.evaluate.classification import Guesses
from csptrain.evaluate.detection import Detected, DetectionEvaluator

Arrays = Mapping[str, NDArray[Any]]


def of_detections(evaluator: DetectionEvaluator) -> Arrays:
    """All that was added to an evaluator; its images are numbers of a list."""
    return {"ids": np.array(evaluator.image_ids, np.int64), **evaluator.detected()._asdict()}


def join_detections(names: Sequence[str], shares: Sequence[Arrays]) -> DetectionEvaluator:
    """The evaluator that one process alone would have, from what `of_detections` gave."""
    return DetectionEvaluator.joined(
        names,
        [(share["ids"].tolist(), Detected(**{field: share[field] for field in Detected._fields})) for share in shares],
    )


def of_guesses(guesses: Guesses) -> Arrays:
    """The guesses of a classifier."""
    return {"indices": guesses.indices, "classes": guesses.classes, "probabilities": guesses.probabilities}


def join_guesses(shares: Sequence[Arrays]) -> Guesses:
    """The guesses of all processes in the order of the list, from what `of_guesses` gave."""
    indices, classes, probabilities = (
        np.concatenate([share[field] for share in shares]) for field in ("indices", "classes", "probabilities")
    )
    order = np.argsort(indices)
    return Guesses(indices[order], classes[order], probabilities[order])
