"""The verbs that read and write weights, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.cli import main as front
from csptrain.cli import speed
from csptrain.formats.darknet import load
from csptrain.formats.weights import load_weights, save_weights
from csptrain.network import Network
from tests.formats.networks import from_text, images

TEXT = (
    "[net]\nwidth=16\nheight=16\nchannels=3\n"
    "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nbatch_normalize=1\nactivation=mish\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[convolutional]\nfilters=6\nsize=1\nstride=1\ngroups=2\nactivation=linear\n"
    "[connected]\noutput=5\nbatch_normalize=1\nactivation=leaky\n"
)
FLOATS = (16 + 108, 0, 6 + 12, 20 + 5 * 384)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network whose net.cfg and net.weights lie in the working directory."""
    monkeypatch.chdir(tmp_path)
    network = from_text(tmp_path, TEXT)
    save_weights(network, "net.weights")
    return network


def outcome(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = front.main(command.split())
    out, err = capsys.readouterr()
    return code, out, err


def test_partial(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    done = outcome("partial net.cfg net.weights net.conv.3 3", capsys)
    assert done == (0, "wrote net.conv.3: layers 0..2 of 4, seen 0\n", "")
    first = Path("net.conv.3").read_bytes()
    assert first[20:] == Path("net.weights").read_bytes()[20 : 20 + 4 * sum(FLOATS[:3])]
    other = Network(network.graph, seed=5)
    assert load_weights(other, "net.conv.3").read == (0, 2)
    assert other.seen == 0
    # Fewer of few is possible, more is not.
    assert outcome("partial net.cfg net.conv.3 net.conv.1 1", capsys)[0] == 0
    assert Path("net.conv.1").read_bytes() == first[: 20 + 4 * FLOATS[0]]
    code, _, err = outcome("partial net.cfg net.conv.1 more.conv.3 3", capsys)
    assert code == 1 and "net.conv.1: ends inside layer 2" in err
    assert not Path("more.conv.3").exists()


@pytest.mark.parametrize(
    ("layers", "message"), [("5", "net.cfg has 4 layers, 5 are asked for"), ("0", "0 is no integer"), ("x", "x is no")]
)
def test_partial_of_an_impossible_number(
    network: Network, layers: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = outcome(f"partial net.cfg net.weights out {layers}", capsys)
    assert code == 2 and message in err
    assert not Path("out").exists()


def test_partial_notices_a_file_of_another_cfg(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.weights").write_bytes(Path("net.weights").read_bytes() + bytes(8))
    code, _, err = outcome("partial net.cfg net.weights out 1", capsys)
    assert code == 1 and "goes on for 8 bytes after layer 3" in err
    assert outcome("partial net.cfg net.weights out 1 --partial", capsys)[0] == 0


def test_average(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    save_weights(from_text(Path(), TEXT, seed=1), "other.weights")
    code, out, _ = outcome("average net.cfg mean.weights net.weights other.weights", capsys)
    assert (code, out) == (0, "wrote mean.weights: the mean of 2 files, seen 640\n")
    mean = load("net.cfg", "mean.weights")
    weight = [load("net.cfg", f"{name}.weights").stored()[2][1].tensor for name in ("net", "other")]
    assert torch.equal(mean.stored()[2][1].tensor, ((weight[0].double() + weight[1].double()) / 2).float())
    assert outcome("average net.cfg mean.weights", capsys)[0] == 2


@pytest.mark.parametrize("verb", ["reset", "rescale", "rgbgr", "normalize", "denormalize"])
def test_verbs_that_rewrite(verb: str, network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    takes_cfg = verb in ("normalize", "denormalize")
    command = f"{verb} net.cfg net.weights out.weights" + " -cfg_out out.cfg" * takes_cfg
    code, out, err = outcome(command, capsys)
    assert (code, out.splitlines()[0], err) == (0, "wrote out.weights", "")
    result = load("out.cfg" if takes_cfg else "net.cfg", "out.weights")
    assert result.seen == 640
    x = images(network)
    there = {"rescale": 2 * x - 1, "rgbgr": x.flip(1)}.get(verb, x)
    with torch.no_grad():
        mine, theirs = result.layer_outputs(x), network.layer_outputs(there)
    inside = slice(1, -1) if verb == "rescale" else slice(None)
    assert (mine[0] - theirs[0])[..., inside, inside].abs().max() < 1e-5
    assert Path("out.weights").read_bytes() != Path("net.weights").read_bytes()


def test_the_cfg_of_normalize_is_told_or_written_but_replaces_nothing(
    network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = outcome("denormalize net.cfg net.weights out.weights", capsys)
    assert "batch_normalize removed" in out
    code, _, err = outcome("denormalize net.cfg net.weights again.weights -cfg_out net.cfg", capsys)
    assert code == 1 and "net.cfg: is there already" in err
    assert not Path("again.weights").exists()


def test_statistics(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome("statistics net.cfg net.weights", capsys)
    lines = out.splitlines()
    assert code == 0 and len(lines) == 1 + 5 + 2 + 5
    assert lines[1].split()[:4] == ["0", "convolutional", "biases", "4"]
    rows = json.loads(outcome("statistics net.cfg net.weights --json", capsys)[1])["tensors"]
    values = network.stored()[0][4].tensor.detach()
    assert rows[4]["name"] == "weights" and rows[4]["count"] == 108 and rows[4]["bad"] == 0
    assert rows[4]["mean"] == pytest.approx(float(values.mean()), abs=1e-6)
    assert rows[4]["variance"] == pytest.approx(float(values.var(correction=0)), rel=1e-5)


def test_ops(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    operations = 2 * 27 * 4 * 256 + 2 * 4 * 6 * 64 + 2 * 384 * 5
    code, out, _ = outcome("ops net.cfg", capsys)
    assert (code, out) == (
        0,
        f"Floating Point Operations: {operations}\nFloating Point Operations: {operations / 1e9:.2f} Bn\n",
    )


def test_ops_of_the_reference_cfgs(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = json.loads((shared / "reference/darknet-layer-tables.json").read_text())
    for name in ("yolov4.cfg", "yolov3-tiny.cfg", "alexnet.cfg", "darknet19.cfg"):
        code, out, _ = outcome(f"ops {shared}/reference/cfg/{name} --lenient", capsys)
        assert (code, out.splitlines()[0]) == (0, f"Floating Point Operations: {tables[name]['operations']}")


def test_speed(network: Network, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome("speed net.cfg 3 -device cpu -batch 2", capsys)
    assert code == 0 and out.startswith("3 evals, ")
    assert "sec/eval" in out and " Hz\n" in out and "img/s (2 x 16 x 16 x 3, cpu)" in out
    assert "x 3, cpu, bf16)" in outcome("speed net.cfg 1 -device cpu -amp on", capsys)[1]
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    assert outcome("speed net.cfg -device cpu", capsys)[1].startswith("1 evals, ")
    assert outcome("speed net.cfg many", capsys)[0] == 2


def test_weights_info(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome("weights info net.cfg net.weights", capsys)
    assert (code, err) == (0, "") and "fits: 3 layers" in out
    found = json.loads(outcome("weights info net.cfg net.weights --json", capsys)[1])
    assert [(layer["index"], layer["offset"]) for layer in found["layers"]] == [
        (0, 20), (2, 20 + 4 * 124), (3, 20 + 4 * 142),
    ]  # fmt: skip
    Path("net.weights").write_bytes(Path("net.weights").read_bytes()[:-4])
    code, out, err = outcome("weights info net.cfg net.weights", capsys)
    assert code == 1 and "MISSING 1 floats" in out
    assert err.startswith("csptrain: error: net.weights: ends inside layer 3 [connected] (net.cfg:")
    assert outcome("weights info net.cfg net.weights --partial", capsys)[0::2] == (0, "")


def test_a_file_that_leaves_layers_lets_them_start_as_ever(network: Network) -> None:
    """Start weights are skipped only where the file gives every tensor."""
    save_weights(network, "net.conv.1", cutoff=1)
    fresh = Network(graph.load("net.cfg"))
    for weights, partial in (("net.conv.1", False), ("net.weights", True)):
        if partial:
            Path(weights).write_bytes(Path(weights).read_bytes()[: 20 + 4 * FLOATS[0]])
        loaded = load("net.cfg", weights, partial=partial)
        assert torch.equal(loaded.stored()[0][4].tensor, network.stored()[0][4].tensor)
        for mine, start in zip(loaded.stored()[1:], fresh.stored()[1:], strict=True):
            assert all(torch.equal(a.tensor, b.tensor) for a, b in zip(mine, start, strict=True))
