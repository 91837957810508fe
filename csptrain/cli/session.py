"""What the detector verbs share: which file is which, which data, which network, on which device."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg import edit, text
from csptrain.cfg.dataset import DataSpec, read_dataset
from csptrain.cfg.text import Reading, Section
from csptrain.cli.arguments import UsageError
from csptrain.errors import CspError

if TYPE_CHECKING:
    import torch

    from csptrain.graph import Graph

DATA_SUFFIXES = (".data", ".yaml", ".yml")
# Old Darknets called their newest .backup; of cut files some have no .conv, as resnet50.65.
WEIGHTS_NAME = re.compile(r"\.(weights|backup|\d+)$|\.conv\.")
COCO = Path("data/coco.data")
BUILT_IN = Path("data/shapes")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Files:
    """The words of a command line, told apart by their suffixes."""

    data: Path | None
    cfg: Path
    weights: Path | None
    inputs: tuple[str, ...]


def sort_files(words: Sequence[str], verb: str, takes_inputs: bool = True) -> Files:
    """``[data] cfg [weights] [input ...]`` in Darknet's order; raises UsageError, for inputs that are not taken too."""
    rest = list(words)
    usage = f"csptrain {verb} [x.data] net.cfg [x.weights]"
    data = Path(rest.pop(0)) if rest and rest[0].endswith(DATA_SUFFIXES) else None
    if not rest or not rest[0].endswith(".cfg"):
        found = f"found '{rest[0]}'" if rest else "none is given"
        raise UsageError(f"{verb} needs a cfg: {found}", hint=usage)
    cfg = Path(rest.pop(0))
    weights = Path(rest.pop(0)) if rest and WEIGHTS_NAME.search(rest[0]) else None
    if rest and not takes_inputs:
        after = "cfg" if weights is None else "weights"
        hint = f"{usage}; weights are called .weights, .backup or .conv.N"
        raise UsageError(f"{verb} has no use for '{rest[0]}' after the {after}", hint=hint)
    return Files(data, cfg, weights, tuple(rest))


def find_data(given: Path | None, say: Say) -> tuple[DataSpec, bool]:
    """The data set: the one given, COCO when its lists are there, else the built-in one (then True).

    Raises DataError.
    """
    if given is not None:
        return read_dataset(given), False
    if COCO.exists():
        coco = read_dataset(COCO)
        if all(path is not None and path.exists() for path in (coco.train, coco.valid)):
            say(f"data: {COCO}")
            return coco, False
    from csptrain.datasets.shapes import ensure_shapes

    made = not BUILT_IN.exists()
    path = ensure_shapes(BUILT_IN)
    say(
        f"data: the built-in set 'shapes' in {BUILT_IN}{' (drawn just now)' if made else ''}; "
        "name a .data file for yours"
    )
    return read_dataset(path), True


@dataclass(frozen=True)
class Overrides:
    """Changes to the cfg: from the command line, or by the preset of a first look (options of [net] and of heads)."""

    size: tuple[int, int] | None = None
    iterations: int | None = None
    classes: int | None = None
    net: dict[str, str] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)


def load_graph(path: Path, overrides: Overrides, say: Say, lenient: bool = False) -> tuple[Graph, str]:
    """The planned network with the overrides in it, and its cfg text; every change is said.

    Raises CfgError.
    """
    from csptrain import graph

    reading = Reading(lenient)
    sections = text.read(path, reading)
    for change in _apply(overrides):
        sections, said = change(sections)
        for line in said:
            say(f"override: {line}")
    planned = graph.plan(sections, reading)
    for finding in planned.findings:
        say(f"note: {finding}")
    return planned, text.render(sections)


def _apply(
    overrides: Overrides,
) -> list[Callable[[tuple[Section, ...]], tuple[tuple[Section, ...], list[str]]]]:
    changes: list[Callable[[tuple[Section, ...]], tuple[tuple[Section, ...], list[str]]]] = []
    if overrides.classes is not None:
        classes = overrides.classes
        changes.append(lambda sections: edit.set_classes(sections, classes))
    changes.append(lambda sections: edit.set_options(sections, ("net", "network"), overrides.net))
    changes.append(lambda sections: edit.set_options(sections, ("yolo",), overrides.heads))
    if overrides.size is not None:
        width, height = overrides.size
        changes.append(lambda sections: edit.set_size(sections, width, height))
    if overrides.iterations is not None:
        iterations = overrides.iterations
        changes.append(lambda sections: edit.set_iterations(sections, iterations))
    return changes


def pick_device(name: str | None) -> torch.device:
    """cpu, cuda, cuda:1 ...; CUDA when it is there and nothing is named; raises CspError."""
    import torch

    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise CspError(f"device '{name}' is unknown", hint="legal: cpu, cuda, cuda:0 ...") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise CspError(f"device '{name}': torch {torch.__version__} finds no CUDA device here")
    return device
