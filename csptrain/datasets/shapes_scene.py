"""One picture of the built-in set: textured ground, clutter, overlapping shapes, light, blur and noise."""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from csptrain.datasets.image import FloatArray, Pixels

NAMES = ("disc", "box", "triangle", "star")
WIDTH, HEIGHT = 320, 240

_Points = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]
_SUBPIXEL_BITS = 4
_MIN_VISIBLE = 0.55  # share of a shape that must be seen, else nobody could name it
_MIN_CONTRAST = 60.0  # distance in RGB between a shape and what lies under it
_ATTEMPTS = 30
_HUE_SPREAD = 0.06  # half the distance of two classes: hue is a hint, the outline decides


class Scene(NamedTuple):
    """uint8 [HEIGHT, WIDTH, 3] RGB and float32 [n, 5] rows x y w h class, relative."""

    pixels: Pixels
    truth: FloatArray


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw one picture with three to eight shapes; everything comes from ``rng``."""
    canvas = _ground(rng)
    _clutter(rng, canvas, int(rng.integers(5, 13)))
    masks: list[_Mask] = []
    rows: list[tuple[float, ...]] = []
    for _ in range(int(rng.integers(3, 9))):
        for _attempt in range(_ATTEMPTS):
            label = int(rng.integers(len(NAMES)))
            points = _outline(rng, label)
            mask = _mask(points)
            if _acceptable(points, mask, masks):
                _paint(rng, canvas, points, mask, label)
                masks.append(mask)
                rows.append((*_box(points), label))
                break
    _strokes(rng, canvas, int(rng.integers(0, 3)))
    return Scene(_photograph(rng, canvas), np.array(rows, np.float32).reshape(-1, 5))


def _smooth_noise(rng: np.random.Generator, cells: int, channels: int) -> FloatArray:
    """float32 [HEIGHT, WIDTH, channels], about -1..1, with about ``cells`` bumps across."""
    coarse = rng.uniform(-1, 1, (max(2, cells * 3 // 4), cells, channels)).astype(np.float32)
    fine = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, np.float32).reshape(HEIGHT, WIDTH, channels)


def _ground(rng: np.random.Generator) -> FloatArray:
    """A coloured ground with large and small texture, float32 0..255."""
    canvas = np.full((HEIGHT, WIDTH, 3), rng.uniform(50, 200, 3), np.float32)
    canvas += _smooth_noise(rng, int(rng.integers(2, 6)), 3) * np.float32(rng.uniform(10, 40))
    canvas += _smooth_noise(rng, int(rng.integers(12, 60)), 1) * np.float32(rng.uniform(3, 22))
    return canvas


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = rng.uniform(10, 245, 3).tolist()
    return red, green, blue


def _clutter(rng: np.random.Generator, canvas: FloatArray, count: int) -> None:
    """Things that are no object: open arcs, angles and soft spots of any colour, and strokes."""
    _strokes(rng, canvas, count // 2)
    for _ in range(count - count // 2):
        x, y = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        reach, turn = int(rng.integers(6, 50)), float(rng.uniform(0, 360))
        kind = int(rng.integers(3))
        thickness = int(rng.integers(1, 6))
        if kind == 0:
            axes = (reach, int(reach * rng.uniform(0.4, 1)) + 1)
            span = float(rng.uniform(60, 220))
            cv2.ellipse(canvas, (x, y), axes, turn, 0, span, _colour(rng), thickness, cv2.LINE_AA)
        elif kind == 1:
            arms = np.radians([turn, turn + rng.uniform(50, 130)])
            ends = np.stack((x + reach * np.cos(arms), y + reach * np.sin(arms)), 1)
            corner = np.array([ends[0], (x, y), ends[1]]).round().astype(np.int32)
            cv2.polylines(canvas, [corner], False, _colour(rng), thickness, cv2.LINE_AA)
        else:
            rows, columns = np.ogrid[:HEIGHT, :WIDTH]
            near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (reach / 2) ** 2))
            strength = near[:, :, None].astype(np.float32) * np.float32(rng.uniform(0.3, 0.8))
            canvas += (np.array(_colour(rng), np.float32) - canvas) * strength


def _strokes(rng: np.random.Generator, canvas: FloatArray, count: int) -> None:
    for _ in range(count):
        start = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        length, turn = rng.uniform(20, 200), rng.uniform(0, 2 * np.pi)
        end = round(start[0] + length * np.cos(turn)), round(start[1] + length * np.sin(turn))
        cv2.line(canvas, start, end, _colour(rng), int(rng.integers(1, 4)), cv2.LINE_AA)


def _outline(rng: np.random.Generator, label: int) -> _Points:
    """The corners of a shape, float64 [n, 2] x y in pixels."""
    if label == 0:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        radii = np.ones(48)
        stretch = rng.uniform(0.75, 1.0)
    elif label == 1:
        angles = np.radians([45.0, 135.0, 225.0, 315.0])
        radii = np.ones(4)
        stretch = rng.uniform(0.45, 1.0)
    elif label == 2:
        angles = np.radians([90.0, 210.0, 330.0]) + rng.uniform(-0.2, 0.2, 3)
        radii = np.ones(3)
        stretch = rng.uniform(0.7, 1.2)
    else:
        angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        radii = np.where(np.arange(10) % 2, rng.uniform(0.4, 0.5), 1.0)
        stretch = rng.uniform(0.85, 1.0)
    points = np.stack((np.cos(angles), np.sin(angles) * stretch), 1) * radii[:, None]
    turn = rng.uniform(0, 2 * np.pi)
    points = points @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    # One in twelve is small, the others spread evenly over the octaves.
    small = rng.random() < 1 / 12
    size = np.exp(rng.uniform(np.log(18 if small else 42), np.log(42 if small else 160)))
    points *= size / np.ptp(points, 0).max()
    centre = rng.uniform((0, 0), (WIDTH, HEIGHT))
    return np.asarray(points - (points.min(0) + points.max(0)) / 2 + centre)


def _fixed(points: _Points) -> npt.NDArray[np.int32]:
    return np.asarray((points * 2**_SUBPIXEL_BITS).round(), np.int32)


def _mask(points: _Points) -> _Mask:
    plane = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(plane, [_fixed(points)], 1, cv2.LINE_8, _SUBPIXEL_BITS)
    return plane > 0


def _area(points: _Points) -> float:
    x, y = points.T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def _acceptable(points: _Points, mask: _Mask, masks: list[_Mask]) -> bool:
    """Whether enough of the new shape lies in the picture and enough of each older one stays visible."""
    if mask.sum() < _MIN_VISIBLE * _area(points):
        return False
    over = mask.copy()
    for older in reversed(masks):
        if (older & ~over).sum() < _MIN_VISIBLE * older.sum():
            return False
        over |= older
    return True


def _colour_of(rng: np.random.Generator, label: int) -> FloatArray:
    """An RGB colour around the hue of a class, pale or strong, dark or light."""
    hue = (label / len(NAMES) + rng.uniform(-_HUE_SPREAD, _HUE_SPREAD)) % 1
    return np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.35, 1), rng.uniform(0.35, 1)), np.float32) * 255


def _paint(rng: np.random.Generator, canvas: FloatArray, points: _Points, mask: _Mask, label: int) -> None:
    """Fill a shape with a shaded, speckled or striped colour that stands out from what is under it."""
    (left, top), (right, bottom) = points.min(0).astype(int) - 2, points.max(0).astype(int) + 3
    window = slice(max(top, 0), bottom), slice(max(left, 0), right)
    canvas, mask = canvas[window], mask[window]
    corners = _fixed(points - (max(left, 0), max(top, 0)))

    under = canvas[mask].mean(0)
    colour = _colour_of(rng, label)
    while np.linalg.norm(colour - under) < _MIN_CONTRAST:
        colour = _colour_of(rng, label)
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    along = columns * np.float32(np.cos(turn)) + rows * np.float32(np.sin(turn))
    along -= along[mask].mean()
    shade = along * np.float32(rng.uniform(0, 30) / max(1.0, float(np.ptp(along[mask]))))
    if rng.random() < 0.3:
        shade += np.sign(np.sin(along / np.float32(rng.uniform(1.5, 5)))) * np.float32(rng.uniform(5, 22))
    cover = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(cover, [corners], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    share = (cover.astype(np.float32) / 255)[:, :, None]
    filled = canvas + (colour + shade[:, :, None] - canvas) * share
    if rng.random() < 0.4:
        edge = (colour * rng.uniform(0.3, 1.5)).clip(0, 255).tolist()
        cv2.polylines(filled, [corners], True, edge, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    canvas[...] = filled


def _box(points: _Points) -> tuple[float, float, float, float]:
    """x y w h of the part inside the picture, relative; a hidden part counts as if it were seen."""
    (left, top), (right, bottom) = points.min(0).clip(0), points.max(0).clip(None, (WIDTH, HEIGHT))
    return (
        (left + right) / 2 / WIDTH,
        (top + bottom) / 2 / HEIGHT,
        (right - left) / WIDTH,
        (bottom - top) / HEIGHT,
    )


def _photograph(rng: np.random.Generator, canvas: FloatArray) -> Pixels:
    """Uneven light, lens blur and sensor noise; uint8."""
    light = rng.uniform(0.65, 1.2) * (1 + rng.uniform(0, 0.25) * _smooth_noise(rng, 2, 1))
    canvas = canvas.clip(0, 255) * light.astype(np.float32)
    if rng.random() < 0.4:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.5, 1.3))), np.float32)
    canvas += rng.standard_normal(canvas.shape, np.float32) * np.float32(rng.uniform(2, 10))
    return canvas.clip(0, 255).round().astype(np.uint8)
