"""Where the heads of a detector believe that something is, laid over the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from csptrain.graph import Graph
from csptrain.layers.anchors import AnchorHead
from csptrain.ops.decode import letterbox_size

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

_EVERYTHING = -1.0  # a threshold that every prediction exceeds
_LEAST_WIDTH = 320
_MOST_HEIGHT = 4800  # that a narrow strip is enlarged to
_COVER = 0.75  # of the picture where a head is most certain
_STRIP = 22


class Heat(NamedTuple):
    """A head's largest objectness in each of its cells, float32 [h, w]; ``stride`` is a cell's width in pixels."""

    layer: int
    stride: int
    values: FloatArray


def heat_maps(graph: Graph, outputs: Sequence[Tensor]) -> list[Heat]:
    """The objectness of every head with anchors, of the first image; ``outputs`` are those of ``graph.heads``.

    [region] scores classes only: its objectness is the sum of them.
    """
    found = []
    for index, output in zip(graph.heads, outputs, strict=True):
        node = graph.nodes[index]
        if not isinstance(node.layer, AnchorHead):
            continue
        every = node.layer.decode(output[:1], graph.net.width, graph.net.height, _EVERYTHING)[0]
        objectness = every.prob.sum(axis=1) if node.layer.kind == "region" else every.objectness
        cells = objectness.reshape(node.output.h, node.output.w, -1).max(axis=2)
        found.append(Heat(index, graph.net.width // node.output.w, np.asarray(cells, np.float32)))
    return found


def draw_heat(graph: Graph, pixels: Pixels, maps: Sequence[Heat]) -> Pixels:
    """The picture uint8 [H, W, 3] RGB once for each head, side by side, the warmer the more objectness is there.

    All have one scale, which ends at the largest value of any; each head's own is written above it.
    """
    height, width = pixels.shape[:2]
    times = max(min(_LEAST_WIDTH / width, _MOST_HEIGHT / height), 1)
    size = (round(width * times), round(height * times))
    base = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    most = max(max(float(heat.values.max()) for heat in maps), 1e-6)
    return np.concatenate([_panel(graph, base, heat, most, (width, height)) for heat in maps], axis=1)


def _panel(graph: Graph, base: FloatArray, heat: Heat, most: float, original: tuple[int, int]) -> Pixels:
    rows, columns = base.shape[:2]
    share = cv2.resize(_seen(graph, heat.values, original), (columns, rows), interpolation=cv2.INTER_LINEAR) / most
    share = np.clip(share, 0, 1)
    warm = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    colours = cv2.cvtColor(warm, cv2.COLOR_BGR2RGB).astype(np.float32)
    cover = (_COVER * np.sqrt(share))[:, :, None]
    drawn = (base * (1 - cover) + colours * cover).round().astype(np.uint8)
    strip = np.zeros((_STRIP, columns, 3), np.uint8)
    words = f"layer {heat.layer}, stride {heat.stride}: up to {float(heat.values.max()):.3f}"
    cv2.putText(strip, words, (4, _STRIP - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate((strip, drawn))


def _seen(graph: Graph, values: FloatArray, original: tuple[int, int]) -> FloatArray:
    """The part of a map that shows the picture: all of it, or what a letterbox leaves; in pixels of the input."""
    net = graph.net
    full = np.asarray(cv2.resize(values, (net.width, net.height), interpolation=cv2.INTER_LINEAR), np.float32)
    if not net.letter_box:
        return full
    width, height = (max(side, 1) for side in letterbox_size(*original, net.width, net.height))
    left, top = (net.width - width) // 2, (net.height - height) // 2
    return full[top : top + height, left : left + width]
