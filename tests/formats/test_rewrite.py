"""Weights made from weights: what the network computes stays, or changes as asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from csptrain import graph
from csptrain.cfg import text
from csptrain.errors import CfgError, WeightsError
from csptrain.formats import rewrite
from csptrain.formats.weights import load_weights, save_weights
from csptrain.network import Network
from tests.formats.networks import fill, from_text, images

TEXT = (
    "[net]\nwidth=12\nheight=12\nchannels=3\n"
    "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=1\n{first}activation=mish\n"
    "[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\ngroups=2\nactivation=linear\n"
    "[batchnorm]\n"
    "[connected]\noutput=7\nbatch_normalize=1\nactivation=leaky\n"
    "[connected]\noutput=3\nactivation=linear\n"
)
NORMED = TEXT.format(first="batch_normalize=1\n")
BARE = TEXT.format(first="")
SHARED = (
    "[net]\nwidth=8\nheight=8\nchannels=3\n"
    "[convolutional]\nfilters=3\nsize=3\nstride=1\npad=1\nbatch_normalize=1\nactivation=mish\n"
    "[convolutional]\nfilters=3\nsize=3\nstride=1\npad=1\nbatch_normalize=1\nactivation=leaky\nshare_index=0\n"
)
RECURRENT = "[net]\ninputs=6\nbatch=1\n[rnn]\nbatch_normalize=1\noutput=5\nhidden=4\nactivation=leaky\n"


def outputs(network: Network, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return [output.clone() for output in network.layer_outputs(x)]


def assert_close(mine: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert (a - b).abs().max() <= 2e-6 * b.abs().max()


def stored(network: Network, layer: int) -> dict[str, Tensor]:
    return {item.name: item.tensor.detach().clone() for item in network.stored()[layer]}


def written(network: Network, path: Path) -> bytes:
    save_weights(network, path)
    return path.read_bytes()


def test_reset_moves_statistics_and_keeps_the_function(tmp_path: Path) -> None:
    network = from_text(tmp_path, NORMED)
    x = images(network, 2)
    before, weights = outputs(network, x), stored(network, 0)["weights"]
    rewrite.reset(network)
    assert_close(outputs(network, x), before)
    for layer in (0, 3):
        after = stored(network, layer)
        assert after["scales"].eq(1).all() and after["rolling_mean"].eq(0).all()
        assert after["rolling_variance"].sub(1).abs().max() < 2e-5
    assert not torch.equal(stored(network, 0)["weights"], weights)


@pytest.mark.parametrize("cfg", [NORMED, BARE])
def test_denormalize_keeps_the_function_under_the_cfg_it_gives(tmp_path: Path, cfg: str) -> None:
    network = from_text(tmp_path, cfg)
    result, sections = rewrite.denormalized(network, text.parse(cfg))
    x = images(network, 2)
    assert_close(outputs(result, x), outputs(network, x))
    assert "batch_normalize" not in text.render(sections)
    assert [item.name for item in result.stored()[0]] == ["biases", "weights"]
    assert [item.name for item in result.stored()[2]] == ["biases", "scales", "rolling_mean", "rolling_variance"]
    again = Network(graph.plan(sections))
    save_weights(result, tmp_path / "out.weights")
    load_weights(again, tmp_path / "out.weights")
    assert again.seen == 640
    assert_close(outputs(again.eval(), x), outputs(network, x))


@pytest.mark.parametrize("cfg", [SHARED, RECURRENT])
def test_shared_and_recurrent_layers_are_folded_once(tmp_path: Path, cfg: str) -> None:
    network = from_text(tmp_path, cfg)
    x = images(network)
    before = outputs(network, x)
    bare, sections = rewrite.denormalized(network, text.parse(cfg))
    assert "batch_normalize" not in text.render(sections) and not bare.batch_norms()
    assert_close(outputs(bare, x), before)
    rewrite.reset(network)
    assert network.batch_norms()
    assert_close(outputs(network, x), before)


def test_normalize_keeps_the_function_and_denormalize_takes_it_back(tmp_path: Path) -> None:
    bare = BARE.replace("batch_normalize=1\n", "")
    network = from_text(tmp_path, bare)
    normed, sections = rewrite.normalized(network, text.parse(bare))
    x = images(network, 2)
    assert_close(outputs(normed, x), outputs(network, x))
    assert text.render(sections).count("batch_normalize=1") == 4
    assert len(normed.stored()[1]) == 5
    back, _ = rewrite.denormalized(normed, sections)
    assert written(back, tmp_path / "back.weights") == written(network, tmp_path / "first.weights")


@pytest.mark.parametrize("cfg", [NORMED, BARE])
def test_rescale_takes_images_of_another_range(tmp_path: Path, cfg: str) -> None:
    network = from_text(tmp_path, cfg)
    x = images(network, 2)
    before = outputs(network, 2 * x - 1)[0]
    rewrite.rescale(network)
    after = outputs(network, x)[0]
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    assert (after - before)[inside].abs().max() <= 1e-5
    assert (after - before).abs().max() > 1e-2  # at the padded border


def test_rgbgr_takes_images_of_the_other_order(tmp_path: Path) -> None:
    network = from_text(tmp_path, NORMED)
    x = images(network, 2)
    before = outputs(network, x)
    rewrite.swap_red_and_blue(network)
    assert not torch.equal(outputs(network, x)[-1], before[-1])
    assert_close(outputs(network, x.flip(1)), before)


@pytest.mark.parametrize("change", [rewrite.rescale, rewrite.swap_red_and_blue])
def test_the_first_convolution_must_see_colours(tmp_path: Path, change: object) -> None:
    assert callable(change)
    with pytest.raises(CfgError, match=r"net.cfg:5: layer 0 \[convolutional\]: the first convolution sees 1 channels"):
        change(from_text(tmp_path, NORMED.replace("channels=3", "channels=1")))
    with pytest.raises(CfgError, match=r"has no \[convolutional\]"):
        change(from_text(tmp_path, "[net]\nwidth=4\nheight=4\nchannels=3\n[connected]\noutput=2\n"))


def test_the_mean_of_files(tmp_path: Path) -> None:
    networks = [from_text(tmp_path, NORMED, seed) for seed in range(3)]
    paths = [tmp_path / f"{number}.weights" for number in range(3)]
    for number, (network, path) in enumerate(zip(networks, paths, strict=True)):
        network.seen = 100 + number
        save_weights(network, path)
    result = Network(networks[0].graph)
    rewrite.average(result, paths)
    for index, layer in enumerate(result.stored()):
        for item in layer:
            mean = sum(stored(network, index)[item.name].double() for network in networks) / 3
            assert torch.equal(item.tensor, torch.as_tensor(mean).float())
    assert result.seen == 100


def test_the_mean_of_equal_files_is_the_file(tmp_path: Path) -> None:
    network = from_text(tmp_path, NORMED)
    path = tmp_path / "a.weights"
    raw = written(network, path)
    result = Network(network.graph)
    rewrite.average(result, [path] * 3)
    assert written(result, tmp_path / "b.weights") == raw


def test_a_file_of_another_network_has_no_part_in_a_mean(tmp_path: Path) -> None:
    network = from_text(tmp_path, NORMED)
    save_weights(network, tmp_path / "a.weights")
    save_weights(from_text(tmp_path, BARE), tmp_path / "b.weights")
    with pytest.raises(WeightsError, match="b.weights: ends inside layer 4"):
        rewrite.average(network, [tmp_path / "a.weights", tmp_path / "b.weights"])


def test_statistics_of_every_tensor(tmp_path: Path) -> None:
    network = fill(from_text(tmp_path, NORMED))
    with torch.no_grad():
        network.stored()[4][0].tensor.copy_(torch.tensor([1.0, float("nan"), 3.0]))
    rows = list(rewrite.statistics(network))
    assert [row.name for row in rows if row.layer == 0] == [item.name for item in network.stored()[0]]
    assert len(rows) == sum(map(len, network.stored()))
    last = rows[-2]
    assert (last.layer, last.kind, last.name, last.count, last.bad) == (4, "connected", "biases", 3, 1)
    assert (last.mean, last.variance, last.low, last.high) == (2.0, 1.0, 1.0, 3.0)
    assert all(row.bad == 0 for row in rows if row is not last)
