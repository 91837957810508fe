"""Which pictures the words of a command line stand for."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from csptrain.cli.inputs import expand
from csptrain.errors import DataError
from tests import tiny


def test_every_kind_of_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.write_set(tmp_path, 3)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "images/01.png", "a/01.png")
    monkeypatch.chdir(tmp_path)
    images = [f"images/0{number}.png" for number in range(3)]
    assert expand(["images"]) == expand(["images/*.png"]) == images
    assert expand(["list.txt"]) == [f"{tmp_path}/{image}" for image in images]
    assert expand([images[2], "x.tar", "x.tar/a/01.png"]) == [images[2], "x.tar/a/01.png", "x.tar/a/01.png"]
    for word, message in (("x.tar/b.png", "no such image"), ("*.gif", "no file matches"), ("y.tar", "no such file")):
        with pytest.raises(DataError, match=message):
            expand([word])
