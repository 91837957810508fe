"""What the sides do: each pass does its work, and baselines give what csptrain gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csptrain.bench import evaluation, loading, pipeline, suppression, training, work
from csptrain.bench.alternate import Turns
from csptrain.bench.suite import subject
from csptrain.errors import CfgError
from csptrain.network import Network
from tests.tiny import cfg


def quiet(_: str) -> None:
    """Whoever measures talks a lot."""


def arrays(side: work.Work) -> Sequence[Any]:
    """What a pass gives."""
    found = side.run()
    assert isinstance(found, (list, tuple))
    return found


@pytest.mark.parametrize(("boxes", "classes"), [(1, 1), (300, 6), (40, 20)])
def test_suppression_equals_the_loop(boxes: int, classes: int) -> None:
    options = {"boxes": boxes, "classes": classes}
    ours, loops = (suppression.in_order(*arrays(make(options))) for make in (suppression.own, suppression.loop))
    assert np.array_equal(ours, loops)
    left = np.count_nonzero(ours[:, 4:])
    assert left == 1 if boxes == 1 else 0 < left < boxes * classes / 2


def test_coco_figures_equal_pycocotools() -> None:
    options = {"images": 12, "found": 30, "classes": 5}
    (ours,), (theirs,) = (arrays(make(options)) for make in (evaluation.own_coco, evaluation.pycocotools_alone))
    assert np.allclose(ours, theirs, atol=1e-9)
    assert 0.1 < ours[1] < 0.9
    evaluation.darknet_map(options).run()


def test_the_pipeline_consumes_the_images_that_are_decoded(tmp_path: Path) -> None:
    assert pipeline.write_images(tmp_path, 6) > 40_000
    options = {"folder": str(tmp_path), "samples": 3}
    dataset = pipeline.detection_dataset(options)
    sample = dataset.sample(1, 0, pipeline.NET)
    assert sample.pixels.shape == (*pipeline.NET, 3) and len(sample.files) == 4
    for make in (pipeline.pipeline, pipeline.decode):
        make(options).run()


def test_steps_of_both_trainers_run(tmp_path: Path) -> None:
    path = tmp_path / "tiny.cfg"
    path.write_text(cfg(batch=2, subdivisions=1))
    course = training.Course("tiny", path, 2)
    assert [side.name for side in course.sides(1)] == [training.PLAIN, training.OWN, training.OWN_BF16]
    for side in course.sides(1)[:2]:
        make = training.own if side.work == "train" else training.plain
        make(side.options).run()
    path.write_text(cfg(yolo="label_smooth_eps=.1"))
    with pytest.raises(CfgError, match="plain baseline"):
        course.comparison(1)


def test_loading_gives_a_network_and_reading_its_floats(tmp_path: Path) -> None:
    path = tmp_path / "tiny.cfg"
    path.write_text(cfg())
    found = loading.compare("tiny", path, tmp_path, 1, Turns(1, 1, 1.0, 0), quiet)
    assert [figure.left_out for figure in found.figures] == [None, None]
    options = {"cfg": str(path), "weights": str(tmp_path / "tiny.weights")}
    network, floats = loading.own(options).run(), loading.read(options).run()
    assert isinstance(network, Network) and isinstance(floats, np.ndarray)
    assert len(floats) == 5 + sum(item.tensor.numel() for layer in network.stored() for item in layer)


def test_networks_of_the_suite_are_those_of_the_zoo() -> None:
    assert subject("yolov3-tiny", None).graph.net.width == 416
    quick = subject("yolov3-tiny", None, quick=True, shown="small")
    assert (quick.graph.net.width, quick.name) == (96, "small")


def test_every_work_can_be_found() -> None:
    from importlib import import_module

    for place, _ in work.WORKS.values():
        module, _, function = place.partition(":")
        assert callable(getattr(import_module(module), function))
    assert set(work.WORKS) > work.AS_THE_COMMAND
