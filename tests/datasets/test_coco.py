"""COCO's json: images and annotations as they are in the file, classes by category, and what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csptrain.cfg.categories import read_categories
from csptrain.datasets.coco import image_folders, read_coco
from csptrain.datasets.lists import read_samples
from csptrain.errors import DataError

NAMES = ("x", "y", "z")


def box(number: int, image: int, category: int, place: list[float], **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": place, "iscrowd": 0, **more}


def instances() -> dict[str, Any]:
    """Two images of 100 x 50, one with objects; ids and categories with gaps and out of order."""
    outline = [[1.5, 2, 3e1, 4, 5, -6]]
    return {
        "info": {"description": 'a "segmentation": [1, 2], inside'},
        "images": [
            {"id": 7, "file_name": "b.jpg", "width": 100, "height": 50},
            {"id": 3, "file_name": "a.jpg", "width": 100, "height": 50},
        ],
        "annotations": [
            box(11, 7, 13, [10, 10, 20, 10], area=150.5, segmentation=outline),
            box(12, 7, 90, [-10, 40, 30, 30], area=300, segmentation=[]),
            box(13, 7, 1, [0, 0, 100, 50], iscrowd=1, area=80, segmentation={"counts": [1, 2], "size": [50, 100]}),
            box(14, 7, 1, [100, 0, 10, 10]),
            box(15, 3, 1, [5, 5, 10, 10]),
        ],
        "categories": [{"id": 90, "name": "z"}, {"id": 1, "name": "x"}, {"id": 13, "name": "y"}],
    }


def write(folder: Path, content: dict[str, Any], images: str = "val") -> Path:
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / images).mkdir(parents=True, exist_ok=True)
    for image in content["images"]:
        (folder / images / image["file_name"]).touch()
    path = folder / "annotations/instances_val.json"
    path.write_text(json.dumps(content))
    return path


def test_truths_and_objects(tmp_path: Path) -> None:
    samples = read_coco(write(tmp_path, instances()), NAMES)
    assert [Path(image).name for image in samples.images] == ["a.jpg", "b.jpg"]
    np.testing.assert_allclose(samples.truth(0), [[0.1, 0.2, 0.1, 0.2, 0]], rtol=1e-6)
    np.testing.assert_allclose(samples.truth(1), [[0.2, 0.3, 0.2, 0.2, 1], [0.1, 0.9, 0.2, 0.2, 2]], rtol=1e-6)
    assert [str(finding) for finding in samples.findings] == [
        f"{samples.source}: annotation 14 left out, it has no area in its image"
    ]
    objects = samples.objects
    assert objects is not None
    assert objects.image_ids.tolist() == [3, 7] and objects.categories == (1, 13, 90)
    assert objects.ids.tolist() == [15, 11, 12, 13, 14]
    assert objects.area.tolist() == [100, 150.5, 300, 80, 100]
    assert objects.crowd.tolist() == [False, False, False, True, False]
    assert objects.boxes[2].tolist() == [-10, 40, 30, 30]
    assert objects.sizes.tolist() == [[100, 50]] * 2


def test_truths_are_those_of_the_labels_that_the_script_writes(tmp_path: Path, repository: Path) -> None:
    spec = importlib.util.spec_from_file_location("coco_to_darknet", repository / "scripts/coco_to_darknet.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    path = write(tmp_path, instances(), "images/val2017")
    script.convert(path, tmp_path / "images/val2017", tmp_path / "labels/val2017", tmp_path / "val.txt")
    listed, direct = read_samples(tmp_path / "val.txt", 3), read_coco(path, NAMES, tmp_path / "images/val2017")
    assert [Path(image).name for image in listed.images] == [Path(image).name for image in direct.images]
    assert listed.starts.tolist() == direct.starts.tolist()
    np.testing.assert_allclose(listed.rows, direct.rows, atol=6e-7)


@pytest.mark.parametrize("place", ["val", "images/val", "annotations/val", "annotations", "images", "."])
def test_images_are_found_where_people_put_them(tmp_path: Path, place: str) -> None:
    path = write(tmp_path, instances(), place)
    assert Path(read_coco(path, NAMES).images[0]) == tmp_path / place / "a.jpg"


def test_images_of_test_dev_and_named_ones(tmp_path: Path) -> None:
    path = Path("c/annotations/image_info_test-dev2017.json")
    assert Path("c/test2017") in image_folders(path, None)
    assert image_folders(path, Path("i"))[0] == Path("i")
    found = read_coco(write(tmp_path, instances(), "far/away"), NAMES, tmp_path / "far/away")
    assert found.images[1] == str(tmp_path / "far/away/b.jpg")


def test_images_without_annotations(tmp_path: Path) -> None:
    content = instances()
    del content["annotations"]
    samples = read_coco(write(tmp_path, content), NAMES)
    assert len(samples) == 2 and samples.rows.shape == (0, 5)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("image_id", 8, "annotation 11 names image 8, which is not listed"),
        ("category_id", 2, "annotation 11 names category 2, which is not listed"),
        ("bbox", [1, 2, 3], "lacks a number"),
        ("bbox", ["1", 2, 3, 4], "lacks a number"),
        ("bbox", [1, 2, float("nan"), 4], "annotation 11 has a box that is not finite"),
        ("category_id", None, "lacks a number"),
    ],
)
def test_an_annotation_that_cannot_be_used(tmp_path: Path, place: str, value: object, words: str) -> None:
    content = instances()
    content["annotations"][0][place] = value
    with pytest.raises(DataError, match=words):
        read_coco(write(tmp_path, content), NAMES)


def test_another_number_or_order_of_classes(tmp_path: Path) -> None:
    path = write(tmp_path, instances())
    with pytest.raises(DataError, match="has 3 categories, the data file 2 classes.*x, y, z"):
        read_coco(path, ("x", "y"))
    with pytest.raises(DataError, match="class 0 is x by its category's id, but y in the data file"):
        read_coco(path, ("y", "x", "z"))
    assert len(read_coco(path, ("a thing", "y", "z"))) == 2  # another word for the same


def test_images_that_are_missing(tmp_path: Path) -> None:
    path = write(tmp_path, instances())
    (tmp_path / "val/b.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 2 images are not in .*val, first b\.jpg"):
        read_coco(path, NAMES)
    (tmp_path / "val/a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.jpg was found in none of: .*images="):
        read_coco(path, NAMES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists no categories"),
        ('{"images": []}', "lists no categories"),
        ('{"categories": [{"id": "1"}]}', "has no whole number as id"),
        ('{"categories": [{"id": 1}, {"id": 1}]}', "category 1 is given twice"),
        ('{"categories": [{"id": 1, "name": "x"}], "images": []}', "lists no images"),
        ('{"categories": [{"id": 1, "name": "x"}], "images": [}', "is not valid JSON near"),
        ('{"categories": [{"id": 1, "name": "x"}], "a": ' + "[" * 100_000, "nested too deeply"),
        ('{"categories": [{"id": 1, "name": "x"}], "images": [{"id": 1, "file_name": "a"}]}', "lacks a whole id"),
    ],
)
def test_what_is_no_coco_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "instances_val.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_coco(path, ("x",))
    with pytest.raises(DataError, match="no such file"):
        read_coco(tmp_path / "gone.json", ("x",))


def test_categories_stand_anywhere_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    categories = '"categories" : [{"id": 2, "name": "b"}, {"id": 1}]'
    for text in (f'{{{categories}, "images": [1, 2, 3]}}', f'{{"info": "\\"categories\\": 1", {categories}}}'):
        path.write_text(text)
        assert read_categories(path) == ((1, "category1"), (2, "b"))
