"""What a classifier says, in lines and records."""

from __future__ import annotations

import numpy as np

from csptrain.evaluate.classification import Guesses
from csptrain.report.guesses import console_lines, guess_records

FOUND = Guesses(
    np.array([0, 2], np.int64),
    np.array([[1, 0], [0, 1]], np.int64),
    np.array([[0.75, 0.2], [0.995, 0.004]], np.float32),
)
FILES = ("a.jpg", "bad.jpg", "b.jpg")


def test_darknets_words() -> None:
    assert console_lines(FOUND, FILES, ("cat", "dog"), 0.5) == [
        "a.jpg: Predicted in 250.000000 milli-seconds.",
        "dog: 0.750000",
        "cat: 0.200000",
        "b.jpg: Predicted in 250.000000 milli-seconds.",
        "cat: 0.995000",
        "dog: 0.004000",
    ]


def test_records() -> None:
    records = guess_records(FOUND, FILES, ("cat", "dog"))
    assert [record["filename"] for record in records] == ["a.jpg", "b.jpg"]
    assert records[0]["classes"] == [
        {"class_id": 1, "name": "dog", "probability": 0.75},
        {"class_id": 0, "name": "cat", "probability": 0.2},
    ]
