"""The networks of the zoo: the paper's numbers, the shipped files, the structure of public networks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from csptrain import graph
from csptrain.cfg import text
from csptrain.cfg.text import Reading
from csptrain.errors import CfgError
from csptrain.graph import Graph, plan
from csptrain.layers.base import Layer
from csptrain.layers.route import Route
from csptrain.layers.yolo import Yolo
from csptrain.net import Net
from csptrain.zoo.contents import RECIPES, compose, write_all
from csptrain.zoo.figures import Figures
from csptrain.zoo.heads import Taps, classifier, efm, prn
from csptrain.zoo.peleenet import DenseStyle, csp_peleenet, peleenet
from csptrain.zoo.training import LARGE, MEDIUM, SMALL, TINY_ANCHORS, BoxHeads, detector, imagenet
from csptrain.zoo.writer import CfgWriter

#: The networks that exist in public.
PUBLIC = [
    "yolov3-tiny",
    "yolov3-tiny-prn",
    "yolov4-tiny",
    "yolov4-tiny-3l",
    "csresnext50-panet-spp",
]
Backbone = Callable[[CfgWriter], Taps]


def printed(value: float, like: str) -> str:
    """A number with as many decimals as the paper prints."""
    return f"{value:.{len(like.partition('.')[2])}f}"


def check(figures: Figures, bflops: str | None, parameters: str | None) -> None:
    """The paper's BFLOPs and millions of parameters, to the printed digit."""
    if bflops:
        assert printed(figures.operations / 1e9, bflops) == bflops
    if parameters:
        assert printed(figures.weights / 1e6, parameters) == parameters


@pytest.mark.parametrize(
    ("name", "size", "bflops", "parameters"),
    [
        ("csppeleenet", 224, "0.888", "2.83"),
        ("csppeleenet-efm", 416, "4.868", "4.16"),
        ("csppeleenet-efm-sam", 416, "5.068", "4.31"),
        ("csppeleenet-efm-sam", 512, "7.68", "4.31"),
        ("csresnext50", 256, "7.93", "20.50"),
        ("csresnext50-panet-spp", 608, "100.6", "56.9"),
        ("csresnext50-panet-spp", 512, "71.3", "56.9"),
        ("csresnext50-panet-spp", 416, "47.1", "56.9"),
        ("csresnext50-panet-spp", 320, "27.9", "56.9"),
        ("yolov3-tiny", 416, "5.57", None),
        ("yolov3-tiny-prn", 416, "3.47", None),
    ],
)
def test_shipped_networks_have_the_papers_numbers(
    repository: Path, name: str, size: int, bflops: str, parameters: str | None
) -> None:
    figures = Figures.of(graph.load(repository / "cfg" / f"{name}.cfg").resized(size, size))
    check(figures, bflops, parameters)


@pytest.mark.parametrize(
    ("backbone", "bflops", "parameters"),
    [
        (peleenet, "1.017", "2.79"),
        (lambda cfg: peleenet(cfg, DenseStyle(sparse=True)), "0.904", "2.39"),
        (lambda cfg: peleenet(cfg, DenseStyle(group_channels=8)), "0.837", None),
        (lambda cfg: peleenet(cfg, DenseStyle(squeeze=2)), "1.017", "2.81"),
        (lambda cfg: csp_peleenet(cfg, style=DenseStyle(squeeze=2)), "0.888", "2.85"),
        (lambda cfg: csp_peleenet(cfg, 0.75, "first"), "0.649", None),
        (lambda cfg: csp_peleenet(cfg, 0.5, "first"), "0.755", None),
        (lambda cfg: csp_peleenet(cfg, 0.25, "first"), "0.861", None),
        (lambda cfg: csp_peleenet(cfg, 0.75, "last"), "0.716", None),
        (lambda cfg: csp_peleenet(cfg, 0.5, "last"), "0.804", None),
        (lambda cfg: csp_peleenet(cfg, 0.25, "last"), "0.902", None),
        (lambda cfg: csp_peleenet(cfg, 0.75), "0.800", None),
        (lambda cfg: csp_peleenet(cfg, 0.5), "0.888", "2.83"),
        (lambda cfg: csp_peleenet(cfg, 0.25), "0.986", None),
    ],
)
def test_classifiers_of_tables_1_and_3(backbone: Backbone, bflops: str, parameters: str | None) -> None:
    cfg = CfgWriter(activation="swish")
    classifier(cfg, backbone(cfg), 1000)
    content = cfg.text(imagenet(max_batches=1600000).net(224, 224), [])
    check(Figures.of(plan(text.parse(content))), bflops, parameters)


def two_scales(cfg: CfgWriter) -> None:
    prn(cfg, csp_peleenet(cfg), BoxHeads(80, TINY_ANCHORS), ((3, 4, 5), (1, 2, 3)))


def three_scales(cfg: CfgWriter) -> None:
    prn(cfg, csp_peleenet(cfg), BoxHeads(80), (LARGE, MEDIUM, SMALL))


@pytest.mark.parametrize(
    ("write", "bflops"),
    [
        (two_scales, "3.590"),
        (three_scales, "4.586"),
        (lambda cfg: efm(cfg, csp_peleenet(cfg), BoxHeads(80), spp=True), "4.863"),
    ],
)
def test_heads_of_table_2(write: Callable[[CfgWriter], None], bflops: str) -> None:
    cfg = CfgWriter()
    write(cfg)
    content = cfg.text(detector(subdivisions=4).net(416, 416), [])
    check(Figures.of(plan(text.parse(content))), bflops, None)


def test_bottlenecks_of_csppeleenet_efm_are_the_papers(repository: Path) -> None:
    """Figure 7: 44 % less than PeleeNet's widest layer, 80 % less than that of its YOLO head."""
    nodes = graph.load(repository / "cfg" / "csppeleenet-efm.cfg").nodes
    widest = max(node.cost.paper for node in nodes)
    assert round(100 * (1 - widest / (2 * 128**2 * 104**2))) == 44
    assert round(100 * (1 - widest / (2 * 9 * 640 * 128 * 26**2))) == 80


def test_every_cfg_is_regenerated_byte_for_byte(repository: Path, tmp_path: Path) -> None:
    written = write_all(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
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
    # A classifier's augmentation waits for the classifier's training.
    assert all(finding.hint and "classifier" in finding.hint for finding in planned.findings)
    for node in planned.nodes:
        layer = node.layer
        if isinstance(layer, Route) and layer.groups == 1 and len(node.sources) == 1:
            assert node.sources[0] != layer.index - 1, f"needless [route], layer {layer.index}"


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.classes == 80])
def test_detectors_for_another_size_and_classes(name: str) -> None:
    planned = plan(text.parse(compose(name, 320, 224, 3)))
    assert (planned.net.width, planned.net.height) == (320, 224)
    for head in planned.box_heads:
        assert isinstance(head, Yolo)
        assert head.classes == 3
        assert planned.nodes[head.index].output.c == len(head.mask_used) * 8


def test_mistakes_are_named() -> None:
    with pytest.raises(CfgError, match="did you mean csppeleenet-efm"):
        compose("csppeleenet-emf")
    with pytest.raises(CfgError, match="classes=0"):
        compose("yolov3-tiny", classes=0)
    with pytest.raises(CfgError, match="width=0"):
        compose("yolov3-tiny", width=0)
    with pytest.raises(ValueError, match="gamma=1"):
        csp_peleenet(CfgWriter(), gamma=1)
    with pytest.raises(ValueError, match="fusion=none"):
        csp_peleenet(CfgWriter(), fusion="none")


@pytest.mark.parametrize("name", PUBLIC)
def test_layers_are_those_of_darknets_table(repository: Path, shared: Path, name: str) -> None:
    table = json.loads((shared / "reference" / "darknet-layer-tables.json").read_text())[f"{name}.cfg"]
    planned = graph.load(repository / "cfg" / f"{name}.cfg")
    assert len(planned.nodes) == len(table["layers"])
    for node, (_, kind, shape, bflops) in zip(planned.nodes, table["layers"], strict=True):
        assert node.layer.kind.startswith(kind.lower())
        assert shape in (None, [node.output.w, node.output.h, node.output.c])
        if bflops is not None:
            assert abs((node.cost.darknet or 0) / 1e9 - bflops) < 0.00051
    total = sum(node.cost.darknet or 0 for node in planned.nodes) / 1e9
    assert abs(total - table["total_bflops"]) < 0.00051
    assert sum(node.cost.operations for node in planned.nodes) == table["operations"]


@pytest.mark.parametrize("name", PUBLIC)
def test_layers_and_settings_are_those_of_the_public_network(repository: Path, shared: Path, name: str) -> None:
    """Every option in force, every reference, the order of what is joined: what a weights file rests on."""
    public = graph.plan(
        text.read(shared / "reference" / "cfg" / f"{name}.cfg", Reading(lenient=True)), Reading(lenient=True)
    )
    ours = graph.load(repository / "cfg" / f"{name}.cfg")
    assert [described(node) for node in public.nodes] == [described(node) for node in ours.nodes]
    assert settings(public) == settings(ours)


def described(node: graph.Node) -> dict[str, Any]:
    """A layer's typed options, its references resolved."""
    return options(node.layer, "layers", "from_") | {"kind": node.layer.kind, "sources": node.sources}


def settings(planned: Graph) -> dict[str, Any]:
    """The options of [net]; batch is 1 in public files that are set for testing."""
    return options(planned.net, "batch", "subdivisions")


def options(spec: Layer | Net, *without: str) -> dict[str, Any]:
    fields = (field.name for field in dataclasses.fields(spec))
    return {name: getattr(spec, name) for name in fields if name not in (*without, "section")}
