"""A case folder: its golden.json, arrays, regenerated weights and inputs; the worst error over tolerance."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.golden_cases import recipe

Array = npt.NDArray[Any]


@dataclass
class Case:
    """One folder; ``tensor(key)`` gives what Darknet had under a variant."""

    folder: Path
    variant: str = "cudnn"
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

    def weights(self) -> bytes:
        """The weights file of the recipe."""
        return recipe.weights_bytes(self.golden)

    def inputs(self) -> Array:
        """float32 [rows, C, H, W]."""
        return recipe.inputs(self.golden)

    def truths(self) -> Array | None:
        """float32 [rows, length]."""
        return recipe.truths(self.golden)

    def value(self, key: str) -> Any:
        """A value under the variant; what a variant lacks is bit-identical to stock."""
        return self.golden.get(self.variant, {}).get(key, self.golden["stock"].get(key))


class Worst:
    """Collects errors divided by their tolerance; at most 1 is a pass."""

    def __init__(self) -> None:
        self.ratio = 0.0
        self.where = ""
        self.count = 0

    def add(self, where: str, error: float, tolerance: float) -> None:
        """One comparison; a NaN counts as infinitely wrong."""
        self.count += 1
        ratio = float("inf") if error != error else error / tolerance
        if ratio > self.ratio or not self.where:
            self.ratio, self.where = ratio, where

    def summary(
        self, where: str, found: Array, golden: dict[str, Any], tolerance: float, floor: float = 0.0
    ) -> None:
        """Compare a tensor with its summary: samples, mean and l2, relative to its largest value."""
        flat = np.asarray(found, np.float64).ravel()
        if flat.size != golden["n"]:
            self.add(f"{where} has {flat.size} values, not {golden['n']}", float("inf"), 1.0)
            return
        scale = max(golden["absmax"], floor, 1e-30)
        samples = np.abs(flat[golden["idx"]] - np.asarray(golden["val"])).max() / scale
        norm = abs(np.sqrt((flat * flat).sum()) - golden["l2"]) / max(golden["l2"], floor, 1e-30)
        self.add(where, max(samples, norm, abs(flat.mean() - golden["mean"]) / scale), tolerance)

    def array(
        self, where: str, found: Array, golden: Array, tolerance: float, scale: float | None = None
    ) -> None:
        """Compare whole arrays, relative to the largest golden value unless ``scale`` is given."""
        found, golden = np.asarray(found, np.float64).ravel(), np.asarray(golden, np.float64).ravel()
        if found.size != golden.size:
            self.add(f"{where} has {found.size} values, not {golden.size}", float("inf"), 1.0)
            return
        if golden.size == 0:
            self.add(where, 0.0, 1.0)
            return
        unit = scale if scale is not None else max(float(np.abs(golden).max()), 1e-30)
        self.add(where, float(np.abs(found - golden).max()) / unit, tolerance)

    def equal(self, where: str, found: Any, golden: Any) -> None:
        """Compare exactly."""
        self.add(
            f"{where}: {found} is not {golden}" if found != golden else where, float(found != golden) * 2, 1.0
        )
