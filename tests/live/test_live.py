"""Sources, files that grow, streams and the counting of frames."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.errors import DataError
from csptrain.live import server as server_module
from csptrain.live.pace import Pace
from csptrain.live.record import frame_list, growing, video_file
from csptrain.live.server import JsonBroadcast, MjpegBroadcast, broadcasting
from csptrain.live.source import Source, open_source
from tests.live.film import write_film


def test_a_file_gives_every_frame(tmp_path: Path) -> None:
    source = open_source(str(write_film(tmp_path / "a.avi")), 0)
    frames = list(source.frames())
    assert (source.size, source.rate, source.live, len(frames)) == ((48, 40), 10.0, False, 4)
    assert [abs(int(frame.mean()) - 40 - 30 * number) <= 3 for number, frame in enumerate(frames)] == [True] * 4
    source.close()


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (48, 40))
    writer.write(np.full((40, 48, 3), (20, 60, 220), np.uint8))
    writer.release()
    (frame,) = open_source(str(path), 0).frames()
    assert np.abs(frame.reshape(-1, 3).mean(axis=0) - (220, 60, 20)).max() < 8


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("gone.mp4", "gone.mp4: no such video"),
        (__file__, "cannot be opened as a video"),
        ("4242", "camera 4242: cannot be opened as a video"),
    ],
)
def test_what_cannot_be_opened_is_told(word: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=message):
        open_source(word, 0)
    assert capfd.readouterr().err == ""  # nothing of OpenCV's own


class SlowReader:
    """A camera whose frames are numbered and come every five milliseconds."""

    def __init__(self, frames: int) -> None:
        self.left = frames
        self.released = False

    def get(self, what: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, np.ndarray]:
        time.sleep(0.005)
        self.left -= 1
        return self.left >= 0, np.full((2, 2, 3), (200 - self.left) % 256, np.uint8)

    def release(self) -> None:
        self.released = True


def test_of_a_camera_only_the_newest_frame_is_taken() -> None:
    camera = SlowReader(40)
    source = Source(camera, "camera 0", live=True)  # type: ignore[arg-type]
    seen = []
    for frame in source.frames():
        seen.append(int(frame[0, 0, 0]))
        time.sleep(0.05)
    assert seen == sorted(seen) and seen[-1] == 200
    assert len(seen) < 30
    source.close()
    assert (source.rate, camera.released) == (25.0, True)


def test_a_camera_may_be_left_early() -> None:
    camera = SlowReader(10_000)
    frames = Source(camera, "camera 0", live=True).frames()  # type: ignore[arg-type]
    next(frames)
    frames.close()
    left = camera.left
    time.sleep(0.05)
    assert left - camera.left <= 1


@pytest.mark.parametrize("name", ["out.avi", "out.mp4"])
def test_a_video_is_written_and_read_back(name: str, tmp_path: Path) -> None:
    with video_file(tmp_path / name, 10.0) as video:
        video.add(np.full((40, 48, 3), (220, 60, 20), np.uint8))
        video.add(np.full((40, 48, 3), (220, 60, 20), np.uint8))
        video.add(np.full((20, 24, 3), (220, 60, 20), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    frames = list(open_source(str(tmp_path / name), 0).frames())
    assert len(frames) == 3
    assert all(np.abs(frame.reshape(-1, 3).mean(axis=0) - (220, 60, 20)).max() < 12 for frame in frames)


def test_no_kind_of_video(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'\.gif' is no kind of video \(legal: \.avi"), video_file(Path("a.gif"), 10):
        pass


def test_a_growing_file_appears_at_the_end_or_where_the_user_stops(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with growing(path) as fresh:
        fresh.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    with pytest.raises(KeyboardInterrupt), growing(path) as fresh:
        fresh.write_text("stopped")
        raise KeyboardInterrupt
    assert path.read_text() == "stopped"
    with pytest.raises(ZeroDivisionError), growing(path) as fresh:
        fresh.write_text("half")
        raise ZeroDivisionError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["stopped"]
    with pytest.raises(DataError, match="cannot be written"), growing(path / "below.txt"):
        pass


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_of_frames_is_json(count: int, tmp_path: Path) -> None:
    with frame_list(tmp_path / "r.json") as frames:
        for number in range(count):
            frames.add({"frame_id": number})
    assert json.loads((tmp_path / "r.json").read_text()) == [{"frame_id": number} for number in range(count)]


def ask(port: int, host: str = "127.0.0.1") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/", headers={"Host": f"{host}:{port}"})
    return connection.getresponse()


def wait_for_listeners(server: server_module.Broadcast, count: int) -> None:
    """Until so many have begun to wait."""
    for _ in range(200):
        if len(server.messages._changed._waiters) >= count:  # type: ignore[attr-defined]
            return
        time.sleep(0.01)
    raise AssertionError("nobody listens")


def test_detections_are_streamed_as_a_json_list() -> None:
    server = JsonBroadcast(0)
    answer: list[object] = []
    with broadcasting(server):
        response = ask(server.server_address[1])
        assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
        reader = threading.Thread(target=lambda: answer.append(json.loads(response.read())))
        reader.start()
        wait_for_listeners(server, 1)
        for number in range(3):
            server.send({"frame_id": number})
    reader.join(timeout=5)
    assert answer == [[{"frame_id": 0}, {"frame_id": 1}, {"frame_id": 2}]]


def test_frames_are_streamed_as_mjpeg() -> None:
    server = MjpegBroadcast(0)
    with broadcasting(server):
        response = ask(server.server_address[1])
        assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=csptrain"
        wait_for_listeners(server, 1)
        server.send(b"\xff\xd8picture")
        assert response.readline() == b"--csptrain\r\n"
        assert response.readline() == b"Content-Type: image/jpeg\r\n"
        assert response.readline() == b"Content-Length: 9\r\n"
        assert response.readline() == b"\r\n"
        assert response.read(9) == b"\xff\xd8picture"


def test_a_stream_is_for_this_machine_and_for_a_few() -> None:
    server = MjpegBroadcast(0)
    port = server.server_address[1]
    with broadcasting(server):
        assert server.server_address[0] == "127.0.0.1"
        assert ask(port, "evil.example").status == 403
        listening = [ask(port, "localhost") for _ in range(server_module.MOST)]
        assert {response.status for response in listening} == {200}
        assert ask(port).status == 503


def test_a_port_in_use_is_told() -> None:
    server = JsonBroadcast(0)
    port = server.server_address[1]
    with broadcasting(server), pytest.raises(DataError, match=f"port {port} cannot be opened"):
        JsonBroadcast(port)
    with pytest.raises(DataError, match="port 70000 cannot be opened"):
        JsonBroadcast(70000)


def test_the_pace_is_that_of_the_last_three_seconds() -> None:
    pace = Pace()
    start = pace._ends[0]
    for number in range(1, 100):
        pace.frame(start + number / 10)
        assert (pace.average > 0) == (number > 30)
    assert pace.now == pytest.approx(10, rel=1e-3)
    assert pace.average == pytest.approx(10, rel=1e-3)
