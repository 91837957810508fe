"""Every layer alone: csptrain, csptrain on the lowered pair, and OpenCV on the lowered pair agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from csptrain import graph
from csptrain.errors import ExportError, WeightsError
from csptrain.formats.darknet import load
from csptrain.formats.lowering import lower
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.weights import save_weights
from csptrain.network import Network
from tests.formats.networks import fill, from_text, images

TOLERANCE = 2e-5
NET = "[net]\nwidth=14\nheight=12\nchannels=3\n"
CONV = "[convolutional]\nfilters=6\nsize=3\nstride=1\npad=1\nbatch_normalize=1\nactivation=leaky\n"
TWO = NET + CONV + CONV

SILENTLY_WRONG = {
    "maxout of the image": NET.replace("channels=3", "channels=4")
    + "[maxpool]\nmaxpool_depth=1\nout_channels=2\n"
    + CONV,
    "maxout 2": TWO + "[maxpool]\nmaxpool_depth=1\nout_channels=3\n",
    "maxout 3": TWO + "[maxpool]\nmaxpool_depth=1\nout_channels=2\n",
    "maxout not divisible": TWO + "[maxpool]\nmaxpool_depth=1\nout_channels=4\n",
    "several sources": TWO + CONV + "[shortcut]\nfrom=-2,-3\nactivation=leaky\n",
    "weighted per_feature": TWO
    + "[shortcut]\nfrom=-2\nweights_type=per_feature\nweights_normalization=softmax\n"
    + CONV,
    "weighted per_channel": TWO + "[shortcut]\nfrom=-2\nweights_type=per_channel\nweights_normalization=relu\n" + CONV,
    "groups of several sources": TWO + "[route]\nlayers=-1,-2\ngroups=2\ngroup_id=1\n",
    "dilation": NET + CONV.replace("pad=1", "pad=1\ndilation=2"),
    "stride_x and stride_y": NET + CONV.replace("stride=1", "stride_x=2\nstride_y=2"),
    "maxpool stride_x and stride_y": NET + CONV + "[maxpool]\nsize=2\nstride_x=1\nstride_y=1\n",
    "maxpool without stride": NET + CONV + "[maxpool]\nsize=3\n",
    "no activation": NET + CONV.replace("activation=leaky\n", ""),
    "upsample scale": NET + CONV + "[upsample]\nstride=2\nscale=0.5\n",
    "upsample without stride": NET + CONV + "[upsample]\n",
    "antialiasing": NET + CONV.replace("stride=1", "stride=2\nantialiasing=1"),
    "antialiasing with a box": NET + CONV.replace("stride=1", "stride=2\nantialiasing=2"),
    "maxpool antialiasing": NET + CONV + "[maxpool]\nsize=2\nstride=2\nantialiasing=1\n",
    "share_index": TWO + CONV + "share_index=-1\n" + CONV,
    "binary": NET + CONV.replace("pad=1", "pad=1\nbinary=1"),
    "xnor": NET + CONV + CONV + "xnor=1\n",
    "softmax of a map": NET + CONV.replace("filters=6", "filters=2") + "[softmax]\n",
    "temperature": NET + CONV + "[avgpool]\n[softmax]\ntemperature=3\n",
    "connected with batch_normalize": NET + CONV + "[connected]\noutput=5\nbatch_normalize=1\nactivation=leaky\n",
}
REFUSED_BY_OPENCV = {
    "aliases": "[network]\nwidth=14\nheight=12\nchannels=3\n"
    + CONV.replace("convolutional", "conv")
    + "[max]\nsize=2\nstride=2\n[avg]\n",
    "local_avgpool": TWO + "[local_avgpool]\nsize=3\nstride=2\n",
    "local_avgpool even": TWO + "[local_avgpool]\nsize=4\nstride=2\n",
    "local_avgpool whole": TWO + "[local_avgpool]\nsize=2\nstride=2\npadding=0\n",
    "batchnorm": NET + CONV + "[batchnorm]\n",
    "batchnorm of the image": NET + "[batchnorm]\n" + CONV,
    "reorg3d": NET + CONV + "[reorg3d]\nstride=2\n",
    "scale_wh": NET + CONV + CONV.replace("filters=6", "filters=1") + "[scale_channels]\nfrom=-2\nscale_wh=1\n",
    "dropout first": NET + "[dropout]\nprobability=.5\n" + CONV + "[dropout]\nprobability=.2\n" + CONV,
    "activation": NET + CONV.replace("leaky", "linear") + "[activation]\nactivation=leaky\n",
    "crop": NET + "[crop]\ncrop_width=11\ncrop_height=9\n" + CONV,
    "detection": NET + CONV + "[connected]\noutput=54\n[detection]\nside=3\ncoords=4\nsqrt=1\n",
    "implicit": NET + CONV + "[implicit]\nfilters=6\n[shortcut]\nfrom=-2\n",
    "no size": NET + CONV.replace("size=3\n", ""),
    "empty": NET + CONV + "[silence]\n" + CONV + "[shortcut]\nfrom=-2\n",
    **{
        f"activation {name}": NET + CONV.replace("leaky", name) + "[shortcut]\nfrom=-1\nactivation=" + name + "\n"
        for name in ("relu6", "relie", "revleaky", "ramp", "hardtan", "plse", "lhtan", "loggy", "hard_mish", "gelu")
    },
}
#: Mistakes that Darknet reads over; csptrain does so with ``lenient``.
MISREAD = {
    "filters given twice": NET + CONV.replace("filters=6", "filters=6\nfilters=4") + CONV,
    "activation given twice": NET + CONV + "activation=relu\n",
}
MISREAD_AND_REFUSED = {
    "words behind a value": NET + CONV.replace("leaky", "leaky # as ever"),
    "a line that says nothing": NET + CONV + "nothing\n",
}
PLAIN = {
    "activations": "".join(
        [NET, *(CONV.replace("leaky", name) for name in ("relu", "logistic", "tanh", "swish", "mish"))]
    ),
    "groups": TWO + CONV.replace("pad=1", "pad=1\ngroups=3"),
    "padding": NET + CONV.replace("pad=1", "padding=2"),
    "more channels": TWO.replace("filters=6", "filters=4", 1) + "[shortcut]\nfrom=-2\n",
    "fewer channels": NET + CONV + CONV.replace("filters=6", "filters=4") + "[shortcut]\nfrom=-2\n",
    "larger source": NET + CONV + CONV.replace("stride=1", "stride=2") + "[shortcut]\nfrom=-2\n",
    "one group": TWO + "[route]\nlayers=-2\ngroups=3\ngroup_id=1\n" + CONV,
    "sam": TWO + "[sam]\nfrom=-2\nactivation=mish\n",
    "squeeze": NET + CONV + "[avgpool]\n" + CONV.replace("leaky", "logistic") + "[scale_channels]\nfrom=-3\n",
    "reorg": NET + CONV.replace("filters=6", "filters=8") + "[reorg]\nstride=2\n",
    "upsample down": NET + CONV + "[upsample]\nstride=-2\nscale=0.5\n",
    "connected": NET
    + CONV
    + "[connected]\noutput=5\nactivation=leaky\n[connected]\noutput=4\nactivation=linear\n[softmax]\n",
    "spatial softmax": NET + CONV + "[softmax]\nspatial=1\n",
    "cost": NET + CONV + "[avgpool]\n[softmax]\n[cost]\n",
    "last is a route": TWO + "[route]\nlayers=0\n",
}


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference in parts of the range; infinite for another number of values."""
    if ours.size != theirs.size:
        return float("inf")
    return float(np.abs(ours.ravel() - theirs.ravel()).max() / np.abs(ours).max())


def head(network: Network, x: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return network(x)[-1].numpy()


@pytest.mark.parametrize("text", [*SILENTLY_WRONG.values(), *REFUSED_BY_OPENCV.values(), *PLAIN.values()],
                         ids=[*SILENTLY_WRONG, *REFUSED_BY_OPENCV, *PLAIN])  # fmt: skip
def test_lowered_pair_agrees_everywhere(tmp_path: Path, text: str) -> None:
    network = from_text(tmp_path, text)
    x = images(network, 2)
    ours = head(network, x)
    cfg, weights = tmp_path / "lowered.cfg", tmp_path / "lowered.weights"
    copy = lower(network).write(cfg, weights)
    assert relative(ours, head(copy, x)) < TOLERANCE
    assert relative(ours, OpenCVBackend(cfg, weights).head_outputs(x)[-1]) < TOLERANCE
    assert copy.seen == network.seen


@pytest.mark.parametrize("text", SILENTLY_WRONG.values(), ids=SILENTLY_WRONG.keys())
def test_opencv_computes_the_raw_cfg_otherwise_and_says_nothing(tmp_path: Path, text: str) -> None:
    network = from_text(tmp_path, text)
    x = images(network)
    save_weights(network, tmp_path / "net.weights")
    raw = cv2.dnn.readNetFromDarknet(str(tmp_path / "net.cfg"), str(tmp_path / "net.weights"))
    raw.setInput(x.numpy())
    assert not relative(head(network, x), raw.forward()) < 1e-2


@pytest.mark.parametrize("text", REFUSED_BY_OPENCV.values(), ids=REFUSED_BY_OPENCV.keys())
def test_opencv_refuses_the_raw_cfg(tmp_path: Path, text: str) -> None:
    network = from_text(tmp_path, text)
    save_weights(network, tmp_path / "net.weights")
    with pytest.raises(ExportError, match="OpenCV"):
        OpenCVBackend(tmp_path / "net.cfg", tmp_path / "net.weights").head_outputs(images(network))


@pytest.mark.parametrize("text", [*MISREAD.values(), *MISREAD_AND_REFUSED.values()],
                         ids=[*MISREAD, *MISREAD_AND_REFUSED])  # fmt: skip
def test_what_darknet_reads_over_is_written_once_and_plainly(tmp_path: Path, text: str) -> None:
    path, cfg, weights = (tmp_path / name for name in ("net.cfg", "lowered.cfg", "lowered.weights"))
    path.write_text(text)
    network = fill(Network(graph.load(path, lenient=True)))
    x = images(network)
    ours = head(network, x)
    lower(network).write(cfg, weights)
    save_weights(network, tmp_path / "net.weights")
    assert relative(ours, OpenCVBackend(cfg, weights).head_outputs(x)[-1]) < TOLERANCE
    if text in MISREAD.values():
        raw = cv2.dnn.readNetFromDarknet(str(path), str(tmp_path / "net.weights"))
        raw.setInput(x.numpy())
        assert not relative(ours, raw.forward()) < 1e-2
    else:
        with pytest.raises(ExportError, match="OpenCV"):
            OpenCVBackend(path, tmp_path / "net.weights")


@pytest.mark.parametrize(
    "layer", [CONV.replace("stride=1", "stride_x=2\nstride_y=1"), "[maxpool]\nsize=2\nstride_x=2\nstride_y=1\n"]
)
def test_strides_that_differ_are_ignored_by_opencv_and_refused(tmp_path: Path, layer: str) -> None:
    network = from_text(tmp_path, NET + CONV + layer)
    save_weights(network, tmp_path / "net.weights")
    raw = cv2.dnn.readNetFromDarknet(str(tmp_path / "net.cfg"), str(tmp_path / "net.weights"))
    raw.setInput(images(network).numpy())
    assert raw.forward().shape[1:] != head(network, images(network)).shape[1:]
    with pytest.raises(ExportError, match="stride_y=1 and stride_x=2 differ"):
        lower(network)


def in_another_process(cfg: Path, weights: Path, x: torch.Tensor, answer: Path) -> np.ndarray:
    """The head that OpenCV computes in a process that has never seen other weights."""
    np.save(answer, x.numpy())
    program = (
        "import sys, cv2, numpy as np; cfg, weights, answer = sys.argv[1:]; "
        "net = cv2.dnn.readNetFromDarknet(cfg, weights); net.setInput(np.load(answer)); np.save(answer, net.forward())"
    )
    subprocess.run([sys.executable, "-c", program, cfg, weights, answer], check=True)
    return np.asarray(np.load(answer))


def test_weights_of_another_length(tmp_path: Path) -> None:
    """OpenCV reads what is not there and says nothing; the export wants the right length, and writes it."""
    network = from_text(tmp_path, TWO)
    x, path, weights = images(network), tmp_path / "net.cfg", tmp_path / "net.weights"
    save_weights(network, weights)
    whole = weights.read_bytes()
    for data in (whole[: len(whole) // 2], whole + bytes(40)):
        weights.write_bytes(data)
        with pytest.raises(WeightsError):
            load(path, weights)
        # What it takes for the missing weights lies in memory by chance: here even the right ones may.
        raw = in_another_process(path, weights, x, tmp_path / "raw.npy")
        assert (relative(head(network, x), raw) < TOLERANCE) == (len(data) > len(whole))
        partial = load(path, weights, partial=True)
        cfg, again = tmp_path / "lowered.cfg", tmp_path / "lowered.weights"
        lower(partial).write(cfg, again)
        assert relative(head(partial, x), OpenCVBackend(cfg, again).head_outputs(x)[0]) < TOLERANCE
        load(cfg, again)


def test_folding_closes_the_gap_of_the_epsilons(tmp_path: Path) -> None:
    network = from_text(tmp_path, NET + CONV.replace("leaky", "linear"))
    with torch.no_grad():
        network.batch_norms()[0].running_var.fill_(1e-6)
    x, cfg, weights = images(network), tmp_path / "lowered.cfg", tmp_path / "lowered.weights"
    save_weights(network, tmp_path / "net.weights")
    lower(network).write(cfg, weights)
    raw = OpenCVBackend(tmp_path / "net.cfg", tmp_path / "net.weights").head_outputs(x)[0]
    assert relative(head(network, x), raw) > 0.5
    assert relative(head(network, x), OpenCVBackend(cfg, weights).head_outputs(x)[0]) < TOLERANCE


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (NET + CONV.replace("stride=1", "stride_x=2\nstride_y=1"), 8, "stride_y=1 and stride_x=2"),
        (NET + CONV.replace("stride=1", "stride_x=2\nstride_y=1\nantialiasing=1"), 8, "stride_y=1 and stride_x=2"),
        (NET + CONV.replace("leaky", "elu"), 11, "activation=elu"),
        (NET + CONV + "[reorg]\nstride=1\nreverse=1\n", 14, "reverse"),
        (NET + CONV + "[crop]\ncrop_height=6\ncrop_width=9\n", 12, "as much off rows as off columns"),
        (NET + CONV.replace("filters=6", "filters=25") + "[softmax]\n", 12, "4200 values"),
        (NET + CONV + "[connected]\noutput=54\n[detection]\nside=3\ncoords=4\nsoftmax=1\n", 17, "softmax"),
        (NET + CONV + "[avgpool]\n[softmax]\ngroups=2\n", 14, "groups"),
        (NET + CONV + "[maxpool]\nsize=1\nstride=1\npadding=2\n", 15, "padding"),
    ],
)
def test_what_has_no_equivalent_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(ExportError, match=words) as caught:
        lower(from_text(tmp_path, text))
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "net.cfg"), line)


def test_a_layer_that_reads_a_head_is_refused(tmp_path: Path) -> None:
    yolo = "[yolo]\nmask=0\nanchors=4,4\nnum=1\nclasses=1\n"
    text = NET + CONV.replace("leaky", "linear") + yolo + CONV
    with pytest.raises(ExportError, match=r"reads layer 1 \[yolo\]"):
        lower(from_text(tmp_path, text))
