"""`csptrain detector calc_anchors`, from labels to Darknet's files, the tables, the picture and the cfg."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain import graph
from csptrain.cli import detector_anchors
from csptrain.cli.anchor_tables import ranges
from csptrain.cli.main import main
from csptrain.datasets.anchors import Clusters, kmeans

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden_cases"
TINY = ROOT / "cfg/yolov4-tiny.cfg"
TINY_3L = ROOT / "cfg/yolov4-tiny-3l.cfg"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def write_data(folder: Path, images: list[list[list[float]]], classes: int) -> Path:
    """A data file with a train list; each image has rows class x y w h."""
    (folder / "set").mkdir()
    for number, rows in enumerate(images):
        (folder / f"set/{number:03d}.jpg").touch()
        lines = (" ".join(str(value) for value in row) for row in rows)
        (folder / f"set/{number:03d}.txt").write_text("\n".join(lines))
    names = [f"set/{number:03d}.jpg" for number in range(len(images))]
    (folder / "train.txt").write_text("\n".join(names))
    (folder / "x.data").write_text(f"classes={classes}\ntrain=train.txt\n")
    return folder / "x.data"


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """200 boxes a ninth of the image wide, 20 small and 20 large ones of two other classes, in 20 images."""
    generator = np.random.default_rng(2)
    images = []
    for _ in range(20):
        sides = [(0, 0.11)] * 10 + [(1, 0.03), (2, 0.4)]
        rows = [
            [label, *generator.uniform(0.3, 0.7, 2).round(4), *(side * generator.uniform(0.8, 1.25, 2)).round(4)]
            for label, side in sides
        ]
        images.append(rows)
    return write_data(tmp_path, images, 3)


@pytest.mark.parametrize("case", ["calc_anchors_416", "calc_anchors_rel13"])
def test_darknets_files_and_figures(
    case: str, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = json.loads((GOLDEN / case / "golden.json").read_text())
    data = write_data(tmp_path, golden["labels_per_image"], golden["classes"])

    def from_golden_start(points: np.ndarray, count: int, seed: int) -> Clusters:
        assert (count, seed) == (golden["num_of_clusters"], 0)
        return kmeans(points, points[golden["init_idx"]])

    monkeypatch.setattr("csptrain.datasets.anchors.find_clusters", from_golden_start)
    words = ["-num_of_clusters", str(golden["num_of_clusters"]), "-width", str(golden["width"])]
    assert main(["detector", "calc_anchors", str(data), *words, "-height", str(golden["height"])]) == 0
    assert (work / "anchors.txt").read_text() == golden["anchors_txt"]
    assert (work / "counters_per_class.txt").read_text() == golden["counters_per_class_txt"]
    out = capsys.readouterr().out
    boxes = sum(map(len, golden["labels_per_image"]))
    for line in (
        f" num_of_clusters = {golden['num_of_clusters']}, width = {golden['width']}, height = {golden['height']} ",
        f" loaded \t image: {len(golden['labels_per_image'])} \t box: {boxes}",
        f" iterations = {golden['iterations']} ",
        golden["counters_per_class_txt"],
        f" avg IoU = {golden['avg_iou_percent']:.2f} % ",
        "Saving anchors to the file: anchors.txt ",
        f"anchors = {golden['anchors_txt']}",
    ):
        assert f"\n{line}\n" in out


def table(out: str) -> dict[str, list[str]]:
    """The lines of the comparison: name -> numbers, the boxes of the heads last."""
    lines = out.split("over-     no")[1].splitlines()[2:6]
    found = {}
    for line in lines:
        name, numbers = re.fullmatch(r"(.+?) {2,}([\d. /]+?)(?:  <- taken)?", line).groups()  # type: ignore[union-attr]
        found[name] = numbers.split()
    return found


def test_the_tables_tell_what_is_gained(work: Path, crowd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = work / "net.cfg"
    cfg.write_bytes(TINY.read_bytes())
    assert main(["detector", "calc_anchors", str(crowd), str(cfg)]) == 0
    out = capsys.readouterr().out
    found = table(out)
    own, before = found["anchors of each head's own"], found["net.cfg now"]
    # The smallest anchor of this cfg is in no mask: half of the smallest class and more have no head.
    assert int(before[4]) >= 10 and own[4] == "0"
    assert float(own[0]) > float(before[0]) and float(own[0]) == 100
    # As many boxes in every row, but those that no head trains.
    for row in found.values():
        assert int(row[4]) + int(row[5]) + int(row[7]) == 240
    assert re.search(r"^class1 +20 +\S+ .*-> 100\.0$", out, re.MULTILINE)
    assert "own" in next(line for line in out.splitlines() if line.endswith("<- taken"))
    assert cfg.read_bytes() == TINY.read_bytes() and "--write" in out


@pytest.mark.parametrize("rule", ["stride", "size", "even"])
def test_write_changes_the_heads_and_nothing_else(
    rule: str, work: Path, crowd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = work / "net.cfg"
    content = TINY_3L.read_text().replace("anchors=", "anchors =  ").replace("\n", "\r\n").encode()
    content = content.replace(b"# ", b"# \xe9 ", 1)
    cfg.write_bytes(content)
    assert main(["detector", "calc_anchors", str(crowd), str(cfg), "--write", "--assign", rule]) == 0
    before, after = content.split(b"\r\n"), cfg.read_bytes().split(b"\r\n")
    assert len(before) == len(after)
    changed = {new.split(b"=")[0].strip() for old, new in zip(before, after, strict=True) if old != new}
    assert changed <= {b"anchors", b"mask", b"num", b"filters"} and b"anchors" in changed
    heads = graph.load(cfg).box_heads
    assert sorted(number for head in heads for number in head.mask) == list(range(9))  # type: ignore[attr-defined]
    text = (work / "anchors.txt").read_text()
    pairs = heads[0].anchor_pairs  # type: ignore[attr-defined]
    assert [float(word) for word in text.split(",")] == [side for pair in pairs for side in pair]
    out = capsys.readouterr().out
    assert "+++ " in out and f"wrote {cfg}" in out
    assert main(["detector", "calc_anchors", str(crowd), str(cfg), "--write", "--assign", rule]) == 0
    assert "has these anchors already" in capsys.readouterr().out and cfg.read_bytes().split(b"\r\n") == after


def test_another_number_of_anchors_takes_num_along(work: Path, crowd: Path) -> None:
    cfg = work / "net.cfg"
    cfg.write_bytes(TINY.read_bytes())
    words = ["-num_of_clusters", "8", "--write"]
    assert main(["detector", "calc_anchors", str(crowd), str(cfg), *words]) == 0
    planned = graph.load(cfg)
    assert all(head.num == 8 for head in planned.box_heads)
    for head in planned.box_heads:
        assert planned.nodes[head.index - 1].output.c == len(head.mask) * 85  # type: ignore[attr-defined]


@pytest.mark.parametrize("with_cfg", [False, True])
def test_the_picture(with_cfg: bool, work: Path, crowd: Path) -> None:
    network = [str(TINY)] if with_cfg else ["-width", "416", "-height", "416"]
    assert main(["detector", "calc_anchors", str(crowd), *network, "-show"]) == 0
    assert cv2.imread(str(work / "cloud.png")).std() > 10
    assert main(["detector", "calc_anchors", str(crowd), *network, "--plot", "a/cloud.svg"]) == 0
    drawn = (work / "a/cloud.svg").read_text()
    assert "train.txt at 416 x 416: 240 boxes" in drawn and ("layer 37, stride 16" in drawn) == with_cfg


def test_few_boxes_of_its_size_are_told(work: Path, crowd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = work / "large.cfg"
    large = re.sub(r"^(width|height)=.*", r"\1=1216", TINY_3L.read_text(), flags=re.MULTILINE)
    cfg.write_text(large)
    assert main(["detector", "calc_anchors", str(crowd), str(cfg)]) == 0
    assert re.search(r"note: the head of stride 8 trains \d of 240 boxes", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-num_of_clusters", "3"], 2, "say -width and -height"),
        (["-width", "416", "-height", "416", "--write"], 2, "--write needs a cfg"),
        (["a.png"], 2, "found 'a.png'"),
        ([str(TINY), "a.weights"], 2, "found 'a.weights'"),
        ([str(TINY), "-width", "608"], 2, "measured on 416 (leave -width out"),
        ([str(TINY), "-num_of_clusters", "1"], 2, "heads of 2 strides"),
        ([str(TINY), "-num_of_clusters", "241"], 1, "boxes of 240 different sizes do not make 241 anchors"),
        ([str(TINY), "--plot", "cloud.gif"], 2, "neither .png nor .svg"),
        ([str(TINY), "--assign", "chance"], 2, "--assign"),
        ([str(ROOT / "cfg/csppeleenet.cfg")], 1, "has no head with anchors"),
        (["-width", "0", "-height", "416"], 2, "-width"),
    ],
)
def test_mistakes(
    words: list[str], code: int, message: str, work: Path, crowd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["detector", "calc_anchors", str(crowd), *words]) == code
    out, err = capsys.readouterr()
    assert message in err and list(work.iterdir()) == []


def test_the_same_words_give_the_same_anchors(work: Path, crowd: Path) -> None:
    texts = []
    for seed in ("1", "1", "2"):
        words = ["-num_of_clusters", "9", "-width", "416", "-height", "416", "--seed", seed]
        assert main(["detector", "calc_anchors", str(crowd), *words]) == 0
        texts.append((work / "anchors.txt").read_text())
    assert texts[0] == texts[1]


def test_five_anchors_are_darknets_default(work: Path, crowd: Path) -> None:
    assert main(["detector", "calc_anchors", str(crowd), "-width", "416", "-height", "416"]) == 0
    assert (work / "anchors.txt").read_text().count(",") == 9 and detector_anchors.CLUSTERS == 5


def test_masks_are_told_in_runs() -> None:
    assert (ranges((0, 1, 2, 5)), ranges((3,)), ranges((7, 6))) == ("0-2,5", "3", "6-7")
