"""tree= of [region] and [softmax], spatial= of [softmax]: planned without the file, run with it, not trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from csptrain import graph
from csptrain.errors import CfgError
from csptrain.formats.lowering import lower
from csptrain.network import Network
from csptrain.summary import summarize
from tests.formats.networks import images
from tests.plans import built, planned, random_images

NET = "[net]\nwidth=4\nheight=3\nchannels=3\n"
CONV = "[convolutional]\nfilters={}\nactivation=linear\n"
REGION = CONV.format(16) + "[region]\nclasses=3\nnum=2\nanchors=1,2, 3,4\nsoftmax=1\ntree=data/x.tree\nmap=data/x.map\n"
SOFTMAX = CONV.format(3) + "[avgpool]\n[softmax]\ntree=x.tree\n"
TREE = "a -1\nb -1\nc 0\n"


@pytest.mark.parametrize("layers", [REGION, SOFTMAX])
def test_planning_does_without_the_file(tmp_path: Path, layers: str) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(NET + layers)
    plan = graph.load(path)
    assert summarize(plan).all > 0
    with pytest.raises(CfgError, match=r"tree=.*x\.tree: no such file") as caught:
        Network(plan)
    assert caught.value.line == 1 + (NET + layers).splitlines().index(
        next(x for x in layers.splitlines() if "tree" in x)
    )
    with pytest.raises(CfgError, match="tree=.* is not supported in training"):
        plan.refuse_training()


def network_with_tree(folder: Path, layers: str, tree: str = TREE) -> Network:
    """A network whose cfg is in cfg/ and whose tree is in data/, as Darknet's own are."""
    for name in ("cfg", "data"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "data/x.tree").write_text(tree)
    path = folder / "cfg/x.cfg"
    path.write_text(NET + layers.replace("tree=x.tree", "tree=data/x.tree"))
    return Network(graph.load(path)).eval()


def test_region(tmp_path: Path) -> None:
    network = network_with_tree(tmp_path, REGION)
    assert [finding.message for finding in network.graph.findings] == ["map= has no effect here"]
    with torch.inference_mode():
        raw, out = network.layer_outputs(random_images(network))
    rows, wanted = out.unflatten(-1, (2, 8)), raw.unflatten(1, (2, 8)).permute(0, 3, 4, 1, 2)
    torch.testing.assert_close(rows[..., 5:7], wanted[..., 5:7].softmax(-1))
    assert torch.equal(rows[..., 7], torch.ones(2, 3, 4, 2))
    found = network.graph.box_heads[0].decode(out, 4, 3, 0.0)[0]
    # c is a's only child, so it is reached whenever a is the likelier root and above one half.
    root = rows[0, ..., 5:7].argmax(-1).reshape(-1).numpy()
    assert np.array_equal(found.prob.argmax(1), np.where(root == 0, 2, 1))
    np.testing.assert_allclose(found.prob.max(1), rows[0, ..., 4].reshape(-1).numpy(), rtol=1e-6)


def test_softmax(tmp_path: Path) -> None:
    network = network_with_tree(tmp_path, SOFTMAX)
    with torch.inference_mode():
        *_, pooled, out = network.layer_outputs(random_images(network))
    torch.testing.assert_close(out[:, :2], pooled[:, :2].softmax(1))
    assert torch.equal(out[:, 2], torch.ones(2, 1, 1))


def test_a_tree_of_other_classes(tmp_path: Path) -> None:
    with pytest.raises(CfgError, match="holds 2 classes, the layer has 3"):
        network_with_tree(tmp_path, SOFTMAX, "a -1\nb -1\n")


def test_opencv_has_no_tree(tmp_path: Path) -> None:
    for layers in (REGION, SOFTMAX):
        with pytest.raises(Exception, match="OpenCV has no .* tree"):
            lower(network_with_tree(tmp_path, layers))


def test_spatial_softmax_is_one_for_each_pixel() -> None:
    network = built(CONV.format(5) + "[softmax]\nspatial=1\n")
    x = images(network)
    raw, out = network.layer_outputs(x)
    torch.testing.assert_close(out, raw.softmax(1))
    with pytest.raises(CfgError, match="spatial=1 with groups="):
        planned(CONV.format(4) + "[softmax]\nspatial=1\ngroups=2\n")
