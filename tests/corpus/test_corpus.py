"""Every cfg there is: those that csptrain ships, and 95 public ones against Darknet's own layer tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from csptrain import graph
from csptrain.cfg.text import WARNING
from csptrain.errors import CfgError
from csptrain.network import Network
from csptrain.summary import Summary, summarize

SHIPPED = sorted((Path(__file__).parents[2] / "cfg").rglob("*.cfg"))
#: Darknet stops in these at the first shortcut between maps of unequal size; its table ends there.
CUT_SHORT = {"resnet50.cfg", "resnet101.cfg", "resnet152.cfg", "resnext152-32x4d.cfg"}
#: Those with mistakes of their own, and one of them.
MISTAKES = {
    "Gaussian_yolov3_BDD.cfg": "unknown key max_epochs=",
    "cspx-p7-mish.cfg": "mask=19 with num=16",
    "cspx-p7-mish_hp.cfg": "num=16 but 31 numbers in anchors=",
    "efficientnet-lite3.cfg": "filters=40#32",
    "efficientnet_b0.cfg": "momentum= is given again",
    "writing.cfg": "unknown key seen=",
    "yolo9000.cfg": "subdivisions= is given again",
    "yolov3-openimages.cfg": "batch= is given again",
    "yolov4-sam-mish-csp-reorg-bfm.cfg": "unknown key uc_normalizer=",
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_cfgs_are_read_strictly_and_without_a_finding(path: Path) -> None:
    plan = graph.load(path)
    assert [str(finding) for finding in plan.findings] == []
    summary = summarize(plan)
    assert summary.all > summary.weights > 0 and summary.total_bflops > 0
    assert len(Network(plan, shapes_only=True).stored()) == len(plan.nodes)


def test_something_is_shipped() -> None:
    assert "csppeleenet-efm.cfg" in {path.name for path in SHIPPED}


def differences(summary: Summary, table: dict[str, Any], whole: bool) -> list[str]:
    """Where the summary is not what Darknet prints."""
    wrong = []
    for row, (index, kind, output, bflops) in zip(summary.rows, table["layers"], strict=whole):
        if output is not None and output != [row.output.w, row.output.h, row.output.c]:
            wrong.append(f"layer {index} {kind}: {row.output} is not {output}")
        if bflops is not None and (row.bflops is None or f"{row.bflops:.3f}" != f"{bflops:.3f}"):
            wrong.append(f"layer {index} {kind}: {row.bflops} BF is not {bflops}")
    for key, found in (("operations", summary.operations), ("avg_outputs", summary.avg_outputs)):
        if table[key] is not None and table[key] != found:
            wrong.append(f"{key}: {found} is not {table[key]}")
    if table["total_bflops"] is not None and f"{summary.total_bflops:.3f}" != f"{table['total_bflops']:.3f}":
        wrong.append(f"total_bflops: {summary.total_bflops} is not {table['total_bflops']}")
    return wrong


def test_public_cfgs_have_darknets_tables(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = shared / "reference"
    if not (reference / "cfg").is_dir():
        pytest.skip("needs the public cfgs in ../shared/reference")
    tables = json.loads((reference / "darknet-layer-tables.json").read_text())
    wrong: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    for name, table in tables.items():
        try:
            plan = graph.load(reference / "cfg" / name, lenient=True)
        except CfgError as error:
            refused[name.removesuffix(".cfg")] = error.message
            continue
        if found := differences(summarize(plan), table, name not in CUT_SHORT):
            wrong[name] = found
    equal = len(tables) - len(refused) - len(wrong)
    with capsys.disabled():
        print(
            f"\n{equal} of {len(tables)} public cfgs have Darknet's table ({len(CUT_SHORT)} as far as it goes)", end=" "
        )
    assert wrong == {}
    assert refused == {}
    assert equal == 95


def test_public_cfgs_are_read_strictly_where_they_hold_no_mistake(shared: Path) -> None:
    folder = shared / "reference" / "cfg"
    paths = sorted(folder.rglob("*.cfg"))
    if not paths:
        pytest.skip("needs the public cfgs in ../shared/reference")
    mistakes: dict[str, list[str]] = {}
    read = 0
    for path in paths:
        found = [finding for finding in graph.load(path, lenient=True).findings if finding.severity == WARNING]
        if not found:
            graph.load(path)
            read += 1
            continue
        mistakes[str(path.relative_to(folder))] = [finding.message for finding in found]
        with pytest.raises(CfgError) as caught:
            graph.load(path)
        assert (caught.value.path, caught.value.line) == (str(path), found[0].line)
    assert {name: words for name, words in MISTAKES.items() if words not in "\n".join(mistakes.get(name, []))} == {}
    assert set(mistakes) - set(MISTAKES) == set()
    assert read == 95 - len(MISTAKES)


def test_a_shared_layer_and_a_binary_one(shared: Path) -> None:
    folder = shared / "reference" / "cfg"
    if not folder.is_dir():
        pytest.skip("needs the public cfgs in ../shared/reference")
    trident = graph.load(folder / "resnet152_trident.cfg")
    donors = [node.layer.donor for node in trident.nodes if node.layer.donor is not None]
    assert len(donors) == 54 and len(set(donors)) == 27, "three branches of the same weights"
    assert all(row.stored == 0 for row in summarize(trident).rows if trident.nodes[row.index].layer.donor is not None)
    xnor = summarize(graph.load(folder / "yolov3-tiny_xnor.cfg"))
    assert f"{xnor.total_bflops:.3f}" == "0.839" and xnor.operations == 5564961792
