"""The plan of a network: edges, shapes, lifetimes, heads."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from csptrain import graph
from csptrain.errors import CfgError
from csptrain.graph import IMAGE
from csptrain.layers.base import Shape
from tests import tiny
from tests.plans import planned

CONV = "[convolutional]\nfilters=4\nactivation=linear\n"


def test_edges_shapes_and_lifetimes() -> None:
    plan = planned(f"{CONV}[maxpool]\nstride=2\n{CONV}[route]\nlayers=0\n{CONV}")
    assert [node.sources for node in plan.nodes] == [(IMAGE,), (0,), (1,), (0,), (3,)]
    assert [str(node.output) for node in plan.nodes] == [
        "8 x 8 x 4",
        "4 x 4 x 4",
        "4 x 4 x 4",
        "8 x 8 x 4",
        "8 x 8 x 4",
    ]
    # 2 is read by nobody and goes at once; 0 lives until the route has read it; 4, the last, is the head.
    assert plan.releases == ((), (), (1, 2), (0,), (3,))
    assert plan.heads == (4,)


def test_random_graphs_free_every_output_once_and_never_too_early() -> None:
    rng = random.Random(0)
    for _ in range(50):
        count = rng.randint(2, 30)
        layers = CONV + "".join(
            rng.choice((CONV, f"[route]\nlayers={rng.randint(-index, -1)},{rng.randint(0, index - 1)}\n"))
            for index in range(1, count)
        )
        plan = planned(layers)
        released = [index for release in plan.releases for index in release]
        assert sorted([*released, *plan.heads]) == list(range(count))
        held: set[int] = {IMAGE}
        for node, release in zip(plan.nodes, plan.releases, strict=True):
            assert held.issuperset(node.sources)
            held = (held | {node.layer.index}) - set(release)


def test_heads_are_the_layers_that_carry_a_result() -> None:
    assert planned(f"{CONV}{CONV}").heads == (1,)
    assert planned(f"{CONV}[softmax]\n[cost]\n").heads == (1,)
    assert planned(f"{CONV}[cost]\n").heads == (0,)


def test_a_section_that_is_none() -> None:
    with pytest.raises(CfgError, match=r"x\.cfg:6: unknown section \[convolutionl\] \(did you mean convolutional\?\)"):
        planned("[convolutionl]\nfilters=3\n")
    with pytest.raises(CfgError, match=r"unknown section \[qqq\] \(legal: convolutional, conv, "):
        planned("[qqq]\n")
    with pytest.raises(CfgError, match=r"x\.cfg:1: there is no layer below \[net\]"):
        planned("")


def test_another_size_is_planned_anew(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(tiny.cfg())
    plan = graph.load(tmp_path / "x.cfg")
    large = plan.resized(96, 64)
    assert large.net.shape == Shape(3, 64, 96) and plan.net.width == 32
    assert str(large.nodes[-1].output) == "12 x 8 x 14"
    for size in ((0, 32), (32, 1 << 20)):
        with pytest.raises(CfgError, match="is no input size"):
            plan.resized(*size)


def test_a_size_at_which_the_network_does_not_fit() -> None:
    plan = planned("[reorg3d]\nstride=2\n")
    with pytest.raises(CfgError, match="no multiple of stride=2"):
        plan.resized(7, 8)


def test_a_graph_cannot_be_changed() -> None:
    plan = planned(CONV)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.heads = (3,)  # type: ignore[misc]


def test_lenient_loading_keeps_findings(tmp_path: Path) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(tiny.cfg(net="colour=3\n"))
    with pytest.raises(CfgError, match="unknown key colour="):
        graph.load(path)
    (finding,) = graph.load(path, lenient=True).findings
    assert finding.path == str(path) and "colour" in finding.message
