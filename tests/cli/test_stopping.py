"""A training that is asked to stop: by signals, by its time limit; and what it says when it goes on."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from csptrain.cli.main import main
from csptrain.cli.progress import Display
from csptrain.cli.stopping import duration
from csptrain.train.log import Record
from tests import tiny


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path)
    (tmp_path / "tiny.cfg").write_text(tiny.cfg(max_batches=6))
    return ["detector", "train", "tiny.data", "tiny.cfg", "--workers", "0", "--device", "cpu", "--resume"]


def signals(monkeypatch: pytest.MonkeyPatch, at: int, *numbers: signal.Signals) -> None:
    """Send signals to this process while iteration ``at`` is told."""
    told = Display.iteration

    def iteration(self: Display, record: Record, hours_left: float) -> None:
        told(self, record, hours_left)
        if record.iteration == at:
            for number in numbers:
                os.kill(os.getpid(), number)

    monkeypatch.setattr(Display, "iteration", iteration)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_stops(
    number: signal.Signals,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*words, "--backup", "whole"]) == 0
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with monkeypatch.context() as patched:
        signals(patched, 2, number)
        assert main(words) == 128 + number
    assert f"stopped after iteration 3 of 6 by {number.name}; --resume goes on" in capsys.readouterr().out
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before
    assert not (tmp_path / "backup" / "tiny_final.weights").exists()
    assert main(words) == 0
    assert "resumed after iteration 3 of 6" in capsys.readouterr().out
    final = [(tmp_path / folder / "tiny_final.weights").read_bytes() for folder in ("whole", "backup")]
    assert final[0] == final[1]


def test_the_second_signal_ends_at_once(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signals(monkeypatch, 2, signal.SIGTERM, signal.SIGINT)
    assert main(words) == 130
    assert "csptrain: interrupted" in capsys.readouterr().err
    assert not (tmp_path / "backup" / "tiny.state").exists()


def test_time_is_up(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--time-limit", "1h"]) == 0
    clock = iter([100.0, 101.0, 161.0])
    monkeypatch.setattr("csptrain.cli.stopping.time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert main([*words, "--backup", "other", "--time-limit", "1m"]) == 124
    assert "stopped after iteration 2 of 6 by the time limit of 60 s; --resume goes on" in capsys.readouterr().out


DURATIONS = {"90": 90, "45m": 2700, "1h30m": 5400, "2d": 172800, "1-12:00:00": 129600, "0:01:05": 65}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "1x", "h", "1.5h", "12:00", "nan"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        duration(text)


def test_a_set_that_moved_or_changed_is_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        signals(patched, 1, signal.SIGTERM)
        assert main(words) == 128 + signal.SIGTERM
    kept = (tmp_path / "backup" / "tiny.state").read_bytes()
    lines = (tmp_path / "list.txt").read_text()

    def resumed() -> str:
        (tmp_path / "backup" / "tiny.state").write_bytes(kept)
        capsys.readouterr()
        assert main(words) == 0
        return capsys.readouterr().out

    assert "training set" not in resumed()
    (tmp_path / "moved.txt").write_text(lines)
    (tmp_path / "tiny.data").write_text((tmp_path / "tiny.data").read_text().replace("train=", "train=moved.txt\n#"))
    assert f"it was {tmp_path}/list.txt before, with the same images and labels; the training goes on" in resumed()
    (tmp_path / "moved.txt").write_text("".join(lines.splitlines(keepends=True)[:-1]))
    said = resumed()
    assert "it has 5 images and had 6" in said and "its labels are others" in said
    (tmp_path / "moved.txt").write_text("".join(reversed(lines.splitlines(keepends=True))))
    assert "it lists other images, or in another order" in resumed()
