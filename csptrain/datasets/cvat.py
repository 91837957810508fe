"""CVAT's annotations of images: one XML file for all images of a set."""

from __future__ import annotations

from math import cos, isfinite, radians, sin
from pathlib import Path
from xml.parsers import expat

from csptrain.datasets.annotation_xml import AnnotationReader
from csptrain.datasets.marked import Edges, Mark, MarkedImage, Point, around

_POINTS = ("polygon", "ellipse", "mask")
_NO_BOX = ("polyline", "points", "tag", "cuboid", "skeleton")
_VIDEO = "CVAT's format for video"


def is_cvat(path: Path) -> bool:
    """Whether the first element of an XML file is that of CVAT."""
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _: found.append(name)
    try:
        with path.open("rb") as stream:
            parser.Parse(stream.read(4096), False)
    except (OSError, expat.ExpatError):
        pass
    return found[:1] == ["annotations"]


def read_cvat(path: Path) -> tuple[tuple[str, ...], dict[str, MarkedImage]]:
    """The classes in the order of the task, and of each image its shapes as boxes around them.

    A turned box becomes the upright one around it. Points, lines and tags are passed over.

    Raises:
        DataError: an unreadable or broken file, one of a video, or a shape that lacks a number.
    """
    reader = _Reader(path)
    reader.read()
    images = {
        name: MarkedImage(path, size, tuple(marks), tuple(passed_over))
        for name, (size, marks, passed_over) in reader.images.items()
    }
    used = set[str]().union(*(image.names for image in images.values()))
    return tuple(dict.fromkeys([*reader.labels, *sorted(used)])), images


class _Reader(AnnotationReader):
    """Collects the labels of the task and the shapes of each image."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.labels: list[str] = []
        self.images: dict[str, tuple[tuple[int, int], list[Mark], list[str]]] = {}
        self._image = ""

    def read(self) -> None:
        """Raises DataError for a file that cannot be read, or is no XML of images."""
        self.parse()
        if not self.images:
            raise self.error("lists no image", "export it as 'CVAT for images 1.1'")

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        place = self.stack[1:]
        if not self.stack and name != "annotations":
            raise self.error(f"begins with <{name}>, so it is no file of CVAT")
        if not place and name == "track":
            raise self.error(f"is in {_VIDEO}", "export it as 'CVAT for images 1.1'")
        if not place and name == "image":
            self._begin_image(attributes)
        elif place == ["image"]:
            self._shape(name, attributes)

    def end(self, text: str) -> None:
        if self.stack[-3:] == ["labels", "label", "name"]:
            self.labels.append(text)

    def _begin_image(self, attributes: dict[str, str]) -> None:
        name, width, height = (attributes.get(key, "") for key in ("name", "width", "height"))
        if not name or not all(text.isascii() and text.isdigit() and int(text) for text in (width, height)):
            raise self.error("an image lacks its name, width or height")
        if name in self.images:
            raise self.error(f"lists the image {name} twice")
        self._image = name
        self.images[name] = (int(width), int(height)), [], []

    def _shape(self, kind: str, attributes: dict[str, str]) -> None:
        _, marks, passed_over = self.images[self._image]
        label = attributes.get("label", "")
        if kind in _NO_BOX:
            line = self.line
            passed_over.append(f"line {line}: '{label}' is a {kind}, not a box: left out")
        elif kind == "box" or kind in _POINTS:
            edges = self._box(attributes) if kind == "box" else self._outline(kind, attributes)
            marks.append(Mark(label, edges, self.line))

    def _box(self, attributes: dict[str, str]) -> Edges:
        left, top, right, bottom = (self._number(attributes, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        turn = radians(self._number({"rotation": "0", **attributes}, "rotation"))
        if not turn:
            return left, top, right, bottom
        x, y = (left + right) / 2, (top + bottom) / 2
        corners = [(left - x, top - y), (right - x, top - y), (right - x, bottom - y), (left - x, bottom - y)]
        return around([(x + a * cos(turn) - b * sin(turn), y + a * sin(turn) + b * cos(turn)) for a, b in corners])

    def _outline(self, kind: str, attributes: dict[str, str]) -> Edges:
        if kind == "ellipse":
            x, y, across, down = (self._number(attributes, key) for key in ("cx", "cy", "rx", "ry"))
            return x - across, y - down, x + across, y + down
        if kind == "mask":
            left, top, width, height = (self._number(attributes, key) for key in ("left", "top", "width", "height"))
            return left, top, left + width, top + height
        pairs = [text.split(",") for text in attributes.get("points", "").split(";")]
        if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
            raise self.error(f"points='{attributes.get('points', '')[:40]}' are no polygon")
        points: list[Point] = [
            (self._number({"points": a}, "points"), self._number({"points": b}, "points")) for a, b in pairs
        ]
        return around(points)

    def _number(self, attributes: dict[str, str], key: str) -> float:
        try:
            value = float(attributes.get(key, ""))
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise self.error(f"{key}='{attributes.get(key, '')[:20]}' is no number")
        return value
