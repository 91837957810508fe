"""`dynamic_minibatch`: more images where they are small, counted as Darknet does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.cli.main import main
from csptrain.datasets.augment import Augmentation
from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.lists import read_samples
from csptrain.datasets.loader import BatchLoader
from csptrain.datasets.stream import Feed
from csptrain.formats.darknet import load as load_network
from csptrain.graph import Graph
from csptrain.network import Network
from csptrain.train.log import read_results
from csptrain.train.multiscale import batch_at, size_at
from csptrain.train.step import Trainer
from tests import tiny

DYNAMIC = "dynamic_minibatch=1\n"


def load(folder: Path, random: str = "random=1\n", net: str = DYNAMIC, **more: int) -> Graph:
    cfg = tiny.cfg(max_batches=5000, net=net, yolo=random, **more)  # type: ignore[arg-type]
    (folder / "x.cfg").write_text(cfg.replace("width=32", "width=416").replace("height=32", "height=416"))
    return graph.load(folder / "x.cfg")


def test_darknets_numbers(tmp_path: Path) -> None:
    plan = load(tmp_path, batch=64, subdivisions=8)
    sizes = {size_at(plan, 0, iteration)[0]: batch_at(plan, 0, iteration) for iteration in range(1, 4901, 10)}
    # The largest size is 608, where it is 8; else 8 * 608^2 / size^2, less a fifth if more than 8 remain.
    wanted = {608: 8, 576: 8, 544: 9, 512: 11, 480: 9, 448: 11, 416: 13, 384: 16, 352: 18, 320: 22}
    assert sizes == {size: 8 * wanted[size] for size in sizes}
    assert {608, 544, 416, 352} <= set(sizes)


@pytest.mark.parametrize(("random", "net"), [("random=1\n", ""), ("random=0\n", DYNAMIC)])
def test_else_every_batch_is_the_cfgs(random: str, net: str, tmp_path: Path) -> None:
    plan = load(tmp_path, random, net)
    assert {batch_at(plan, 0, iteration) for iteration in range(1, 100)} == {4}


def batches(folder: Path, workers: int) -> list[tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]]:
    listed = tiny.write_set(folder, 10).with_name("list.txt")
    dataset = DetectionDataset(read_samples(listed, 2), Augmentation(flip=True), Feed(4, seed=3))
    loader = BatchLoader(
        dataset,
        start_iteration=1,
        stop_iteration=4,
        size_at=lambda _: (32, 32),
        batch_at=lambda iteration: (4, 7, 13)[iteration - 1],
        workers=workers,
    )
    return [(batch.images, batch.truth, batch.files) for batch in loader]


def test_the_loader_gives_as_many_and_the_epoch_goes_on_as_ever(tmp_path: Path) -> None:
    alone, shared = batches(tmp_path, 0), batches(tmp_path, 2)
    assert [len(images) for images, _, _ in alone] == [len(truth) for _, truth, _ in alone] == [4, 7, 13]
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1]) and one[2] == other[2]
    regular = [path for _, _, files in alone for path in files[:4]]
    assert len(set(regular[:10])) == 10, "every image once an epoch"
    assert all(len(files) == len(images) for images, _, files in alone)
    assert len(set(alone[2][2][4:])) > 1


def test_an_iteration_counts_as_one_batch(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(tiny.cfg(net=DYNAMIC))
    trainer = Trainer(Network(graph.load(tmp_path / "x.cfg"), seed=3), torch.device("cpu"))
    fed: list[int] = []
    trainer.network.layers[0].register_forward_pre_hook(lambda _, inputs: fed.append(len(inputs[0])))
    truth = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]]])
    trainer.step(1, torch.zeros(10, 32, 32, 3, dtype=torch.uint8), truth.repeat(10, 1, 1))
    assert fed == [5, 5] and trainer.network.seen == 4


def test_the_mean_is_over_all_images(tmp_path: Path) -> None:
    # Without batch normalization and with equal images, more of them change nothing.
    (tmp_path / "x.cfg").write_text(tiny.cfg().replace("batch_normalize=1\n", "").replace("ciou", "mse"))
    results = []
    for count in (4, 10):
        trainer = Trainer(Network(graph.load(tmp_path / "x.cfg"), seed=3), torch.device("cpu"))
        images = torch.full((count, 32, 32, 3), 99, dtype=torch.uint8)
        loss = trainer.step(5, images, torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]]]).repeat(count, 1, 1)).loss
        results.append((loss, [stored.tensor for layer in trainer.network.stored() for stored in layer]))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_whole_training(tmp_path: Path) -> None:
    data = tiny.write_set(tmp_path)
    (tmp_path / "tiny.cfg").write_text(tiny.cfg(max_batches=22, net=DYNAMIC, yolo="random=1\n"))
    words = ["detector", "train", str(data), str(tmp_path / "tiny.cfg"), "--workers", "0", "--device", "cpu"]
    assert main(words) == 0
    rows = read_results(tmp_path / "backup" / "results.csv")
    assert len({row["width"] for row in rows}) > 1 and rows[-1]["images"] == 88
    assert load_network(tmp_path / "tiny.cfg", tmp_path / "backup" / "tiny_final.weights").seen == 88
