"""`.weights`: bytes in are bytes out; what is too short or too long names the layer."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from csptrain.errors import WeightsError
from csptrain.formats.darknet import load
from csptrain.formats.weights import load_weights, parse_header, save_weights
from csptrain.layers.convolutional import ConvolutionModule
from csptrain.network import Network
from tests.formats.networks import from_text

TEXT = (
    "[net]\nwidth=8\nheight=8\nchannels=3\nbatch=4\n"
    "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nbatch_normalize=1\nactivation=mish\n"
    "[convolutional]\nfilters=4\nsize=1\nstride=1\ngroups=2\nactivation=linear\n"
    "[shortcut]\nfrom=0\nweights_type=per_channel\nweights_normalization=relu\n"
    "[batchnorm]\n"
    "[connected]\noutput=5\nbatch_normalize=1\nactivation=leaky\n"
    "[connected]\noutput=3\nactivation=linear\n"
    "[softmax]\n"
)
# Floats of the layers: biases, scales, mean, variance and kernel of the first, and so on.
FLOATS = (4 * 4 + 108, 4 + 8, 8, 16, 5 + 5 * 256 + 3 * 5, 3 + 15)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return from_text(tmp_path, TEXT)


@pytest.fixture
def saved(tmp_path: Path, network: Network) -> Path:
    path = tmp_path / "net.weights"
    save_weights(network, path)
    return path


def values(network: Network) -> list[torch.Tensor]:
    return [item.tensor.detach().clone() for layer in network.stored() for item in layer]


def test_bytes_come_back(tmp_path: Path, network: Network, saved: Path) -> None:
    other = from_text(tmp_path, TEXT, seed=3)
    report = load_weights(other, saved)
    again = tmp_path / "again.weights"
    save_weights(other, again)
    assert again.read_bytes() == saved.read_bytes()
    assert len(saved.read_bytes()) == 20 + 4 * sum(FLOATS)
    assert report.read == (0, 1, 2, 3, 4, 5) and report.missing == () and report.extra == 0


def test_the_order_is_darknets(network: Network, saved: Path) -> None:
    first = network.stored()[0]
    assert [item.name for item in first] == ["biases", "scales", "rolling_mean", "rolling_variance", "weights"]
    assert [item.name for item in network.stored()[4]] == [
        "biases", "weights", "scales", "rolling_mean", "rolling_variance",
    ]  # fmt: skip
    flat = torch.cat([value.flatten() for value in values(network)])
    assert saved.read_bytes()[20:] == flat.numpy().astype("<f4").tobytes()


def test_seen_of_both_widths(tmp_path: Path, network: Network, saved: Path) -> None:
    payload = saved.read_bytes()[20:]
    old = tmp_path / "old.weights"
    old.write_bytes(struct.pack("<iiiI", 0, 1, 0, 4_000_000_000) + payload)
    expected = values(network)
    for path, header, seen in (
        (old, (0, 1, 0), 4_000_000_000),
        (saved, (0, 2, 5), 640),
    ):
        found = load_weights(network, path).header
        assert (found.major, found.minor, found.revision) == header
        assert found.seen == network.seen == seen
        assert all(torch.equal(a, b) for a, b in zip(values(network), expected, strict=True))
    network.seen = 2**40
    save_weights(network, saved)
    assert parse_header(saved.read_bytes()[:20], saved).seen == 2**40


def test_transposed_connected_weights_of_version_1001(tmp_path: Path, network: Network, saved: Path) -> None:
    expected = values(network)
    chunks = [struct.pack("<iiiQ", 1001, 2, 5, 0)]
    for layer in network.stored():
        for item in layer:
            matrix = item.name == "weights" and item.tensor.dim() == 2
            chunks.append((item.tensor.t() if matrix else item.tensor).detach().contiguous().numpy().tobytes())
    path = tmp_path / "old.weights"
    path.write_bytes(b"".join(chunks))
    load_weights(network, path)
    assert all(torch.equal(a, b) for a, b in zip(values(network), expected, strict=True))


@pytest.mark.parametrize("layer", range(6))
def test_a_file_cut_in_a_layer_names_it_and_changes_nothing(
    tmp_path: Path, network: Network, saved: Path, layer: int
) -> None:
    cut = tmp_path / "cut.weights"
    cut.write_bytes(saved.read_bytes()[: 20 + 4 * (sum(FLOATS[: layer + 1]) - 1)])
    other = from_text(tmp_path, TEXT, seed=9)
    before = values(other)
    with pytest.raises(WeightsError, match=rf"ends inside layer {layer} \[") as caught:
        load_weights(other, cut)
    assert caught.value.path == str(cut)
    assert all(torch.equal(a, b) for a, b in zip(values(other), before, strict=True))
    report = load_weights(other, cut, partial=True)
    assert report.missing == tuple(range(layer, 6))
    # The tensors of the layer that the file still holds were taken, the last one was not.
    assert torch.equal(other.stored()[layer][-1].tensor, before[sum(len(x) for x in other.stored()[: layer + 1]) - 1])


def test_a_cut_inside_a_number_is_a_cut(tmp_path: Path, network: Network, saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="ends inside layer 5"):
        load_weights(network, saved)


@pytest.mark.parametrize("extra", [1, 4, 400])
def test_a_file_that_goes_on_names_the_last_layer(tmp_path: Path, network: Network, saved: Path, extra: int) -> None:
    saved.write_bytes(saved.read_bytes() + bytes(extra))
    with pytest.raises(WeightsError, match=rf"goes on for {extra} bytes after layer 5"):
        load_weights(network, saved)
    assert load_weights(network, saved, partial=True).extra == extra // 4


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_the_first_layers_of_a_network(tmp_path: Path, network: Network, layers: int) -> None:
    path = tmp_path / f"net.conv.{layers}"
    save_weights(network, path, cutoff=layers)
    assert path.stat().st_size == 20 + 4 * sum(FLOATS[:layers])
    other = from_text(tmp_path, TEXT, seed=9)
    untouched = [item.tensor.detach().clone() for item in other.stored()[5]]
    report = load_weights(other, path)
    assert report.read == tuple(range(layers)) and report.missing == ()
    for mine, theirs in zip(network.stored()[:layers], other.stored()[:layers], strict=True):
        assert all(torch.equal(a.tensor, b.tensor) for a, b in zip(mine, theirs, strict=True))
    assert all(torch.equal(a, b.tensor) for a, b in zip(untouched, other.stored()[5], strict=True))


def test_a_cutoff_stops_in_a_whole_file(tmp_path: Path, network: Network, saved: Path) -> None:
    other = from_text(tmp_path, TEXT, seed=9)
    assert load_weights(other, saved, cutoff=2).read == (0, 1)
    assert torch.equal(network.stored()[1][1].tensor, other.stored()[1][1].tensor)
    assert not torch.equal(network.stored()[2][0].tensor, other.stored()[2][0].tensor)


@pytest.mark.parametrize("raw", [b"", bytes(15), struct.pack("<iii", 0, 2, 5) + bytes(7)])
def test_less_than_a_header(tmp_path: Path, network: Network, raw: bytes) -> None:
    path = tmp_path / "short.weights"
    path.write_bytes(raw)
    with pytest.raises(WeightsError, match=f"{len(raw)} bytes are too short"):
        load_weights(network, path)


def test_no_file(tmp_path: Path, network: Network) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        load_weights(network, tmp_path / "none.weights")
    with pytest.raises(WeightsError, match="no such weights file"):
        load_weights(network, tmp_path)


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, network: Network, saved: Path) -> None:
    kept = saved.read_bytes()
    (tmp_path / "folder").mkdir()
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(network, tmp_path / "folder")
    assert saved.read_bytes() == kept
    assert not list(tmp_path.glob(".*"))


def test_no_start_weights_are_drawn_for_a_whole_file(
    network: Network, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(self: ConvolutionModule, generator: torch.Generator) -> None:
        raise AssertionError("drew start weights")

    monkeypatch.setattr(ConvolutionModule, "initialize", drawn)
    loaded = load(tmp_path / "net.cfg", saved)
    assert all(torch.equal(a, b) for a, b in zip(values(loaded), values(network), strict=True))
    with pytest.raises(AssertionError):
        load(tmp_path / "net.cfg", saved, partial=True)


def test_a_tensor_that_is_not_laid_out_as_the_file_is_filled_too(network: Network, saved: Path) -> None:
    expected = values(network)
    other = Network(network.graph, seed=4).to(memory_format=torch.channels_last).double()  # type: ignore[call-overload]
    assert not other.stored()[0][4].tensor.is_contiguous()
    load_weights(other, saved)
    assert all(torch.equal(a.float(), b) for a, b in zip(values(other), expected, strict=True))
