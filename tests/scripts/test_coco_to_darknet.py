"""COCO json to Darknet labels, on made-up files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("coco_to_darknet", repository / "scripts/coco_to_darknet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def annotation(image: int, category: int, box: list[float], crowd: int = 0) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Two images of 100 x 50, one with objects; category ids with a gap and out of order."""
    (tmp_path / "images/val").mkdir(parents=True)
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / "images/val" / name).touch()
    instances = {
        "images": [
            {"id": 7, "file_name": "b.jpg", "width": 100, "height": 50},
            {"id": 3, "file_name": "a.jpg", "width": 100, "height": 50},
        ],
        "categories": [{"id": 90, "name": "z"}, {"id": 1, "name": "x"}, {"id": 13, "name": "y"}],
        "annotations": [
            annotation(7, 13, [10, 10, 20, 10]),
            annotation(7, 90, [-10, 40, 30, 30]),
            annotation(7, 1, [0, 0, 100, 50], crowd=1),
            annotation(7, 1, [100, 0, 10, 10]),
            annotation(7, 1, [5, 5, 0, 10]),
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    return tmp_path


def run(script: ModuleType, folder: Path) -> int:
    names = ("instances.json", "images/val", "labels/val", "val.txt")
    return int(script.main([str(folder / name) for name in names]))


def test_labels_are_relative_cut_and_counted_from_0(script: ModuleType, coco: Path) -> None:
    assert run(script, coco) == 0
    assert (coco / "labels/val/b.txt").read_text().splitlines() == [
        "1 0.200000 0.300000 0.200000 0.200000",
        "2 0.100000 0.900000 0.200000 0.200000",
    ]
    assert (coco / "labels/val/a.txt").read_text() == ""


def test_the_list_names_all_images_from_its_own_folder(script: ModuleType, coco: Path) -> None:
    run(script, coco)
    assert (coco / "val.txt").read_text() == "images/val/a.jpg\nimages/val/b.jpg\n"


def test_again_gives_the_same_and_leaves_nothing_else(script: ModuleType, coco: Path) -> None:
    run(script, coco)
    (coco / "labels/val/stale.txt").touch()
    first = (coco / "labels/val/b.txt").read_text()
    assert run(script, coco) == 0
    assert sorted(path.name for path in (coco / "labels").rglob("*")) == ["a.txt", "b.txt", "val"]
    assert (coco / "labels/val/b.txt").read_text() == first
    assert not list(coco.rglob("*.partial"))


def test_a_missing_image_stops_before_anything_is_written(
    script: ModuleType, coco: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (coco / "images/val/a.jpg").unlink()
    assert run(script, coco) == 1
    assert "1 of 2 images are missing, first a.jpg" in capsys.readouterr().err
    assert not (coco / "labels").exists()
    assert not (coco / "val.txt").exists()


@pytest.mark.parametrize(("text", "message"), [("{}", "not a COCO instances file: 'categories'"), ("{", "Expecting")])
def test_a_wrong_json_is_one_line(
    script: ModuleType, coco: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (coco / "instances.json").write_text(text)
    assert run(script, coco) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_wrong_command_line_shows_the_usage(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([]) == 2
    assert "usage: coco_to_darknet.py" in capsys.readouterr().err
