"""`csptrain detector map`, `valid` and `test`, from the command line to their files, against Darknet's figures."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from csptrain.cli.main import main
from csptrain.cli.session import sort_files
from csptrain.datasets.lists import read_label
from tests.golden.case import Case

GOLDEN_CASES = Path(__file__).parents[1] / "golden_cases"
MAP01 = GOLDEN_CASES / "map01_resize"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Data file, cfg and weights of a trained detector with 12 images; the working directory is empty."""
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "valid.txt").write_text("".join(f"{image}\n" for image in sorted(MAP01.glob("*.png"))))
    (lists / "x.data").write_text(f"classes=3\nvalid=valid.txt\nnames={MAP01 / 'names'}\nresults=results\n")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return [str(lists / "x.data"), str(MAP01 / "net.cfg"), str(MAP01 / "net.weights")]


def outcome(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def map_arguments(run: dict[str, Any]) -> list[str]:
    return [
        "-points", str(run["points"]), "-iou_thresh", str(run["iou_thresh"]), "-thresh", str(run["conf_thresh"]),
    ]  # fmt: skip


def test_map_gives_the_golden_figures(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for run in Case(MAP01).golden["runs"]:
        code, out, _ = outcome(["detector", "map", *files, *map_arguments(run), "--json"], capsys)
        got = json.loads(out)
        assert code == 0
        assert f"{got['map']:.6f}" == f"{run['map']:.6f}"
        assert round(got["avg_iou"] * 100, 2) == run["avg_iou_percent"]
        assert (f"{got['precision']:.2f}", f"{got['recall']:.2f}", f"{got['f1']:.2f}") == (
            run["precision"], run["recall"], run["f1"],
        )  # fmt: skip
        for key in ("TP", "FP", "FN", "detections_count", "unique_truth_count"):
            assert got[key] == run[key], key
        assert [
            {
                "id": one["id"],
                "name": one["name"],
                "ap": round(one["ap"] * 100, 2),
                "TP": one["TP"],
                "FP": one["FP"],
            }
            for one in got["classes"]
        ] == run["classes"]
        assert (got["images"], got["letter_box"], got["cfg"]) == (12, 0, files[1])


def test_map_computes_in_bf16_when_asked(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run = Case(MAP01).golden["runs"][0]
    code, out, _ = outcome(["detector", "map", *files, *map_arguments(run), "--json", "--amp", "on"], capsys)
    # Drawn weights tell objects apart by their last digits; a trained network's figures move by far less.
    assert code == 0 and 0 < abs(json.loads(out)["map"] - run["map"]) < 0.1  # 0 would be no bf16


def test_map_prints_darknets_lines(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(["detector", "map", *files, "--batch", "5", "--workers", "1"], capsys)
    assert code == 0
    assert " mean average precision (mAP@0.50) = 0.570695, or 57.07 % \n" in out
    assert "class_id = 0, name = obj0, ap = 69.32%   \t (TP = 3, FP = 1) \n" in out


def test_map_takes_another_list_size_and_fit(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    one = MAP01 / "im02.png"
    data = Path(files[0])
    (data.parent / "one.txt").write_text(f"{one}\n")
    data.write_text(data.read_text() + "test=one.txt\n")
    command = ["detector", "map", *files, "--json", "--split", "test", "--size", "96x64"]
    plain = json.loads(outcome(command, capsys)[1])
    boxed = json.loads(outcome([*command, "-letter_box"], capsys)[1])
    assert [plain[key] for key in ("images", "width", "height", "letter_box")] == [1, 96, 64, 0]
    assert boxed["letter_box"] == 1
    assert boxed["detections_count"] != plain["detections_count"] or boxed["map"] != plain["map"]


def test_a_corrupt_image_is_left_out_and_listed(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    bad = Path(files[0]).parent / "bad.jpg"
    bad.write_bytes(b"\xff\xd8 no image")
    listed = Path(files[0]).parent / "valid.txt"
    listed.write_text(listed.read_text() + f"{bad}\n")
    code, out, err = outcome(["detector", "map", *files, "--json"], capsys)
    got = json.loads(out)
    assert (code, got["images"], got["bad_images"]) == (0, 12, 1)
    assert "1 image(s) skipped" in err
    assert Path("results/bad.list").read_text() == f"{bad}\n"
    shutil.rmtree("results")
    Path("results").write_text("in the way")
    code, out, err = outcome(["detector", "map", *files, "--json"], capsys)
    assert (code, json.loads(out)["map"]) == (0, got["map"])
    assert "1 image(s) skipped; results/bad.list: cannot be written" in err
    Path("results").unlink()

    listed.write_text(f"{bad}\n")
    bad.with_suffix(".txt").write_text("")
    code, out, err = outcome(["detector", "map", *files, "--json"], capsys)
    assert (code, out) == (1, "")
    assert "no image of the list can be decoded" in err


def test_measuring_on_what_is_trained_on_is_told(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    data = Path(files[0])
    text = data.read_text()
    data.write_text(text + "train=valid.txt\n")
    assert f"{data} names the same for train= and valid=" in outcome(["detector", "recall", *files], capsys)[2]
    data.write_text(text.replace("valid=", "train="))
    assert f"{data} has no valid= of its own, its train= is used" in outcome(["detector", "recall", *files], capsys)[2]


def read_voc(folder: Path) -> list[tuple[int, str, np.ndarray]]:
    return [
        (k, line.split()[0], np.array(line.split()[1:], float))
        for k in range(3)
        for line in (folder / f"comp4_det_test_obj{k}.txt").read_text().splitlines()
    ]


AS_MAP = ("-thresh", "0.005", "-nms", "0.45")  # the golden boxes are those of mAP


def test_valid_writes_vocs_files(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(["detector", "valid", *files, *AS_MAP], capsys)
    assert (code, out.count("\n")) == (0, 3)
    assert out.startswith("results/comp4_det_test_obj0.txt: ")
    found = read_voc(Path("results"))
    case = Case(MAP01)
    assert len(found) == case.golden["runs"][0]["detections_count"]
    for image in range(12):
        height, width = cv2.imread(str(MAP01 / f"im{image:02d}.png")).shape[:2]
        rows = case.arrays[f"dets.{image}"]
        expected = []
        for x, y, w, h, _, *prob in rows:
            edges = [
                max((x - w / 2) * width + 1, 1), max((y - h / 2) * height + 1, 1),
                min((x + w / 2) * width + 1, width), min((y + h / 2) * height + 1, height),
            ]  # fmt: skip
            expected += [(k, p, *edges) for k, p in enumerate(prob) if p > 0]
        got = [(k, *values) for k, name, values in found if name == f"im{image:02d}"]
        np.testing.assert_allclose(sorted(got), sorted(expected), rtol=1e-4, atol=1e-3)


def test_valid_writes_coco_results(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    data = Path(files[0])
    data.write_text(data.read_text() + "eval=coco\n")
    code, out, _ = outcome(["detector", "valid", *files, *AS_MAP], capsys)
    assert (code, out) == (0, "results/coco_results.json: 266 detections\n")
    records = json.loads(Path("results/coco_results.json").read_text())
    assert {record["image_id"] for record in records} == set(range(12))
    assert {record["category_id"] for record in records} == {1, 2, 3}
    arrays = Case(MAP01).arrays
    probs = np.concatenate([arrays[f"dets.{image}"][:, 5:] for image in range(12)])
    assert sum(record["score"] for record in records) == pytest.approx(probs.sum(), rel=1e-4)
    for record in records:
        height, width = cv2.imread(str(MAP01 / f"im{record['image_id']:02d}.png")).shape[:2]
        left, top, w, h = record["bbox"]
        assert 0 <= left <= left + w <= width + 1e-3
        assert 0 <= top <= top + h <= height + 1e-3


def golden_boxes(name: str, folder: Path) -> tuple[list[str], dict[str, Any], Any]:
    """Files of a `boxes` case, its parameters and arrays; weights and data file are made in `folder`."""
    case = Case(GOLDEN_CASES / name)
    (folder / "x.weights").write_bytes(case.weights())
    (folder / "x.data").write_text("classes=2\n")
    words = [
        str(folder / "x.data"),
        str(case.cfg),
        str(folder / "x.weights"),
        str(case.image),
    ]
    return words, case.golden["params"], case.arrays


@pytest.mark.parametrize("backend", ["csptrain", "opencv"])
@pytest.mark.parametrize("name", ["b01_resize", "b02_letter_wide", "b05_diounms"])
def test_test_finds_darknets_boxes(
    name: str,
    backend: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words, params, arrays = golden_boxes(name, tmp_path)
    fit = ["-letter_box"] if params["letter"] else []
    command = ["detector", "test", *words, *fit, "-dont_show", "-thresh", str(params["thresh"])]
    code, out, _ = outcome([*command, "-nms", str(params["nms"]), "-out", "r.json", "--backend", backend], capsys)
    assert code == 0
    (frame,) = json.loads(Path("r.json").read_text())
    assert (frame["frame_id"], frame["filename"]) == (1, words[3])
    rows = arrays["boxes_nms"]
    expected = [(k, *row[:4], row[5 + k]) for row in rows for k in range(2) if row[5 + k] > 0]
    got = [(one["class_id"], *one["relative_coordinates"].values(), one["confidence"]) for one in frame["objects"]]
    np.testing.assert_allclose(sorted(got), sorted(expected), rtol=1e-4, atol=2e-6)
    assert all(one["name"] == f"class{one['class_id']}" for one in frame["objects"])
    assert out.startswith(f"{words[3]}: Predicted in ")
    assert out.count("%") == len(expected)
    assert cv2.imread("predictions.jpg") is not None


def test_test_prints_pixels_from_left_to_right(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    image = str(MAP01 / "im02.png")
    _, out, _ = outcome(["detector", "test", *files, image, "-ext_output", "-thresh", ".1"], capsys)
    first, *lines = out.splitlines()
    assert first.endswith(" milli-seconds.")
    lefts = [int(line.split("left_x:")[1].split()[0]) for line in lines]
    assert lefts == sorted(lefts)
    height, width = cv2.imread(image).shape[:2]
    rows = Case(MAP01).arrays["dets.2"]
    best = max(((row, k) for row in rows for k in range(3)), key=lambda pair: pair[0][5 + pair[1]])
    (x, y, w, h), k = best[0][:4], best[1]
    assert (
        f"obj{k}: {best[0][5 + k] * 100:.0f}%\t(left_x: {(x - w / 2) * width:4.0f}   "
        f"top_y: {(y - h / 2) * height:4.0f}   width: {w * width:4.0f}   height: {h * height:4.0f})"
    ) in lines


def copies(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(MAP01 / f"im{k:02d}.png", folder / f"im{k:02d}.png")) for k in range(count)]


def test_test_takes_folders_patterns_and_lists(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    copies(Path("a"), 2)
    copies(Path("b"), 3)
    Path("l.txt").write_text("a/im01.png\n")
    command = ["detector", "test", *files, "a", "b/*.png", "l.txt", "--output", "o", "-out", "o/r.json"]
    code, out, _ = outcome(command, capsys)
    assert code == 0
    frames = json.loads(Path("o/r.json").read_text())
    assert [frame["filename"] for frame in frames] == [
        "a/im00.png", "a/im01.png", "b/im00.png", "b/im01.png", "b/im02.png", "a/im01.png",
    ]  # fmt: skip
    names = ["im00", "im01", "im00_2", "im01_2", "im02", "im01_3"]
    assert sorted(path.stem for path in Path("o").glob("*.jpg")) == sorted(names)


def test_test_skips_corrupt_images_but_not_all(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    good = copies(Path("a"), 1)[0]
    Path("bad.png").write_bytes(b"nothing")
    code, out, err = outcome(["detector", "test", *files, "bad.png", str(good)], capsys)
    assert code == 0
    assert "bad.png: is not an image that can be decoded" in err
    assert Path("predictions/bad.list").read_text() == "bad.png\n"
    assert Path("predictions/im00.jpg").exists()
    Path("worse.png").write_bytes(b"nothing")
    for words in (["bad.png"], ["bad.png", "worse.png"]):
        code, out, err = outcome(["detector", "test", *files, *words], capsys)
        assert (code, out, err.count("\n")) == (1, "", 1)


def test_test_reads_paths_from_standard_input(
    files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = copies(Path("a"), 2)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{images[0]}\n\n{images[1]}\n"))
    code, out, _ = outcome(["detector", "test", *files, "-out", "r.json"], capsys)
    assert code == 0
    assert out.count("Predicted in") == 2
    assert "Enter Image Path" not in out
    assert len(json.loads(Path("r.json").read_text())) == 2
    assert Path("predictions.jpg").exists()

    monkeypatch.setattr("sys.stdin", io.StringIO("gone.png\n"))
    code, _, err = outcome(["detector", "test", *files], capsys)
    assert (code, err) == (1, "csptrain: error: <stdin>:1: no such image: gone.png\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert outcome(["detector", "test", *files], capsys)[0] == 1


def test_saved_labels_are_read_back_and_never_replace_others(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    image = copies(Path("a"), 3)[2]
    command = ["detector", "test", *files, str(image), "-save_labels", "-thresh", ".1"]
    assert outcome([*command, "-out", "r.json"], capsys)[0] == 0
    findings: list[Any] = []
    rows = read_label(image.with_suffix(".txt"), 3, findings)
    (frame,) = json.loads(Path("r.json").read_text())
    boxes = {tuple(one["relative_coordinates"].values()) for one in frame["objects"]}
    assert len(rows) == len(boxes) > 0
    image.with_suffix(".txt").write_text("0 .5 .5 .1 .1\n")
    code, out, err = outcome(command, capsys)
    assert (code, out) == (1, "")
    assert "has labels already" in err
    assert image.with_suffix(".txt").read_text() == "0 .5 .5 .1 .1\n"
    assert outcome([*command, "--output", "o"], capsys)[0] == 0
    assert Path("o/im02.txt").exists()


@pytest.mark.parametrize("verb", ["map", "valid", "test"])
def test_another_class_count_names_both_files(verb: str, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    data = Path(files[0])
    data.write_text(data.read_text().replace("classes=3", "classes=4").replace(f"names={MAP01 / 'names'}\n", ""))
    code, out, err = outcome(["detector", verb, *files], capsys)
    assert (code, out, err.count("\n")) == (1, "", 1)
    cfg = Path(files[1]).read_text().splitlines()
    line = next(number for number, text in enumerate(cfg, 1) if text.startswith("classes="))
    assert err.startswith(f"csptrain: error: {files[1]}:{line}: ")
    assert f"{data} has 4" in err


@pytest.mark.parametrize("verb", ["map", "valid", "test"])
def test_truncated_weights_name_the_layer(
    verb: str, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.weights"
    short.write_bytes(Path(files[2]).read_bytes()[:-400])
    code, out, err = outcome(["detector", verb, files[0], files[1], str(short)], capsys)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"csptrain: error: {short}: ends inside layer 9")
    assert not Path("results").exists()


def test_a_missing_image_is_an_error_with_its_line(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    listed = Path(files[0]).parent / "valid.txt"
    listed.write_text(listed.read_text() + "gone.png\n")
    for verb in ("map", "valid"):
        code, out, err = outcome(["detector", verb, *files], capsys)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"csptrain: error: {listed}:13: the image gone.png does not exist")
    code, out, err = outcome(["detector", "test", *files, "gone.png"], capsys)
    assert (code, out, err) == (1, "", "csptrain: error: gone.png: no such image\n")


@pytest.mark.parametrize("name", ["a.weights", "a.backup", "yolov4.conv.137", "resnet50.65"])
def test_what_the_field_calls_weights(name: str) -> None:
    files = sort_files(["x.data", "x.cfg", name], "detector train", takes_inputs=False)
    assert (files.weights, files.inputs) == (Path(name), ())
    assert sort_files(["x.cfg", "a.jpg"], "detector test").inputs == ("a.jpg",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["map", "x.data", "x.cfg"], "needs weights: none is given"),
        (["valid", "x.data", "x.cfg", "a.jpg"], "needs weights: found 'a.jpg' after the cfg"),
        (["map", "x.data", "x.cfg", "x.weights", "more"], "takes nothing after the weights: found 'more'"),
        (["train", "x.data", "x.cfg", "darknet53"], "has no use for 'darknet53' after the cfg"),
        (["train", "x.cfg", "x.data"], "has no use for 'x.data' after the cfg"),
        (["train", "x.cfg", "x.weights", "y.weights"], "has no use for 'y.weights' after the weights"),
        (["map", "x.data", "x.cfg", "x.weights", "-points", "12"], "12 is none of 0, 11, 101"),
        (["test", "x.data", "x.cfg", "x.weights", "-thresh", "25"], "25 is no number in 0..1"),
    ],
)
def test_a_command_that_cannot_be_understood(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = outcome(["detector", *words], capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
