"""Weights of every cfg at hand: what is written, read and written again is the same to the byte."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.errors import CfgError, WeightsError
from csptrain.formats.darknet import fill
from csptrain.formats.weights import fit_file, save_weights
from csptrain.graph import Graph
from csptrain.network import Network

#: Larger networks are laid on a file of their size, of which no byte is written.
MOST_FLOATS = int(os.environ.get("CSPTRAIN_ROUND_TRIP_FLOATS", "6500000"))


def floats(network: Network) -> int:
    return sum(item.tensor.numel() for layer in network.stored() for item in layer)


def round_trip(planned: Graph, folder: Path) -> None:
    """Random weights out, in and out again."""
    first, second = folder / "first.weights", folder / "second.weights"
    network = Network(planned, draw=False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for item in (item for layer in network.stored() for item in layer):
            item.tensor.uniform_(-1, 1, generator=generator)
    network.seen = 2**33 + 1
    save_weights(network, first)
    other = fill(planned, first)
    assert other.seen == network.seen
    save_weights(other, second)
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size == 20 + 4 * floats(network)


def lay(shapes: Network, folder: Path) -> None:
    """The layers follow each other without a gap and end where the file ends, and only there."""
    path = folder / "sparse.weights"
    path.write_bytes(b"\0\0\0\0\2\0\0\0\5\0\0\0" + bytes(8))
    size = 20 + 4 * floats(shapes)
    for other in (size - 4, size + 4):
        os.truncate(path, other)
        with pytest.raises(WeightsError):
            fit_file(shapes, path).check()
    os.truncate(path, size)
    fit = fit_file(shapes, path)
    fit.check()
    assert [piece.start for piece in fit.pieces] == [0, *(piece.end for piece in fit.pieces[:-1])]


def run(paths: Iterable[Path], folder: Path) -> dict[str, int]:
    """Counts of the cfgs that were written whole, laid on a file, without weights, and not planned."""
    counts = {"byte-identical": 0, "laid on a file": 0, "without weights": 0, "not planned": 0}
    for path in paths:
        try:
            planned = graph.load(path, lenient=True)
        except CfgError:
            counts["not planned"] += 1
            continue
        shapes = Network(planned, shapes_only=True)
        count = floats(shapes)
        if not count:
            counts["without weights"] += 1
        elif count <= MOST_FLOATS:
            round_trip(planned, folder)
            counts["byte-identical"] += 1
        else:
            lay(shapes, folder)
            counts["laid on a file"] += 1
    print(counts)
    return counts


def test_the_cfgs_of_the_project(repository: Path, tmp_path: Path) -> None:
    paths = sorted((repository / "cfg").glob("*.cfg"))
    counts = run(paths, tmp_path)
    assert counts["byte-identical"] >= 6
    assert counts["byte-identical"] + counts["laid on a file"] == len(paths)


def test_the_reference_cfgs(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One of them names a tree of 9418 classes, which is looked for in the working directory.
    (tmp_path / "data").mkdir()
    (tmp_path / "data/9k.tree").write_text("".join(f"n{number} -1\n" for number in range(9418)))
    monkeypatch.chdir(tmp_path)
    paths = sorted((shared / "reference/cfg").rglob("*.cfg"))
    assert len(paths) == 95
    counts = run(paths, tmp_path)
    assert counts["byte-identical"] >= 10
    assert counts["byte-identical"] + counts["laid on a file"] == 95
