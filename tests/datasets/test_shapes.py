"""The built-in set: complete, repeatable, in Darknet's layout, and careful with folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.image import load_image
from csptrain.datasets.lists import read_samples
from csptrain.datasets.shapes import ensure_shapes
from csptrain.datasets.shapes_scene import HEIGHT, NAMES, WIDTH, draw_scene
from csptrain.errors import DataError


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_layout(tmp_path: Path) -> None:
    spec = read_dataset(ensure_shapes(tmp_path / "shapes", train=6, val=2))
    assert spec.names == NAMES and spec.classes >= 3
    assert spec.train is not None and spec.valid is not None
    train, val = read_samples(spec.train, spec.classes), read_samples(spec.valid, spec.classes)
    assert (len(train), len(val)) == (6, 2)
    assert not train.findings and train.unlabelled == 0
    assert not set(map(Path.read_bytes, map(Path, train.images))) & {Path(val.images[0]).read_bytes()}
    assert load_image(train.images[0]).shape == (HEIGHT, WIDTH, 3)
    assert list(tmp_path.iterdir()) == [tmp_path / "shapes"]


def test_made_once_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first = ensure_shapes(tmp_path / "a", train=2, val=1)
    stamp = first.stat().st_mtime_ns
    assert ensure_shapes(tmp_path / "a", train=2, val=1).stat().st_mtime_ns == stamp
    ensure_shapes(tmp_path / "b", train=2, val=1)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    ensure_shapes(tmp_path / "b", train=2, val=1, seed=1)
    assert contents(tmp_path / "a").keys() == contents(tmp_path / "b").keys()
    assert contents(tmp_path / "a") != contents(tmp_path / "b")


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes/mine.txt").write_text("mine")
    with pytest.raises(DataError, match="in use"):
        ensure_shapes(tmp_path / "shapes", train=1, val=1)
    assert contents(tmp_path / "shapes") == {"mine.txt": b"mine"}


def test_scenes_have_the_intended_difficulty() -> None:
    truths = [draw_scene(np.random.default_rng([9, seed])).truth for seed in range(60)]
    counts = [len(truth) for truth in truths]
    rows = np.concatenate(truths)
    sides = np.maximum(rows[:, 2] * WIDTH, rows[:, 3] * HEIGHT)
    assert min(counts) >= 3 and max(counts) <= 8
    assert np.bincount(rows[:, 4].astype(int)).min() > 0.15 * len(rows)
    assert 0.7 < (sides >= 42).mean() < 0.95
    assert sides.min() < 30 and 120 < sides.max() <= 161
