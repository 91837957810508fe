"""`csptrain detector demo` on a film, and the heat map of `csptrain detector test`."""

from __future__ import annotations

import json
import threading
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain import graph
from csptrain.cfg import text
from csptrain.cli.main import main
from csptrain.evaluate.look import look
from csptrain.formats.darknet import load, save_weights
from csptrain.live import server as server_module
from csptrain.ops.decode import Detections
from csptrain.report.heat import Heat, draw_heat, heat_maps
from tests import tiny
from tests.live.film import write_film
from tests.plans import random_images

FILES = ("x.data", "x.cfg", "x.weights")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory with a film of four frames and a network that finds something everywhere."""
    monkeypatch.chdir(tmp_path)
    Path("x.data").write_text("classes=2\n")
    Path("x.cfg").write_text(tiny.cfg())
    save_weights(load("x.cfg"), "x.weights")
    write_film(tmp_path / "a.avi")
    return tmp_path


def demo(*words: str, code: int = 0) -> None:
    assert main(["detector", "demo", *FILES, *words, "-thresh", ".001"]) == code


def test_what_is_written_of_a_film(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo("a.avi", "-out_filename", "out.avi", "-out", "r.json", "-prefix", "f/x", "-ext_output")
    out, err = capsys.readouterr()
    assert out.startswith("video file: a.avi\nVideo stream: 48 x 40\nObjects:\n\nclass")
    assert out.count("\nFPS:") == 4
    assert "wrote out.avi\nwrote r.json\n" in err
    frames = json.loads(Path("r.json").read_text())
    assert [frame["frame_id"] for frame in frames] == [1, 2, 3, 4]
    assert frames[0]["filename"] == "a.avi" and frames[0]["objects"]
    film = cv2.VideoCapture("out.avi")
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 4 and film.get(cv2.CAP_PROP_FPS) == 10
    assert [path.name for path in sorted(Path("f").iterdir())] == [f"x_{number:08d}.jpg" for number in range(1, 5)]


def test_the_film_is_the_same_as_its_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo("a.avi", "-out", "r.json", "-prefix", "f/x", "-dontdraw_bbox")
    film = cv2.VideoCapture("a.avi")
    for number in range(4):
        cv2.imwrite(f"{number}.png", film.read()[1])
    assert main(["detector", "test", *FILES, *(f"{k}.png" for k in range(4)), "-thresh", ".001", "-out", "t.json"]) == 0
    of_film, of_pictures = (json.loads(Path(name).read_text()) for name in ("r.json", "t.json"))
    assert [frame["objects"] for frame in of_film] == [frame["objects"] for frame in of_pictures]
    assert cv2.imread("f/x_00000001.jpg").shape == (40, 48, 3)


def test_frames_are_passed_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo("a.avi", "-s", "2", "-out", "r.json")
    assert len(json.loads(Path("r.json").read_text())) == 2
    demo("a.avi", "-time_limit_sec", "1", "-out", "r.json")


def test_objects_keep_their_numbers_over_the_film(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two squares run through each other; the detector that stands in here misses one of them for a frame."""

    def find_squares(plan: object, detect: object, pixels: np.ndarray, thresh: float, nms: float) -> object:
        frame = round((float(pixels.mean()) - 40) / 30)  # each frame of the film is brighter by 30
        boxes = np.array([(0.3 + 0.1 * frame, 0.5, 0.3, 0.3), (0.7 - 0.1 * frame, 0.5, 0.3, 0.3)], np.float32)
        prob = np.diag([0.9, 0.8]).astype(np.float32)
        seen = np.array([1] if frame == 2 else [0, 1])
        return Detections(boxes, prob.max(1), prob).take(seen), 0.0

    words: list[str] = []

    def note_words(picture: np.ndarray, boxes: object, labels: object, said: list[str]) -> np.ndarray:
        words.extend(said)
        return picture

    monkeypatch.setattr("csptrain.evaluate.look.look", find_squares)
    monkeypatch.setattr("csptrain.report.draw.draw_boxes", note_words)
    demo("a.avi", "--track", "-out", "r.json", "-prefix", "f/x", "--json", "--quiet")
    out, err = capsys.readouterr()
    frames = json.loads(Path("r.json").read_text())
    assert [json.loads(line) for line in out.splitlines()] == frames and err == ""
    found = [[(one["class_id"], one["track_id"]) for one in frame["objects"]] for frame in frames]
    assert found == [[(0, 1), (1, 2)], [(0, 1), (1, 2)], [(1, 2)], [(0, 1), (1, 2)]]
    assert words[:3] == ["class1 #2 0.80", "class0 #1 0.90", "class1 #2 0.80"]
    demo("a.avi", "--track", "--track-buffer", "0", "-out", "r.json")
    (first, second) = json.loads(Path("r.json").read_text())[3]["objects"]
    assert (first["track_id"], second["track_id"]) == (3, 2)
    demo("a.avi", "-out", "r.json")
    assert "track_id" not in json.loads(Path("r.json").read_text())[0]["objects"][0]


def test_the_streams_of_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A listener that comes before the first frame gets all that follows; the run waits for it here."""
    answers: dict[str, bytes] = {}
    readers: list[threading.Thread] = []
    opened = server_module.Broadcast.__init__

    def open_and_listen(self: server_module.Broadcast, port: int) -> None:
        opened(self, port)
        response = urllib.request.urlopen(self.address, timeout=10)

        def read() -> None:
            answers[response.headers["Content-Type"]] = response.read()

        readers.append(threading.Thread(target=read))
        readers[-1].start()
        while not self.messages._changed._waiters:  # type: ignore[attr-defined]
            pass

    monkeypatch.setattr(server_module.Broadcast, "__init__", open_and_listen)
    demo("a.avi", "-json_port", "0", "-mjpeg_port", "0")
    for reader in readers:
        reader.join(timeout=5)
    frames = json.loads(answers["application/json"])
    assert [frame["frame_id"] for frame in frames] == [1, 2, 3, 4]
    film = answers["multipart/x-mixed-replace; boundary=csptrain"]
    assert film.startswith(b"--csptrain\r\nContent-Type: image/jpeg\r\n") and b"\xff\xd8" in film


def test_what_was_written_stays_where_the_user_stops(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []

    def look_twice(*arguments: object) -> object:
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return look(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("csptrain.evaluate.look.look", look_twice)
    demo("a.avi", "-out", "r.json", "-out_filename", "o.avi", code=130)
    assert len(json.loads(Path("r.json").read_text())) == 2
    assert cv2.VideoCapture("o.avi").get(cv2.CAP_PROP_FRAME_COUNT) == 2
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["gone.avi"], 1, "gone.avi: no such video"),
        (["a.avi", "b.avi"], 2, "takes one video: found 'b.avi'"),
        (["a.avi", "-out_filename", "x.gif"], 1, "'.gif' is no kind of video"),
        (["a.avi", "-json_port", "99999"], 1, "port 99999 cannot be opened"),
        (["a.avi", "-json_port", "x"], 2, "no integer"),
        (["a.avi", "--track-buffer", "9"], 2, "--track-buffer is for --track"),
        (["x.cfg"], 1, "cannot be opened as a video"),
    ],
)
def test_mistakes_leave_nothing(
    words: list[str], code: int, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    demo(*words, code=code)
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_heat_of_every_cell(folder: Path) -> None:
    network = load("x.cfg", "x.weights")
    outputs = network(random_images(network))
    (heat,) = heat_maps(network.graph, outputs)
    objectness = outputs[0][0].detach().reshape(2, 7, 4, 4)[:, 4].amax(0).numpy()
    assert (heat.layer, heat.stride) == (4, 8)
    np.testing.assert_allclose(heat.values, objectness, rtol=1e-6)


@pytest.mark.parametrize("letter_box", [0, 1])
def test_the_warm_cell_lies_on_its_object(letter_box: int) -> None:
    planned = graph.plan(text.parse(tiny.cfg(net=f"letter_box={letter_box}"), "x.cfg"))
    values = np.zeros((4, 4), np.float32)
    values[2, 2] = 0.5
    drawn = draw_heat(planned, np.zeros((160, 320, 3), np.uint8), [Heat(4, 8, values)])[22:]
    warmth = drawn.sum(axis=2)
    bright = np.argwhere(warmth > 0.8 * warmth.max())
    y, x = bright.mean(axis=0) / drawn.shape[:2]
    # A letterbox of a picture twice as wide as high shows it in the middle half of the map.
    expected = (2.5 / 4 - 0.25) * 2 if letter_box else 2.5 / 4
    assert abs(x - 2.5 / 4) < 0.06 and abs(y - expected) < 0.06
    strip = draw_heat(planned, np.zeros((600, 1, 3), np.uint8), [Heat(4, 8, values)])
    assert strip.shape == (4800 + 22, 8, 3)  # not 320 pixels wide, which no JPEG could hold


def test_heat_maps_are_written_beside_the_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write_images(Path("pics"), 2)
    assert main(["detector", "test", *FILES, "pics", "--heatmap", "--output", "o"]) == 0
    assert sorted(path.name for path in Path("o").iterdir()) == ["00.jpg", "00_heat.jpg", "01.jpg", "01_heat.jpg"]
    assert main(["detector", "test", *FILES, "pics/00.png", "--heatmap"]) == 0
    assert cv2.imread("predictions_heat.jpg").shape[1] == 320
