"""Bars of speeds."""

from __future__ import annotations

from csptrain.report.picture import Box, Words
from csptrain.report.ratios import BARS, Bar, Panel, draw_ratios


def test_bars_are_as_long_as_their_figures() -> None:
    bars = (Bar("slow", 5.0, "5 images/s, 1.00x", True), Bar("fast", 20.0, "20 images/s, 4.00x"), Bar("none", 0.0, "0"))
    picture = draw_ratios([Panel("One", bars), Panel("Empty", ())], "Speeds", "a note")
    boxes = [item for item in picture.items if isinstance(item, Box)]
    assert [box.width for box in boxes] == [BARS / 4, BARS, 1.0]
    assert boxes[0].fill != boxes[1].fill == boxes[2].fill
    words = [item.text for item in picture.items if isinstance(item, Words)]
    assert {"Speeds", "One", "Empty", "a note", "fast", "20 images/s, 4.00x"} <= set(words)
    assert all(box.x + box.width < picture.width and box.y + box.height < picture.height for box in boxes)
