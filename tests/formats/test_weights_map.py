"""The map of a weights file: offsets, and where cfg and file part."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from csptrain.errors import WeightsError
from csptrain.formats.weights import save_weights
from csptrain.formats.weights_map import map_weights
from csptrain.network import Network
from tests.formats.networks import from_text
from tests.formats.test_weights import FLOATS, TEXT


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return from_text(tmp_path, TEXT)


@pytest.fixture
def saved(tmp_path: Path, network: Network) -> Path:
    path = tmp_path / "net.weights"
    save_weights(network, path)
    return path


def test_what_each_layer_takes(network: Network, saved: Path) -> None:
    found = map_weights(network.graph, saved)
    assert [row.layer for row in found.rows] == [0, 1, 2, 3, 4, 5]
    assert [row.offset for row in found.rows] == [20 + 4 * sum(FLOATS[:index]) for index in range(6)]
    assert [row.floats for row in found.rows] == [row.found for row in found.rows] == list(FLOATS)
    assert found.rows[1].tensors == (("biases", (4,)), ("weights", (4, 2, 1, 1)))
    assert found.verdict is None and found.as_dict()["fits"] is True
    lines = found.lines()
    assert lines[0] == f"{saved}: version 0.2.5, seen 640, header 20 bytes, file {saved.stat().st_size} bytes"
    assert lines[-1] == f"fits: 6 layers take {sum(FLOATS)} floats, none is left over"
    assert lines[3] == "    1 convolutional           516         12  biases 4, weights 4x2x1x1"


@pytest.mark.parametrize("layer", range(6))
def test_where_a_short_file_ends(network: Network, saved: Path, layer: int) -> None:
    kept = 20 + 4 * (sum(FLOATS[: layer + 1]) - 2)
    saved.write_bytes(saved.read_bytes()[:kept])
    found = map_weights(network.graph, saved)
    assert [row.found for row in found.rows] == [*FLOATS[:layer], FLOATS[layer] - 2, *[0] * (5 - layer)]
    assert f"ends inside layer {layer} " in str(found.verdict)
    assert found.lines()[2 + layer].endswith("MISSING 2 floats")


def test_how_much_a_long_file_has_left(network: Network, saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + bytes(6))
    found = map_weights(network.graph, saved)
    assert found.as_dict()["extra_bytes"] == 6
    assert found.lines()[-1] == "does not fit: goes on for 6 bytes after layer 5, the last it should hold"


def test_the_first_layers_alone(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "net.conv.3"
    save_weights(network, path, cutoff=3)
    found = map_weights(network.graph, path)
    assert found.verdict is None and [row.layer for row in found.rows] == [0, 1, 2]


def test_negative_variances_tell_where_cfg_and_file_part(tmp_path: Path, saved: Path) -> None:
    wider = from_text(tmp_path, TEXT.replace("groups=2", "groups=1"))
    found = map_weights(wider.graph, saved)
    assert [row.layer for row in found.rows if row.doubt] == [3, 4]
    assert "layer 3: 2 of 4 rolling variances are negative or no numbers; cfg and file part there or before" in (
        found.lines()
    )


def test_old_headers(network: Network, saved: Path) -> None:
    saved.write_bytes(struct.pack("<iiiI", 0, 1, 0, 7) + saved.read_bytes()[20:])
    found = map_weights(network.graph, saved)
    assert found.verdict is None and (found.fit.header.size, found.rows[0].offset) == (16, 16)
    saved.write_bytes(struct.pack("<iiiQ", 1001, 2, 5, 7) + saved.read_bytes()[16:])
    found = map_weights(network.graph, saved)
    assert found.verdict is None and found.as_dict()["transposed"] is True
    assert "(inputs, outputs)" in found.lines()[-2]


def test_no_weights_file(tmp_path: Path, network: Network) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        map_weights(network.graph, tmp_path / "none.weights")
