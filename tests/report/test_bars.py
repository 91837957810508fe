"""Bars of networks: heights, words, and what stays inside the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.cost import NetworkCost, explore
from csptrain.graph import load
from csptrain.report.bars import MEASURES, PANEL_HEIGHT, draw_bars
from csptrain.report.picture import Box, Line, Picture, Words, paint

CFG = Path(__file__).resolve().parent.parent.parent / "cfg"


@pytest.fixture(scope="module")
def networks() -> dict[str, NetworkCost]:
    return {name: explore(load(CFG / f"{name}.cfg")) for name in ("yolov4-tiny", "yolov3-tiny-prn")}


def bars(picture: Picture, colour: str) -> list[Box]:
    return [item for item in picture.items if isinstance(item, Box) and item.fill == colour]


def test_heights_are_the_layers_operations_on_one_scale(networks: dict[str, NetworkCost]) -> None:
    picture = draw_bars(networks, [MEASURES["bflops"]], "t")
    # The highest bar of both networks is 1.1962 BFLOPs, so the axis ends at 1.2.
    for network, colour in zip(networks.values(), ("#2f6fb3", "#2e8b57"), strict=True):
        heights = [box.height for box in bars(picture, colour)]
        wanted = [layer.bflops / 1.2 * PANEL_HEIGHT for layer in network.layers if layer.bflops]
        assert heights == pytest.approx(wanted)


def test_input_and_output_stand_side_by_side(networks: dict[str, NetworkCost]) -> None:
    picture = draw_bars({"a": networks["yolov4-tiny"]}, [MEASURES["cio"]], "t")
    inputs, outputs = (bars(picture, colour) for colour in ("#2f6fb3", "#e08e2b"))
    convolutions = [layer for layer in networks["yolov4-tiny"].layers if layer.cio]
    # One more of each is in the legend.
    assert len(inputs) == len(outputs) == len(convolutions) + 1
    ratios = [after.height / before.height for before, after in zip(inputs[1:], outputs[1:], strict=True)]
    assert ratios == pytest.approx([layer.written / layer.read for layer in convolutions])


@pytest.mark.parametrize("name", MEASURES)
def test_words_name_total_and_highest_layer(networks: dict[str, NetworkCost], name: str) -> None:
    measure = MEASURES[name]
    picture = draw_bars(networks, [measure], "a title")
    said = "\n".join(item.text for item in picture.items if isinstance(item, Words))
    assert "a title" in said and measure.unit in said
    for network in networks.values():
        highest = max(network.layers, key=measure.highest)
        assert f"highest: layer {highest.index}," in said
        assert measure.total(network) in said


def test_everything_stays_inside(networks: dict[str, NetworkCost]) -> None:
    picture = draw_bars(networks, list(MEASURES.values()), "t")
    for item in picture.items:
        points = item.points if isinstance(item, Line) else [(item.x, item.y)]
        points = [*points, (item.x + item.width, item.y + item.height)] if isinstance(item, Box) else points
        assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in points)
    pixels = paint(picture, 1.0)
    assert pixels.shape[:2] == (round(picture.height), round(picture.width))
    border = np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3), pixels[:, -4:].reshape(-1, 3)])
    assert (border == 255).all()
