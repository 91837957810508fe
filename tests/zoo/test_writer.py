"""The cfg text that the writer gives: references, routes, comments, blank lines."""

from __future__ import annotations

import pytest

from csptrain.cfg import text
from csptrain.graph import plan
from csptrain.zoo.training import detector
from csptrain.zoo.writer import IMAGE, CfgWriter

NET = [("width", "32"), ("height", "32"), ("channels", "3")]


def test_text_of_a_small_network() -> None:
    cfg = CfgWriter(activation="mish")
    cfg.comment("stem")
    x = cfg.conv(IMAGE, 8, 3, 2)
    y = cfg.conv(x, 8, groups=2)
    cfg.shortcut(y, x, activation="leaky")
    cfg.conv(x, 4, activation="linear", batch_normalize=False)
    assert cfg.text(NET, ["a network", ""]) == (
        "# a network\n#\n\n"
        "[net]\nwidth=32\nheight=32\nchannels=3\n\n"
        "# stem\n[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=mish\n\n"
        "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=1\nstride=1\npad=1\ngroups=2\nactivation=mish\n\n"
        "[shortcut]\nfrom=-2\nactivation=leaky\n\n"
        "[route]\nlayers=-3\n\n"
        "[convolutional]\nfilters=4\nsize=1\nstride=1\npad=1\nactivation=linear\n"
    )


def test_far_layers_are_named_by_number_and_marked() -> None:
    cfg = CfgWriter()
    first = x = cfg.conv(IMAGE, 8)
    second = x = cfg.conv(x, 8)
    for _ in range(9):
        x = cfg.conv(x, 8)
    cfg.concat(x, second, first)
    content = cfg.text(NET, [])
    assert "layers=-1,-10,0\n" in content
    assert "# layer 0\n[convolutional]" in content
    assert content.count("# layer") == 1


def test_channels_and_shapes_agree_with_the_plan() -> None:
    cfg = CfgWriter()
    x = cfg.maxpool(cfg.conv(IMAGE, 16, 3))
    half = cfg.part(x, 1)
    wide = cfg.upsample(cfg.maxout(x, 4))
    small = cfg.concat(half, x, cfg.maxpool(wide))
    gate = cfg.conv(small, cfg.channels(small), activation="logistic")
    x = cfg.sam(gate, small)
    scale = cfg.conv(cfg.avgpool(x), cfg.channels(x), activation="logistic")
    x = cfg.scale_channels(scale, x)
    x = cfg.dropout(cfg.local_avgpool(cfg.activate(cfg.batchnorm(x))), ".2")
    flat = cfg.avgpool(x)
    last = cfg.softmax(cfg.conv(flat, 5))
    graph = plan(text.parse(cfg.text(NET, [])))
    assert [node.output.c for node in graph.nodes] == [cfg.channels(x) for x in range(last + 1)]
    maps = [(index, node.output.w) for index, node in enumerate(graph.nodes[:flat]) if node.output.w > 1]
    assert {width * cfg.stride(index) for index, width in maps} == {32}
    assert graph.findings == ()


def test_what_cannot_be_written_is_refused() -> None:
    cfg = CfgWriter()
    x = cfg.conv(cfg.conv(IMAGE, 8), 8)
    with pytest.raises(ValueError, match="first layer only"):
        cfg.conv(IMAGE, 8)
    with pytest.raises(ValueError, match="no layer 2"):
        cfg.concat(x, 2)
    with pytest.raises(ValueError, match="8 channels to 3"):
        cfg.maxout(x, 3)


def test_training_settings_are_the_papers() -> None:
    net = dict(detector(subdivisions=4).net(416, 320))
    assert (net["width"], net["height"], net["batch"], net["decay"]) == ("416", "320", "64", "0.0005")
    assert (net["steps"], net["scales"], net["policy"]) == ("400000,450000", ".1,.1", "steps")
