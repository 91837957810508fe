"""A Darknet program is run in a folder of its own, within its time, and what it answers is read or told as it is."""

from __future__ import annotations

import os
import select
from pathlib import Path

import numpy as np
import pytest

from csptrain.formats.darknet_program import DarknetError, DarknetProgram, Pixels

FRAME = (
    '{"frame_id":1, \n "filename":"0.png", \n "objects": [ \n'
    '  {"class_id":1, "name":"1", "relative_coordinates":{"center_x":0.250000, "center_y":0.500000, "width":0.125000, '
    '"height":-0.000001}, "confidence":0.750000}\n ] \n}'
)
PICTURE: Pixels = np.zeros((3, 5, 3), np.uint8)


def program(folder: Path, script: str, seconds: float = 60) -> DarknetProgram:
    path = folder / "darknet"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return DarknetProgram.find(path, seconds)


def answering(folder: Path, text: str) -> DarknetProgram:
    (folder / "answer").write_text(text)
    return program(folder, f"cp '{folder}/answer' result.json")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "some.weights"
    path.write_bytes(b"weights")
    return path


def test_what_it_is_given_and_where_it_runs(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "data" / "labels").mkdir(parents=True)
    script = f"echo \"$@\" > '{tmp_path}/words'; cat > '{tmp_path}/asked'; cp -L * '{tmp_path}/seen'; ls data >> seen"
    (tmp_path / "seen").mkdir()
    with pytest.raises(DarknetError, match="writes no result file"):
        program(tmp_path, f"{script}; pwd > '{tmp_path}/where'").detect("[net]\n", weights, [PICTURE] * 2, 2, 0.1)
    assert (tmp_path / "words").read_text() == (
        "detector test net.data net.cfg net.weights -thresh 0.1 -dont_show -ext_output -out result.json\n"
    )
    assert (tmp_path / "asked").read_text() == "0.png\n1.png\n"
    seen = tmp_path / "seen"
    assert (seen / "net.cfg").read_text() == "[net]\n"
    assert (seen / "net.weights").read_bytes() == b"weights"
    assert (seen / "net.data").read_text() == "classes=2\nnames=net.names\n"
    assert (seen / "net.names").read_text() == "0\n1\n"
    assert (seen / "1.png").read_bytes().startswith(b"\x89PNG")
    assert not Path((tmp_path / "where").read_text().strip()).exists()


def test_objects_are_read(tmp_path: Path, weights: Path) -> None:
    empty = FRAME.replace("0.png", "1.png").split('"objects"')[0] + '"objects": [ \n\n ] \n}'
    found, nothing = answering(tmp_path, f"[\n{FRAME}, \n{empty}\n]").detect("", weights, [PICTURE] * 2, 2, 0.1)
    assert found.prob.tolist() == [[0.0, 0.75]] and found.objectness.tolist() == [0.75]
    assert found.boxes.tolist() == np.array([[0.25, 0.5, 0.125, -0.000001]], np.float32).tolist()
    assert nothing.boxes.shape == (0, 4) and nothing.prob.shape == (0, 2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("]", "", "not JSON"),
        ("0.750000", "-nan", "not JSON"),
        (f"[{FRAME}]", "{}", "not Darknet's: KeyError '0.png'"),
        (f"[{FRAME}]", "3", "not Darknet's: TypeError"),
        ("0.png", "7.png", "not Darknet's: KeyError '0.png'"),
        ("center_y", "middle", "not Darknet's: KeyError 'center_y'"),
        ("0.250000", "[1, 2]", "not Darknet's: ValueError"),
        ('"class_id":1', '"class_id":2', "ValueError an object of class 2"),
    ],
)
def test_what_is_no_answer_of_darknet(tmp_path: Path, weights: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(DarknetError, match=words):
        answering(tmp_path, f"[{FRAME}]".replace(old, new)).detect("", weights, [PICTURE], 2, 0.1)


def test_probabilities_are_read(tmp_path: Path, weights: Path) -> None:
    lines = ["1: ?", "Enter Image Path: 0.png: Predicted in 1.0 milli-seconds.", "1: 0.750000", "0: 0.250000", "Enter "]
    said = "\\n".join(lines)
    (found,) = program(tmp_path, f"printf '{said}'").classify("", weights, [PICTURE], 2)
    assert found.tolist() == [0.25, 0.75]
    with pytest.raises(DarknetError, match="prints 2 of 3 probabilities for picture 0; it says: Enter"):
        program(tmp_path, f"printf '{said}'").classify("", weights, [PICTURE], 3)
    with pytest.raises(DarknetError, match="prints 0 of 2 probabilities for picture 1"):
        program(tmp_path, f"printf '{said}'").classify("", weights, [PICTURE] * 2, 2)


def test_what_it_says_when_it_fails_is_kept_without_colours(tmp_path: Path, weights: Path) -> None:
    for script, words in (
        ("exit 3", "ends with exit code 3; it says nothing"),
        ("echo out; kill -SEGV $$", r"crashes \(signal 11\); it says: out"),
        ("echo out; printf '\\033[1;31mno \\007memory\\033[0m\\n\\n' >&2; exit 1", "exit code 1; it says: no memory"),
    ):
        with pytest.raises(DarknetError, match=words):
            program(tmp_path, script).detect("", weights, [PICTURE], 2, 0.1)
    with pytest.raises(DarknetError) as caught:
        program(tmp_path, "echo An error; seq 80 >&2; echo No Error: 7 >&2; seq 3 >&2; exit 1").detect(
            "", weights, [PICTURE], 2, 0.1
        )
    assert caught.value.tail == (*map(str, range(55, 81)), "No Error: 7", "1", "2", "3")
    assert caught.value.message == "ends with exit code 1; it says: No Error: 7"


def test_one_that_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path, weights: Path) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    try:
        slow = program(tmp_path, f"exec 3>'{alive}'; sleep 600 & echo here >&3; wait", seconds=1)
        with pytest.raises(DarknetError, match="has not ended within 1 seconds"):
            slow.detect("", weights, [PICTURE], 2, 0.1)
        assert os.read(reader, 100) == b"here\n"
        # The other end is open as long as one of its processes lives.
        assert select.select([reader], [], [], 20)[0] and os.read(reader, 100) == b""
    finally:
        os.close(reader)


def test_what_cannot_be_run(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "text").write_text("")
    (tmp_path / "noise").write_bytes(b"\x00\x01")
    (tmp_path / "noise").chmod(0o755)
    for name, words in (("nowhere", "no such program"), ("text", "is not executable"), ("", "is not executable")):
        with pytest.raises(DarknetError, match=words):
            DarknetProgram.find(tmp_path / name)
    with pytest.raises(DarknetError, match="cannot be started: Exec format error"):
        DarknetProgram.find(tmp_path / "noise").detect("", weights, [PICTURE], 2, 0.1)


def test_a_name_on_the_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, "").path
    monkeypatch.setenv("PATH", str(tmp_path))
    assert DarknetProgram.find(Path("darknet")).path == path
