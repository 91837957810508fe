"""Runs the tiny detector of a golden case with plain torch operations, so that a loss is tested alone."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CASES = Path(__file__).parents[1] / "golden_cases"

Section = tuple[str, dict[str, str]]


def _recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_recipe", CASES / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sections(path: Path) -> list[Section]:
    """The sections of a cfg, values as text."""
    found: list[Section] = []
    for line in path.read_text().splitlines():
        text = line.replace(" ", "")
        if text.startswith("["):
            found.append((text.strip("[]"), {}))
        elif "=" in text:
            key, _, value = text.partition("=")
            found[-1][1].setdefault(key, value)
    return found


def numbers(text: str) -> tuple[float, ...]:
    """A comma separated list."""
    return tuple(float(word) for word in text.split(","))


def pairs(text: str) -> tuple[tuple[float, float], ...]:
    """A comma separated list of anchors."""
    flat = numbers(text)
    return tuple(zip(flat[::2], flat[1::2], strict=True))


@dataclass
class Case:
    """A golden case of kind grad: its cfg, its inputs and what Darknet computed."""

    name: str
    outputs: list[Tensor] = field(default_factory=list)
    parameters: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        [folder] = CASES.glob(f"{self.name}*")
        golden: dict[str, Any] = json.loads((folder / "golden.json").read_text())
        recipe = _recipe()
        self.golden = golden
        self.sections = sections(folder / "net.cfg")
        self.arrays = np.load(folder / "golden.npz")
        self.images = torch.from_numpy(recipe.inputs(golden))
        self.truth = torch.from_numpy(recipe.truths(golden)).unflatten(1, (-1, 6))[..., :5]
        for layer, _, name, values in recipe.tensors(golden["recipe"]):
            tensor = torch.from_numpy(values.astype(np.float32))
            self.parameters[f"{layer}.{name}"] = tensor.requires_grad_(not name.startswith("rolling"))

    @property
    def net(self) -> dict[str, str]:
        return self.sections[0][1]

    def layer(self, index: int) -> Section:
        return self.sections[index + 1]

    def heads(self, kind: str) -> list[int]:
        """Indices of the layers of this kind."""
        return [index for index, (name, _) in enumerate(self.sections[1:]) if name == kind]

    def run(self) -> None:
        """Forward in training mode; heads pass their input on."""
        value = self.images
        for index, (kind, options) in enumerate(self.sections[1:]):
            if kind == "convolutional":
                value = self._convolve(index, options, value)
            elif kind == "route":
                wanted = [int(number) for number in numbers(options["layers"])]
                value = torch.cat([self.outputs[n if n >= 0 else index + n] for n in wanted], 1)
            elif kind == "upsample":
                value = functional.interpolate(value, scale_factor=2.0, mode="nearest")
            self.outputs.append(value)

    def _convolve(self, index: int, options: dict[str, str], value: Tensor) -> Tensor:
        size, filters = int(options["size"]), int(options["filters"])
        weights = self.parameters[f"{index}.weights"].view(filters, value.shape[1], size, size)
        biases = self.parameters[f"{index}.biases"]
        normalize = "batch_normalize" in options
        value = functional.conv2d(
            value, weights, None if normalize else biases, int(options["stride"]), size // 2
        )
        if normalize:
            scales = self.parameters[f"{index}.scales"]
            value = functional.batch_norm(value, None, None, scales, biases, training=True, eps=1e-5)
        match options["activation"]:
            case "leaky":
                return functional.leaky_relu(value, 0.1)
            case "logistic":
                return value.sigmoid()
        return value

    def expected(self, tensor: str) -> Any:
        """Darknet's summary of a tensor, or its number, in the cudnn variant."""
        variant = self.golden["cudnn"]
        return variant[tensor] if tensor in variant else self.golden["stock"][tensor]

    def error(self, tensor: str, actual: Tensor) -> float:
        """Worst difference to Darknet's tensor, as a share of its largest magnitude."""
        summary = self.expected(tensor)
        flat = actual.detach().flatten().double().numpy()
        assert flat.size == summary["n"]
        scale = float(summary["absmax"])
        variant = "cudnn" if tensor in self.golden["cudnn"] else "stock"
        worst = float(np.abs(flat[summary["idx"]] - summary["val"]).max())
        worst = max(worst, abs(float(np.abs(flat).max()) - scale))
        if f"{variant}/{tensor}" in self.arrays:
            worst = max(worst, float(np.abs(flat - self.arrays[f"{variant}/{tensor}"]).max()))
        assert abs(np.linalg.norm(flat) - summary["l2"]) <= 5e-4 * summary["l2"]
        return worst / scale
