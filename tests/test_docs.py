"""The documentation against the project: links, file names, command lines, cfg keys, and examples that run."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from csptrain.cli import main as front
from csptrain.cli.detector_train import FIRST_LOOK
from csptrain.cli.session import sort_files
from csptrain.layers.base import COMMON_INERT, Layer
from csptrain.layers.contents import BY_NAME, KINDS
from csptrain.net import INERT, Net
from tests.golden import __main__ as golden

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    ROOT / "data/README.md",
    ROOT / "weights/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "csptrain/layers/README.md",
]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
NAMED_FILE = re.compile(r"`((?:cfg|csptrain|data|docs|scripts|tests|weights|constraints)/[\w./*-]*)`")
MADE_LATER = re.compile(r"data/(?:coco|imagenet|shapes|voc)(?:/.*)?|weights/.+\.(?:weights|conv\.\d+)")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    text: str


class Line(NamedTuple):
    """A command line of a fenced block or of `inline code`."""

    page: Path
    words: list[str]

    def __str__(self) -> str:
        return f"{self.page.name}: {shlex.join(self.words)}"


def blocks() -> list[Block]:
    return [Block(page, *found) for page in PAGES for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands() -> Iterator[Line]:
    for block in blocks():
        if block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    yield Line(block.page, words)


def plain(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
each_command = pytest.mark.parametrize("line", list(commands()), ids=str)


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in LINK.findall(plain(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    named = [name for name in NAMED_FILE.findall(plain(page)) if not MADE_LATER.fullmatch(name)]
    assert [name for name in named if not any(ROOT.glob(name))] == []


@each_page
def test_nothing_points_outside_the_project(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    allowed = 1 if page.name == "CONTRIBUTING.md" else 0
    assert text.count("../shared") <= allowed


class Parsed(BaseException):
    """Stops a command when its words have been understood; no code under test may catch it."""


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def stop(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        raise Parsed(parse(self, *args, **kwargs))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)


@each_command
def test_command_lines_are_understood(line: Line, parse_only: None) -> None:
    words = line.words
    if words[0] in ("bash", "sh"):
        assert (ROOT / words[1]).is_file()
    elif words[:3] == ["python", "-m", "tests.golden"]:
        with pytest.raises(Parsed):
            golden.main(words[3:])
    elif words[0] == "python" and words[1].startswith("scripts/"):
        script = runpy.run_path(str(ROOT / words[1]))
        with pytest.raises(Parsed):
            script["main"](words[2:])
    else:
        assert words[0] == "csptrain", f"nobody checks {line}"
        with pytest.raises(Parsed) as stopped:
            front.main(words[1:])
        options = stopped.value.args[0]
        if words[1] in ("detector", "classifier"):
            files = sort_files(options.files, " ".join(words[1:3]))
            assert words[2] in ("train", "calc_anchors") or files.weights is not None
            assert not files.inputs or words[2] in ("test", "demo", "predict")
    for word in words[1:]:
        if word.startswith(("cfg/", "scripts/", "tests/")):
            assert (ROOT / word).exists(), f"{word} does not exist"


def test_there_are_command_lines_for_every_verb() -> None:
    shown = {tuple(line.words[1:3]) for line in commands() if line.words[0] == "csptrain"}
    shown = {words[:1] if words[0] in front.WORDS else words for words in shown}
    pairs = {(first, second) for first, verbs in front.VERBS.items() for second in verbs}
    assert shown == pairs | {(word,) for word in front.WORDS}


INLINE = re.compile(r"`(csptrain [^`\n]+)`")


def test_commands_within_sentences_exist() -> None:
    wrong = []
    for page in PAGES:
        for text in INLINE.findall(plain(page)):
            first, *rest = text.split()[1:]
            verbs = front.VERBS.get(first, {})
            of_one_word = first == "--help" or first in front.WORDS
            if not of_one_word and not (rest and all(word in verbs for word in rest[:1])):
                wrong.append(f"{page.name}: {text}")
    assert wrong == []


FLAG_ROW = re.compile(r"^\| (`-.*?) \|", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "verb"),
    [
        ("training", "detector train"),
        ("evaluation", "detector map"),
        ("classifiers", "classifier train"),
        ("opencv", "export opencv"),
        ("onnx", "export onnx"),
        ("runtimes", "verify"),
        ("cfg-tools", "detector calc_anchors"),
        ("networks", "cfg new"),
        ("paper", "paper"),
        ("doctor", "doctor"),
        ("benchmarks", "bench infer"),
        ("start", "new"),
        ("seeing", "detector demo"),
    ],
)
def test_tables_of_flags_agree_with_the_command(page: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        word.lstrip("-").replace("-", "_")
        for row in FLAG_ROW.findall((ROOT / f"docs/{page}.md").read_text(encoding="utf-8"))
        for word in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", row)
    }
    assert front.main([*verb.split(), "--help"]) == 0
    known = {
        word.lstrip("-").replace("-", "_")
        for word in re.findall(r"^ +(-[^ ,\n]+)", capsys.readouterr().out, re.MULTILINE)
    }
    assert told - known == set(), "flags that do not exist"
    assert known - told - {"h", "quiet", "partial", "lenient"} == set(), "flags that are not told"


@pytest.mark.parametrize("name", ["README.md", "docs/training.md"])
def test_the_first_run_is_told_as_it_is(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert FIRST_LOOK.size is not None
    assert "{}×{}".format(*FIRST_LOOK.size) in text
    assert f"{FIRST_LOOK.iterations} iterations" in text


@dataclasses.dataclass
class KeyTable:
    """What docs/cfg.md says of a section."""

    defaults: dict[str, str]
    silent: set[str]
    refused: set[str]
    untrained: set[str]


def key_tables() -> dict[str, KeyTable]:
    """By the first word of each heading of docs/cfg.md."""
    parts = re.split(r"^## ", (ROOT / "docs/cfg.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        part.split("\n", 1)[0].split()[0].strip("[]"): KeyTable(
            dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", part, re.MULTILINE)),
            _words_after(part, "No effect, said when set:"),
            _words_after(part, "An error when used:"),
            _words_after(part, "Refused in training, no effect otherwise:"),
        )
        for part in parts
    }


def _words_after(part: str, start: str) -> set[str]:
    line = next((line for line in part.splitlines() if start in line), "")
    return set(re.findall(r"`(\w+)`", line))


def declared(kind: type[Any], without: tuple[dataclasses.Field[Any], ...] = ()) -> dict[str, str]:
    """The cfg keys of a section and their defaults as the page writes them."""
    common = {field.name for field in without}
    return {
        field.metadata["key"] or field.name: _shown(field.default)
        for field in dataclasses.fields(kind)
        if "reader" in field.metadata and field.name not in common
    }


def _shown(default: object) -> str:
    if default is None or default in ((), ""):
        return "none"
    return f"{default:g}" if isinstance(default, float) else str(default)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind))
def test_the_keys_of_every_layer_are_told(kind: type[Layer]) -> None:
    table = key_tables().get(kind.kind)
    assert table is not None, f"docs/cfg.md lacks a section [{kind.kind}]"
    assert table.defaults == declared(kind, dataclasses.fields(Layer))
    assert (table.silent, table.refused) == (set(kind.inert), set(kind.refused))
    assert table.untrained == kind.untrained


def test_the_keys_of_net_and_of_all_layers_are_told() -> None:
    tables = key_tables()
    assert (tables["net"].defaults, tables["net"].silent) == (declared(Net), set(INERT))
    assert (tables["Every"].defaults, tables["Every"].silent) == (declared(Layer), set(COMMON_INERT))


def test_every_section_of_darknet_is_read() -> None:
    sections = (
        "convolutional conv shortcut route maxpool max yolo upsample avgpool avg dropout scale_channels softmax soft "
        "cost connected conn sam region rnn reorg reorg3d crnn crop gru lstm Gaussian_yolo detection local_avgpool "
        "local_avg contrastive local activation conv_lstm history normalization lrn batchnorm empty silence implicit"
    )
    assert set(BY_NAME) == set(sections.split())


@pytest.fixture
def folder_of_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with what the examples read: cfgs, an image, an export for OpenCV."""
    from csptrain.formats.darknet import load
    from csptrain.formats.lowering import lower
    from csptrain.formats.onnx_model import build_onnx

    shutil.copytree(ROOT / "cfg", tmp_path / "cfg")
    network = load(ROOT / "cfg/yolov4-tiny.cfg")
    lower(network).write(tmp_path / "out/net.cfg", tmp_path / "out/net.weights")
    if importlib.util.find_spec("onnx"):
        build_onnx(network).write(tmp_path / "out/net.onnx")
    cv2.imwrite(str(tmp_path / "a.jpg"), np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "block", [block for block in blocks() if block.language == "python"], ids=lambda block: block.page.stem
)
def test_examples_in_python_run(block: Block, folder_of_an_example: Path) -> None:
    if "onnx" in block.text:
        pytest.importorskip("onnx", reason="needs the package onnx")
        pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
    exec(compile(block.text, str(block.page), "exec"), {"__name__": "example"})
