"""What each layer costs: by hand on small networks, and against tensors."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from csptrain.cfg import text
from csptrain.cost import BYTES, explore, renames
from csptrain.graph import Graph, load, plan
from csptrain.network import Network

ROOT = Path(__file__).resolve().parent.parent
NET = "[net]\nbatch=1\nwidth={0}\nheight={0}\nchannels=3\n"


def conv(filters: int, size: int = 3, more: str = "") -> str:
    return f"[convolutional]\nfilters={filters}\nsize={size}\nstride=1\npad=1\nactivation=linear\n{more}"


def planned(*layers: str, side: int = 16) -> Graph:
    return plan(text.parse(NET.format(side) + "".join(layers), "small.cfg"))


def test_cio_is_what_convolutions_read_and_write() -> None:
    cost = explore(planned(conv(8), "[maxpool]\nsize=2\nstride=2\n", conv(4), "[avgpool]\n"))
    area = 16 * 16
    first, second = (3 + 8) * area, (8 + 4) * area // 4
    assert [layer.cio for layer in cost.layers] == [first, 0, second, 0]
    assert cost.cio == first + second
    pooled = 8 * area + 8 * area // 4 + 4 * area // 4 + 4
    assert cost.pooled_cio == first + second + pooled


def test_traffic_is_input_output_and_parameters_once() -> None:
    cost = explore(planned(conv(8), "[route]\nlayers=-1\n", conv(8), "[shortcut]\nfrom=0\nactivation=linear\n"))
    area = 16 * 16
    assert [layer.traffic for layer in cost.layers] == [
        BYTES * ((3 + 8) * area + 3 * 8 * 9 + 8),
        0,
        BYTES * (16 * area + 8 * 8 * 9 + 8),
        BYTES * 3 * 8 * area,
    ]
    assert cost.weights == 27 * 8 + 72 * 8
    assert cost.parameters == cost.weights + 16


def test_memory_is_freed_after_the_last_reader() -> None:
    cost = explore(planned(conv(8), conv(4), conv(4), "[route]\nlayers=-1,0\n", conv(2)))
    unit = BYTES * 16 * 16
    # The image stays; layer 0 waits for the route, layer 1 goes when layer 2 is done.
    assert [layer.held for layer in cost.layers] == [unit * held for held in (3 + 8, 15, 19, 15 + 12, 3 + 12 + 2)]
    assert cost.peak.index == 3
    assert cost.kept == unit * (3 + 8 + 4 + 4 + 12 + 2)


def test_a_route_to_one_layer_takes_no_memory_and_keeps_its_source() -> None:
    cost = explore(planned(conv(8), "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n", conv(4), conv(4)))
    unit = BYTES * 16 * 16
    assert [layer.held for layer in cost.layers] == [unit * held for held in (11, 11, 15, 3 + 4 + 4)]


@pytest.mark.parametrize("name", ["yolov4-tiny", "csppeleenet-efm-sam", "csresnext50"])
def test_layers_that_only_rename_are_those_whose_tensors_share_memory(name: str) -> None:
    graph = load(ROOT / f"cfg/{name}.cfg").resized(64, 64)
    network = Network(graph).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        outputs = network.layer_outputs(image)
    for node, output in zip(graph.nodes, outputs, strict=True):
        source = image if node.sources[0] < 0 else outputs[node.sources[0]]
        shares = output.untyped_storage().data_ptr() == source.untyped_storage().data_ptr()
        assert shares == renames(node), node.layer.index


def test_fields_are_what_gradients_reach() -> None:
    graph = planned(
        conv(2, 3, "dilation=2\n"),
        "[convolutional]\nfilters=2\nsize=3\nstride=2\npad=1\nactivation=linear\n",
        conv(2, 5),
        "[route]\nlayers=-1,-2\n",
        conv(2, 3),
        "[shortcut]\nfrom=-3\nactivation=linear\n",
        "[upsample]\nstride=2\n",
        conv(1, 3),
        side=64,
    )
    network = Network(graph)
    for parameter in network.parameters():
        torch.nn.init.ones_(parameter)
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    outputs = network.layer_outputs(image)
    for output, layer in zip(outputs, explore(graph).layers, strict=True):
        middle = output.shape[2] // 2
        (gradient,) = torch.autograd.grad(output[0, :, middle, middle].sum(), image, retain_graph=True)
        reached = gradient[0].abs().sum((0, 2)).nonzero().flatten().tolist()
        extent = reached[-1] - reached[0] + 1  # a dilated window has gaps
        assert layer.field == (extent, extent), layer.index


def test_a_mean_of_the_map_sees_all_of_it() -> None:
    squeeze = "[avgpool]\n" + conv(8, 1) + "[scale_channels]\nfrom=-3\n"
    cost = explore(planned(conv(8), squeeze, conv(8)))
    assert cost.layers[0].field == (3, 3)
    assert all(math.isinf(layer.field[0]) for layer in cost.layers[1:])
    assert cost.as_dict()["layers"][1]["field"] == [None, None]


def test_pooling_and_unequal_strides_see_as_far_as_their_windows() -> None:
    cost = explore(planned("[maxpool]\nsize=2\nstride=2\n", "[maxpool]\nsize=3\nstride_x=2\nstride_y=1\n", conv(1)))
    assert [layer.field for layer in cost.layers] == [(2, 2), (6, 6), (10, 14)]


def test_a_maxout_sees_what_its_input_sees() -> None:
    cost = explore(planned(conv(8), "[maxpool]\nmaxpool_depth=1\nout_channels=4\n"))
    assert cost.layers[1].field == (3, 3)
