"""What every evaluation of a validation set can say, whatever it measures."""

from __future__ import annotations

from typing import Protocol


class Measured(Protocol):
    """The outcome of one evaluation: the training loop keeps the best weights by it and logs it."""

    @property
    def score(self) -> float:
        """What the best weights are chosen by, a fraction; higher is better."""
        ...

    @property
    def headline(self) -> str:
        """The score in a few words, with its name."""
        ...

    def columns(self) -> dict[str, float]:
        """The figures of results.csv and of the chart, fractions, by the name of their column."""
        ...

    def lines(self) -> list[str]:
        """The report on the terminal, one string a line, without line ends."""
        ...
