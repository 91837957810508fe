"""``csptrain verify --darknet`` as typed, against programs that answer as Darknet does, and against Darknet itself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from csptrain.cli.main import main
from csptrain.datasets.image import load_image, to_planes
from csptrain.datasets.views import centre_crop
from csptrain.evaluate.classification import torch_classifier
from csptrain.evaluate.detect import torch_detector
from csptrain.evaluate.look import look
from csptrain.formats.darknet import load, save_weights
from csptrain.report.records import frame
from tests import tiny, tiny_classes
from tests.formats.networks import from_text

Change = Callable[[list[dict[str, Any]]], None]


@pytest.fixture
def darknet() -> str:
    place = os.environ.get("CSPTRAIN_DARKNET")
    if not place:
        pytest.skip("needs AlexeyAB's darknet executable, named by CSPTRAIN_DARKNET")
    return place


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A detector, its weights and two pictures."""
    save_weights(from_text(tmp_path, tiny.cfg()), tmp_path / "net.weights")
    tiny.write_images(tmp_path / "images", 2)
    return [str(tmp_path / "net.cfg"), str(tmp_path / "net.weights"), str(tmp_path / "images"), "-thresh", "0.2"]


@pytest.fixture
def answer(words: list[str]) -> list[dict[str, Any]]:
    """What csptrain finds, as the result file of a Darknet that computes the same."""
    network = load(words[0], words[1])
    detect = torch_detector(network)
    found = [
        look(network.graph, detect, load_image(path), 0.2, 0.45)[0] for path in sorted(Path(words[2]).glob("*.png"))
    ]
    frames: list[dict[str, Any]] = [frame(number + 1, f"{number}.png", one, "01") for number, one in enumerate(found)]
    assert all(len(one["objects"]) > 2 for one in frames)
    return frames


def program(folder: Path, script: str) -> str:
    path = folder / "darknet"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def verify(*given: str) -> int:
    return main(["verify", *given])


def test_a_whole_program_on_random_weights_and_pictures(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.cfg").write_text(tiny.cfg())
    script = f"PYTHONPATH='{repository}' exec '{sys.executable}' -m csptrain \"$@\""
    assert verify(str(tmp_path / "net.cfg"), "--darknet", program(tmp_path, script), "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["agree"] and record["weights"] is None and record["images"] == 0
    found = record["darknet"]
    assert [one["picture"] for one in found["pictures"]] == ["random 32x32", "random 25x19"]
    assert found["ours"] == found["theirs"] > 0 and found["box"] < 2e-6 and found["score"] < 2e-6


def test_the_same_numbers_agree(
    tmp_path: Path, words: list[str], answer: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "answer").write_text(json.dumps(answer))
    assert verify(*words, "--darknet", program(tmp_path, f"cp '{tmp_path}/answer' result.json")) == 0
    said = capsys.readouterr().out
    objects = sum(len(frame["objects"]) for frame in answer)
    assert "objects above 0.2, 32x32" in said and said.endswith("agree within 0.001\n")
    assert said.splitlines()[-2].split()[:3] == ["all", str(objects), str(objects)]


def test_weights_that_end_early_are_completed_for_both(tmp_path: Path, words: list[str]) -> None:
    weights = Path(words[1])
    whole = weights.stat().st_size
    assert verify(*words, "--darknet", program(tmp_path, f"readlink net.weights > '{tmp_path}/given'")) == 1
    assert (tmp_path / "given").read_text() == f"{weights}\n"
    weights.write_bytes(weights.read_bytes()[:-4])
    stand_in = program(tmp_path, f"wc -c < net.weights > '{tmp_path}/given'")
    assert verify(*words, "--partial", "--darknet", stand_in) == 1
    assert int((tmp_path / "given").read_text()) == whole


def _moves(frames: list[dict[str, Any]]) -> None:
    frames[1]["objects"][0]["relative_coordinates"]["width"] += 0.02


def _scores(frames: list[dict[str, Any]]) -> None:
    frames[0]["objects"][0]["confidence"] -= 0.002


def _misses(frames: list[dict[str, Any]]) -> None:
    best = max(frames[0]["objects"], key=lambda found: float(found["confidence"]))
    frames[0]["objects"].remove(best)


def _doubles(frames: list[dict[str, Any]]) -> None:
    frames[0]["objects"].append(frames[0]["objects"][0])


def _mistakes(frames: list[dict[str, Any]]) -> None:
    best = max(frames[1]["objects"], key=lambda found: float(found["confidence"]))
    best["class_id"] = 1 - best["class_id"]


def _swaps(frames: list[dict[str, Any]]) -> None:
    frames[0]["filename"], frames[1]["filename"] = frames[1]["filename"], frames[0]["filename"]


@pytest.mark.parametrize("change", [_moves, _scores, _misses, _doubles, _mistakes, _swaps])
def test_other_numbers_differ(
    tmp_path: Path,
    words: list[str],
    answer: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    change: Change,
) -> None:
    change(answer)
    (tmp_path / "answer").write_text(json.dumps(answer))
    assert verify(*words, "--darknet", program(tmp_path, f"cp '{tmp_path}/answer' result.json")) == 1
    assert capsys.readouterr().out.endswith("DIFFER within 0.001\n")


def test_nothing_to_compare_is_no_agreement(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    frames = ", ".join(f'{{"filename": "{number}.png", "objects": []}}' for number in range(2))
    script = f"echo '[{frames}]' > result.json"
    assert verify(*words[:-1], "1", "--darknet", program(tmp_path, script)) == 1
    assert "there is nothing to compare" in capsys.readouterr().out


def test_a_classifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = from_text(tmp_path, tiny_classes.cfg())
    save_weights(network, tmp_path / "net.weights")
    (picture,) = tiny.write_images(tmp_path, 1)
    view = np.ascontiguousarray(centre_crop(to_planes(load_image(picture)), (24, 24)))
    likely = torch_classifier(network)(torch.from_numpy(view))[0].tolist()
    words = [str(tmp_path / "net.cfg"), str(tmp_path / "net.weights"), str(picture)]
    for wrong, code, verdict in ((0.0, 0, "agree"), (0.002, 1, "DIFFER")):
        lines = [f"{label}: {value + wrong * (label == 3):.6f}" for label, value in enumerate(likely)]
        script = "echo '0.png: Predicted in 1 milli-seconds.'\n" + "\n".join(f"echo '{line}'" for line in lines)
        assert verify(*words, "--darknet", program(tmp_path, script)) == code
        said = capsys.readouterr().out
        assert "probabilities of 10 classes, 24x24" in said and f"{verdict} within 0.001" in said


def test_a_program_that_fails_is_told_in_one_line_with_its_last_words_before(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(*words, "--darknet", program(tmp_path, "echo one >&2; echo two >&2; exit 1")) == 1
    error = capsys.readouterr().err.splitlines()
    assert error == [
        "darknet: one",
        "darknet: two",
        f"csptrain: error: {tmp_path}/darknet: ends with exit code 1; it says: two",
    ]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["net.cfg", "--darknet", "nowhere"], 1, "nowhere: no such program"),
        (["net.cfg", "--darknet", "darknet", "--layers"], 2, "--layers has no effect beside it"),
        (["net.cfg", "--darknet", "darknet", "-thresh", "0.001"], 2, "no objects below 0.005"),
        (["x.data", "net.cfg", "--darknet", "darknet"], 2, "no data file is needed, found x.data"),
        (["net.cfg", "net.weights", "-thresh", "0.1"], 2, "--thresh has no effect without --darknet"),
        (["classes.cfg", "--darknet", "darknet", "-thresh", "0.1"], 2, "--thresh has no effect on a classifier"),
        (["flat.cfg", "--darknet", "darknet"], 1, "unless the input is square and in colour"),
        (["vector.cfg", "--darknet", "darknet"], 1, "takes no pictures"),
        (["film.cfg", "--darknet", "darknet"], 1, "takes sequences of 4 pictures"),
        (["old.cfg", "--darknet", "darknet"], 1, "[detection]: cannot be compared"),
        (["tree.cfg", "--darknet", "darknet"], 1, "a tree of classes cannot be compared"),
    ],
)
def test_what_cannot_be_compared(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    program(tmp_path, "exit 0")
    Path("net.cfg").write_text(tiny.cfg())
    Path("classes.cfg").write_text(tiny_classes.cfg())
    Path("flat.cfg").write_text(tiny_classes.cfg().replace("width=24", "width=32"))
    Path("film.cfg").write_text(tiny.cfg(net="time_steps=4"))
    Path("vector.cfg").write_text("[net]\ninputs=4\n[connected]\noutput=2\nactivation=linear\n[softmax]\n")
    Path("old.cfg").write_text(
        "[net]\nwidth=4\nheight=4\nchannels=3\n[connected]\noutput=6\n[detection]\nside=1\nclasses=1\ncoords=4\n"
    )
    Path("tree.cfg").write_text("[net]\nwidth=1\nheight=1\nchannels=3\n[softmax]\ntree=x.tree\n")
    assert verify(*given) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("cfg", [tiny.cfg(), tiny_classes.cfg()], ids=["boxes", "classes"])
def test_darknet_itself(tmp_path: Path, darknet: str, capsys: pytest.CaptureFixture[str], cfg: str) -> None:
    (tmp_path / "net.cfg").write_text(cfg)
    assert verify(str(tmp_path / "net.cfg"), "--darknet", darknet, "--tolerance", "2e-5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["darknet"]["agree"]
