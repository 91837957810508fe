"""`csptrain cfg adapt`, `format`, `diff` and `graph` on the cfgs of the project."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import pytest

from csptrain import graph
from csptrain.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "cfg/yolov4-tiny.cfg"
SHIPPED = sorted((ROOT / "cfg").glob("*.cfg"))
by_name = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)


def changed_lines(old: Path, new: Path) -> dict[int, str]:
    """The lines of a file of the same length that differ."""
    pairs = zip(old.read_text().splitlines(), new.read_text().splitlines(), strict=True)
    return {number: after for number, (before, after) in enumerate(pairs, 1) if before != after}


def test_adapt_changes_what_belongs_together_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "mine.cfg"
    assert main(["cfg", "adapt", str(TINY), "--classes", "3", "--size", "320x256", "-o", str(out)]) == 0
    changes = changed_lines(TINY, out)
    assert sorted(changes.values()) == ["classes=3", "classes=3", "filters=24", "filters=24", "height=256", "width=320"]
    planned = graph.load(out)
    assert [head.classes for head in planned.box_heads] == [3, 3] and planned.net.width == 320


def test_adapt_keeps_comments_blanks_and_line_ends(tmp_path: Path) -> None:
    path, out = tmp_path / "a.cfg", tmp_path / "b.cfg"
    text = TINY.read_text().replace("classes=80", "classes =  80 ").replace("\n", "\r\n")
    path.write_bytes(text.encode().replace(b"# ", b"# \xe9", 1))
    assert main(["cfg", "adapt", str(path), "--classes", "1", "-o", str(out)]) == 0
    wanted = text.replace("classes =  80 ", "classes =  1 ").replace("filters=255", "filters=18")
    assert out.read_bytes() == wanted.encode().replace(b"# ", b"# \xe9", 1)


def test_adapt_puts_other_anchors_in_place(tmp_path: Path) -> None:
    out = tmp_path / "mine.cfg"
    anchors = "11,15,24,28,38,59,82,83,136,170,345,320"
    assert main(["cfg", "adapt", str(TINY), "--anchors", anchors, "-o", str(out)]) == 0
    assert set(changed_lines(TINY, out).values()) == {"anchors=11,15, 24,28, 38,59, 82,83, 136,170, 345,320"}


def test_adapt_deals_out_another_number_of_anchors_by_size(tmp_path: Path) -> None:
    out = tmp_path / "mine.cfg"
    # The first head of this cfg is that of the coarser map.
    assert main(["cfg", "adapt", str(TINY), "--anchors", "90,80, 10,12, 40,50, 20,30", "-o", str(out)]) == 0
    coarse, fine = graph.load(out).box_heads
    assert coarse.anchor_pairs == ((10, 12), (20, 30), (40, 50), (90, 80))  # type: ignore[attr-defined]
    assert (coarse.mask, fine.mask, coarse.num) == ((2, 3), (0, 1), 4)  # type: ignore[attr-defined]
    assert graph.load(out).nodes[coarse.index].output.c == 2 * 85


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "say what to change"),
        (["--classes", "0"], 2, "must be 1 or more"),
        (["--classes", "1000000"], 1, "is more than"),
        (["--anchors", "1,2,x"], 2, "--anchors"),
        (["--anchors", "1,2,3"], 1, "3 numbers are no anchors"),
        (["--anchors", "1,2,3,4,5,6"], 1, "cannot be shared evenly by 2 heads"),
        (["--size", "400"], 1, "maps differ in size"),
    ],
)
def test_adapt_writes_nothing_that_cannot_be(
    words: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cfg", "adapt", str(TINY), *words, "-o", str(tmp_path / "x.cfg")]) == code
    assert message in capsys.readouterr().err and not (tmp_path / "x.cfg").exists()


def test_adapt_prints_without_o(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfg", "adapt", str(TINY), "--classes", "80"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (TINY.read_text(), "nothing changes\n")


@by_name
def test_the_project_s_cfgs_are_in_canonical_layout(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfg", "format", str(path)]) == 0
    assert capsys.readouterr().out == path.read_text()


def test_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(
        "\n\n# top \n[network]\n\nwidth = 4 16\r\n\n\n#batch=8\nchannels=3\n# the first\n[conv]\nfilters = 8\n"
        "#activation=leaky\n[max]\n\n\n##### head\n\n[yolo]\nanchors = 1,2,  3,4\nmask = 0, 1\n\n\n"
    )
    assert main(["cfg", "format", "--write", str(path)]) == 0
    assert path.read_text() == (
        "# top\n[net]\nwidth=416\n\n#batch=8\nchannels=3\n\n# the first\n[convolutional]\nfilters=8\n"
        "#activation=leaky\n\n[maxpool]\n\n##### head\n\n[yolo]\nanchors=1,2, 3,4\nmask=0,1\n"
    )
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert main(["cfg", "format", "--write", str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_format_changes_no_network(shared: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, out = shared / "reference/cfg/yolov4.cfg", tmp_path / "x.cfg"
    assert main(["cfg", "format", str(source)]) == 0
    out.write_text(capsys.readouterr().out)
    assert main(["cfg", "diff", str(source), str(out)]) == 0
    assert capsys.readouterr().out.startswith("the same network\n")


def difference(capsys: pytest.CaptureFixture[str], old: Path, new: Path) -> list[str]:
    assert main(["cfg", "diff", str(old), str(new)]) == 0
    return capsys.readouterr().out.splitlines()


def test_diff_says_what_was_added(capsys: pytest.CaptureFixture[str]) -> None:
    lines = difference(capsys, ROOT / "cfg/csppeleenet-efm.cfg", ROOT / "cfg/csppeleenet-efm-sam.cfg")
    assert lines[:4] == [
        "= 0-188",
        "+ 189 [convolutional] 256 1 x 1/ 1 giving 13 x 13 x 256, 0.022 BF",
        "+ 190 [sam] from 188 giving 13 x 13 x 256",
        "~ 189 -> 191 [convolutional] reads 188 -> 190",
    ]
    assert [line for line in lines if line.startswith("-")] == []
    assert lines[-3:] == [
        "layers: 205 -> 211 (+2.9 %)",
        "parameters, M: 4.19292 -> 4.34294 (+3.6 %)",
        "BFLOPs: 4.86863 -> 5.06799 (+4.1 %)",
    ]


def test_diff_sees_through_spelling_and_moved_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.cfg"
    text = TINY.read_text().replace("[convolutional]", "[conv]").replace("layers=-1,23", "layers = 33, -11")
    path.write_text(text.replace("stride=1\n", ""))
    assert difference(capsys, TINY, path)[0] == "the same network"
    # A layer more: what reads across it has another number and is the same.
    text = text.replace("[maxpool]", "[dropout]\n\n[maxpool]", 1)
    path.write_text(text.replace("layers = 33, -11", "layers = -1, 24"))
    assert [line for line in difference(capsys, TINY, path) if line[0] in "+-~"] == [
        "+ 9 [dropout] p = 0.50 giving 104 x 104 x 128",
        "~ 9 -> 10 [maxpool] reads 8 -> 9",
    ]


def test_diff_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.cfg"
    main(["cfg", "adapt", str(TINY), "--classes", "3", "-o", str(out)])
    capsys.readouterr()
    assert main(["cfg", "diff", "--json", str(TINY), str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["equal"] and [layer["new"] for layer in found["layers"]] == [29, 30, 36, 37]
    assert found["layers"][0]["changes"] == ["filters 255 -> 24"]
    assert found["totals"]["layers"] == [38, 38]


@by_name
def test_graph_shows_every_layer_once(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.svg"
    assert main(["cfg", "graph", str(path), "-o", str(out)]) == 0
    root = ElementTree.fromstring(out.read_bytes())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [box for box in root.iter("{http://www.w3.org/2000/svg}rect") if box.get("height") == "20"]
    places = [(float(box.attrib["x"]), float(box.attrib["y"])) for box in boxes]
    count = len(graph.load(path).nodes)
    assert len(places) == len(set(places)) == count
    assert all(0 <= x <= width - 148 and 0 <= y <= height - 20 for x, y in places)
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {str(index) for index in range(count)} <= set(words)


def test_graph_draws_every_edge(tmp_path: Path) -> None:
    out = tmp_path / "x.svg"
    assert main(["cfg", "graph", str(TINY), "-o", str(out)]) == 0
    lines = list(ElementTree.fromstring(out.read_bytes()).iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == sum(source >= 0 for node in graph.load(TINY).nodes for source in node.sources)


def test_graph_as_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.png"
    assert main(["cfg", "graph", str(TINY), "-o", str(out)]) == 0
    image = cv2.imread(str(out))
    assert image is not None and image.shape[1] > 1000
    assert 0.1 < (image < 250).any(2).mean() < 0.9
    assert main(["cfg", "graph", str(TINY), "-o", str(tmp_path / "x.gif")]) == 2
