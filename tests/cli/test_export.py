"""``csptrain export opencv`` as typed."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from csptrain.cli.exporting import find_images
from csptrain.cli.main import main
from csptrain.errors import DataError
from csptrain.formats.weights import save_weights
from tests.formats.networks import from_text
from tests.formats.test_opencv import BODY, YOLO


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    save_weights(from_text(tmp_path, BODY + YOLO), tmp_path / "net.weights")
    return [str(tmp_path / "net.cfg"), str(tmp_path / "net.weights")]


def export(*words: str) -> int:
    return main(["export", "opencv", *words])


def test_files_table_and_picture(
    tmp_path: Path, golden_cases: Path, pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "two.names"
    names.write_text("cell\nplate\n")
    images = str(golden_cases / "img_*" / "*.png")
    out = tmp_path / "out"
    assert export(*pair, "-o", str(out), "-images", images, "-names", str(names), "-thresh", "0.5") == 0
    said = capsys.readouterr().out
    assert "OpenCV's detections equal csptrain's" in said and "yolo" in said and "objectness" in said
    assert f"{len(find_images(images))} real images" in said
    files = ["README.md", "detect.cpp", "detect.py", "net-compare.png", "net.cfg", "net.names", "net.weights"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert cv2.imread(str(out / "net-compare.png")).shape[1] > 2 * 400


def test_without_images_and_under_another_name_and_size(
    tmp_path: Path, pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(*pair, "-o", str(tmp_path), "-name", "small", "-size", "32") == 0
    assert "0 real images" in capsys.readouterr().out
    assert "width=32\nheight=32" in (tmp_path / "small.cfg").read_text()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "-o DIR is missing"),
        (("-o", "{tmp}"), 1, "would replace the weights"),
        (("-o", "{tmp}/out", "-tolerance", "0"), 1, "net.cfg:20: layer 3 [yolo]: "),
        (("-o", "{tmp}/out", "-images", "{tmp}/none/*.png"), 1, "no image, list, folder or pattern"),
        (("-o", "{tmp}/out", "-names", "{tmp}/none"), 1, "none"),
        (("-o", "{tmp}/net.cfg"), 1, "is not a folder"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    tmp_path: Path, pair: list[str], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert export(*pair, *(word.format(tmp=tmp_path) for word in words)) == code
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_short_weights_file_needs_partial(
    tmp_path: Path, pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    weights = Path(pair[1])
    weights.write_bytes(weights.read_bytes()[:-4])
    assert export(*pair, "-o", str(tmp_path / "out")) == 1
    assert "ends inside layer 2" in capsys.readouterr().err
    assert export(*pair, "-o", str(tmp_path / "out"), "--partial") == 0


def test_images_may_be_one_a_list_a_folder_or_a_pattern(tmp_path: Path, golden_cases: Path) -> None:
    image = next(golden_cases.glob("img_*/*.png"))
    (tmp_path / "list.txt").write_text(f"{image}\n")
    assert find_images(None) == []
    for given in (image, tmp_path / "list.txt", image.parent, f"{image.parent}/*.png"):
        assert find_images(str(given)) == [image]
    with pytest.raises(DataError):
        find_images(str(tmp_path / "*.png"))
    for number in range(10):
        (tmp_path / "many" / f"{number}.png").parent.mkdir(exist_ok=True)
        (tmp_path / "many" / f"{number}.png").write_bytes(image.read_bytes())
    assert [path.stem for path in find_images(str(tmp_path / "many"), 4)] == ["0", "2", "5", "7"]
