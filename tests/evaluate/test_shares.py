"""What several have collected is what one collects."""

from __future__ import annotations

import numpy as np
import pytest

from csptrain.evaluate.detection import DetectionEvaluator
from csptrain.evaluate.shares import join_detections, of_detections
from tests.evaluate.found import made_up

NAMES = ("a", "b", "c")
IMAGES = 12


@pytest.mark.parametrize("count", [1, 2, 5, 13])
def test_shares_of_detections(count: int) -> None:
    samples, _, every = made_up(IMAGES, len(NAMES))

    def collected(images: range) -> DetectionEvaluator:
        evaluator = DetectionEvaluator(NAMES)
        for image in images:
            found = every[image]
            evaluator.add(image, found.boxes, found.prob, samples.truth(image), samples.difficult(image))
        return evaluator

    whole = collected(range(IMAGES))
    shares = [of_detections(collected(range(rank, IMAGES, count))) for rank in range(count)]
    joined = join_detections(NAMES, shares)
    assert joined.image_ids == whole.image_ids == list(range(IMAGES))
    for one, other in zip(joined.detected(), whole.detected(), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert len(whole.detected().hard) > 0
    assert joined.result() == whole.result() and joined.result().detections_count > 0
    for one, other in zip(joined.of_image(7, 0.3), whole.of_image(7, 0.3), strict=True):
        np.testing.assert_array_equal(one, other)
