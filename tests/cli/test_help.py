"""The command's front door: help, version, exit codes, one-line errors; all of it without torch."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from csptrain import __version__
from csptrain.cli import main as front
from csptrain.cli.arguments import UsageError
from csptrain.errors import DataError


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[list[str]], int]], None]:
    """Stands a function of the test in for `csptrain cfg info`."""

    def install(run: Callable[[list[str]], int]) -> None:
        module = ModuleType("stand_in")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "stand_in", module)
        monkeypatch.setitem(front.VERBS, "cfg", {"info": ("stand_in", "stands in")})

    return install


def raising(error: BaseException) -> Callable[[list[str]], int]:
    def run(argv: list[str]) -> int:
        raise error

    return run


def outcome(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = front.main(argv)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("argv", [["--help"], ["help"], ["version"], ["detector", "--help"], ["detectr"]])
def test_the_front_door_needs_no_torch(argv: list[str]) -> None:
    program = (
        "import sys, csptrain\n"
        "from csptrain.cli.main import main\n"
        f"main({argv!r})\n"
        "heavy = {'torch', 'numpy', 'cv2', 'yaml'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "csptrain", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"csptrain {__version__}\n")


def test_every_command_of_the_table_has_a_module() -> None:
    places = [place for verbs in (*front.VERBS.values(), front.WORDS) for place, _ in verbs.values()]
    for module, _, function in (place.partition(":") for place in places):
        assert callable(getattr(importlib.import_module(module), function or "run")), module


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(["--help"], capsys)
    assert code == 0
    for first, second_words in front.VERBS.items():
        for second in second_words:
            assert f"{first} {second}" in out
    for word in front.WORDS:
        assert f"  {word} " in out


def test_no_words_show_the_help_as_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome([], capsys)
    assert (code, out) == (2, "")
    assert "usage: csptrain" in err


def test_help_of_one_command_asks_that_command(verb: Callable[..., None]) -> None:
    seen: list[list[str]] = []

    def run(argv: list[str]) -> int:
        seen.append(argv)
        return 0

    verb(run)
    assert front.main(["help", "cfg", "info"]) == 0
    assert seen == [["--help"]]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["detectr"], "unknown command 'detectr' (did you mean detector?)"),
        (["zzz"], f"unknown command 'zzz' (legal: {', '.join([*front.VERBS, *front.WORDS, 'help', 'version'])})"),
        (["detector", "trian"], "unknown detector command 'trian' (did you mean train?)"),
        (["detector"], f"'detector' needs one more word (legal: {', '.join(front.VERBS['detector'])})"),
    ],
)
def test_a_wrong_word_is_one_line_and_code_2(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(argv, capsys) == (2, "", f"csptrain: error: {message}\n")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("empty", path="a.txt", line=3), 1, "csptrain: error: a.txt:3: empty\n"),
        (UsageError("what?"), 2, "csptrain: error: what?\n"),
        (KeyboardInterrupt(), 130, "\ncsptrain: interrupted\n"),
        (
            OSError(28, "No space left on device", "x.weights"),
            1,
            "csptrain: error: x.weights: No space left on device\n",
        ),
    ],
)
def test_errors_become_one_line_and_a_code(
    error: BaseException,
    code: int,
    message: str,
    verb: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    verb(raising(error))
    assert outcome(["cfg", "info"], capsys) == (code, "", message)


def test_our_own_mistakes_are_not_hidden(verb: Callable[..., None]) -> None:
    verb(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        front.main(["cfg", "info"])


def test_a_closed_pipe_ends_quietly() -> None:
    program = (
        "import os, sys\n"
        "from csptrain.cli.main import main\n"
        "reading, writing = os.pipe()\n"
        "os.close(reading)\n"
        "os.dup2(writing, 1)\n"
        "sys.exit(main(['--help']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")
