"""get_coco.sh from beginning to end, on a tiny copy of COCO's archives served from files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("bash") is None, reason="needs bash and curl"
)
COUNTS = {"train": 3, "val": 2}


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """A folder with the three archives of each year and their hashes, as the authors' server has them."""
    folder = tmp_path / "server"
    folder.mkdir()
    for year, pattern in (("2017", "{number:012}.jpg"), ("2014", "COCO_{part}_{number:012}.jpg")):
        write_archives(folder, year, pattern)
    write_hashes(folder)
    (folder / "5k.part").write_text("/images/val2014/COCO_val2014_000000000001.jpg\r\n")
    (folder / "trainvalno5k.part").write_text(
        "/images/val2014/COCO_val2014_000000000000.jpg\n"
        + "".join(f"/images/train2014/COCO_train2014_{number:012}.jpg\n" for number in range(3))
    )
    return folder


def write_hashes(folder: Path) -> None:
    lines = [f"{hashlib.md5(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.glob("*.zip"))]
    (folder / "md5").write_text("".join(lines))


def write_archives(folder: Path, year: str, pattern: str) -> None:
    with zipfile.ZipFile(folder / f"annotations_trainval{year}.zip", "w") as annotations:
        for split, count in COUNTS.items():
            part = f"{split}{year}"
            names = [pattern.format(part=part, number=number) for number in range(count)]
            with zipfile.ZipFile(folder / f"{part}.zip", "w") as images:
                for name in names:
                    images.writestr(f"{part}/{name}", b"picture" * 100)
            instances = {
                "images": [
                    {"id": number, "file_name": name, "width": 10, "height": 10} for number, name in enumerate(names)
                ],
                "categories": [{"id": 1, "name": "thing"}],
                "annotations": [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 0}],
            }
            annotations.writestr(f"annotations/instances_{part}.json", json.dumps(instances))


def get_coco(
    repository: Path, archives: Path, into: Path, *flags: str, **extra: str
) -> subprocess.CompletedProcess[str]:
    server = archives.as_uri()
    settings = {
        "COCO_IMAGES_AT": server,
        "COCO_ANNOTATIONS_AT": server,
        "COCO_LISTS_AT": server,
        "COCO_HASHES": str(archives / "md5"),
        "COCO_TRAIN_COUNT": str(COUNTS["train"]),
        "COCO_VAL_COUNT": str(COUNTS["val"]),
        "COCO_5K_COUNT": "1",
    }
    return subprocess.run(
        ["bash", str(repository / "scripts/get_coco.sh"), *flags, str(into)],
        env={**os.environ, **settings, **extra},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def _plenty_of_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_disk(tmp_path, monkeypatch, kilobytes=10**9)


def free_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kilobytes: int) -> None:
    """Put a `df` on the path that reports so much free space."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "df").write_text(f"#!/bin/sh\necho header\necho disk 1 1 {kilobytes} 1% /\n")
    (tools / "df").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)


def test_everything_arrives_and_a_second_run_changes_nothing(repository: Path, archives: Path, tmp_path: Path) -> None:
    coco = tmp_path / "coco"
    first = get_coco(repository, archives, coco)
    assert first.returncode == 0, first.stderr
    assert (coco / "train2017.txt").read_text().splitlines() == [
        f"images/train2017/{number:012}.jpg" for number in range(3)
    ]
    assert (coco / "labels/val2017/000000000000.txt").read_text() == "0 0.250000 0.250000 0.500000 0.500000\n"
    assert {path.name for path in coco.iterdir()} == {
        "annotations", "images", "labels", "train2017.txt", "val2017.txt",
    }  # fmt: skip

    shutil.rmtree(archives)  # nothing may be fetched again
    again = get_coco(repository, archives, coco)
    assert again.returncode == 0, again.stderr


def test_a_broken_download_goes_on_where_it_stopped(repository: Path, archives: Path, tmp_path: Path) -> None:
    coco = tmp_path / "coco"
    coco.mkdir()
    whole = (archives / "train2017.zip").read_bytes()
    (coco / "train2017.zip.part").write_bytes(whole[: len(whole) // 2])
    (coco / "val2017.zip.part").write_bytes((archives / "val2017.zip").read_bytes())
    (coco / "train2017.unzip").mkdir()
    (coco / "train2017.unzip" / "leftover.jpg").touch()
    done = get_coco(repository, archives, coco, KEEP_ZIPS="1")
    assert done.returncode == 0, done.stderr
    assert (coco / "train2017.zip").read_bytes() == whole
    assert not (coco / "train2017.unzip").exists()


def test_a_damaged_archive_leaves_no_images(repository: Path, archives: Path, tmp_path: Path) -> None:
    damaged = bytearray((archives / "train2017.zip").read_bytes())
    damaged[100] ^= 255
    (archives / "train2017.zip").write_bytes(damaged)
    done = get_coco(repository, archives, tmp_path / "coco")
    assert done.returncode == 1
    assert "train2017.zip is damaged (MD5 " in done.stderr
    write_hashes(archives)  # without the hash its own checksum tells
    done = get_coco(repository, archives, tmp_path / "other")
    assert done.returncode == 1
    assert "BadZipFile: Bad CRC-32" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "coco/images/train2017").exists()


def test_a_wrong_number_of_images_is_said(repository: Path, archives: Path, tmp_path: Path) -> None:
    done = get_coco(repository, archives, tmp_path / "coco", COCO_VAL_COUNT="5000")
    assert done.returncode == 1
    assert "val2017.zip holds 2 images, expected 5000" in done.stderr
    assert not (tmp_path / "coco/images/val2017").exists()


def test_too_little_disk_is_said_before_fetching(
    repository: Path, archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_disk(tmp_path, monkeypatch, kilobytes=5 * 10**6)
    done = get_coco(repository, archives, tmp_path / "coco")
    assert done.returncode == 1
    assert "42 GB of free disk are needed" in done.stderr
    assert not list((tmp_path / "coco").glob("train2017*"))


def test_what_is_there_is_linked(repository: Path, archives: Path, tmp_path: Path) -> None:
    coco, elsewhere = tmp_path / "coco", tmp_path / "elsewhere"
    for folder, zips in ((coco, ["train2017.zip"]), (elsewhere, ["val2017.zip", "annotations_trainval2017.zip"])):
        for name in zips:
            zipfile.ZipFile(archives / name).extractall(folder)
    done = get_coco(repository, archives, coco, "--from", str(elsewhere), COCO_IMAGES_AT="file:///nowhere")
    assert done.returncode == 0, done.stderr
    assert os.readlink(coco / "images/train2017") == "../train2017"
    assert os.readlink(coco / "images/val2017") == str(elsewhere / "val2017")
    assert (coco / "annotations/instances_val2017.json").is_symlink()
    assert len((coco / "train2017.txt").read_text().splitlines()) == 3


def test_a_folder_with_another_number_of_images_is_not_linked(repository: Path, archives: Path, tmp_path: Path) -> None:
    (tmp_path / "coco/val2017").mkdir(parents=True)
    done = get_coco(repository, archives, tmp_path / "coco")
    assert done.returncode == 1
    assert "val2017 holds 0 images, expected 2" in done.stderr


def test_the_lists_of_the_papers(repository: Path, archives: Path, tmp_path: Path) -> None:
    coco = tmp_path / "coco"
    done = get_coco(repository, archives, coco, "--paper")
    assert done.returncode == 0, done.stderr
    assert (coco / "5k.txt").read_text() == "images/val2014/COCO_val2014_000000000001.jpg\n"
    assert (coco / "trainvalno5k.txt").read_text().splitlines()[1] == "images/train2014/COCO_train2014_000000000000.jpg"
    assert (coco / "labels/val2014/COCO_val2014_000000000000.txt").exists()
    assert not list(coco.glob("*.part*"))
    shutil.rmtree(archives)
    assert get_coco(repository, archives, coco, "--paper").returncode == 0


def test_a_list_that_names_other_images_is_refused(repository: Path, archives: Path, tmp_path: Path) -> None:
    (archives / "5k.part").write_text("/images/val2014/COCO_val2014_000000000009.jpg\n")
    done = get_coco(repository, archives, tmp_path / "coco", "--paper")
    assert done.returncode == 1
    assert "5k.part.txt names images/val2014/COCO_val2014_000000000009.jpg, which is not among" in done.stderr
    (tmp_path / "coco/5k.part.txt").write_text("/images/val2014/COCO_val2014_000000000000.jpg\n")
    done = get_coco(repository, archives, tmp_path / "coco", "--paper")
    assert done.returncode == 1
    assert "is in both lists" in done.stderr
