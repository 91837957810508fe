"""The page: whole, escaped, in one file, with the pictures that something was found about."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np

from csptrain.doctor.balance import ClassCount
from csptrain.doctor.examine import Settings, examine
from csptrain.doctor.sheet import balance_bars, doctor_page
from csptrain.report.picture import Box, Words
from tests.doctor.planted import DataSet
from tests.report.test_page import Balanced

PHOTO = re.compile(r'src="data:image/jpeg;base64,([^"]+)"')


def test_the_page_shows_findings_bars_and_labels_on_pictures(tmp_path: Path) -> None:
    made = DataSet(tmp_path / "a<b>&")
    made.append("train4", "1 0.5 0.5 1 1")
    (made.folder / "x.names").write_text("<red>\nblue\n")
    html = doctor_page(examine(made.data, None, Settings(size=(64, 48))))
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert "warning: box-huge (1)" in parser.texts
    assert f"{made.label_file('train4')}:3" in parser.texts
    assert "<red>" in parser.texts
    assert "<red>" not in html
    captions = [text for text in parser.texts if re.fullmatch(r".*png: \d boxes", text)]
    assert captions[0] == f"{made.image('train4')}: 3 boxes"
    photos = PHOTO.findall(html)
    assert len(photos) == len(captions) == 1 + 8 + 4
    assert len(re.findall(r"(?:src|href)=", html)) == len(photos)
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(photos[0]), np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (300, 400, 3)


def test_the_page_of_a_data_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.data"
    path.write_text("classes\n")
    html = doctor_page(examine(path, None, Settings()))
    assert "error: data-file (1)" in html
    assert not PHOTO.search(html)


def test_bars_are_as_long_as_the_counts(tmp_path: Path) -> None:
    classes = [
        ClassCount("a", {"train": 40, "valid": 10}, {"train": 4, "valid": 1}),
        ClassCount("b", {"train": 20, "valid": 0}, {"train": 2, "valid": 0}),
    ]
    items = balance_bars(classes, ["train", "valid"]).items
    bars = [item.width for item in items if isinstance(item, Box)][2:]
    assert [round(width / bars[0], 2) for width in bars] == [1, 0.25, 0.5, 0]
    assert [item.text for item in items if isinstance(item, Words)] == [
        "train", "valid", "a", "40", "10", "b", "20", "0",
    ]  # fmt: skip
