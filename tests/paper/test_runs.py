"""Trainings of rows: what is run, resumed, skipped and refused. The verbs themselves are replaced."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from csptrain.errors import CspError, DataError
from csptrain.paper import runs
from csptrain.paper.runs import Course
from csptrain.zoo.rows.contents import TABLES

ROW = next(row for row in TABLES[5] if row.cfg == "cspdensenetb-ref-prn")
CLASSIFIER = next(row for row in TABLES[3] if row.cfg == "csppeleenet")
TEN = next(row for row in TABLES[3] if row.crops == 10 and row.cfg)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "train").mkdir()
    (tmp_path / "set.data").write_text("classes=2\nnames=set.names\ntrain=train\nvalid=train\n")
    (tmp_path / "set.names").write_text("a\nb\n")
    return Course("detector", tmp_path / "set.data", tmp_path / "runs", 64, 20, {"batch": "8"}, {"random": "0"})


@pytest.fixture
def verbs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    called: list[list[str]] = []

    def run(words: list[str], log: Path) -> str:
        called.append(words)
        if words[1] == "train":
            (log.parent / f"{Path(words[3]).stem}_final.weights").write_bytes(b"")
            return ""
        return json.dumps({"top1": 0.5, "top5": 0.75, "coco": {"AP": 0.2, "AP50": 0.4, "AP_small": -1.0}})

    monkeypatch.setattr(runs, "_run", run)
    return called


def test_a_row_is_trained_once(course: Course, verbs: list[list[str]]) -> None:
    said: list[str] = []
    final = runs.train(ROW, course, said.append)
    assert runs.train(ROW, course, said.append) == final
    assert [words[:2] for words in verbs] == [["detector", "train"]]
    assert "--resume" in verbs[0]
    assert any("trained before" in line for line in said)


def test_the_cfg_has_the_courses_settings(course: Course, verbs: list[list[str]]) -> None:
    runs.train(ROW, course, print)
    text = (course.folder / ROW.cfg / f"{ROW.cfg}.cfg").read_text()
    for option in ("width=64", "batch=8", "max_batches=20", "random=0", "classes=2"):
        assert option in text


def test_a_training_by_another_cfg_is_refused(course: Course, verbs: list[list[str]]) -> None:
    runs.train(ROW, course, print)
    with pytest.raises(CspError, match="holds a training by another cfg"):
        runs.train(ROW, replace(course, iterations=30), print)
    assert len(verbs) == 1


def test_rows_of_one_network_share_its_training(course: Course, verbs: list[list[str]]) -> None:
    full = replace(course, size=None)
    at_416, at_320 = (row for row in TABLES[4] if row.cfg == "yolov3" and row.size in (416, 320))
    final = runs.train(at_416, full, print)
    assert runs.train(at_320, full, print) == final
    for row in (at_416, at_320):
        runs.measure(row, final, full, print)
    assert [words[words.index("--size") + 1] for words in verbs[1:]] == ["416", "320"]


def test_accuracies_in_percent_are_measured_once_for_the_same_weights(course: Course, verbs: list[list[str]]) -> None:
    final = runs.train(ROW, course, print)
    found = runs.measure(ROW, final, course, print)
    assert found == {"ap": 20.0, "ap50": 40.0}
    assert runs.measure(ROW, final, course, print) == found
    assert len(verbs) == 2
    # Newer weights are measured again.
    later = final.stat().st_mtime + 100
    os.utime(final, (later, later))
    runs.measure(ROW, final, course, print)
    assert len(verbs) == 3


def test_classifiers_have_verbs_and_figures_of_their_own(course: Course, verbs: list[list[str]]) -> None:
    classes = replace(course, kind="classifier", heads={})
    final = runs.train(CLASSIFIER, classes, print)
    assert runs.measure(CLASSIFIER, final, classes, print) == {"top1": 50.0, "top5": 75.0}
    runs.measure(TEN, final, classes, print)
    assert [words[:2] for words in verbs] == [["classifier", verb] for verb in ("train", "valid", "valid10")]


def test_missing_data_is_an_error_that_names_it(course: Course) -> None:
    with pytest.raises(DataError, match="there is no such data set"):
        runs.train(ROW, replace(course, data=course.data.with_name("no.data")), print)
    course.data.write_text("classes=2\nnames=set.names\ntrain=gone\n")
    with pytest.raises(DataError, match="train=gone is not there"):
        runs.check_data(course)


def test_a_verb_that_fails_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(CspError, match=r"csptrain detector train failed: csptrain: error: .* needs a cfg"):
        runs._run(["detector", "train"], tmp_path / "new/train.log")
    assert "csptrain detector train" in (tmp_path / "new/train.log").read_text()


def test_weights_of_the_folder_come_first(
    course: Course, verbs: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "WEIGHTS", tmp_path / "weights")
    assert runs.find_weights(ROW, course) is None
    (tmp_path / "weights").mkdir()
    given = tmp_path / f"weights/{ROW.cfg}.weights"
    given.write_bytes(b"")
    assert runs.find_weights(ROW, course) == given
    assert runs.find_weights(ROW, course) != runs.train(ROW, course, print) == runs.find_weights(ROW, course)
