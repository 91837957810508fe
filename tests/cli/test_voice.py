"""What every verb prints and where: `--quiet`, `--json`, and no play of the terminal where there is none."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from csptrain.cli import main as front
from csptrain.cli import voice
from csptrain.cli.trained import progress_bar
from csptrain.formats.darknet import load, save_weights
from tests import tiny, tiny_classes

CLI = Path(voice.__file__).parent
VERBS = [f"{first} {second}" for first, words in front.VERBS.items() for second in words] + list(front.WORDS)
#: Verbs that report figures; the others write files, or a cfg, or (training) a log of their own.
REPORTING = {
    "detector test", "detector demo", "detector valid", "detector map", "detector recall", "detector calc_anchors",
    "classifier valid", "classifier valid10", "classifier validfull", "classifier predict", "cfg info", "cfg check",
    "cfg diff", "weights info", "export opencv", "export onnx", "statistics", "ops", "speed", "cost", "verify",
    "doctor", "paper", *(verb for verb in VERBS if verb.startswith("bench ")),
}  # fmt: skip
DETECTOR, CLASSIFIER = "tiny.data x.cfg x.weights", "classes.data c.cfg c.weights"

#: Command line -> a key of the object that it prints with --json.
WITH_JSON = {
    f"detector test {DETECTOR} images/00.png gone.png -thresh .001": "frames",
    f"detector valid {DETECTOR}": "files",
    f"detector map {DETECTOR} --metrics darknet,voc --plots plots": "map",
    f"detector recall {DETECTOR}": "recall",
    "detector calc_anchors tiny.data x.cfg -show": "anchors",
    f"classifier valid {CLASSIFIER} -out all.json": "top1",
    f"classifier predict {CLASSIFIER} val/red": "guesses",
    "cfg info odd.cfg --lenient": "layers",
    "cfg diff x.cfg c.cfg": "net",
    "weights info x.cfg x.weights": "layers",
    "statistics x.cfg x.weights": "tensors",
    "statistics x.cfg infinite.weights": "tensors",
    "ops odd.cfg --lenient --size 64": "operations",
    "speed x.cfg 1": "images_per_second",
    "cost x.cfg --csv cost.csv": "networks",
    "verify odd.cfg x.weights images --lenient --runtimes opencv": "runtimes",
    "verify x.cfg --matrix --runtimes opencv": "cfgs",
    "doctor tiny.data x.cfg --html doctor.html": "verdict",
    "export opencv odd.cfg x.weights -o out --lenient --images images": "heads",
    "export onnx x.cfg x.weights -o out/x.onnx --data tiny.data": "onnxruntime",
    "paper figure8 -o paper": "statements",
}
#: Command lines whose result is a file.
SILENT = (
    "detector train tiny.data x.cfg --iterations 1 --workers 0 -map",
    "classifier train classes.data c.cfg --iterations 1 --workers 0",
    f"detector valid {DETECTOR}",
    "cfg adapt x.cfg --size 64 -o y.cfg",
    "cfg check x.cfg c.cfg",
    "cfg format odd.cfg --write",
    "cfg graph x.cfg --size 64",
    "cfg new yolov4-tiny --classes 3 -o y.cfg",
    "partial x.cfg x.weights y.weights 1",
    "average odd.cfg y.weights x.weights x.weights --lenient",
    "rgbgr x.cfg x.weights y.weights",
    "denormalize x.cfg x.weights y.weights",
    "export opencv x.cfg x.weights -o out --images images",
    "export onnx x.cfg x.weights -o out/x.onnx",
    "new made images --names red,blue --cfg yolov4-tiny",
)


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line among tiny data sets and networks; one cfg has a key that nobody reads."""
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path, 3)
    tiny_classes.write_set(tmp_path)
    Path("x.cfg").write_text(tiny.cfg())
    Path("odd.cfg").write_text(tiny.cfg(net="colour = blue"))
    Path("c.cfg").write_text(tiny_classes.cfg().replace("filters=10", "filters=3"))
    for name in ("x", "c"):
        save_weights(load(f"{name}.cfg"), f"{name}.weights")
    network = load("x.cfg")
    next(network.parameters()).data[0] = float("inf")
    save_weights(network, "infinite.weights")
    Path("gone.png").write_bytes(b"no image")

    def main(line: str, *more: str) -> Said:
        if "onnx" in line and not (find_spec("onnx") and find_spec("onnxruntime")):
            pytest.skip("needs the packages onnx and onnxruntime")
        capsys.readouterr()
        code = front.main([*line.split(), *more])
        return Said(code, *capsys.readouterr())

    return main


def no_constants(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize("line", WITH_JSON)
def test_json_is_one_object_and_nothing_else(line: str, run: Run) -> None:
    said = run(line, "--json")
    assert said.code == 0, said.err
    assert said.out.endswith("}\n") and said.out.count("\n") == 1
    assert WITH_JSON[line] in json.loads(said.out, parse_constant=no_constants)


@pytest.mark.parametrize("line", WITH_JSON)
def test_without_a_terminal_there_is_no_play_with_it(line: str, run: Run) -> None:
    said = run(line)
    assert said.code == 0 and said.out
    for stream in (said.out, said.err):
        assert not re.search(r"[\r\b\x1b]", stream)


@pytest.mark.parametrize("line", WITH_JSON)
def test_quiet_leaves_the_result_and_what_touches_it(line: str, run: Run) -> None:
    said = run(line, "--quiet", "--json")
    assert said.code == 0 and json.loads(said.out)
    skipped = "skipped: gone.png: is not an image that can be decoded\nnote: 1 image(s) skipped, listed in "
    assert said.err.startswith(skipped) if "gone.png" in line else said.err == ""


@pytest.mark.parametrize("line", SILENT)
def test_quiet_says_nothing_where_the_result_is_a_file(line: str, run: Run) -> None:
    assert run(line, "--quiet") == (0, "", "")


@pytest.mark.parametrize("line", ["cfg info gone.cfg", "ops x.cfg --sise 3", "cfg check broken.cfg"])
def test_quiet_leaves_errors(line: str, run: Run) -> None:
    Path("broken.cfg").write_text("[net]\nwidth=wide\n")
    said = run(line, "--quiet")
    assert said.code in (1, 2) and said == run(line)


def test_quiet_leaves_warnings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csptrain.datasets.loader.usable_workers", lambda workers: 0)
    warning = "warning: there is no shared memory (/dev/shm), so images are prepared without worker processes\n"
    line = "detector train tiny.data x.cfg --iterations 1 --workers 1"
    assert run(line, "--quiet") == (0, "", warning)
    said = run(line)
    assert warning in said.out and said.err == ""


def test_of_many_lines_of_recall_quiet_leaves_the_last(run: Run) -> None:
    line = f"detector recall {DETECTOR}"
    assert run(line, "--quiet").out == run(line).out.splitlines(keepends=True)[-1]


def test_what_a_terminal_cannot_write_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    voice.escape()
    voice.show("\u00fc \udcfc")
    assert raw.getvalue() == b"\\xfc \\udcfc\n"


def test_the_next_command_is_not_quiet_by_the_last_one(run: Run) -> None:
    run("ops x.cfg", "--quiet", "--json")
    assert not voice.quiet() and not voice.as_json()


def test_quiet_in_a_command_line_of_darknet(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    from csptrain.cli.darknet import main as darknet

    words = ["detector", "valid", *DETECTOR.split(), "-ext_output"]
    assert darknet(words) == 0
    assert capsys.readouterr().err.startswith("note: -ext_output has no effect on detector valid\n")
    assert darknet([*words, "-quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_the_bar_is_for_a_terminal_that_is_not_quiet(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    voice.adopt(quiet=quiet)
    try:
        with progress_bar(2) as progress:
            progress(2)
    finally:
        voice.adopt()
    assert bool(terminal.getvalue()) != quiet


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_tells_of_it(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main([*verb.split(), "--help"]) == 0
    told = re.findall(r"^ +-\w+, (--[\w-]+)", capsys.readouterr().out, re.MULTILINE)
    assert "--quiet" in told
    assert ("--json" in told) == (verb in REPORTING)


def test_verbs_print_by_this_module_alone() -> None:
    """So that no line escapes --quiet and --json; questions, the help and errors are no verb's."""
    own = {"voice.py", "main.py", "launch.py", "inputs.py", "new.py"}
    printing = {
        path.name
        for path in CLI.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    }
    assert printing == own


def said_by(call: ast.Call) -> list[str]:
    """The literal beginnings and ends of a user error's message and hint."""
    named = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if not (named.endswith("Error") or named in ("error", "Finding")):
        return []
    texts = []
    for argument in (*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "hint")):
        parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
        texts.append("".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts))
    return texts


def test_errors_are_told_in_one_voice() -> None:
    """They go on after `path:line:`, so they begin small, but for names, and end without a full stop."""
    names = ("Darknet", "OpenCV", "OpenVINO", "ONNX", "AP")
    wrong = [
        f"{path.name}:{node.lineno}: {text}"
        for path in CLI.parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for text in said_by(node)
        if (text[:1].isupper() and " " in text and not text.startswith(names)) or re.search(r"(?<!\.\.)[.!]$", text)
    ]
    assert wrong == []
