"""Training on a processor learns what it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain.cli.main import main
from csptrain.train.log import read_results
from tests import tiny

REGION = """[region]
anchors=1,1, 2,2
classes=2
coords=4
num=2
softmax=1
jitter=0
bias_match=1
rescore=1
object_scale=5
thresh=.6
"""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def train(folder: Path, cfg: str, *more: str) -> list[dict[str, float]]:
    data = tiny.write_set(folder, 4)
    (folder / "tiny.cfg").write_text(cfg)
    words = ["detector", "train", str(data), str(folder / "tiny.cfg"), "-map", "-map_every", "50", "--workers", "0"]
    assert main([*words, "--device", "cpu", *more]) == 0
    return read_results(folder / "backup" / "results.csv")


def yolo(loss: str, normalizer: float) -> str:
    cfg = tiny.cfg(batch=8, subdivisions=1, burn_in=20, max_batches=300, net="flip=0\n", yolo="jitter=0\n")
    return cfg.replace("iou_loss=ciou\niou_normalizer=0.07", f"iou_loss={loss}\niou_normalizer={normalizer}")


CFGS = {
    "mse": yolo("mse", 0.75),
    "giou": yolo("giou", 0.25),
    "ciou": yolo("ciou", 0.07),
    "adam and averages": yolo("ciou", 0.07).replace("burn_in", "adam=1\nema_alpha=.9\nburn_in"),
    "attacked images": yolo("ciou", 0.07).replace("burn_in", "adversarial_lr=.05\nburn_in"),
    "region": yolo("mse", 1).partition("[yolo]")[0].replace("learning_rate=0.01", "learning_rate=0.001") + REGION,
}


@pytest.mark.parametrize("name", CFGS)
def test_four_images_are_learnt_by_heart(name: str, tmp_path: Path) -> None:
    rows = train(tmp_path, CFGS[name])
    first = sum(row["loss"] for row in rows[:5]) / 5
    last = sum(row["loss"] for row in rows[-5:]) / 5
    assert last < first / 20
    assert rows[-1]["map"] > 0.95
