"""Write Darknet labels and an image list from a COCO "instances" json.

usage: coco_to_darknet.py INSTANCES_JSON IMAGES LABELS LIST

Every image of the json gets a file in LABELS, with one line `class x y width height` per object (centre and
size relative to the image, 0..1); an image without objects gets an empty one. LIST names all images, relative
to its own folder. Category ids become 0, 1, 2 ... in rising order (COCO's 1..90 with gaps become 0..79).
Crowds are left out, boxes are cut at the image's edge, and what is then empty is left out. LABELS and LIST
appear only when complete. Needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def relative_box(box: Iterable[float], width: int, height: int) -> tuple[float, float, float, float] | None:
    """Cut a pixel box (left, top, width, height) at the image's edge; centre and size relative to the image.

    None if nothing of it is left at the six decimals that a label holds.
    """
    left, top, box_width, box_height = box
    right, bottom = min(left + box_width, width), min(top + box_height, height)
    left, top = max(left, 0.0), max(top, 0.0)
    size = (right - left) / width, (bottom - top) / height
    if min(size) < 1e-6:
        return None
    return ((left + right) / 2 / width, (top + bottom) / 2 / height, *size)


def label_lines(instances: dict[str, Any]) -> dict[str, list[str]]:
    """Return the label lines of every image, by file name in rising order."""
    class_of = {
        category: index for index, category in enumerate(sorted(category["id"] for category in instances["categories"]))
    }
    objects = defaultdict(list)
    for annotation in instances["annotations"]:
        if not annotation.get("iscrowd"):
            objects[annotation["image_id"]].append(annotation)
    lines: dict[str, list[str]] = {}
    for image in sorted(instances["images"], key=lambda image: image["file_name"]):
        boxes = (
            (class_of[found["category_id"]], relative_box(found["bbox"], image["width"], image["height"]))
            for found in objects[image["id"]]
        )
        lines[image["file_name"]] = [
            f"{number} {box[0]:.6f} {box[1]:.6f} {box[2]:.6f} {box[3]:.6f}" for number, box in boxes if box
        ]
    return lines


def convert(instances_json: Path, images: Path, labels: Path, list_file: Path) -> tuple[int, int]:
    """Write `labels` and `list_file`; return how many images and objects they hold.

    Raises:
        FileNotFoundError: an image that the json names is not in `images`.
    """
    lines = label_lines(json.loads(instances_json.read_text()))
    present = {entry.name for entry in os.scandir(images)}
    missing = [name for name in lines if name not in present]
    if missing:
        raise FileNotFoundError(f"{images}: {len(missing)} of {len(lines)} images are missing, first {missing[0]}")

    labels.parent.mkdir(parents=True, exist_ok=True)
    unfinished = labels.with_name(f"{labels.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name, rows in lines.items():
        (unfinished / name).with_suffix(".txt").write_text("".join(f"{row}\n" for row in rows))
    shutil.rmtree(labels, ignore_errors=True)
    os.replace(unfinished, labels)

    folder = Path(os.path.relpath(images, list_file.parent)).as_posix()
    unfinished = list_file.with_name(f"{list_file.name}.partial")
    with unfinished.open("w") as file:
        file.writelines(f"{folder}/{name}\n" for name in lines)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, list_file)
    return len(lines), sum(map(len, lines.values()))


def main(argv: list[str]) -> int:
    """Convert as the command line says; 0 done, 1 a file cannot be used, 2 a wrong command line."""
    if len(argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        images, objects = convert(*map(Path, argv))
    except KeyError as error:
        print(f"{argv[0]}: not a COCO instances file: {error} is missing or unknown", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"coco_to_darknet.py: {error}", file=sys.stderr)
        return 1
    print(f"{argv[3]}: {images} images, {objects} objects")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
