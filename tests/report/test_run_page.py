"""The page of a training: what stands on it, that names cannot break it, and when it is written."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from csptrain.datasets.loader import Batch
from csptrain.evaluate.classification import Guesses, accuracy
from csptrain.evaluate.detection import DetectionEvaluator
from csptrain.report.picture import Line, Picture, Words, svg
from csptrain.report.run import live
from csptrain.report.run.evidence import classifier_parts, detector_parts
from csptrain.report.run.live import RunReport
from csptrain.report.run.photos import sample_photos
from csptrain.report.run.plots import Curve, plot
from csptrain.report.run.sheet import Facts
from csptrain.train.log import Record
from tests.report.test_page import Balanced

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'"
PHOTO = "data:image/jpeg;base64,"


def facts(**changes: object) -> Facts:
    given: dict[str, object] = {
        "name": "net", "stop": 10, "batch": 4, "heads": {4: "layer 4 [yolo], 4x4 cells"},
        "given": ["[net]", "width=416"], "trained": ["[net]", "width=32"], "environment": [("seed", "7")],
        "classes": ["red", "blue"],
    }  # fmt: skip
    return Facts(**{**given, **changes})  # type: ignore[arg-type]


def record(iteration: int, **beside: float) -> Record:
    heads = {4: {"iou": 0.5, "no_obj": 0.1, "loss_box": 3.0, "loss_obj": 2.0, "cost": 5.0}}
    return Record(iteration, 5.0, 5.5, 0.01, 0.5, 0.1, 4 * iteration, 32 * iteration, 32, heads=heads, **beside)


def batch(iteration: int) -> Batch:
    truth = torch.tensor([[[0.5, 0.5, 0.5, 0.5, 1]]])
    return Batch(iteration, torch.full((1, 32, 32, 3), 90, dtype=torch.uint8), truth)


@pytest.fixture
def warnings() -> list[str]:
    return []


def report(folder: Path, warnings: list[str], start: int = 1, **changes: object) -> RunReport:
    return RunReport(
        folder, facts(**changes), start, device=torch.device("cpu"), evidence=lambda: [f"<p>{start} seen</p>"],
        warn=warnings.append,
    )  # fmt: skip


def written(folder: Path) -> tuple[str, list[str]]:
    html = (folder / "report.html").read_text()
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return html, parser.texts


def test_it_is_there_from_the_first_iteration_and_says_how_it_ended(tmp_path: Path, warnings: list[str]) -> None:
    with report(tmp_path, warnings) as page:
        for one in page.passed(map(batch, (1, 2))):
            page.iteration(record(one.iteration, map=0.25), 0.5)
            if one.iteration == 1:
                page.evaluated(1)
                html, texts = written(tmp_path)
                assert '<meta http-equiv="refresh" content="30">' in html
                assert any(text.startswith("running: iteration 1 of 10, as of 2") for text in texts)
        page.warned("odd <b>")
        page.ended("time is up")
    html, texts = written(tmp_path)
    assert "http-equiv" not in html
    assert any(text.startswith("stopped (time is up): iteration 2 of 10") for text in texts)
    for text in ("Loss", "Validation", "Learning rate", "Input width, pixels", "Memory", "-width=416", "+width=32", "7",
                 "layer 4 [yolo], 4x4 cells: loss", "odd <b>", "Validation after iteration 1", "1 seen"):  # fmt: skip
        assert text in texts, text
    assert "mAP, best 25.0 % at 1" in texts
    assert html.count(PHOTO) == 1
    assert not re.search(r"(?:href|src)=\"(?!data:)", html)
    assert warnings == []


def test_a_resumed_run_goes_on_with_its_page(tmp_path: Path, warnings: list[str]) -> None:
    with report(tmp_path, warnings) as page:
        for iteration in range(1, 7):
            page.iteration(record(iteration), 0)
    with report(tmp_path, warnings, 5) as page:
        for iteration in range(5, 11):
            page.iteration(record(iteration), 0)
        page.ended(None)
    assert any(text.startswith("finished: iteration 10 of 10") for text in written(tmp_path)[1])
    assert page._history.mean("loss")[:, 0].tolist() == list(range(1, 11))


def test_what_stops_a_run_is_on_its_page(tmp_path: Path, warnings: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt), report(tmp_path, warnings) as page:
        page.iteration(record(1), 0)
        raise KeyboardInterrupt
    assert any("stopped by KeyboardInterrupt: iteration 1" in text for text in written(tmp_path)[1])


def test_it_is_renewed_now_and_then_only(tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, *[0.0, 0.0, 3.0], 100.0, 152.9, 153.1, *[153.1, 153.2], *[200.0, 200.1]])
    counts = []
    monkeypatch.setattr(live.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(live._Clock, "cores", lambda self: 1.0)
    monkeypatch.setattr(live, "write_atomically", lambda *_: counts.append(1))
    with report(tmp_path, warnings) as page:
        for iteration in range(1, 5):
            page.iteration(record(iteration), 0)
            # The first took three seconds, so a page is due fifty times as long after it.
            assert len(counts) == (1 if iteration < 4 else 2)


def test_a_page_that_cannot_be_written_is_told_once(tmp_path: Path, warnings: list[str]) -> None:
    (tmp_path / "report.html").mkdir()
    with report(tmp_path, warnings) as page:
        page.iteration(record(1), 0)
    assert len(warnings) == 1 and "report.html: cannot be written" in warnings[0]


def test_names_cannot_break_the_page(tmp_path: Path, warnings: list[str]) -> None:
    image = tmp_path / "a<b>.png"
    cv2.imwrite(str(image), np.full((20, 30, 3), 99, np.uint8))
    evaluator = DetectionEvaluator([HOSTILE, "b"])
    box = np.array([[0.5, 0.5, 0.4, 0.4]], np.float32)
    evaluator.add(0, box, np.array([[0.9, 0]], np.float32), np.array([[0.5, 0.5, 0.4, 0.4, 0]], np.float32))
    evaluator.add(1, box, np.array([[0, 0.8]], np.float32), np.array([[0.1, 0.1, 0.1, 0.1, 0]], np.float32))
    parts = list(detector_parts(evaluator, evaluator.result(), [str(image)] * 2))
    with RunReport(
        tmp_path, facts(name=HOSTILE, heads={4: HOSTILE}, given=[HOSTILE], environment=[(HOSTILE, HOSTILE)]), 1,
        device=torch.device("cpu"), evidence=lambda: parts, warn=warnings.append,
    ) as page:  # fmt: skip
        page.evaluated(1)
        page.iteration(record(1), 0)
        page.warned(HOSTILE)
    html, texts = written(tmp_path)
    assert "<img src=x" not in html and html.count("</script>") == 1
    assert texts.count(HOSTILE) >= 6
    assert f"{image}: 1 of 1 objects found" in texts and f"{image}: 0 of 1 objects found, 1 false" in texts
    assert "Worst validation pictures" in texts and "Best validation pictures" in texts


def test_a_classifier_shows_what_it_is_most_sure_of(tmp_path: Path) -> None:
    images = []
    for number in range(3):
        images.append(str(tmp_path / f"{number}.png"))
        cv2.imwrite(images[-1], np.full((20, 20, 3), 99, np.uint8))
    truth = np.array([0, 1, 1])
    guesses = Guesses(np.arange(3), np.array([[0], [0], [1]]), np.array([[0.9], [0.8], [0.7]], np.float32))
    html = "".join(classifier_parts(guesses, accuracy(guesses, truth, ["red", "<blue>"]), truth, images))
    shown = re.findall(r"<figcaption>[^<]*: ([^<]*)</figcaption>", html)
    assert shown == [
        "&lt;blue&gt;, called red (0.80)",
        "red, called red (0.90)",
        "&lt;blue&gt;, called &lt;blue&gt; (0.70)",
    ]
    assert "3 images: 2 right (67%)" in html and html.count(PHOTO) == 3


def test_samples_of_detectors_and_classifiers() -> None:
    assert PHOTO in sample_photos(batch(3), ["red", "blue"])[0]
    target = torch.tensor([[0.0, 1.0]] * 20)
    many = Batch(3, torch.zeros((20, 16, 16, 1), dtype=torch.uint8), target)
    photos = sample_photos(many, ["red", "blue"])
    assert len(photos) == 8 and "iteration 3, place 7 of the batch" in photos[7]


def test_a_plot_has_its_curves_where_its_axes_say() -> None:
    picture = plot([Curve("a", np.array([[0, 0.0], [10, 50.0], [20, 100.0]]))], 20, within=(0, 100), unit=" %")
    lines = [item for item in picture.items if isinstance(item, Line)]
    (left, bottom), (middle, half), (right, top) = lines[-1].points
    assert middle == pytest.approx((left + right) / 2) and half == pytest.approx((top + bottom) / 2)
    texts = [item.text for item in picture.items if isinstance(item, Words)]
    assert {"0", "20", "100", "a 100 %"} <= set(texts)


def test_a_line_without_rounding_is_written_point_by_point() -> None:
    points = tuple((float(x), float(x % 3)) for x in range(20))
    drawn = svg(Picture(20, 3, [Line(points, "#000000", 1, 0)]))
    assert len(re.findall(r"[\d.]+,[\d.]+", drawn)) == len(points)


def test_plots_of_nothing_and_of_one_point() -> None:
    assert plot([Curve("a", np.zeros((0, 2)))], 0).items
    assert plot([Curve("a", np.array([[1, 3.0]]))], 1, logarithmic=True).items
