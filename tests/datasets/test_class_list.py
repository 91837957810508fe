"""Which class an image has: by its folder, or by the label in its path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.class_list import class_labels, class_names, read_class_list
from csptrain.errors import DataError

WNIDS = ("n02119789", "n02100735", "n01440764")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def listed(folder: Path, *lines: str) -> Path:
    path = folder / "list.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_list_of_imagenet(tmp_path: Path) -> None:
    names = ("train/n01440764/n01440764_10026.JPEG", "val/ILSVRC2012_val_00000001_n02100735.JPEG")
    touch(tmp_path, *names)
    found = read_class_list(listed(tmp_path, "# comment", "", *names), WNIDS)
    assert found.images == tuple(str(tmp_path / name) for name in names)
    assert found.classes.tolist() == [2, 1]
    assert found.without(WNIDS) == ("n02119789",)


def test_a_label_may_reach_from_the_folder_into_the_name(tmp_path: Path) -> None:
    touch(tmp_path, "a/b1.jpg", "a/c1.jpg")
    assert read_class_list(listed(tmp_path, "a/b1.jpg", "a/c1.jpg"), ("a/b", "c1.")).classes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("path", "labels", "expected"),
    [
        ("cat/dog_1.jpg", ("cat", "dog"), 0),  # a whole folder counts more than a part of a name
        ("dog/cat/1.jpg", ("cat", "dog"), 0),  # the innermost one
        ("caterpillar_1.jpg", ("cat", "caterpillar"), 1),
        ("automobile/1.jpg", ("mobile", "automobile"), 1),
        ("x/automobile_1.jpg", ("mobile", "automobile"), 1),
    ],
)
def test_labels_within_others(tmp_path: Path, path: str, labels: tuple[str, ...], expected: int) -> None:
    touch(tmp_path, path)
    assert read_class_list(listed(tmp_path, path), labels).classes.tolist() == [expected]


def test_the_path_counts_as_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "dogs-vs-cats"
    touch(folder, "train/cat.1.jpg")
    assert read_class_list(listed(folder, "train/cat.1.jpg"), ("dog", "cat")).classes.tolist() == [1]
    with pytest.raises(DataError, match=r"list\.txt:1: several labels are in '.*': cat, dog"):
        read_class_list(listed(folder, str(folder / "train/cat.1.jpg")), ("dog", "cat"))


@pytest.mark.parametrize(
    ("line", "words"),
    [("a/1.jpg", "no label is in 'a/1.jpg'"), ("cat/2.jpg", "the image cat/2.jpg does not exist")],
)
def test_a_line_that_cannot_be_used(tmp_path: Path, line: str, words: str) -> None:
    touch(tmp_path, "cat/1.jpg", "a/1.jpg")
    with pytest.raises(DataError, match=rf"list\.txt:2: {re.escape(words)}"):
        read_class_list(listed(tmp_path, "cat/1.jpg", line), ("cat",))


def test_nothing_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no image"):
        read_class_list(listed(tmp_path, "# nothing"), ("cat",))
    (tmp_path / "folder" / "cat").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no image"):
        read_class_list(tmp_path / "folder", ("cat",))


def test_folders_are_classes(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.JPEG", "b/deep/1.png", "a/1.jpg", "a/notes.txt", ".cache/1.jpg")
    found = read_class_list(tmp_path, ("b", "c", "a"))
    assert [Path(image).relative_to(tmp_path).as_posix() for image in found.images] == [
        "a/1.jpg", "b/2.JPEG", "b/deep/1.png",
    ]  # fmt: skip
    assert found.classes.tolist() == [2, 0, 0]
    with pytest.raises(DataError, match="the sub-folder a and 1 more is no label"):
        read_class_list(tmp_path, ("c",))


def test_a_folder_without_sub_folders_goes_by_names(tmp_path: Path) -> None:
    touch(tmp_path / "flat", "cat.1.jpg", "dog.1.jpg")
    assert read_class_list(tmp_path / "flat", ("dog", "cat")).classes.tolist() == [1, 0]


def data(folder: Path, text: str) -> Path:
    path = folder / "x.data"
    path.write_text(text)
    return path


def test_labels_and_names(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("n1\nn2\nn3\n")
    (tmp_path / "names.txt").write_text("fox\ndog\nfish\n")
    both = read_dataset(data(tmp_path, "classes=2\nlabels=labels.txt\nnames=names.txt\n"))
    assert (class_labels(both), class_names(both)) == (("n1", "n2"), ("fox", "dog"))  # Darknet's files hold more
    labels = read_dataset(data(tmp_path, "classes=3\nlabels=labels.txt\n"))
    assert class_names(labels) == ("n1", "n2", "n3")
    names = read_dataset(data(tmp_path, "classes=3\nnames=names.txt\n"))
    assert class_labels(names) == ("fox", "dog", "fish")


def test_labels_of_folders(tmp_path: Path) -> None:
    touch(tmp_path / "train", "b/1.jpg", "a/1.jpg")
    spec = read_dataset(data(tmp_path, f"classes=2\ntrain={tmp_path}/train\n"))
    assert class_labels(spec) == class_names(spec) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes=4\nlabels=labels.txt\n", "3 labels, but classes=4"),
        ("classes=3\nlabels=labels.txt\n", "the label 'a' is given twice"),
        ("classes=2\ntrain=list.txt\n", "has neither labels= nor names="),
    ],
)
def test_labels_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\na\n")
    with pytest.raises(DataError, match=re.escape(words)):
        class_labels(read_dataset(data(tmp_path, text)))
