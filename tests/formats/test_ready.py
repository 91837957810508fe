"""The programs beside an export: they run, and find what csptrain finds; files of other hands stay."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from csptrain import graph
from csptrain.datasets.image import load_image, to_planes
from csptrain.datasets.views import centre_crop
from csptrain.errors import ExportError
from csptrain.evaluate.classification import torch_classifier
from csptrain.evaluate.detect import finish, torch_detector
from csptrain.formats.onnx_export import prepare_onnx
from csptrain.formats.onnx_model import OnnxOptions
from csptrain.formats.opencv_export import export_opencv, network_input
from csptrain.formats.ready import NAMES, OVERLAP, THRESH, Exported, write_ready
from csptrain.formats.weights import save_weights
from csptrain.network import Network
from csptrain.ops.decode import concatenate
from tests.formats.networks import fill, from_text

MAP01 = Path(__file__).resolve().parents[1] / "golden_cases" / "map01_resize"
WORDS = ("ball", 'a "quoted" one', "Zelle ü")
CONV = "[convolutional]\nfilters=5\nsize=3\nstride=4\npad=1\nactivation=leaky\n"
CLASSIFIER = f"[net]\nwidth=20\nheight=16\nchannels=3\n{CONV}[avgpool]\n[softmax]\n"
OBJECT = tuple[int, float, float, float, float, float]


def detector(folder: Path, letter_box: int = 0, kind: str = "default") -> Network:
    """A detector of three classes whose random weights find a lot."""
    yolo = f"[yolo]\nmask={{}}\nanchors=6,8,16,14,30,22\nnum=3\nclasses=3\nnms_kind={kind}\n"
    return from_text(
        folder,
        f"[net]\nwidth=48\nheight=40\nchannels=3\nletter_box={letter_box}\n"
        + CONV.replace("filters=5", "filters=16")
        + "[convolutional]\nfilters=16\nsize=1\nstride=1\nactivation=linear\n"
        + yolo.format("0,1")
        + "[route]\nlayers=0\n[convolutional]\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=linear\n"
        + yolo.format("2"),
    )


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Some of the set's pictures in one that is wide, so that a letterbox has edges and objects are doubled."""
    parts = [cv2.imread(str(MAP01 / f"im{number:02d}.png")) for number in (0, 3)]
    height = min(part.shape[0] for part in parts)
    place = tmp_path / "wide.png"
    cv2.imwrite(str(place), np.concatenate([part[:height] for part in parts], axis=1))
    return place


def export(network: Network, folder: Path, runtime: str, output: str = "boxes", names: tuple[str, ...] = WORDS) -> None:
    if runtime == "opencv":
        export_opencv(network, folder, "net", names=names)
    else:
        pytest.importorskip("onnx", reason="needs the package onnx")
        pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
        prepare_onnx(network, OnnxOptions(output, names=names)).write(folder / "net.onnx")


def found_by_csptrain(network: Network, path: Path) -> list[OBJECT]:
    height, width = cv2.imread(str(path)).shape[:2]
    (candidates,) = torch_detector(network)(network_input(network, path), THRESH)
    found = finish(network.graph, candidates, (width, height), OVERLAP)
    rows = zip(*np.nonzero(found.prob > THRESH), strict=True)
    return sorted((int(k), float(found.prob[row, k]), *map(float, found.boxes[row])) for row, k in rows)


CASES = [
    ("opencv", "boxes", 0, "default"),
    ("opencv", "boxes", 1, "greedynms"),
    ("onnx", "boxes", 0, "diounms"),
    ("onnx", "boxes", 1, "default"),
    ("onnx", "nms", 1, "default"),
]


@pytest.mark.parametrize(("runtime", "output", "letter_box", "kind"), CASES)
def test_the_python_program_finds_what_csptrain_finds(
    tmp_path: Path, picture: Path, runtime: str, output: str, letter_box: int, kind: str
) -> None:
    network = detector(tmp_path, letter_box, kind)
    export(network, tmp_path / "out", runtime, output)
    program = runpy.run_path(str(tmp_path / "out" / "detect.py"))
    pictures = [picture, MAP01 / "im05.png"]
    count = 0
    for path in pictures:
        seen = program["prepare"](program["read"](str(path)))
        np.testing.assert_allclose(seen, network_input(network, path).numpy(), atol=1e-6)
        ours, theirs = found_by_csptrain(network, path), sorted(program["objects"](program["read"](str(path))))
        np.testing.assert_allclose(np.asarray(theirs), np.asarray(ours), atol=1e-4)
        count += len(ours)
    assert count > 10
    assert tuple(program["NAMES"]) == WORDS


def test_opencv_alone_never_letterboxes(tmp_path: Path, picture: Path) -> None:
    """What its own preprocessing finds of a network with letter_box=1, on the raw pair, is elsewhere."""
    network = detector(tmp_path, 1)
    save_weights(network, tmp_path / "net.weights")
    export(network, tmp_path / "out", "opencv")
    program = runpy.run_path(str(tmp_path / "out" / "detect.py"))
    image = cv2.imread(str(picture))
    raw = cv2.dnn.readNetFromDarknet(str(tmp_path / "net.cfg"), str(tmp_path / "net.weights"))
    raw.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (48, 40), swapRB=True))
    rows = np.concatenate(raw.forward(raw.getUnconnectedOutLayersNames()))
    boxes, scores = program["run"](program["prepare"](program["read"](str(picture))))
    with torch.inference_mode():
        outputs = network(network_input(network, picture))
    heads = zip(network.graph.box_heads, outputs, strict=True)
    ours = concatenate([head.decode(output, 48, 40, float("-inf"))[0] for head, output in heads])
    assert np.abs(rows[:, :4] - ours.boxes).max() > 0.05
    assert np.abs(boxes - ours.boxes).max() < 1e-4
    assert np.abs(scores - ours.prob).max() < 1e-4


def test_suppression_is_that_of_the_network(tmp_path: Path) -> None:
    """Boxes that each kind of suppression treats otherwise."""
    boxes = np.asarray([(0.5, 0.5, 0.4, 0.4), (0.62, 0.5, 0.4, 0.4), (0.5, 0.5, 0.36, 0.36)], np.float32)
    kept = {}
    for kind in ("default", "greedynms"):
        export(detector(tmp_path, kind=kind), tmp_path / kind, "opencv")
        program = runpy.run_path(str(tmp_path / kind / "detect.py"))
        kept[kind] = [int(row) for row in program["suppress"](boxes, np.asarray([0.9, 0.8, 0.7]))]
    assert kept == {"default": [0], "greedynms": [0, 1]}


@pytest.mark.parametrize("runtime", ["opencv", "onnx"])
def test_the_python_program_of_a_classifier(tmp_path: Path, picture: Path, runtime: str) -> None:
    network = from_text(tmp_path, CLASSIFIER)
    export(network, tmp_path / "out", runtime, names=("a", "b", "c", "d", "e"))
    program = runpy.run_path(str(tmp_path / "out" / "classify.py"))
    for path in (picture, MAP01 / "im05.png"):
        view = centre_crop(to_planes(load_image(path)), (20, 16))
        seen = program["prepare"](program["read"](str(path)))
        np.testing.assert_allclose(seen, view, atol=1e-6)
        ours = torch_classifier(network)(torch.from_numpy(np.ascontiguousarray(view)))[0].numpy()
        np.testing.assert_allclose(program["run"](seen), ours, atol=1e-5)


def test_a_grey_network_is_given_grey(tmp_path: Path, picture: Path) -> None:
    network = from_text(tmp_path, CLASSIFIER.replace("channels=3", "channels=1"))
    export(network, tmp_path / "out", "opencv", names=())
    done = run_program([sys.executable, "classify.py", str(picture)], tmp_path / "out")
    assert len(done) == 5
    assert {line.split()[1] for line in done} == {f"class{number}" for number in range(5)}


def run_program(words: list[str], folder: Path) -> list[str]:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("runtime", "letter_box"), [("opencv", 1), ("onnx", 0)])
def test_the_programs_in_cpp_are_cpp(tmp_path: Path, runtime: str, letter_box: int) -> None:
    """Checked against declarations of what they use of OpenCV, which need not be installed."""
    if not shutil.which("c++"):
        pytest.skip("needs a C++ compiler")
    for header in ("core", "dnn", "imgcodecs"):
        place = tmp_path / "include" / "opencv2" / f"{header}.hpp"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f'#include "{Path(__file__).with_name("opencv_stub.hpp")}"\n')
    export(detector(tmp_path, letter_box), tmp_path / "detect", runtime)
    names = ["detect"]
    if runtime == "opencv":
        export(from_text(tmp_path, CLASSIFIER), tmp_path / "classify", runtime, names=())
        names.append("classify")
    for name in names:
        words = ["c++", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-std=c++17", "-I", str(tmp_path / "include")]
        assert run_program([*words, f"{name}.cpp"], tmp_path / name) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "letter_box", "kind"), [("opencv", 1, "greedynms"), ("onnx", 0, "default")], ids=["opencv", "onnx"]
)
def test_the_programs_in_cpp_say_what_those_in_python_say(
    tmp_path: Path, picture: Path, runtime: str, letter_box: int, kind: str
) -> None:
    flags = opencv_for_cpp()
    export(detector(tmp_path, letter_box, kind), tmp_path / "detector", runtime)
    export(from_text(tmp_path, CLASSIFIER), tmp_path / "classifier", runtime, names=())
    for folder, name in (("detector", "detect"), ("classifier", "classify")):
        place = tmp_path / folder
        compiler = ["c++", "-O1", "-Wall", "-Wextra", "-Werror", "-std=c++17", f"{name}.cpp", "-o", name]
        assert run_program([*compiler, *flags], place) == []
        pictures = [str(picture), str(MAP01 / "im05.png")]
        theirs = run_program([f"./{name}", *pictures], place)
        ours = run_program([sys.executable, f"{name}.py", *pictures], place)
        assert len(theirs) == len(ours) > 4
        for one, other in zip(ours, theirs, strict=True):
            numbers = 5 if name == "detect" else 1
            assert one.split()[:-numbers] == other.split()[:-numbers]
            assert [float(word) for word in one.split()[-numbers:]] == pytest.approx(
                [float(word) for word in other.split()[-numbers:]], abs=0.11
            )


def opencv_for_cpp() -> list[str]:
    """What a compiler must be told of OpenCV; the test is skipped where either is missing."""
    if not (shutil.which("c++") and shutil.which("pkg-config")):
        pytest.skip("needs a C++ compiler and pkg-config")
    done = subprocess.run(["pkg-config", "--cflags", "--libs", "opencv4"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs OpenCV for C++")
    return done.stdout.split()


def exported(network: Network, output: str = "boxes") -> Exported:
    return Exported(network.graph, "onnx", {"net.onnx": "the model"}, (), output)


def test_files_of_another_hand_stay(tmp_path: Path) -> None:
    stage, folder = tmp_path / "stage", tmp_path / "out"
    folder.mkdir()
    (folder / "README.md").write_text("My own.\n")
    (folder / "detect.py").write_text(exported(detector(tmp_path)).mark)
    (folder / "classify.py").write_text("mine too")
    ready = write_ready(exported(detector(tmp_path)), stage, folder)
    assert sorted(path.name for path in stage.iterdir()) == ["detect.cpp", "detect.py"]
    assert (ready.written, ready.kept) == ((folder / "detect.py", folder / "detect.cpp"), (folder / "README.md",))


def test_a_program_that_the_model_has_no_more_goes(tmp_path: Path) -> None:
    network, out = detector(tmp_path), tmp_path / "out"
    export(network, out, "onnx")
    assert (out / "detect.cpp").exists()
    export(network, out, "onnx", "nms")
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "detect.py", "net.onnx"]
    export(network, out, "onnx", "raw")
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "net.onnx"]
    assert "as Darknet's layer holds it: `2_yolo`, `5_yolo`" in (out / "README.md").read_text()


def test_the_readme_tells_the_preprocessing(tmp_path: Path) -> None:
    for letter_box, words in ((0, "stretched to this size"), (1, "in the middle of grey (0.5)")):
        export(detector(tmp_path, letter_box), tmp_path / "out", "opencv")
        text = (tmp_path / "out" / "README.md").read_text()
        assert "`[1, 3, 40, 48]`, RGB" in text
        assert words in text
        assert "$" not in text.replace("$(pkg-config", "")


def test_names_must_fit(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="2 class names for 3 classes"):
        export_opencv(detector(tmp_path), tmp_path / "out", "net", names=("a", "b"))
    assert not (tmp_path / "out").exists()


def test_no_program_for_what_sees_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "net.cfg"
    path.write_text("[net]\nwidth=1\nheight=1\nchannels=7\n[connected]\noutput=3\nactivation=linear\n")
    ready = write_ready(exported(fill(Network(graph.load(path)))), tmp_path / "stage", tmp_path / "out")
    assert [path.name for path in ready.written] == ["README.md"]
    assert set(NAMES) > {"README.md"}
