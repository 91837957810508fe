"""get_imagenet.sh from beginning to end, on a tiny copy of ImageNet's archives."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
HERE = Path(__file__).parent
SCRIPTS = HERE.parents[1] / "scripts"
# What meta_*.mat say; written by SciPy, with and without compression. The fourth is no leaf.
LABELS = ("n02119789", "n02100735", "n02110185")
TRUTH = (3, 1, 1, 2)
TRAIN, VAL, KIT = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The three archives: two training images a class, four to validate."""
    where = tmp_path / "imagenet"
    where.mkdir()
    with tarfile.open(where / TRAIN, "w") as train:
        for label in LABELS:
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as images:
                for number in range(2):
                    add(images, f"{label}_{number}.JPEG", b"picture")
            add(train, f"{label}.tar", inner.getvalue())
    with tarfile.open(where / VAL, "w") as val:
        for number in range(1, len(TRUTH) + 1):
            add(val, f"ILSVRC2012_val_{number:08d}.JPEG", b"picture")
    write_kit(where / KIT, "meta_compressed.mat")
    return where


def write_kit(path: Path, meta: str, truth: tuple[int, ...] = TRUTH) -> None:
    with tarfile.open(path, "w:gz") as kit:
        root = "ILSVRC2012_devkit_t12"
        add(kit, f"{root}/data/meta.mat", (HERE / meta).read_bytes())
        lines = "".join(f"{number}\n" for number in truth)
        add(kit, f"{root}/data/ILSVRC2012_validation_ground_truth.txt", lines.encode())


def arrange(folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    def md5(name: str) -> str:
        return hashlib.md5((folder / name).read_bytes()).hexdigest() if (folder / name).exists() else "0"

    settings = {
        "IMAGENET_CLASSES": str(len(LABELS)),
        "IMAGENET_TRAIN_COUNT": "6",
        "IMAGENET_VAL_COUNT": str(len(TRUTH)),
        "IMAGENET_TRAIN_MD5": md5(TRAIN),
        "IMAGENET_VAL_MD5": md5(VAL),
        "IMAGENET_KIT_MD5": md5(KIT),
        "PYTHON": sys.executable,
    }
    return subprocess.run(
        ["bash", str(SCRIPTS / "get_imagenet.sh"), str(folder)],
        env={**os.environ, **settings, **extra},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_from_archives_to_folders_and_lists(folder: Path) -> None:
    done = arrange(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"ImageNet is complete in {folder}\n")
    assert lines(folder / "labels.txt") == list(LABELS)
    assert lines(folder / "names.txt") == ["kit fox", "English setter", "Siberian husky"]
    assert lines(folder / "val.txt") == [
        "val/n02100735/ILSVRC2012_val_00000004.JPEG",
        "val/n02110185/ILSVRC2012_val_00000001.JPEG",
        "val/n02119789/ILSVRC2012_val_00000002.JPEG",
        "val/n02119789/ILSVRC2012_val_00000003.JPEG",
    ]
    assert lines(folder / "train.txt") == sorted(f"train/{label}/{label}_{n}.JPEG" for label in LABELS for n in (0, 1))
    assert not list(folder.glob("*.partial")) and (folder / TRAIN).exists()
    again = arrange(folder, IMAGENET_TRAIN_MD5="0")
    assert (again.returncode, again.stdout) == (0, f"ImageNet is complete in {folder}\n")


def test_it_goes_on_where_it_stopped(folder: Path) -> None:
    assert arrange(folder).returncode == 0
    (folder / "train").rename(folder / "train.partial")
    (folder / "train.txt").unlink()
    (folder / "train.partial" / ".unpacked").touch()
    label = LABELS[1]
    shutil.rmtree(folder / "train.partial" / label)
    with tarfile.open(folder / TRAIN) as train:
        train.extract(f"{label}.tar", folder / "train.partial")
    done = arrange(folder)
    assert done.returncode == 0 and f"unpacking {label}" in done.stdout and f"unpacking {LABELS[0]}" not in done.stdout
    assert len(lines(folder / "train.txt")) == 6


def test_folders_of_ones_own_without_the_kit(folder: Path) -> None:
    assert arrange(folder).returncode == 0
    for name in (TRAIN, VAL, KIT, "labels.txt", "names.txt", "val_labels.txt", "train.txt", "val.txt"):
        (folder / name).unlink()
    done = arrange(folder)
    assert done.returncode == 0 and "classes are numbered by their folders" in done.stdout
    assert lines(folder / "labels.txt") == sorted(LABELS) == lines(folder / "names.txt")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"IMAGENET_VAL_MD5": "1"}, "has the MD5 sum"),
        ({"IMAGENET_TRAIN_COUNT": "7"}, "train holds 6 images, expected 7"),
        ({"IMAGENET_CLASSES": "4"}, "could not read"),
        ({"IMAGENET_CLASSES": "2"}, "could not read"),
    ],
)
def test_what_is_not_as_it_should_be(folder: Path, settings: dict[str, str], message: str) -> None:
    if settings.get("IMAGENET_CLASSES") == "4":
        write_kit(folder / KIT, "meta_plain.mat", (5, 1))
    done = arrange(folder, **settings)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("get_imagenet.sh:") == 1
    assert not (folder / "train.txt").exists()


def test_a_folder_without_the_archives(folder: Path) -> None:
    (folder / TRAIN).unlink()
    done = arrange(folder)
    assert done.returncode == 1 and f"there is no {folder}/{TRAIN}; download it" in done.stderr
    assert arrange(folder / "no").stderr.startswith("get_imagenet.sh: there is no folder")


@pytest.mark.parametrize("meta", ["meta_compressed.mat", "meta_plain.mat"])
def test_the_kit_alone(meta: str, tmp_path: Path) -> None:
    write_kit(tmp_path / KIT, meta)
    words = [sys.executable, str(SCRIPTS / "imagenet_devkit.py"), str(tmp_path / KIT), str(tmp_path)]
    done = subprocess.run([*words, "4"], capture_output=True, text=True, check=False)
    assert done.stdout == f"{tmp_path}: 4 classes, 4 validation images\n"
    assert lines(tmp_path / "names.txt")[3] == "entity"
    assert lines(tmp_path / "val_labels.txt") == [LABELS[number - 1] for number in TRUTH]
    (tmp_path / KIT).write_bytes(b"no archive")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "is not ImageNet's development kit" in done.stderr
    assert subprocess.run(words[:2], capture_output=True, check=False).returncode == 2
