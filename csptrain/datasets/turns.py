"""Which images of a list each of several processes takes, so that together they take every one once."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from csptrain.errors import DataError


@dataclass(frozen=True)
class Turns:
    """The batches ``rank``, ``rank + count`` and so on of a list.

    Whole batches take turns, not single images: so every image is computed in the same batch as by a single process,
    and comes to the same numbers where an arithmetic depends on what it computes at once.
    """

    rank: int = 0
    count: int = 1

    def within(self, images: int, batch: int) -> list[int] | None:
        """The places of its images, ascending, in a list of ``images`` that is cut into batches; None for all."""
        if self.count == 1:
            return None
        starts = range(self.rank * batch, images, self.count * batch)
        return [place for start in starts for place in range(start, min(start + batch, images))]


ALL = Turns()


def nothing_decoded(source: Path) -> DataError:
    """What is said of a list without a single image that can be decoded."""
    return DataError("no image of the list can be decoded", path=source)


def left_out(source: Path, images: Sequence[str], taken: Collection[Hashable]) -> list[str]:
    """The images of a list that are not among those ``taken``, in order; raises DataError where that is all."""
    if not taken:
        raise nothing_decoded(source)
    there = {*taken}
    return [image for place, image in enumerate(images) if place not in there]
