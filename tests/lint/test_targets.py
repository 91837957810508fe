"""What is said of other readers: OpenCV's verdicts are put to OpenCV itself, Darknet's to the words of its traps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from csptrain.cfg.text import ERROR, WARNING
from csptrain.errors import ExportError
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.weights import save_weights
from csptrain.lint.check import check
from csptrain.lint.rule import REFUSES, WRONG
from csptrain.lint.targets import TARGETS, check_target
from tests.formats.networks import from_text, images

NET = "[net]\nwidth=16\nheight=16\nchannels=3\n"
CONV = "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=1\nactivation=linear\n"
POINT = "[convolutional]\nfilters=4\nsize=1\nstride=1\nactivation=linear\n"
#: Layers behind CONV -> what is said of the last of them.
CASES = {
    "[local_avgpool]\nsize=2\nstride=2\n": REFUSES,
    "[batchnorm]\n": REFUSES,
    "[activation]\nactivation=relu\n": REFUSES,
    "[normalization]\n": REFUSES,
    "[empty]\n": REFUSES,
    "[local]\nfilters=2\nsize=1\nactivation=linear\n": REFUSES,
    "[reorg3d]\nstride=2\n": REFUSES,
    "[conv]\nfilters=4\nsize=1\nactivation=linear\n": REFUSES,
    "[max]\nsize=2\nstride=2\n": REFUSES,
    "[convolutional]\nfilters=4\nactivation=linear\n": REFUSES,
    "[convolutional]\nfilters=4\nsize=1\nactivation=relu6\n": REFUSES,
    "[convolutional]\nfilters=4\nsize=1\nactivation=elu\n": REFUSES,
    "[convolutional]\nfilters=4\nsize=1\nactivation=hard_mish\n": REFUSES,
    "[avgpool]\n[softmax]\ngroups=2\n": REFUSES,
    f"{POINT}[scale_channels]\nfrom=-2\nscale_wh=1\n".replace("filters=4", "filters=1"): REFUSES,
    "[convolutional]\nfilters=4\nsize=1\n": WRONG,
    "[convolutional]\nfilters=4\nsize=3\npad=1\ndilation=2\nactivation=linear\n": WRONG,
    "[convolutional]\nfilters=4\nsize=3\npad=1\nstride_x=2\nstride_y=1\nactivation=linear\n": WRONG,
    "[convolutional]\nfilters=4\nsize=3\npad=1\nstride=2\nantialiasing=1\nactivation=linear\n": WRONG,
    "[maxpool]\nmaxpool_depth=1\nout_channels=4\n": WRONG,
    "[maxpool]\nsize=3\n": WRONG,
    "[maxpool]\nsize=2\nstride_x=2\nstride_y=1\n": WRONG,
    f"{CONV}{CONV}[shortcut]\nfrom=-2,-3\nactivation=linear\n": WRONG,
    f"{CONV}[shortcut]\nfrom=-2\nweights_type=per_feature\nweights_normalization=relu\nactivation=linear\n": WRONG,
    f"{CONV}[route]\nlayers=-1,-2\ngroups=2\ngroup_id=1\n": WRONG,
    "[upsample]\n": WRONG,
    "[upsample]\nstride=2\nscale=3\n": WRONG,
    "[upsample]\nstride=-2\n": REFUSES,
    "[avgpool]\n[softmax]\ntemperature=2\n": WRONG,
    "[softmax]\n": WRONG,
    "[connected]\noutput=5\n": WRONG,
    "[reorg]\nstride=2\nreverse=1\n": WRONG,
}
FINE = [
    "[maxpool]\nsize=2\nstride=2\n",
    "[upsample]\nstride=2\n",
    "[convolutional]\nfilters=4\nsize=3\nstride=2\npad=1\ngroups=2\nbatch_normalize=1\nactivation=mish\n",
    f"{CONV}[shortcut]\nfrom=-2\nactivation=leaky\n",
    f"{CONV}[route]\nlayers=-1,-2\n",
    "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n",
    "[avgpool]\n[softmax]\n",
    "[reorg]\nstride=2\n",
    "[connected]\noutput=5\nactivation=linear\n",
    "[crop]\ncrop_width=8\ncrop_height=8\nnoadjust=1\n",
    "[crop]\ncrop_width=8\ncrop_height=8\n",
    "[dropout]\n",
]


def verdicts(text: str, target: str = "opencv4") -> list[str]:
    """What is said of a cfg, without the place."""
    checked = check(text, "x.cfg")
    assert checked.graph is not None, checked.findings
    return [finding.message for finding in check_target(checked, target) if finding.severity in (ERROR, WARNING)]


def opencv_differs(folder: Path, text: str) -> str:
    """What OpenCV makes of a cfg with random weights, beside csptrain."""
    network = from_text(folder, text)
    save_weights(network, folder / "net.weights")
    image = images(network)
    with torch.no_grad():
        ours = network(image)[-1].numpy()
    try:
        backend = OpenCVBackend(folder / "net.cfg", folder / "net.weights")
        theirs = backend._run(image[0], backend.head_names)[-1]
    except ExportError:
        return REFUSES
    if theirs.size != ours.size:
        return WRONG
    return WRONG if np.abs(theirs.ravel() - ours.ravel()).max() > 1e-3 * np.abs(ours).max() else ""


@pytest.mark.parametrize(("layers", "verdict"), CASES.items())
def test_opencv_does_what_is_said(layers: str, verdict: str, tmp_path: Path) -> None:
    text = NET + CONV + layers
    found = verdicts(text)
    assert len(found) == 1 and f": {verdict}: " in found[0], found
    assert opencv_differs(tmp_path, text) == verdict


@pytest.mark.parametrize("layers", FINE)
def test_opencv_computes_what_nothing_is_said_of(layers: str, tmp_path: Path) -> None:
    text = NET + CONV + layers
    assert verdicts(text) == []
    assert opencv_differs(tmp_path, text) == ""


@pytest.mark.parametrize("first", ["[crop]\ncrop_width=8\ncrop_height=8\n", "[dropout]\n"])
def test_opencv_refuses_these_as_the_first_layer(first: str, tmp_path: Path) -> None:
    assert len(verdicts(NET + first + CONV)) == 1 and opencv_differs(tmp_path, NET + first + CONV) == REFUSES


def test_opencv_on_net_and_heads(tmp_path: Path) -> None:
    text = (NET + CONV).replace("[net]", "[network]")
    assert [": " in line and line for line in verdicts(text)] == ["refuses: OpenCV does not know [network]"]
    assert opencv_differs(tmp_path, text) == REFUSES
    assert "letter_box=1 is never applied" in verdicts(NET + "letter_box=1\n" + CONV)[0]
    head = "[yolo]\nclasses=3\nmask=0\nnum=1\nanchors=4,5\n"
    assert "class scores below 0.2" in verdicts(NET + CONV + head)[0]
    assert verdicts(NET + CONV + head + "thresh=0.001\n") == []


DARKNET = {
    "[convolutional]\nfilters=4\nactivation=relu6\n": "on the CPU activation=relu6 gives 0",
    "[connected]\noutput=3\nactivation=mish\n": "on the CPU activation=mish gives 0",
    "[shortcut]\nfrom=-1\nactivation=hard_mish\n": "on the CPU activation=hard_mish gives 0",
    "[convolutional]\nfilters=4\nsize=1\npadding=1\nactivation=linear\n": "computed as if it had none",
    "[convolutional]\nfilters=4\nsize=1\nstride_x=1\nstride_y=2\nactivation=linear\n": "computed as if it had none",
    "[maxpool]\nsize=5\nstride=1\n": "loses columns",
    "[convolutional]\nfilters=3\nactivation=linear\n[shortcut]\nfrom=-2\n": "fast path",
    f"{POINT}[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=-2\n": "maps of unequal size",
    "[shortcut]\nfrom=-1\nweights_type=per_feature\nweights_normalization=relu\n": "CPU and GPU",
    "[convolutional]\nbatch_normalize=1\nactivation=linear\n": "never move",
    "[connected]\noutput=3\nactivation=linear\n": "never updated",
    "[convolutional]\nactivation=gelu\n": "derivative of gelu",
    "[convolutional]\nfilters=3\nactivation=normalize_channels\n": "no derivative",
    "[softmax]\n[cost]\n": "doubles the gradient",
    f"{POINT}[dropout]\n[route]\nlayers=-2\n": "in place",
}


@pytest.mark.parametrize(("layers", "words"), DARKNET.items())
def test_darknet_s_traps_are_named(layers: str, words: str) -> None:
    first = "[convolutional]\nfilters=8\nactivation=linear\n"
    assert any(words in line for line in verdicts(NET + first + layers, "darknet"))


def test_darknet_is_trusted_where_it_can_be() -> None:
    assert verdicts(NET + CONV + "[maxpool]\nsize=2\nstride=2\n[upsample]\n[route]\nlayers=-1,0\n", "darknet") == []


def test_onnx_has_no_memory() -> None:
    text = "[net]\nwidth=8\nheight=8\nchannels=3\n[lstm]\noutput=3\n"
    assert "remembers" in verdicts(text, "onnx")[0]
    assert verdicts(NET + CONV, "onnx") == []


def test_the_command_knows_all_targets() -> None:
    from csptrain.cli import cfg_check

    assert cfg_check.TARGETS == TARGETS
