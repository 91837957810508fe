"""The augmentation of [net] from the command line: pictures of the samples, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from csptrain.cli.main import main
from tests import tiny

EVERYTHING = "mosaic=1\nmosaic_bound=1\nblur=5\ngaussian_noise=9\nletter_box=1\nhue=.1\nangle=7\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with ``tiny.data`` in it."""
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path)
    return tmp_path


def train(folder: Path, net: str, *words: str) -> int:
    (folder / "tiny.cfg").write_text(tiny.cfg(net=net))
    return main(["detector", "train", "tiny.data", "tiny.cfg", "--workers", "0", "--iterations", "5", *words])


def test_samples_are_written_with_every_augmentation_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, EVERYTHING, "-show_imgs") == 0
    pictures = sorted((folder / "backup").glob("aug_*.jpg"))
    assert [path.name for path in pictures] == [f"aug_{it}_{slot}.jpg" for it in (1, 2, 3) for slot in range(4)]
    assert {cv2.imread(str(path)).shape for path in pictures} == {(32, 32, 3)}  # type: ignore[union-attr]
    said = capsys.readouterr()
    assert "angle= has no effect here" in said.out + said.err
    assert "blur= has no effect" not in said.out + said.err


def test_no_pictures_unless_asked_for(folder: Path) -> None:
    assert train(folder, "mixup=1\n") == 0
    assert not list((folder / "backup").glob("aug_*"))


def test_cutmix_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, "cutmix=1\n") == 1
    said = capsys.readouterr().err
    assert "cutmix=1 of [net]: cutmix cuts objects apart" in said and "tiny.cfg:" in said
    assert not (folder / "backup").exists()
