"""Ready code beside an export: a README with the exact preprocessing, and programs in Python and C++."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from string import Template

from csptrain.errors import ExportError
from csptrain.formats.files import write_atomically
from csptrain.graph import Graph
from csptrain.layers.anchors import BoxHead
from csptrain.layers.masked import suppression
from csptrain.ops.nms import nms_exponent

THRESH, OVERLAP, TOP = 0.25, 0.45, 5
#: All names that such files can have.
NAMES = ("README.md", "detect.py", "detect.cpp", "classify.py", "classify.cpp")
_LINE = 110
_TITLES = {"detect": "a detector of {} classes", "classify": "a classifier of {} classes", "": "a network"}


@dataclass(frozen=True)
class Exported:
    """An export as its programs must know it.

    ``files`` are names and what they are, the model first. ``output`` is `boxes`, `nms` or `raw`, see ``OnnxOptions``;
    OpenCV's pair gives boxes. ``names`` are those of the classes, empty where none are given.
    """

    graph: Graph
    runtime: str  # opencv or onnx
    files: dict[str, str]
    names: tuple[str, ...] = ()
    output: str = "boxes"

    @property
    def model(self) -> str:
        """The name of the model's file."""
        return next(iter(self.files))

    @property
    def mark(self) -> str:
        """The line by which a file of an earlier export is known."""
        return f"Written by csptrain export for {self.model}; the next export replaces it, unless this line is gone."

    @cached_property
    def task(self) -> str:
        """`detect`, `classify`, or nothing where no program is written."""
        graph = self.graph
        heads = [graph.nodes[index] for index in graph.heads]
        classes = {node.layer.classes for node in heads if isinstance(node.layer, BoxHead)}
        if graph.net.channels not in (1, 3) or self.output == "raw":
            return ""
        if len(classes) == 1 and all(isinstance(node.layer, BoxHead) for node in heads):
            return "detect"
        alone = len(heads) == 1 and not classes and heads[0].output.h == heads[0].output.w == 1
        return "classify" if alone else ""

    @property
    def classes(self) -> int:
        """How many classes the program tells apart."""
        head = self.graph.nodes[self.graph.heads[-1]]
        return head.layer.classes if isinstance(head.layer, BoxHead) else head.output.outputs

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class; raises ExportError where others are given than the network has classes."""
        if self.names and len(self.names) != self.classes:
            raise ExportError(
                f"{len(self.names)} class names for {self.classes} classes",
                path=self.graph.path,
                hint="the names of another data set?",
            )
        return self.names or tuple(f"class{number}" for number in range(self.classes))


@dataclass(frozen=True)
class Ready:
    """What was written beside an export, and what stands there from another hand and was kept instead."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def write_ready(exported: Exported, stage: Path, folder: Path) -> Ready:
    """Write the files into ``stage``, which are to move to ``folder``; those that it holds from another hand stay.

    What an earlier export of the same model left there and this one does not write is removed. Raises ExportError.
    """
    texts = ready_files(exported)
    written, kept = [], []
    for name in NAMES:
        there = folder / name
        own = not there.exists() or exported.mark in there.read_text(encoding="utf-8", errors="replace")
        if name in texts and own:
            write_atomically(stage / name, [texts[name].encode()], ExportError)
            written.append(there)
        elif name in texts:
            kept.append(there)
        elif own:
            there.unlink(missing_ok=True)
    return Ready(tuple(written), tuple(kept))


def ready_files(exported: Exported) -> dict[str, str]:
    """Name -> text of README.md and of the programs; raises ExportError for names that do not fit."""
    texts = {}
    if exported.task:
        texts[f"{exported.task}.py"] = _python(exported)
        # OpenCV has no suppression of its own among the operators of ONNX.
        if exported.output != "nms":
            texts[f"{exported.task}.cpp"] = _cpp(exported)
    return {"README.md": _readme(exported, tuple(texts)), **texts}


def _python(exported: Exported) -> str:
    onnx = exported.runtime == "onnx"
    values = {
        **_values(exported),
        "needs": "opencv-python and onnxruntime" if onnx else "opencv-python below 5",
        "imports": "import cv2\nimport numpy as np" + ("\nimport onnxruntime" if onnx else ""),
        "constants": "" if exported.output == "nms" else _python_thresholds(exported),
        "names": _literal(exported.class_names, "[", "]"),
    }
    return _filled(exported, "py", values, "\n\n\n")


def _cpp(exported: Exported) -> str:
    exponent, meaning = _exponent(exported)
    values = {
        **_values(exported),
        "needs": "OpenCV 4 or 5" if exported.runtime == "onnx" else "OpenCV 4",
        "thresh": str(THRESH),
        "overlap": str(OVERLAP),
        "exponent": str(exponent),
        "exponent_means": meaning,
        "names": _literal(exported.class_names, "{", "}"),
        "swap": "true" if exported.graph.net.channels == 3 else "false",
    }
    return _filled(exported, "cpp", values, "\n\n")


def _filled(exported: Exported, suffix: str, values: dict[str, str], apart: str) -> str:
    parts = [_template(f"{name}.{suffix}").substitute(values).rstrip("\n") for name in _parts(exported, suffix)]
    return _template(f"{exported.task}.{suffix}").substitute({**values, "blocks": apart.join(parts)})


def _parts(exported: Exported, suffix: str) -> list[str]:
    """The templates between the head of a program and its end."""
    runtime, letter_box = exported.runtime, exported.graph.net.letter_box
    fit = "letterboxed" if letter_box else "stretched"
    if exported.task == "classify":
        return [runtime, *([f"{runtime}_classes"] if suffix == "py" else []), "image", "crop"]
    if exported.output == "nms":
        return [runtime, "image", fit, "onnx_nms"]
    return [runtime, f"{runtime}_boxes", "image", fit, *(["suppress"] if suffix == "py" else [])]


def _values(exported: Exported) -> dict[str, str]:
    """What the programs of both languages say alike."""
    net = exported.graph.net
    names = [json.dumps(name, ensure_ascii=False)[1:-1] for name in exported.files]
    grey = net.channels == 1
    return {
        "mark": exported.mark,
        "model": names[0],
        "cfg": names[0],
        "weights": names[1] if len(names) > 1 else "",
        "width": str(net.width),
        "height": str(net.height),
        "channels": str(net.channels),
        "colours": "grey" if grey else "RGB",
        "imread": "IMREAD_GRAYSCALE" if grey else "IMREAD_COLOR",
        "flipped": "picture[:, :, None]" if grey else "picture[:, :, ::-1]",
        "top": str(min(TOP, exported.classes)),
    }


def _python_thresholds(exported: Exported) -> str:
    exponent, meaning = _exponent(exported)
    return (
        f"\nTHRESH, OVERLAP = {THRESH}, {OVERLAP}  # least score; overlap above which the weaker box goes"
        f"\nEXPONENT = {exponent}  # {meaning}"
    )


def _exponent(exported: Exported) -> tuple[float, str]:
    """The exponent of the distance in the overlap of suppression, 0 for none, and what it is."""
    kind, beta = suppression([node.layer for node in exported.graph.nodes])
    exponent = nms_exponent(kind, beta)
    if exponent is None:
        return 0.0, "0: plain overlap; else the power of the centres' distance that is taken from it"
    return float(exponent), f"nms_kind={kind}: this power of the centres' distance is taken from the overlap"


def _literal(words: Sequence[str], left: str, right: str) -> str:
    """A list of strings, which Python and C++ write alike, in lines of ``_LINE`` characters."""
    lines = [""]
    for quoted in (json.dumps(word, ensure_ascii=False) for word in words):
        if len(lines[-1]) + len(quoted) > _LINE:
            lines.append("")
        lines[-1] += f"{quoted}, "
    body = "\n    ".join(line.rstrip() for line in lines)
    return f"{left}\n    {body}\n{right}" if len(lines) > 1 else f"{left}{body.removesuffix(',')}{right}"


def _readme(exported: Exported, programs: Sequence[str]) -> str:
    graph = exported.graph
    region = any(head.kind == "region" for head in graph.box_heads)
    values = {
        **_values(exported),
        "title": f"{Path(exported.model).stem}: {_TITLES[exported.task].format(exported.classes)}",
        "source": Path(graph.path).name,
        "layers": str(len(graph.nodes)),
        "files": "\n".join(
            f"| `{name}` | {what} |" for name, what in {**exported.files, **_described(programs)}.items()
        ),
        "side": str(max(graph.net.width, graph.net.height)),
        "classes": str(exported.classes),
        "heads": ", ".join(f"`{index}_{graph.nodes[index].layer.kind}`" for index in graph.heads),
        "own_suppression": "\nBehind [region] OpenCV suppresses boxes itself, with an overlap of 0.4."
        if region
        else "",
    }
    fit, outputs = (_template(f"{name}.md").substitute(values).rstrip("\n") for name in _paragraphs(exported))
    commands = "\n    ".join(_command(program) for program in programs)
    usage = _template("programs.md").substitute(commands=commands) if programs else ""
    return _template("README.md").substitute({**values, "fit": fit, "outputs": outputs, "programs": usage})


def _described(programs: Sequence[str]) -> dict[str, str]:
    languages = {".py": "Python", ".cpp": "C++, with OpenCV alone"}
    return {program: f"a program to start from, in {languages[Path(program).suffix]}" for program in programs}


def _paragraphs(exported: Exported) -> tuple[str, str]:
    """The templates of how a picture is fitted and of what comes out."""
    if exported.task == "classify":
        return "crop", "classes"
    fit = "letterboxed" if exported.graph.net.letter_box else "stretched"
    return fit, f"{exported.runtime}_{exported.output}" if exported.task == "detect" else "raw"


def _command(program: str) -> str:
    name = Path(program).stem
    if program.endswith(".py"):
        return f"python {program} a.jpg"
    return f"g++ -O2 -std=c++17 {program} -o {name} $(pkg-config --cflags --libs opencv4) && ./{name} a.jpg"


def _template(name: str) -> Template:
    return Template(resources.files("csptrain.formats").joinpath("templates", f"{name}.in").read_text(encoding="utf-8"))
