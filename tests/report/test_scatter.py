"""Points with words beside them."""

from __future__ import annotations

import pytest

from csptrain.report.picture import Box, Line, Words
from csptrain.report.scatter import HEIGHT, WIDTH, Series, draw_scatter

RISING = Series("rising", ((0.6, 68.0, "0.75"), (0.8, 70.0, "0.5"), (1.1, 72.0, "0.25")), 0)
NEAR = Series("near", ((0.61, 68.1, "x"), (0.81, 70.1, "y")), 1, hollow=True)


def test_points_are_where_their_values_are() -> None:
    picture = draw_scatter([RISING], "t", "x", "y", "note")
    (line,) = [item for item in picture.items if isinstance(item, Line) and item.width == 1.6]
    (x0, y0), (x1, y1), (x2, y2) = line.points
    assert (x1 - x0) / (x2 - x0) == pytest.approx(0.2 / 0.5)
    assert (y0 - y1, y1 - y2) == pytest.approx((HEIGHT / 2, HEIGHT / 2))
    assert x2 - x0 == pytest.approx(WIDTH)


def test_words_keep_off_other_words_and_off_dots() -> None:
    picture = draw_scatter([RISING, NEAR], "t", "x", "y", "note")
    labels = [item for item in picture.items if isinstance(item, Words) and item.text in ("0.75", "0.5", "x", "y")]
    labels = [item for item in labels if item.size == 11.0 and item.colour not in ("#66727f",)]
    places = [(item.x, item.y - 10, item.x + 6.6 * len(item.text), item.y) for item in labels]
    dots = [item for item in picture.items if isinstance(item, Box) and item.width == 9]
    others = [(dot.x, dot.y, dot.x + 9, dot.y + 9) for dot in dots]
    for place, one in enumerate(places):
        for other in [*places[place + 1 :], *others]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no point"):
        draw_scatter([], "t", "x", "y", "note")
