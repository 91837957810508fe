"""What the cfg says about augmentation, evaluation, sizes and precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.datasets.mixing import Mix
from csptrain.errors import CfgError
from csptrain.graph import Graph
from csptrain.train import precision
from csptrain.train.multiscale import PERIOD, random_reach, size_at
from csptrain.train.settings import augmentation, class_augmentation, map_interval
from tests import tiny, tiny_classes


def load(folder: Path, cfg: str) -> Graph:
    (folder / "x.cfg").write_text(cfg)
    return graph.load(folder / "x.cfg")


def test_augmentation_is_net_and_the_last_head(tmp_path: Path) -> None:
    net = "hue=.1\nsaturation=1.5\nexposure=1.4\nmosaic=1\nletter_box=1\nflip=0\n"
    net += "mosaic_bound=1\nblur=3\ngaussian_noise=7\n"
    found = augmentation(load(tmp_path, tiny.cfg(net=net, yolo="jitter=.3\nresize=1.5\nmax=50\n")))
    assert (found.hue, found.saturation, found.exposure, found.flip) == (0.1, 1.5, 1.4, False)
    assert (found.jitter, found.resize, found.letter_box, found.max_truths) == (0.3, 1.5, True, 50)
    assert (found.mix, found.mosaic_bound, found.blur, found.gaussian_noise) == (Mix.MOSAIC, True, 3, 7)


def test_augmentation_of_a_classifier(tmp_path: Path) -> None:
    net = "label_smooth_eps=.1\ncutmix=1\nmosaic=1\nblur=5\nflip=0\n"
    found = class_augmentation(load(tmp_path, tiny_classes.cfg(net=net)))
    assert (found.crops, found.angle, found.aspect, found.flip) == ((24, 32), 7, 0.75, False)
    assert (found.hue, found.saturation, found.exposure) == (0.02, 0.75, 0.75)
    assert (found.mix, found.blur, found.label_smooth_eps) == (Mix.CUTMIX_OR_MOSAIC, 5, 0.1)
    with pytest.raises(CfgError, match="aspect=-1"):
        class_augmentation(load(tmp_path, tiny_classes.cfg().replace("aspect=.75", "aspect=-1")))


@pytest.mark.parametrize(("name", "iterations"), [("csppeleenet", 1600000), ("csresnext50", 800000)])
def test_the_papers_settings_of_imagenet(name: str, iterations: int) -> None:
    net = graph.load(Path(__file__).parents[2] / f"cfg/{name}.cfg").net
    assert (net.effective_batch, net.max_batches) == (128, iterations)
    assert (net.learning_rate, net.policy, net.power, net.momentum, net.decay) == (0.1, "poly", 4, 0.9, 0.0005)


def test_mixup_of_two_images(tmp_path: Path) -> None:
    assert augmentation(load(tmp_path, tiny.cfg(net="mixup=1\n"))).mix is Mix.MIXUP
    assert augmentation(load(tmp_path, tiny.cfg())).mix is Mix.NONE


def test_evaluation_follows_darknets_rule_and_at_least_ten_times_a_run(tmp_path: Path) -> None:
    long = load(tmp_path, tiny.cfg(batch=64, burn_in=1000, max_batches=500000))
    assert map_interval(long, 117266) == (7329, 1000)  # four epochs of COCO
    assert map_interval(long, 100) == (100, 1000)
    assert map_interval(long, 117266, epochs=1) == (1832, 1000)
    short = load(tmp_path, tiny.cfg(batch=64, burn_in=30, max_batches=300))
    assert map_interval(short, 117266) == (30, 30)
    assert map_interval(load(tmp_path, tiny.cfg(max_batches=5)), 10)[0] == 1


def test_one_size_without_random(tmp_path: Path) -> None:
    plan = load(tmp_path, tiny.cfg(max_batches=1000))
    assert random_reach(plan) == 1
    assert {size_at(plan, 0, iteration) for iteration in range(1, 1001)} == {(32, 32)}


@pytest.mark.parametrize(("line", "reach"), [("random=1", 1.4), ("random=1.2", 1.2), ("random=0.5", 1.0)])
def test_reach(line: str, reach: float, tmp_path: Path) -> None:
    assert random_reach(load(tmp_path, tiny.cfg(yolo=line + "\n"))) == reach


def test_random_sizes(tmp_path: Path) -> None:
    cfg = (
        tiny.cfg(max_batches=5000, yolo="random=1\n")
        .replace("width=32", "width=416")
        .replace("height=32", "height=320")
    )
    plan = load(tmp_path, cfg)
    sizes = [size_at(plan, 7, iteration) for iteration in range(1, 5001)]
    assert sizes == [size_at(plan, 7, iteration) for iteration in range(1, 5001)], "a pure function"
    assert all(size[0] % 32 == 0 and size[1] % 32 == 0 for size in sizes)
    widths = [width for width, _ in sizes[:-100]]
    assert min(widths) in (320, 352) and 576 <= max(widths) <= 640
    for first in range(0, 4900, PERIOD):
        assert len(set(sizes[first : first + PERIOD])) == 1
    assert set(sizes[-100:]) == {(416, 320)}, "the end settles at the size the network is made for"
    assert len({size_at(plan, seed, 1) for seed in range(40)}) > 3


def test_bf16_is_used_where_the_hardware_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, expected in (("fpu avx512_bf16", True), ("amx_bf16", True), ("fpu avx2", False)):
        monkeypatch.setattr(precision.Path, "read_text", lambda _, flags=flags: flags)
        assert precision.fast_bf16(torch.device("cpu")) is expected

    def missing(_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(precision.Path, "read_text", missing)
    assert precision.fast_bf16(torch.device("cpu")) is False
    assert precision.fast_bf16(torch.device("meta")) is False
