"""A minimal forward pass through the golden cases' tiny networks, independent of csptrain's own."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from csptrain.ops.decode import Detections, concatenate, correct_boxes, decode_region, decode_yolo

GOLDEN_CASES = Path(__file__).parent / "golden_cases"

Section = dict[str, str]


def load_case(name: str) -> tuple[dict[str, Any], Any]:
    """golden.json and golden.npz of a case."""
    folder = GOLDEN_CASES / name
    return json.loads((folder / "golden.json").read_text()), np.load(folder / "golden.npz")


def recipe_weights(golden: dict[str, Any]) -> bytes:
    """The case's weights file, regenerated."""
    spec = importlib.util.spec_from_file_location("recipe", GOLDEN_CASES / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return bytes(module.weights_bytes(golden))


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Corner-aligned bilinear resize of a float image [H, W, 3], horizontally first."""
    for axis, size in ((1, width), (0, height)):
        old = image.shape[axis]
        at = np.arange(size, dtype=np.float32) * np.float32((old - 1) / (size - 1))
        low = np.minimum(at.astype(int), old - 1)
        high = np.minimum(low + 1, old - 1)
        shape = [1, 1, 1]
        shape[axis] = size
        part = (at - low).astype(np.float32).reshape(shape)
        image = (1 - part) * image.take(low, axis) + part * image.take(high, axis)
    return image.astype(np.float32)


class TinyNet:
    """Convolution, route, yolo and region layers of a small cfg."""

    def __init__(self, cfg: Path, weights: bytes) -> None:
        self.sections: list[tuple[str, Section]] = []
        for line in cfg.read_text().replace(" ", "").splitlines():
            if line.startswith("["):
                self.sections.append((line.strip("[]"), {}))
            elif line:
                key, value = line.split("=", 1)
                self.sections[-1][1][key] = value
        self.net = self.sections.pop(0)[1]
        self.width, self.height = int(self.net["width"]), int(self.net["height"])
        self.weights = np.frombuffer(weights, "<f4", offset=20)

    def load_image(self, path: Path, letter_box: bool) -> tuple[Tensor, tuple[int, int]]:
        """Network input [1, 3, H, W] and the image's width and height."""
        image = cv2.imread(str(path))[:, :, ::-1].astype(np.float32) / np.float32(255)
        height, width = image.shape[:2]
        if letter_box:
            if self.width / width < self.height / height:
                new = (self.width, height * self.width // width)
            else:
                new = (width * self.height // height, self.height)
            canvas = np.full((self.height, self.width, 3), 0.5, np.float32)
            left, top = (self.width - new[0]) // 2, (self.height - new[1]) // 2
            canvas[top : top + new[1], left : left + new[0]] = resize(image, *new)
        else:
            canvas = resize(image, self.width, self.height)
        return torch.from_numpy(np.ascontiguousarray(canvas.transpose(2, 0, 1)))[None], (width, height)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Output of every layer."""
        outputs: list[Tensor] = []
        position = 0
        for kind, options in self.sections:
            if kind == "convolutional":
                x, position = self._convolve(x, options, position)
            elif kind == "route":
                x = outputs[int(options["layers"])]
            elif kind == "yolo":
                x = _activate_yolo(x, options)
            elif kind == "region":
                x = _activate_region(x, options)
            outputs.append(x)
        assert position == len(self.weights)
        return outputs

    def _convolve(self, x: Tensor, options: Section, position: int) -> tuple[Tensor, int]:
        filters, size = int(options["filters"]), int(options["size"])
        normalize = options.get("batch_normalize") == "1"
        counts = [filters] * (4 if normalize else 1) + [filters * x.shape[1] * size * size]
        parts = []
        for count in counts:
            parts.append(torch.from_numpy(self.weights[position : position + count].copy()))
            position += count
        kernel = parts[-1].view(filters, x.shape[1], size, size)
        x = functional.conv2d(x, kernel, None if normalize else parts[0], int(options["stride"]), size // 2)
        if normalize:
            x = functional.batch_norm(x, parts[2], parts[3], parts[1], parts[0], eps=1e-5)
        activation = options["activation"]
        return {
            "leaky": lambda v: functional.leaky_relu(v, 0.1),
            "logistic": torch.sigmoid,
            "linear": lambda v: v,
        }[activation](x), position

    def detect(self, path: Path, letter_box: bool, thresh: float, relative: bool = True) -> Detections:
        """Candidates of all heads for one image, before suppression, mapped to the image."""
        x, (width, height) = self.load_image(path, letter_box)
        heads = []
        for (kind, options), out in zip(self.sections, self.forward(x), strict=True):
            classes = int(options.get("classes", 0))
            if kind == "yolo":
                mask = [int(v) for v in options["mask"].split(",")]
                heads += decode_yolo(
                    out,
                    _anchors(options),
                    mask,
                    classes,
                    self.width,
                    self.height,
                    thresh,
                    options.get("new_coords") == "1",
                )
            elif kind == "region":
                grid_h, grid_w = self.grid
                heads += decode_region(out, _anchors(options), classes, grid_w, grid_h, thresh)
        found = concatenate(heads)
        boxes = correct_boxes(found.boxes, width, height, self.width, self.height, letter_box, relative)
        return Detections(boxes, found.objectness, found.prob)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a map after the two halvings of the region case."""
        return self.height // 4, self.width // 4


def _anchors(options: Section) -> list[tuple[float, float]]:
    values = [float(v) for v in options["anchors"].split(",")]
    return list(zip(values[::2], values[1::2], strict=True))


def _activate_yolo(x: Tensor, options: Section) -> Tensor:
    number = len(options["mask"].split(","))
    scale = float(options.get("scale_x_y", 1))
    out = x.clone().view(x.shape[0], number, -1, *x.shape[2:])
    if options.get("new_coords") != "1":
        out[:, :, :2] = out[:, :, :2].sigmoid()
        out[:, :, 4:] = out[:, :, 4:].sigmoid()
    out[:, :, :2] = out[:, :, :2] * scale - (scale - 1) / 2
    return out.view_as(x)


def _activate_region(x: Tensor, options: Section) -> Tensor:
    number = int(options["num"])
    out = x.view(x.shape[0], number, -1, x.shape[2] * x.shape[3]).permute(0, 3, 1, 2).clone()
    out[..., 4] = out[..., 4].sigmoid()
    if options.get("softmax") == "1":
        out[..., 5:] = out[..., 5:].softmax(-1)
    return out.flatten(1)
