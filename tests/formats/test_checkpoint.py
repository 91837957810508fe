"""The file of a training's full state; damage and resuming are tests/train/test_resume.py."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from csptrain.errors import WeightsError
from csptrain.formats.checkpoint import State, load_state, newest_state, pack, previous_of, save_state, unpack


def test_tensors_and_values_come_back_bit_for_bit(tmp_path: Path) -> None:
    tensors = {
        "layer.0.weights": torch.randn(2, 3, 1, 1).to(memory_format=torch.channels_last),
        "momentum.3": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "rng": torch.get_rng_state(),
        "empty": torch.zeros(0, 4),
    }
    meta = {"iteration": 7, "avg_loss": 0.1 + 0.2, "norms": [1, 2], "name": "ä"}
    save_state(tmp_path / "x.state", State(tensors, meta))
    state = load_state(tmp_path / "x.state")
    assert {key: state.meta[key] for key in meta} == meta
    assert set(state.tensors) == set(tensors)
    for name, tensor in tensors.items():
        found = state.tensors[name]
        assert found.dtype == tensor.dtype and found.shape == tensor.shape
        assert found.numpy().tobytes() == tensor.contiguous().numpy().tobytes()


def test_what_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "x.state"
    with pytest.raises(WeightsError, match="no such training state"):
        load_state(path)
    for content in (b"", b"text", b"\x93NUMPY\x01\x00v\x00"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="damaged or no training state"):
            load_state(path)
    stream = io.BytesIO()
    np.savez(stream, weights=np.zeros(3))
    path.write_bytes(stream.getvalue())
    with pytest.raises(WeightsError, match="damaged or no training state"):
        load_state(path)


def test_another_programs_archive_is_told_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"meta.json": np.frombuffer(b'{"format": "other"}', np.uint8)})
    with pytest.raises(WeightsError, match="is no csptrain training state"):
        load_state(tmp_path / "x.npz")


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("a pickle was run",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "x.state"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError):
        load_state(path)
    objects = np.empty(1, object)
    objects[0] = Bomb()
    np.savez(tmp_path / "y.npz", allow_pickle=True, **{"meta.json": objects})
    with pytest.raises(WeightsError):
        load_state(tmp_path / "y.npz")


def test_the_state_before_is_kept_and_the_newest_whole_one_found(tmp_path: Path) -> None:
    path = tmp_path / "net.state"
    with pytest.raises(WeightsError, match=r"net\.state: no such training state"):
        newest_state(path)
    for iteration in (3, 6, 9):
        save_state(path, State({"x": torch.arange(4.0)}, {"iteration": iteration}))
    previous = previous_of(path)
    assert previous.name == "net_previous.state" and load_state(previous).meta["iteration"] == 6
    found, place, skipped = newest_state(path)
    assert (found.meta["iteration"], place, skipped) == (9, path, [])
    path.write_bytes(path.read_bytes()[:-9])
    found, place, skipped = newest_state(path)
    assert (found.meta["iteration"], place, [error.path for error in skipped]) == (6, previous, [str(path)])
    previous.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"net\.state: is damaged"):
        newest_state(path)


def test_the_newest_is_the_last_written(tmp_path: Path) -> None:
    path = tmp_path / "net.state"
    for iteration in (600, 3):  # the first is of an older training in the same folder
        save_state(path, State({"x": torch.arange(4.0)}, {"iteration": iteration}))
    found, place, skipped = newest_state(path)
    assert (found.meta["iteration"], place, skipped) == (3, path, [])


def test_packed_and_back() -> None:
    state = State({"x": torch.arange(4.0)}, {"iteration": 3})
    found = unpack(pack(state))
    assert torch.equal(found.tensors["x"], state.tensors["x"]) and found.meta["iteration"] == 3
    with pytest.raises(WeightsError, match="training state: is damaged"):
        unpack(pack(state)[:-5])


def test_arrays_that_declare_more_than_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "x.state"
    whole = pack(State({"x": torch.zeros(2, 3)}, {"iteration": 3}))
    assert whole.count(b"(2, 3)") == 1
    path.write_bytes(whole.replace(b"(2, 3), }   ", b"(9**9, 9), }")[: len(whole)])
    with pytest.raises(WeightsError, match="is damaged"):
        load_state(path)
    np.savez_compressed(path.with_suffix(".npz"), x=np.zeros(1 << 20))
    with pytest.raises(WeightsError, match="is damaged"):
        load_state(path.with_suffix(".npz"))
