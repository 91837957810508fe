"""Every detector of cfg/ trains a step, is exported to OpenCV 4, and gives the same there: small maps, two images.

The widest ones run with a quarter of their channels, which leaves every layer in its place; with
``CSPTRAIN_FULL_WIDTH=1`` they run whole (a minute and 3 GB more).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.cfg import text
from csptrain.cfg.edit import Sections, set_options, set_size, with_option
from csptrain.formats.opencv_export import export_opencv
from csptrain.layers.base import Head
from csptrain.network import Network
from csptrain.train.step import Trainer
from csptrain.zoo.detectors import DETECTORS
from csptrain.zoo.examples import EXAMPLES
from csptrain.zoo.public import PUBLIC

WIDTH, HEIGHT = 96, 64
NARROWER = 4
WIDE = {
    "yolov2", "yolov3", "yolov3-spp", "csresnext50-panet-spp", "csdarknet53-panet-spp", "yolov4", "yolov4-csp",
    "yolov4x-mish",
}  # fmt: skip
NARROWED = set() if os.environ.get("CSPTRAIN_FULL_WIDTH") == "1" else WIDE
#: In parts of the range of what a head gives; a tenth of what `csptrain export opencv` allows.
MOST = 1e-4
ALL = (*DETECTORS, *PUBLIC, *EXAMPLES)
IDS = [f"{name} with a quarter of its channels" if name in NARROWED else name for name in ALL]


def narrowed(sections: Sections) -> Sections:
    """A quarter of the filters of every convolution but those before a head."""
    result = []
    for section, after in zip(sections, (*sections[1:], None), strict=True):
        filters = section.get("filters")
        if filters and not (after and after.kind in ("yolo", "region")):
            assert int(filters.value) % NARROWER == 0
            section = with_option(section, "filters", int(filters.value) // NARROWER)
        result.append(section)
    return tuple(result)


def network(path: Path) -> Network:
    sections, _ = set_size(text.read(path), WIDTH, HEIGHT)
    sections, _ = set_options(sections, ("net",), {"batch": "2", "subdivisions": "1", "burn_in": "0"})
    return Network(graph.plan(narrowed(sections) if path.stem in NARROWED else sections), seed=1)


def settle(built: Network) -> None:
    """Rolling statistics of images like those the export compares on, under the weights after the step.

    With those of two images, half of the deep maps would be far out of their range. Random weights a hundred layers
    deep magnify rounding a thousandfold, less so the farther their maps lie from the bend of the activation.
    """
    with torch.no_grad():
        for norm in built.batch_norms():
            norm.bias.fill_(1)
    images = torch.rand(8, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for _ in range(3):
            built.train()(images)


@pytest.mark.parametrize("name", ALL, ids=IDS)
def test_a_step_and_the_export(repository: Path, tmp_path: Path, name: str) -> None:
    built = network(repository / "cfg" / f"{name}.cfg")
    before = [parameter.detach().clone() for parameter in built.parameters()]
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, HEIGHT, WIDTH, 3), dtype=torch.uint8, generator=draw)
    truth = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]], [[0.6, 0.2, 0.5, 0.5, 0.0]]])
    result = Trainer(built, torch.device("cpu")).step(1, images, truth)
    assert 0 < result.loss < float("inf")
    heads = [index for index, node in enumerate(built.graph.nodes) if isinstance(node.layer, Head)]
    assert list(result.heads) == heads
    # Every tensor has its part in the boxes; the gradient is the momentum's buffer.
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in built.parameters())
    moved = sum(not torch.equal(old, new) for old, new in zip(before, built.parameters(), strict=True))
    assert moved > 0.9 * len(before)

    settle(built)
    report = export_opencv(built, tmp_path, name, tolerance=MOST)
    assert {head.layer for head in report.heads} == set(heads)
    assert 0 < report.worst.relative < MOST


def test_all_detectors_of_the_folder_are_among_them(repository: Path) -> None:
    kinds = {path.stem: {section.kind for section in text.read(path)} for path in (repository / "cfg").glob("*.cfg")}
    assert {name for name, found in kinds.items() if found & {"yolo", "region"}} == set(ALL)
