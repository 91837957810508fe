"""The doctor finds every fault that is planted, with its place, and nothing in a set without a fault."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.doctor.book import Book, Finding
from csptrain.doctor.examine import Examination, Settings, examine
from csptrain.doctor.header import Header, read_header
from csptrain.doctor.pictures import Look, check_pictures
from csptrain.doctor.rules import RULES
from csptrain.doctor.runtimes import check_opencv
from tests import tiny
from tests.doctor.planted import HEIGHT, DataSet, exif

SIZE = (64, 48)
Plant = Callable[[DataSet], str]


@pytest.fixture
def made(tmp_path: Path) -> DataSet:
    """A set without a fault."""
    return DataSet(tmp_path / "set")


def look(made: DataSet, cfg: Path | None = None) -> Examination:
    return examine(made.data, cfg, Settings(size=None if cfg else SIZE))


def found(done: Examination, rule: str) -> list[Finding]:
    return [one for chapter in done.book.chapters if chapter.rule.name == rule for one in chapter.findings]


def write_cfg(made: DataSet, yolo: str = "", anchors: str = "16,10, 19,13") -> Path:
    path = made.folder / "x.cfg"
    path.write_text(tiny.cfg(yolo=yolo).replace("8,8, 16,16", anchors).replace("width=32", "width=64"))
    return path


def missing_image(made: DataSet) -> str:
    made.write_lists(train=["images/nowhere.png"])
    return f"{made.folder}/train.txt:13"


def listed_twice(made: DataSet) -> str:
    made.write_lists(train=[made.train[0]])
    return f"{made.folder}/train.txt:13"


def same_pixels(made: DataSet) -> str:
    made.image("train5").write_bytes(made.image("train4").read_bytes())
    return str(made.image("train5"))


def broken_image(made: DataSet) -> str:
    made.image("train3").write_bytes(made.image("train3").read_bytes()[:60])
    return str(made.image("train3"))


def in_both_lists(made: DataSet) -> str:
    cv2.imwrite(str(made.image("valid1")), cv2.imread(str(made.image("train1"))), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    return str(made.image("valid1"))


def turned(made: DataSet) -> str:
    path = Path(made.add("turned", ".jpg"))
    raw = path.read_bytes()
    path.write_bytes(raw[:2] + exif(6) + raw[2:])
    made.write_lists(train=[str(path)])
    return str(path)


def _repaint(made: DataSet, name: str, change: Callable[[np.ndarray], np.ndarray]) -> str:
    path = str(made.image(name))
    cv2.imwrite(path, change(cv2.imread(path)))
    return path


def transparent(made: DataSet) -> str:
    return _repaint(made, "train2", lambda pixels: np.dstack((pixels, pixels[:, :, :1])))


def deep(made: DataSet) -> str:
    return _repaint(made, "train2", lambda pixels: pixels.astype(np.uint16) * 257)


def grey(made: DataSet) -> str:
    return _repaint(made, "valid2", lambda pixels: pixels[:, :, 0])


def blank(made: DataSet) -> str:
    return _repaint(made, "train6", lambda pixels: np.full_like(pixels, 128))


def no_label(made: DataSet) -> str:
    made.label_file("train7").unlink()
    return str(made.image("train7"))


def two_labels(made: DataSet) -> str:
    made.image("train7").with_suffix(".txt").write_text("1 0.5 0.5 0.2 0.2\n")
    return str(made.image("train7"))


def orphan(made: DataSet) -> str:
    made.label("trian7", [(0, 0.5, 0.5, 0.3, 0.3)])
    return str(made.label_file("trian7"))


def empty_label(made: DataSet) -> str:
    made.label("train8", [])
    return str(made.label_file("train8"))


def binary_label(made: DataSet) -> str:
    made.label_file("train9").write_bytes(b"\0\1\2")
    return str(made.label_file("train9"))


def line(text: str) -> Plant:
    def plant(made: DataSet) -> str:
        made.append("train4", text)
        return f"{made.label_file('train4')}:3"

    return plant


def class_without_examples(made: DataSet) -> str:
    (made.folder / "x.names").write_text("red\nblue\ngreen\n")
    made.write_data(classes=3)
    return str(made.data)


def class_with_few(made: DataSet) -> str:
    class_without_examples(made)
    for name in ("train1", "valid1"):
        made.append(name, "2 0.2 0.8 0.2 0.2")
    return str(made.data)


def class_only_in_valid(made: DataSet) -> str:
    class_without_examples(made)
    made.append("valid1", "2 0.2 0.8 0.2 0.2")
    return f"{made.label_file('valid1')}:3"


def class_not_in_valid(made: DataSet) -> str:
    for number in range(4):
        made.label(f"valid{number}", [(0, 0.3, 0.3, 0.25, 0.3)])
    return str(made.data)


def names_and_classes(made: DataSet) -> str:
    made.write_data(classes=3)
    return f"{made.data}:4"


def one_name_twice(made: DataSet) -> str:
    (made.folder / "x.names").write_text("red\nred\n")
    return str(made.data)


def valid_is_train(made: DataSet) -> str:
    made.write_data(valid="train.txt")
    return str(made.data)


def no_list(made: DataSet) -> str:
    (made.folder / "valid.txt").unlink()
    return f"{made.folder}/x.data:3"


def no_labels_at_all(made: DataSet) -> str:
    for number in range(4):
        made.label_file(f"valid{number}").unlink()
    return f"{made.folder}/valid.txt"


#: Each planted fault: the rule that has to find it, and what plants it and says where it is.
FAULTS: list[tuple[str, Plant]] = [
    ("image-missing", missing_image),
    ("image-twice", listed_twice),
    ("image-twice", same_pixels),
    ("image-broken", broken_image),
    ("image-shared", in_both_lists),
    ("image-turned", turned),
    ("image-alpha", transparent),
    ("image-depth", deep),
    ("image-grey", grey),
    ("image-blank", blank),
    ("label-missing", no_label),
    ("label-ambiguous", two_labels),
    ("label-orphan", orphan),
    ("label-empty", empty_label),
    ("label-unreadable", binary_label),
    ("label-format", line("1 0.5 0.5 0.2")),
    ("label-format", line("1 0,5 0.5 0.2 0.2")),
    ("label-class", line("2 0.5 0.5 0.2 0.2")),
    ("label-pixels", line("1 32 24 20 20")),
    ("box-outside", line("1 1.2 0.5 0.2 0.2")),
    ("box-empty", line("1 0.5 0.5 0 0.2")),
    ("box-over-edge", line("1 0.95 0.2 0.3 0.2")),
    ("box-tiny", line("1 0.5 0.2 0.02 0.2")),
    ("box-huge", line("1 0.5 0.5 1 1")),
    ("box-twice", line("1 0.7 0.6 0.3 0.39")),
    ("box-two-classes", line("0 0.7 0.6 0.3 0.39")),
    ("class-none", class_without_examples),
    ("class-few", class_with_few),
    ("class-only-in-valid", class_only_in_valid),
    ("class-unmeasured", class_not_in_valid),
    ("data-file", names_and_classes),
    ("names-twice", one_name_twice),
    ("valid-is-train", valid_is_train),
    ("split", no_list),
    ("labels-none", no_labels_at_all),
]


def test_a_set_without_a_fault_has_no_finding(made: DataSet) -> None:
    done = look(made, write_cfg(made))
    assert [str(one) for chapter in done.book.chapters for one in chapter.findings] == []
    assert done.book.verdict == "ok"
    assert done.splits["train"].pairing == {f"{made.folder}/images -> {made.folder}/labels": 12}
    assert done.anchors is not None
    assert done.anchors.recall == 1


def test_shards_are_looked_at_like_folders(made: DataSet) -> None:
    made.append("train1", "1 0.5 0.5 0.2")
    for name, images in (("train", made.train), ("valid", made.valid)):
        with tarfile.open(made.folder / f"{name}.tar", "w") as tar:
            for image in images:
                tar.add(image, f"images/{Path(image).name}")
                tar.add(made.label_file(Path(image).stem), f"labels/{Path(image).stem}.txt")
        (made.folder / f"{name}.txt").write_text(f"{name}.tar\n")
    made.write_data(valid="valid.tar")
    done = look(made)
    (finding,) = [one for chapter in done.book.chapters for one in chapter.findings]
    assert str(finding).startswith(f"{made.folder}/train.tar/labels/train1.txt:3: 4 values")
    assert len(done.splits["train"].samples) == 12 and len(done.splits["valid"].samples.rows) == 8


@pytest.mark.parametrize(("rule", "plant"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_planted_fault_is_found_where_it_is(made: DataSet, rule: str, plant: Plant) -> None:
    place = plant(made)
    done = look(made)
    assert [str(one).split(": ")[0] for one in found(done, rule)] == [place]
    assert done.book.verdict == {"error": "errors", "warning": "warnings", "note": "ok"}[RULES[rule].severity]


def test_many_faults_in_one_set_are_all_found(made: DataSet) -> None:
    """All faults that do not hide each other, at once."""
    lines = ["1 0.5 0.5 0.2", "2 0.5 0.5 0.2 0.2", "1 32 24 20 20", "1 1.2 0.5 0.2 0.2", "1 0.5 0.5 0 0.2"]
    lines += ["1 0.95 0.2 0.3 0.2", "1 0.5 0.2 0.02 0.2", "1 0.5 0.5 1 1", "1 0.7 0.6 0.3 0.39"]
    for number, text in enumerate(lines):
        made.append(f"train{number % 2}", text)
    plants = (same_pixels, broken_image, transparent, grey, blank, no_label, orphan, empty_label, binary_label)
    for plant in (*plants, in_both_lists, missing_image, one_name_twice):
        plant(made)
    rules = {chapter.rule.name for chapter in look(made).book.chapters}
    assert rules == {
        "label-format", "label-class", "label-pixels", "box-outside", "box-empty", "box-over-edge", "box-tiny",
        "box-huge", "box-twice", "image-twice", "image-broken", "image-alpha", "image-grey", "image-blank",
        "label-missing", "label-orphan", "label-empty", "label-unreadable", "image-shared", "image-missing",
        "names-twice", "class-few",
    }  # fmt: skip


def test_a_cmyk_picture_is_told(made: DataSet) -> None:
    raw = bytearray(Path(made.add("ink", ".jpg")).read_bytes())
    frame = raw.index(b"\xff\xc0")
    assert (raw[frame + 5 : frame + 7], raw[frame + 9]) == (HEIGHT.to_bytes(2, "big"), 3)
    raw[frame + 9] = 4
    header = read_header(bytes(raw))
    assert header == Header(channels=4)
    book = Book()
    check_pictures([Look("ink.jpg", header, "a"), Look("b.jpg", Header(), "b")], book)
    assert [chapter.rule.name for chapter in book.chapters] == ["image-cmyk"]


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_header_that_is_cut_off_is_read_as_far_as_it_goes(made: DataSet, cut: int) -> None:
    raw = Path(made.add("cut", ".jpg")).read_bytes()
    assert read_header((raw[:2] + exif(6) + raw[2:])[:cut]).orientation in (1, 6)


def test_anchors_that_do_not_fit_and_boxes_without_a_head_are_told(made: DataSet) -> None:
    cfg = write_cfg(made, anchors="2,2, 3,3")
    assert [one.path for one in found(look(made, cfg), "anchors-recall")] == [str(cfg)]
    other = write_cfg(made, anchors="16,10, 19,13")
    other.write_text(other.read_text().replace("mask=0,1", "mask=0").replace("filters=14", "filters=7"))
    done = look(made, other)
    assert found(done, "anchors-no-head")
    assert done.anchors is not None
    assert done.anchors.without_head == len(found(done, "anchors-no-head"))
    other.write_text(other.read_text().replace("16,10, 19,13", "500,500, 19,19"))
    assert len(found(look(made, other), "anchors-idle-head")) == 1


def test_a_cfg_of_other_classes_is_told_and_taken_as_training_takes_it(made: DataSet) -> None:
    cfg = write_cfg(made)
    cfg.write_text(cfg.read_text().replace("classes=2", "classes=3").replace("filters=14", "filters=16"))
    done = look(made, cfg)
    assert [one.path for one in found(done, "cfg-classes")] == [str(cfg)]
    assert done.anchors is not None


def test_a_cfg_that_cannot_be_planned_or_finds_no_boxes_is_an_error(made: DataSet) -> None:
    cfg = made.folder / "x.cfg"
    cfg.write_text(tiny.cfg().replace("width=32", "width=oops"))
    assert [one.line for one in found(look(made, cfg), "cfg")] == [4]
    cfg.write_text("[net]\nwidth=32\nheight=32\n[avgpool]\n[softmax]\n")
    assert "no detector" in found(look(made, cfg), "cfg")[0].found


@pytest.mark.parametrize(("version", "count"), [("4.14.0", 0), ("5.0.0", 1), ("3.4.20", 1)])
def test_an_opencv_that_reads_no_darknet_files_is_told(version: str, count: int) -> None:
    book = Book()
    check_opencv(version, book)
    assert book.count("warning") == count


def test_of_very_many_findings_the_first_are_kept_and_all_counted() -> None:
    book = Book()
    for number in range(1000):
        book.add("box-tiny", "small", "a.txt", number)
    (chapter,) = book.chapters
    assert (chapter.count, len(chapter.findings)) == (1000, 200)
    assert chapter.findings[-1] == Finding("small", "a.txt", 199)
