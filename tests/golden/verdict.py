"""What became of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

OK, FAIL, UNSUPPORTED = "ok", "fail", "unsupported"


@dataclass(frozen=True)
class Verdict:
    """What became of a case; ``worst`` is the largest error over its tolerance, found at ``where``.

    ``error`` and ``tolerance`` are the two numbers behind it (0 where equality is asked for), ``compared`` counts the
    comparisons, ``parts`` holds the largest error of each kind of them.
    """

    name: str
    kind: str
    worst: float
    where: str
    result: str
    error: float = 0.0
    tolerance: float = 0.0
    compared: int = 0
    parts: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name:32s} {self.kind:16s} {self.worst:10.3g}  {self.result:11s} {self.where}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON, where what is not finite is null."""
        return {**{key: _finite(value) for key, value in asdict(self).items()}, "parts": _all_finite(self.parts)}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def _all_finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: _finite(value) for key, value in values.items()}
