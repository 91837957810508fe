"""What a classifier says of images, for the terminal and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from csptrain.evaluate.classification import Guesses


def console_lines(guesses: Guesses, files: Sequence[str], names: Sequence[str], seconds: float) -> list[str]:
    """Darknet's words: a line for each image, then one for each guess; ``seconds`` is the time of all of them."""
    lines: list[str] = []
    for record in guess_records(guesses, files, names):
        lines.append(f"{record['filename']}: Predicted in {1000 * seconds / len(guesses.indices):f} milli-seconds.")
        lines += [f"{guess['name']}: {guess['probability']:f}" for guess in record["classes"]]
    return lines


def guess_records(guesses: Guesses, files: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    """For each image its file and its likeliest classes; ``files`` are those of the whole list."""
    rows = zip(guesses.indices.tolist(), guesses.classes.tolist(), guesses.probabilities.tolist(), strict=True)
    return [
        {
            "filename": files[index],
            "classes": [
                {"class_id": k, "name": names[k], "probability": round(p, 6)}
                for k, p in zip(classes, probabilities, strict=True)
            ],
        }
        for index, classes, probabilities in rows
    ]
