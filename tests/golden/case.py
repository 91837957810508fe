"""A case folder: its golden.json, arrays, regenerated weights and inputs; the worst error over tolerance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from csptrain.network import Network
from tests.golden_cases import recipe

Array = npt.NDArray[Any]
TINY = 1e-30
_WORD = re.compile(r"[a-z_]+")


@dataclass
class Case:
    """One folder; ``value(key)`` is what Darknet had under a variant."""

    folder: Path
    variant: str = "cudnn"
    amend: Callable[[Network], None] | None = None  # changes a network before it runs
    golden: dict[str, Any] = field(init=False)
    arrays: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        self.golden = json.loads((self.folder / "golden.json").read_text())
        path = self.folder / "golden.npz"
        if path.exists():
            with np.load(path) as archive:
                self.arrays = {key: archive[key] for key in archive.files}
        else:
            self.arrays = {}

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def kind(self) -> str:
        return str(self.golden["kind"])

    @property
    def cfg(self) -> Path:
        return self.folder / "net.cfg"

    @property
    def image(self) -> Path:
        """The one image beside the numbers."""
        return next(iter(sorted(self.folder.glob("image.*"))))

    def weights(self) -> bytes:
        """The weights file of the recipe."""
        return recipe.weights_bytes(self.golden)

    def inputs(self) -> Array:
        """float32 [rows, C, H, W]; Darknet ran on zeros where a batch is larger than what the recipe gives."""
        given = recipe.inputs(self.golden)
        missing = self.golden.get("forward_batch", 0) - len(given)
        return np.concatenate((given, np.zeros_like(given, shape=(max(missing, 0), *given.shape[1:]))))

    def truths(self) -> Array | None:
        """float32 [rows, length]."""
        return recipe.truths(self.golden)

    def value(self, key: str) -> Any:
        """A value under the variant; what a variant lacks is bit-identical to stock."""
        return self.golden.get(self.variant, {}).get(key, self.golden["stock"].get(key))

    def array(self, key: str) -> Array | None:
        """The whole tensor behind a value, where it is stored."""
        variant = self.variant if key in self.golden.get(self.variant, {}) else "stock"
        return self.arrays.get(f"{variant}/{key}")


class Worst:
    """Collects errors divided by their tolerance; at most 1 is a pass, a NaN is infinitely wrong.

    ``error`` and ``tolerance`` are those of the worst comparison, ``where`` says which it was; what must be equal has
    the tolerance 0. ``parts`` holds the largest error of each kind of comparison, by the word ``where`` begins with.
    """

    def __init__(self) -> None:
        self.ratio = 0.0
        self.error = 0.0
        self.tolerance = 0.0
        self.where = ""
        self.count = 0
        self.parts: dict[str, float] = {}

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing was too far off."""
        return self.count > 0 and self.ratio <= 1

    def add(self, where: str, error: float, tolerance: float) -> None:
        """One comparison."""
        ratio = float(error) / tolerance
        self._note(where, float("inf") if np.isnan(ratio) else ratio, float(error), tolerance)

    def _note(self, where: str, ratio: float, error: float, tolerance: float) -> None:
        self.count += 1
        word = _WORD.match(where)
        if tolerance and word:
            self.parts[word[0]] = max(self.parts.get(word[0], 0.0), error)
        # Of comparisons without any error the first that allows one stands for the case.
        if ratio > self.ratio or not self.where or (ratio == self.ratio and tolerance > 0 == self.tolerance):
            self.ratio, self.error, self.tolerance, self.where = ratio, error, tolerance, where

    def number(self, where: str, found: float, golden: float, tolerance: float, floor: float = 1e-6) -> None:
        """Compare a number, relative to the golden one."""
        self.add(where, abs(found - golden) / max(abs(golden), floor), tolerance)

    def summary(self, where: str, found: Array, golden: dict[str, Any], tolerance: float, noise: float = 0.0) -> None:
        """Compare a tensor with its summary: samples, mean and l2, relative to its largest value.

        A golden tensor that stays below ``noise`` holds nothing but what cancellation left: the other must too.
        """
        flat = np.asarray(found, np.float64).ravel()
        if flat.size != golden["n"]:
            self.add(f"{where} has {flat.size} values, not {golden['n']}", float("inf"), 1.0)
            return
        if golden["absmax"] < noise:
            self.add(where, np.abs(flat).max() / noise * tolerance, tolerance)
            return
        scale, norm = max(golden["absmax"], TINY), np.sqrt((flat * flat).sum())
        errors = [
            np.abs(flat[golden["idx"]] - np.asarray(golden["val"])).max() / scale,
            abs(norm - golden["l2"]) / max(golden["l2"], TINY),
            abs(flat.mean() - golden["mean"]) / scale,
        ]
        self.add(where, np.max(errors), tolerance)

    def array(self, where: str, found: Array, golden: Array, tolerance: float, scale: float | None = None) -> None:
        """Compare whole arrays, relative to the largest golden value unless ``scale`` is given."""
        unit = max(float(np.abs(golden).max(initial=0.0)), TINY) if scale is None else scale
        self._arrays(where, found, golden, 0.0, tolerance * unit, tolerance)

    def close(self, where: str, found: Array, golden: Array, relative: float, absolute: float) -> None:
        """Compare whole arrays value by value, each within ``absolute + relative * |golden|``."""
        self._arrays(where, found, golden, relative, absolute, relative or absolute)

    def _arrays(
        self, where: str, found: Array, golden: Array, relative: float, absolute: float, tolerance: float
    ) -> None:
        found, golden = np.asarray(found, np.float64).ravel(), np.asarray(golden, np.float64).ravel()
        if found.size != golden.size:
            self.add(f"{where} has {found.size} values, not {golden.size}", float("inf"), 1.0)
            return
        errors = np.abs(found - golden) / (absolute + relative * np.abs(golden))
        self.add(where, np.max(errors, initial=0.0) * tolerance, tolerance)

    def equal(self, where: str, found: Any, golden: Any) -> None:
        """Compare exactly."""
        same = bool(found == golden)
        if same:
            self._note(where, 0.0, 0.0, 0.0)
        else:
            self._note(f"{where}: {found} is not {golden}", float("inf"), float("inf"), 0.0)
