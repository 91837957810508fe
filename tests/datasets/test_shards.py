"""Tar shards: what is read from them is what loose files give, and nothing hostile in one does harm."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets import shards
from csptrain.datasets.class_list import read_class_list
from csptrain.datasets.detection import DetectionDataset
from csptrain.datasets.image import load_image
from csptrain.datasets.lists import Samples, read_images, read_samples
from csptrain.datasets.loader import Batch, BatchLoader
from csptrain.datasets.sources import read_split
from csptrain.datasets.stream import Feed
from csptrain.errors import DataError
from tests.datasets.test_loader import SETTINGS, same, size_at

Files = list[tuple[str, bytes]]


def write_tar(path: Path, files: Files, form: int = tarfile.PAX_FORMAT) -> Path:
    """A tar of these names and contents."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def files_of(image_list: Path) -> Files:
    folder = image_list.parent
    names = [f"{number}{suffix}" for number in range(7) for suffix in (".jpg", ".txt")]
    return [(name, (folder / name).read_bytes()) for name in names]


@pytest.fixture
def sharded(image_list: Path) -> Path:
    """A folder of two shards with the images of `image_list`, whose third one has no label."""
    (image_list.parent / "2.txt").write_text("")
    files = files_of(image_list)
    (image_list.parent / "2.txt").unlink()
    folder = image_list.parent / "shards"
    folder.mkdir()
    write_tar(folder / "train-000.tar", [file for file in files[:6] if file[0] != "2.txt"])
    write_tar(folder / "train-001.tar", files[6:], tarfile.GNU_FORMAT)
    return folder


def test_batches_are_those_of_loose_files(image_list: Path, sharded: Path) -> None:
    loose, packed = read_samples(image_list, 3), read_samples(sharded, 3)
    assert loose.unlabelled == packed.unlabelled == 1
    assert [Path(image).name for image in loose.images] == [Path(image).name for image in packed.images]
    assert packed.images[3] == f"{sharded}/train-001.tar/3.jpg"

    def batches(samples: Samples, workers: int) -> list[Batch]:
        dataset = DetectionDataset(samples, SETTINGS, Feed(5, seed=3))
        return list(BatchLoader(dataset, start_iteration=1, stop_iteration=6, size_at=size_at, workers=workers))

    for workers in (0, 2):
        pairs = zip(batches(loose, 0), batches(packed, workers), strict=True)
        assert all(same(one, other) for one, other in pairs)


def test_the_ways_to_name_shards(image_list: Path, sharded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [f"{sharded}/train-00{number // 3 if number < 6 else 1}.tar/{number}.jpg" for number in range(7)]
    data = sharded.parent / "x.data"
    (sharded.parent / "tars.txt").write_text("shards/train-000.tar\nshards/train-001.tar\n")
    monkeypatch.chdir(sharded)  # so that all are found from the data file
    for spelling in ("shards", "shards/train-{000..001}.tar", "tars.txt", f"{sharded}/train-{{000..001}}.tar"):
        data.write_text(f"classes=3\ntrain={spelling}\n")
        found = read_split(read_dataset(data), "train")
        assert [os.path.abspath(image) for image in found.images] == wanted and len(found.rows) == 6
    assert read_images(sharded / "train-001.tar") == wanted[3:]
    with pytest.raises(DataError, match=r"train-002.tar: no such file"):
        read_images(sharded / "train-{000..002}.tar")
    with pytest.raises(DataError, match=r"\{3..1\} is not a range"):
        read_images(sharded / "train-{3..1}.tar")


def test_a_folder_with_images_keeps_its_archives_to_itself(image_list: Path, sharded: Path) -> None:
    assert len(read_images(image_list.parent)) == 7


def test_a_folder_may_be_called_like_a_shard(image_list: Path) -> None:
    folder = image_list.parent / "x.tar"
    folder.mkdir()
    os.rename(image_list.parent / "0.jpg", folder / "0.jpg")
    assert load_image(folder / "0.jpg").shape == (30, 40, 3)
    assert read_images(folder) == [str(folder / "0.jpg")]


def test_classes_by_the_folders_or_the_names_of_shards(image_list: Path) -> None:
    pixels = (image_list.parent / "0.jpg").read_bytes()
    folder = image_list.parent / "classes"
    folder.mkdir()
    write_tar(folder / "cat.tar", [("1.jpg", pixels), ("2.jpg", pixels)])
    write_tar(folder / "z.tar", [("./dog/1.jpg", pixels), ("./cat/2.jpg", pixels)])
    assert read_class_list(folder, ("cat", "dog")).classes.tolist() == [0, 0, 1, 0]
    assert read_class_list(folder / "z.tar", ("cat", "dog")).classes.tolist() == [1, 0]
    listed = image_list.parent / "tars.txt"
    listed.write_text("classes/z.tar\n")
    found = read_class_list(listed, ("cat", "dog"))
    assert found.classes.tolist() == [1, 0] and load_image(found.images[1]).shape == (30, 40, 3)


def test_a_label_in_a_shard_is_named_with_its_line(image_list: Path) -> None:
    shard = write_tar(
        image_list.parent / "x.tar", [*files_of(image_list)[:1], ("0.txt", b"0 .5 .5 .1 .1\n7 0 0 1 1\n")]
    )
    with pytest.raises(DataError, match=r"x.tar/0.txt:2: class 7 is not one of 0..2"):
        read_samples(shard, 3)


def special(kind: bytes, name: str = "a.jpg") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (special(tarfile.SYMTYPE), "holds 'a.jpg', a link, device or sparse file"),
        (special(tarfile.LNKTYPE), "a link, device"),
        (special(tarfile.CHRTYPE), "a link, device"),
        (special(tarfile.FIFOTYPE), "a link, device"),
        (special(tarfile.REGTYPE, "/etc/a.jpg"), "holds '/etc/a.jpg', a path that leads elsewhere"),
        (special(tarfile.REGTYPE, "x/../../a.jpg"), "a path that leads elsewhere"),
        (special(tarfile.REGTYPE, "x" * 300), "a name of more than 255 bytes"),
        (special(tarfile.REGTYPE, "x" * 70000), "more than 65536 bytes of headers"),
        (special(tarfile.REGTYPE, "0.jpg"), "holds '0.jpg' twice"),
    ],
)
def test_what_has_no_place_in_a_shard(image_list: Path, info: tarfile.TarInfo, message: str) -> None:
    path = image_list.parent / "x.tar"
    with tarfile.open(write_tar(path, files_of(image_list)), "a") as tar:
        tar.addfile(info)
    with pytest.raises(DataError, match=message) as raised:
        read_images(path)
    assert raised.value.path == str(path)


def test_damaged_shards(image_list: Path) -> None:
    path = write_tar(image_list.parent / "x.tar", files_of(image_list))
    whole = path.read_bytes()
    size = tarfile.BLOCKSIZE
    damage = {
        "compressed": b"\x1f\x8b\x08" + whole,
        "empty": b"",
        "cut in a file": whole[: 3 * size],
        "cut in a header": whole[: whole.index(b"3.jpg") + 100],
        "a header of noise": whole.replace(b"3.jpg", b"3.jpx"),
    }
    for name, content in damage.items():
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x.tar: (is no tar file, is cut off|the shard)"):
            print(name, read_images(path))
    write_tar(path, [("readme", b"")])
    with pytest.raises(DataError, match="the shard holds no image"):
        read_images(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"x.tar: is no file"):
        read_images(path)


def test_a_size_of_all_headers_cannot_lead_outside(image_list: Path) -> None:
    path = image_list.parent / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"size": "123456789"}) as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(DataError, match="leads elsewhere"):
        read_images(path)


def test_limits_and_names_that_are_not_there(image_list: Path) -> None:
    path = write_tar(image_list.parent / "x.tar", files_of(image_list))
    content = (image_list.parent / "3.jpg").read_bytes()
    assert shards.read_bytes(f"{path}/3.jpg", len(content)) == content
    with pytest.raises(DataError, match=rf"x.tar/3.jpg: is larger than {len(content) - 1} bytes"):
        shards.read_bytes(f"{path}/3.jpg", len(content) - 1)
    for name in ("30.jpg", "../0.jpg", "x" * 1000):
        assert not shards.exists(f"{path}/{name}")
        with pytest.raises(DataError, match="no such file in the shard"):
            load_image(f"{path}/{name}")


def test_few_shards_are_open_and_a_new_one_is_seen(image_list: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of(image_list)
    paths = [write_tar(image_list.parent / f"{number}.tar", files) for number in range(70)]
    before = len(os.listdir("/proc/self/fd"))
    for path in paths:
        assert shards.exists(f"{path}/0.jpg")
    assert len(os.listdir("/proc/self/fd")) - before <= 64
    write_tar(paths[0], [("9.jpg", b"x" * 3000)])
    assert shards.members(str(paths[0])) == [f"{paths[0]}/9.jpg"]
    shards._open.cache_clear()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_pixels_of_names_beyond_ascii(image_list: Path) -> None:
    content = (image_list.parent / "0.jpg").read_bytes()
    path = write_tar(image_list.parent / "x.tar", [("größe/é.jpg", content)])
    (image,) = read_images(path)
    assert image == f"{path}/größe/é.jpg"
    assert np.array_equal(load_image(image), load_image(image_list.parent / "0.jpg"))
