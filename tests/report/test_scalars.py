"""What TensorBoard gets of a training."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from csptrain.cli.main import main
from csptrain.errors import CspError
from csptrain.report.scalars import Scalars
from tests import tiny


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_without_the_package_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CspError, match=r"--tensorboard needs tensorboard \(pip install 'csptrain\[tensorboard\]'\)"):
        Scalars(tmp_path / "tensorboard", 1)


def test_every_iteration_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the package tensorboard"
    )
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path)
    (tmp_path / "tiny.cfg").write_text(tiny.cfg(max_batches=6))
    words = ["detector", "train", "tiny.data", "tiny.cfg", "--workers", "0", "--device", "cpu", "-map", "--tensorboard"]
    assert main(words) == 0
    found = reader.EventAccumulator(str(tmp_path / "backup/tensorboard")).Reload()
    assert {"loss/iteration", "loss/average", "rate", "head_4/iou", "validation/map"} <= set(found.Tags()["scalars"])
    assert [one.step for one in found.Scalars("loss/average")] == [1, 2, 3, 4, 5, 6]
