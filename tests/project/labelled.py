"""A folder of tiny pictures labelled in every way that `csptrain new` reads, each saying the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

NAMES = ("ball", "cup", "dog")
WIDTH, HEIGHT = 64, 48
#: Of each picture the boxes: class, left, top, right, bottom in pixels.
BOXES = {
    "a": [(0, 4, 4, 20, 28), (1, 30, 10, 60, 40)],
    "b": [(1, 0, 0, 16, 16)],
    "c": [(2, 8, 8, 40, 44), (0, 40, 4, 60, 20)],
    "d": [(0, 10, 10, 30, 30)],
    "e": [(2, 20, 6, 52, 46)],
}


def write_pictures(folder: Path) -> None:
    """One picture of noise for each name."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in BOXES:
        assert cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))


def yolo(folder: Path) -> None:
    """Label files beside the pictures."""
    for name, boxes in BOXES.items():
        (folder / f"{name}.txt").write_text(
            "".join(
                f"{label} {(left + right) / 2 / WIDTH} {(top + bottom) / 2 / HEIGHT} "
                f"{(right - left) / WIDTH} {(bottom - top) / HEIGHT}\n"
                for label, left, top, right, bottom in boxes
            )
        )
    (folder / "classes.txt").write_text("\n".join(NAMES))


def voc(folder: Path) -> None:
    """An xml for each picture in a folder beside theirs."""
    place = folder.parent / "Annotations"
    place.mkdir()
    for name, boxes in BOXES.items():
        objects = "".join(
            f"<object><name>{NAMES[label]}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right + 1}</xmax><ymax>{bottom + 1}</ymax></bndbox></object>"
            for label, left, top, right, bottom in boxes
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        (place / f"{name}.xml").write_text(f"<annotation>{size}{objects}</annotation>")


def coco(folder: Path) -> None:
    """One json above the folder of the pictures."""
    annotations = [
        {"id": number, "image_id": image, "category_id": label + 1, "bbox": [left, top, right - left, bottom - top]}
        for number, (image, (label, left, top, right, bottom)) in enumerate(
            (image, box) for image, boxes in enumerate(BOXES.values()) for box in boxes
        )
    ]
    images = [
        {"id": number, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
        for number, name in enumerate(BOXES)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
    (folder.parent / "instances.json").write_text(text)


def labelme(folder: Path) -> None:
    """A json beside each picture; the first object of each is a polygon."""
    for name, boxes in BOXES.items():
        shapes = []
        for number, (label, left, top, right, bottom) in enumerate(boxes):
            corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
            points = corners if number == 0 else [corners[2], corners[0]]
            kind = "polygon" if number == 0 else "rectangle"
            shapes.append({"label": NAMES[label], "points": points, "shape_type": kind})
        (folder / f"{name}.json").write_text(
            json.dumps({"shapes": shapes, "imageWidth": WIDTH, "imageHeight": HEIGHT, "imagePath": f"{name}.png"})
        )


def cvat(folder: Path) -> None:
    """One xml above the folder of the pictures."""
    labels = "".join(f"<label><name>{name}</name></label>" for name in NAMES)
    images = "".join(
        f'<image id="{number}" name="{name}.png" width="{WIDTH}" height="{HEIGHT}">'
        + "".join(
            f'<box label="{NAMES[label]}" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}"/>'
            for label, left, top, right, bottom in boxes
        )
        + "</image>"
        for number, (name, boxes) in enumerate(BOXES.items())
    )
    (folder.parent / "annotations.xml").write_text(
        f"<annotations><meta><task><labels>{labels}</labels></task></meta>{images}</annotations>"
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "yolo": yolo, "voc": voc, "coco": coco, "labelme": labelme, "cvat": cvat,
}  # fmt: skip
