"""Every public cfg is built with random weights and runs: the large ones at a smaller size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.errors import CfgError
from csptrain.graph import Graph
from csptrain.network import Network

SIDES = (64, 96, 128, 160, 192, 224, 256)
# yolo9000 names a tree of its classes that no cfg folder has: 9418 lines "name parent".
TREE = Path("data/9k.tree")
TREE_CLASSES = 9418


def _smallest(planned: Graph) -> Graph:
    """The network planned for the smallest input it can have."""
    if planned.net.width <= SIDES[0]:
        return planned
    for side in SIDES:
        if side >= planned.net.width:
            break
        try:
            return planned.resized(side, side)
        except CfgError:
            continue
    return planned


@pytest.mark.slow
def test_public_cfgs_run(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    TREE.parent.mkdir()
    TREE.write_text("".join(f"n{index} -1\n" for index in range(TREE_CLASSES)))
    torch.manual_seed(0)
    ran = []
    paths = sorted((shared / "reference" / "cfg").rglob("*.cfg"))
    for path in paths:
        planned = _smallest(graph.load(path, lenient=True))
        network = Network(planned).eval()
        shape = planned.net.shape
        images = torch.rand(1, shape.c, shape.h, shape.w)
        with torch.inference_mode():
            heads = network(images)
        assert len(heads) == len(planned.heads), path.name
        assert all(head.numel() for head in heads), path.name
        assert all(torch.isfinite(head).all() for head in heads), path.name
        ran.append(path.name)
    with capsys.disabled():
        print(f"\n{len(ran)} of {len(paths)} public cfgs ran forward")
    assert len(ran) == len(paths) == 95
