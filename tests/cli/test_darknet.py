"""Command lines of the field, typed for Darknet: each runs on tiny data, or is answered with what replaces it."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from csptrain.cli import classifier_train, detector_train
from csptrain.cli.darknet import main, translate
from tests.cli.darknet_world import furnish
from tests.live.film import camera_shows_a_film

#: Lines that run: those of Darknet's own help and of its users' scripts and questions.
RUN = """
darknet detector train data/obj.data yolo-obj.cfg yolov4.conv.137
darknet detector train data/obj.data yolo-obj.cfg yolov4.conv.137 -map
darknet detector train data/obj.data yolo-obj.cfg yolov4.conv.137 -dont_show -mjpeg_port 8090 -map
darknet detector train data/obj.data cfg/yolov4-custom.cfg backup/yolov4-custom_last.weights -dont_show -map -clear
darknet detector train cfg/coco.data cfg/yolov3.cfg darknet53.conv.74 -gpus 0,1,2,3
darknet detector train cfg/coco.data cfg/yolov3.cfg backup/yolov3.backup -gpus 0,1,2,3
darknet detector train cfg/voc.data cfg/yolov4-tiny.cfg yolov4-tiny.conv.29 -i 0 -map -mAP_epochs 2
./darknet detector train data/voc.data cfg/yolov4-tiny.cfg -gpus 0 -json_port 8070 -mjpeg_port 8090
darknet.exe detector train data/obj.data yolo-obj.cfg yolov4.conv.137 -show_imgs -thresh 0.5 -iou_thresh 0.6 -points 101
darknet detector train data/obj.data yolo-obj.cfg -chart chart.png -benchmark_layers -dont_show
darknet detector -map -dont_show train animals.data animals.cfg
darknet detector test cfg/coco.data cfg/yolov4.cfg yolov4.weights -thresh 0.25 data/dog.jpg
darknet detector test cfg/coco.data cfg/yolov4.cfg yolov4.weights -ext_output dog.jpg
darknet detector test cfg/coco.data cfg/yolov3-tiny.cfg yolov3-tiny.weights data/dog.jpg -i 0 -thresh 0.1 -nogpu
darknet detector test cfg/coco.data cfg/yolov4.cfg yolov4.weights -ext_output -dont_show -out r.json < data/train.txt
darknet detector test cfg/coco.data yolov3.cfg yolov3.weights -dont_show -ext_output < data/train.txt > result.txt
darknet detector test cfg/coco.data cfg/yolov4.cfg yolov4.weights -thresh 0.2 -dont_show -save_labels < data/new.txt
darknet detector test cfg/coco.data cfg/yolov4.cfg yolov4.weights data/dog.jpg -letter_box -hier 0.5 -benchmark_layers
darknet detector valid cfg/coco.data cfg/yolov4.cfg yolov4.weights
darknet detector valid cfg/voc.data cfg/yolov3-voc.cfg backup/yolov3-voc_last.weights -out comp4_det_test_ -thresh 0.001
darknet detector recall cfg/obj.data yolo-obj.cfg backup/yolo-obj_2000.weights -thresh 0.25
darknet detector map data/obj.data yolo-obj.cfg backup/yolo-obj_7000.weights
darknet detector map data/obj.data yolo-obj.cfg backup/yolo-obj_8000.weights -iou_thresh 0.75 -points 11 -letter_box
darknet detector calc_anchors data/obj.data -num_of_clusters 2 -width 416 -height 416
darknet detector calc_anchors data/obj.data -num_of_clusters 2 -width 416 -height 416 -show -dont_show
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights -ext_output test.mp4
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights test.mp4 -out_filename res.avi -dont_show
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights -c 0
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights http://192.168.0.80:8080/video?dummy=param.mjpg
darknet detector demo cfg/coco.data cfg/yolov3.cfg yolov3.weights rtsp://login:pass@192.168.0.228:554 -i 0
darknet detector demo data/obj.data cfg/a.cfg a.weights "v4l2src ! videoconvert ! appsink" -ext_output -dont_show
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights test50.mp4 -json_port 0 -mjpeg_port 0 -ext_output
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights test.mp4 -json_file_output r.json -time_limit_sec 60
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights test.mp4 -http_post_host 10.0.0.1 -avgframes 3 -s 1
darknet detector demo cfg/coco.data cfg/yolov4.cfg yolov4.weights test.mp4 -prefix frames/out -dontdraw_bbox -benchmark
darknet detect cfg/yolov4.cfg yolov4.weights data/dog.jpg
darknet detect cfg/yolov3.cfg yolov3.weights data/dog.jpg -thresh 0
darknet classifier train cfg/imagenet1k.data cfg/csresnext50.cfg -topk -dont_show
darknet classifier train cfg/imagenet1k.data cfg/darknet19.cfg darknet19.weights -gpus 0,1 -clear -dontuse_opencv
darknet classifier valid cfg/imagenet1k.data cfg/csresnext50.cfg csresnext50.weights
darknet classifier valid10 cfg/imagenet1k.data cfg/csresnext50.cfg csresnext50.weights -i 0
darknet classifier validfull cfg/imagenet1k.data cfg/darknet19.cfg darknet19.weights -topk
darknet classifier predict cfg/imagenet1k.data cfg/darknet19.cfg darknet19.weights data/dog.jpg
darknet classifier predict cfg/imagenet1k.data cfg/darknet19.cfg darknet19.weights data/dog.jpg -t 5 -benchmark
darknet classify cfg/tiny.cfg tiny.weights data/dog.jpg
darknet partial cfg/yolov4.cfg yolov4.weights yolov4.conv.out 1
darknet average cfg/yolov4.cfg mean.weights yolov4_1000.weights yolov4_2000.weights
darknet ops cfg/yolov4.cfg
darknet speed cfg/yolov4.cfg 2
darknet statistics cfg/yolov4.cfg yolov4.weights
darknet rgbgr cfg/yolov4.cfg yolov4.weights swapped.weights
darknet denormalize cfg/yolov4.cfg yolov4.weights folded.weights
darknet version
darknet help
""".strip().splitlines()

#: Lines that are answered, and with what.
ANSWERED = {
    "darknet imtest data/eagle.jpg": "csptrain reads pictures with OpenCV",
    "darknet yolo test cfg/yolov1/yolo.cfg yolov1.weights data/dog.jpg": "`csptrain detector` runs every detector",
    "darknet coco valid cfg/yolov1/yolo-coco.cfg yolov1.weights": "`csptrain detector` with a data file",
    "darknet nightmare cfg/jnet-conv.cfg jnet-conv.weights data/scream.jpg 10": "is not supported",
    "darknet rnn generate cfg/rnn.cfg grrm.weights -srand 0 -seed CHAPTER": "trains on pictures, not on text",
    "darknet visualize cfg/vgg-16.cfg vgg-16.weights": "`csptrain statistics`",
    "darknet cfglayers yolov4.cfg": "is `csptrain cfg info net.cfg` here",
    "darknet classifier validcrop cfg/imagenet1k.data cfg/darknet19.cfg d.weights": "is `csptrain classifier valid`",
    "darknet classifier demo cfg/imagenet1k.data cfg/darknet19.cfg d.weights": "no video or camera",
    "darknet cifar train cfg/cifar.cfg": "`csptrain classifier train` takes CIFAR as pictures",
    "darknet oneoff cfg/a.cfg a.weights b.weights": "is not supported",
    "darknet detector trian data/obj.data yolo-obj.cfg": "unknown detector command 'trian' (did you mean train?)",
    "darknet detector train data/obj.data yolo-obj.cfg -dontshow": "did you mean -dont_show?",
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a camera that shows a short film; trainings end before their first iteration."""
    monkeypatch.chdir(tmp_path)
    camera_shows_a_film(monkeypatch, tmp_path / "camera")
    for verb in (detector_train, classifier_train):
        monkeypatch.setattr(verb, "train", lambda job, course: SimpleNamespace(best_map=0.0, code=0))
    return tmp_path


def outcome(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    words, typed = furnish(line)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    capsys.readouterr()
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("line", RUN)
def test_a_line_of_the_field_runs(
    line: str, world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = outcome(line, monkeypatch, capsys)
    assert code == 0, err
    assert "error" not in err
    assert out or "calc_anchors" in line


@pytest.mark.parametrize("line", ANSWERED)
def test_a_line_that_cannot_run_is_answered(
    line: str, world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = outcome(line, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert ANSWERED[line] in err and err.count("\n") == 1


def test_there_are_as_many_lines_as_promised() -> None:
    assert len(set(RUN)) + len(ANSWERED) >= 60


def test_the_installed_commands_exist(repository: Path) -> None:
    table = (repository / "pyproject.toml").read_text().split("[project.scripts]\n")[1].split("\n\n")[0]
    places = dict(line.replace('"', "").split(" = ") for line in table.splitlines())
    assert set(places) == {"csptrain", "darknet"}
    for module, function in (place.split(":") for place in places.values()):
        assert callable(getattr(import_module(module), function))


def test_results_lie_where_darknet_puts_them(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = {
        "darknet detector test x.data x.cfg x.weights dog.jpg -out result.json": ["predictions.jpg", "result.json"],
        "darknet detector demo x.data x.cfg x.weights a.mp4 -out_filename res.avi -prefix f": [
            "res.avi",
            "f_00000003.jpg",
        ],
        "darknet detector calc_anchors x.data -num_of_clusters 2 -width 32 -height 32": ["anchors.txt"],
        "darknet partial x.cfg x.weights x.conv.out 1": ["x.conv.out"],
    }
    for line, files in lines.items():
        assert outcome(line, monkeypatch, capsys)[0] == 0
        assert [name for name in files if not Path(name).is_file()] == []


def test_the_demo_prints_as_darknet_does(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "darknet detector demo x.data x.cfg x.weights a.mp4 -thresh 0.001 -ext_output"
    code, out, _ = outcome(line, monkeypatch, capsys)
    assert code == 0
    assert out.startswith("video file: a.mp4\nVideo stream: 48 x 40\nObjects:\n\n")
    first = out.split("Objects:\n\n")[1].splitlines()
    assert first[0].split(":")[0] in ("red", "blue") and "(left_x:" in first[0]
    assert first[-2].startswith("FPS:") and " \t AVG_FPS:" in first[-2] and first[-3] == ""
    assert out.count("FPS:") == 6


@pytest.mark.parametrize(
    ("typed", "meant", "note"),
    [
        ("detector -map train a.data a.cfg -dont_show", "detector train a.data a.cfg -map -dont_show", ""),
        ("detector train a.data a.cfg -avgframes 3", "detector train a.data a.cfg", "-avgframes has no effect"),
        ("detector test a.data a.cfg a.weights -nogpu", "detector test a.data a.cfg a.weights --device cpu", ""),
        ("detector train a.data -map a.cfg --seed 3", "detector train a.data a.cfg --seed 3 -map", ""),
        ("partial a.cfg a.weights b 3", "partial a.cfg a.weights b 3", ""),
        ("", "", ""),
    ],
)
def test_lines_are_translated(typed: str, meant: str, note: str) -> None:
    words, notes = translate(typed.split())
    assert words == meant.split()
    assert note in "".join(notes) and bool(note) == bool(notes)
