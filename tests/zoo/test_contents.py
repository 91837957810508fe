"""The networks of the zoo: the shipped files, their text, other sizes and classes, mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from csptrain import graph
from csptrain.cfg import text
from csptrain.errors import CfgError
from csptrain.graph import plan
from csptrain.layers.region import Region
from csptrain.layers.route import Route
from csptrain.layers.yolo import Yolo
from csptrain.zoo.contents import RECIPES, compose, write_all
from csptrain.zoo.detectors import DETECTORS
from csptrain.zoo.heads import HEADS
from csptrain.zoo.public import PUBLIC


def test_bottlenecks_of_csppeleenet_efm_are_the_papers(repository: Path) -> None:
    """Figure 7: 44 % less than PeleeNet's widest layer, 80 % less than that of its YOLO head."""
    widest = {
        name: max(node.cost.paper for node in graph.load(repository / "cfg" / f"{name}.cfg").nodes)
        for name in ("csppeleenet-efm", "peleenet-prn", "peleenet-yolov3-2l")
    }
    assert widest["peleenet-prn"] == 2 * 128**2 * 104**2
    assert widest["peleenet-yolov3-2l"] == 2 * 9 * 640 * 128 * 26**2
    assert round(100 * (1 - widest["csppeleenet-efm"] / widest["peleenet-prn"])) == 44
    assert round(100 * (1 - widest["csppeleenet-efm"] / widest["peleenet-yolov3-2l"])) == 80


def test_every_cfg_is_regenerated_byte_for_byte(repository: Path, tmp_path: Path) -> None:
    written = write_all(tmp_path)
    names = sorted(path.name for path in written)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert sorted(path.name for path in (repository / "cfg").glob("*.cfg")) == names
    for path in written:
        assert path.read_bytes() == (repository / "cfg" / path.name).read_bytes(), f"{path.name} differs"


@pytest.mark.parametrize("name", RECIPES)
def test_the_text_is_tidy_and_says_what_it_is(name: str) -> None:
    content = compose(name)
    lines = content.splitlines()
    assert lines[0] == f"# {name}"
    assert any("Evidence:" in line for line in lines[:5])
    assert any("BFLOPs at" in line for line in lines[:5])
    assert all(line == line.rstrip() and len(line) <= 110 for line in lines)
    assert "\n\n\n" not in content
    assert content.endswith("\n") and not content.endswith("\n\n")
    planned = plan(text.parse(content))
    assert planned.findings == ()
    for node in planned.nodes:
        layer = node.layer
        if isinstance(layer, Route) and layer.groups == 1 and len(node.sources) == 1:
            assert node.sources[0] != layer.index - 1, f"needless [route], layer {layer.index}"


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.classes == 80])
def test_detectors_for_another_size_and_classes(name: str) -> None:
    planned = plan(text.parse(compose(name, 320, 224, 3)))
    assert (planned.net.width, planned.net.height) == (320, 224)
    assert planned.box_heads
    for head in planned.box_heads:
        assert isinstance(head, Yolo | Region)
        assert head.classes == 3
        boxes = len(head.mask_used) if isinstance(head, Yolo) else head.num
        assert planned.nodes[planned.nodes[head.index].sources[0]].output.c == boxes * 8


def test_mistakes_are_named() -> None:
    with pytest.raises(CfgError, match="did you mean yolov3-tiny"):
        compose("yolov3-tny")
    with pytest.raises(CfgError, match="classes=0"):
        compose("yolov3-tiny", classes=0)
    with pytest.raises(CfgError, match="width=0"):
        compose("yolov3-tiny", width=0)


def test_the_page_of_networks_names_all_detectors_and_heads(repository: Path) -> None:
    page = (repository / "docs" / "networks.md").read_text(encoding="utf-8")
    missing = [name for name in (*DETECTORS, *PUBLIC, *HEADS) if f"`{name}`" not in page]
    assert missing == []
