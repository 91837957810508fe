"""`csptrain detector map` with several measures and pictures, `valid` for their programs, and `recall`."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from csptrain.cli.main import main
from csptrain.evaluate.coco import NAMES
from csptrain.evaluate.matching import box_iou
from tests.golden.case import Case

MAP01 = Path(__file__).parents[1] / "golden_cases" / "map01_resize"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Data file, cfg and weights of a trained detector with 12 images; the working directory holds nothing else."""
    monkeypatch.chdir(tmp_path)
    Path("valid.txt").write_text("".join(f"{image}\n" for image in sorted(MAP01.glob("*.png"))))
    Path("x.data").write_text(f"classes=3\nvalid=valid.txt\nnames={MAP01 / 'names'}\n")
    return ["x.data", str(MAP01 / "net.cfg"), str(MAP01 / "net.weights")]


def labels(image: int) -> np.ndarray:
    """Rows class x y w h."""
    return np.loadtxt(MAP01 / f"im{image:02d}.txt", ndmin=2)


def instances() -> dict[str, Any]:
    """The labels as COCO has them, with numbers, areas and a crowd of their own."""
    images, annotations = [], []
    for image in range(12):
        height, width = cv2.imread(str(MAP01 / f"im{image:02d}.png")).shape[:2]
        number = 1000 - image
        images.append({"id": number, "file_name": f"im{image:02d}.png", "width": width, "height": height})
        for label, x, y, w, h in labels(image):
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": int(label) * 7 + 2, "bbox": box,
                    "area": box[2] * box[3] * 0.7, "iscrowd": int(len(annotations) == 5),
                    "segmentation": [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]],
                }
            )  # fmt: skip
    categories = [{"id": k * 7 + 2, "name": f"obj{k}"} for k in (2, 0, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def outcome(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    capsys.readouterr()
    assert main(argv) == 0
    return tuple(capsys.readouterr())  # type: ignore[return-value]


def by_pycocotools(truth_file: str, found_file: str) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth_file)
        evaluator = COCOeval(truth, truth.loadRes(found_file), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(value) for value in evaluator.stats]


def test_coco_figures_are_those_of_the_written_file(
    files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csptrain.evaluate.coco.find_spec", lambda name: None)  # the same program for both
    Path("instances_val.json").write_text(json.dumps(instances()))
    Path("x.data").write_text(f"valid=instances_val.json\nimages={MAP01}\n")
    found = json.loads(outcome(["detector", "map", *files, "--json", "--metrics", "coco"], capsys)[0])
    assert [one["name"] for one in found["classes"]] == ["obj0", "obj1", "obj2"]
    out, _ = outcome(["detector", "valid", *files], capsys)
    assert out.startswith("results/coco_results.json: ")
    expected = by_pycocotools("instances_val.json", "results/coco_results.json")
    assert [found["coco"][name] for name in NAMES] == expected
    assert 0.1 < expected[0] < expected[1] < 0.9
    records = json.loads(Path("results/coco_results.json").read_text())
    assert {record["category_id"] for record in records} == {2, 9, 16}
    assert {record["image_id"] for record in records} == set(range(989, 1001))


def test_a_json_is_measured_as_the_list_is(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    content = instances()
    content["annotations"][5]["iscrowd"] = 0
    Path("instances_val.json").write_text(json.dumps(content))
    Path("y.yaml").write_text(f"val: instances_val.json\nimages: {MAP01}\n")
    listed = json.loads(outcome(["detector", "map", *files, "--json"], capsys)[0])
    direct = json.loads(outcome(["detector", "map", "y.yaml", *files[1:], "--json"], capsys)[0])
    assert direct["map"] == pytest.approx(listed["map"], abs=1e-9)
    for key in ("TP", "FP", "FN", "detections_count", "unique_truth_count"):
        assert direct[key] == listed[key]


def test_all_measures_in_one_run(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    plain, _ = outcome(["detector", "map", *files], capsys)
    both, _ = outcome(["detector", "map", *files, "--metrics", "darknet,voc,coco"], capsys)
    head = plain[: plain.index("Total Detection Time")]
    assert both.startswith(head)
    assert "\n metric " in both and "\n metric " not in plain
    for start in ("Darknet mAP@0.50, area", "VOC mAP, area (2010)", "COCO AP50", "COCO AR, 100 a class"):
        assert f"\n {start} " in both
    only, _ = outcome(["detector", "map", *files, "--metrics", "voc"], capsys)
    assert "VOC mAP" in only and "class_id" not in only and "COCO" not in only
    found = json.loads(outcome(["detector", "map", *files, "--metrics", "voc,coco", "--json"], capsys)[0])
    golden = Case(MAP01).golden["runs"][0]
    assert f"{found['map']:.6f}" == f"{golden['map']:.6f}"  # the wider collection changes nothing here
    assert found["detections_count"] == golden["detections_count"]
    # Lower threshold, more boxes: near Darknet's figure, not the same.
    assert found["voc"]["map_area"] == pytest.approx(found["map"], abs=0.1)
    assert found["coco"]["AP50"] == pytest.approx(found["voc"]["map_area"], abs=0.02)


def test_an_unknown_measure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detector", "map", "a.data", "a.cfg", "a.weights", "--metrics", "voc,cocoo"]) == 2
    assert "cocoo is none of darknet, voc, coco" in capsys.readouterr().err


def test_pictures(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out, err = outcome(["detector", "map", *files, "--plots", "new/plots", "--json"], capsys)
    json.loads(out)
    for name in ("precision_recall.png", "confusion.png"):
        assert f"picture: new/plots/{name}" in err
        picture = cv2.imread(f"new/plots/{name}")
        assert picture is not None and min(picture.shape[:2]) > 600


def test_valid_for_imagenet(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.data").write_text(Path("x.data").read_text() + "eval=imagenet\n")
    outcome(["detector", "valid", *files, "-thresh", "0.005", "-nms", "0.45"], capsys)
    lines = [line.split() for line in Path("results/imagenet-detection.txt").read_text().splitlines()]
    arrays = Case(MAP01).arrays
    assert len(lines) == Case(MAP01).golden["runs"][0]["detections_count"]
    rows = arrays["dets.2"]
    height, width = cv2.imread(str(MAP01 / "im02.png")).shape[:2]
    expected = [
        (3, k + 1, p, max((x - w / 2) * width, 0), max((y - h / 2) * height, 0),
         min((x + w / 2) * width, width), min((y + h / 2) * height, height))
        for x, y, w, h, _, *prob in rows for k, p in enumerate(prob) if p > 0
    ]  # fmt: skip
    got = [tuple(map(float, line)) for line in lines if line[0] == "3"]
    np.testing.assert_allclose(sorted(got), sorted(expected), rtol=1e-4, atol=1e-3)


def test_valid_finds_more_than_map(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.data").write_text(Path("x.data").read_text() + "eval=coco\n")
    outcome(["detector", "valid", *files], capsys)
    scores = [record["score"] for record in json.loads(Path("results/coco_results.json").read_text())]
    assert 0.001 < min(scores) < 0.002 and len(scores) > 2 * Case(MAP01).golden["runs"][0]["detections_count"]
    said = Path("x.data").read_text().replace("eval=coco", "eval=kitti")
    Path("x.data").write_text(said)
    assert main(["detector", "valid", *files]) == 1
    place = f"x.data:{len(said.splitlines())}"
    assert f"{place}: eval=kitti is not written (legal: voc, coco, imagenet)" in capsys.readouterr().err


def test_recall(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = outcome(["detector", "recall", *files], capsys)
    lines = out.splitlines()
    assert len(lines) == 12 and lines[0].startswith("    0     1     1\tRPs/Img: ")
    found = json.loads(outcome(["detector", "recall", *files, "--json"], capsys)[0])
    assert lines[-1] == (
        f"   11 {found['found']:5d} {found['objects']:5d}\tRPs/Img: {found['proposals_per_image']:.2f}\t"
        f"IOU: {found['iou'] * 100:.2f}%\tRecall:{found['recall'] * 100:.2f}%"
    )
    # More boxes than those of mAP, which are of one class each and above 0.005, cover more.
    covered = 0
    for image in range(12):
        boxes = Case(MAP01).arrays[f"dets.{image}"][:, :4]
        for row in labels(image).astype(np.float32):
            truth = np.repeat(row[None, 1:], len(boxes), axis=0)
            covered += bool((box_iou(boxes, truth) > 0.5).any())
    assert covered <= found["found"] <= found["objects"] == sum(len(labels(image)) for image in range(12))
    strict = json.loads(outcome(["detector", "recall", *files, "--json", "-iou_thresh", ".9"], capsys)[0])
    assert strict["found"] < found["found"] and strict["iou"] == found["iou"]
