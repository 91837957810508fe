"""Trainings and measurements of the paper's networks, a folder for each; what is finished is not done again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from csptrain.cfg import edit, text
from csptrain.cfg.dataset import DataSpec, read_dataset
from csptrain.errors import CspError, DataError
from csptrain.formats.files import write_atomically
from csptrain.zoo.contents import compose
from csptrain.zoo.rows.row import Row

Say = Callable[[str], None]
Kind = Literal["classifier", "detector"]

#: Weights that were trained elsewhere are looked for here, as <cfg>.weights.
WEIGHTS = Path("weights")
#: Figure of a row -> where the verbs' JSON has it.
_CLASSIFIED = {"top1": "top1", "top5": "top5"}
_DETECTED = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_s": "AP_small", "ap_m": "AP_medium", "ap_l": "AP_large"}


@dataclass(frozen=True)
class Course:
    """How networks are trained and measured.

    ``folder`` gets one folder for each cfg. ``size``: the input instead of the row's. ``iterations``: the length
    instead of the cfg's. ``options`` of [net] and ``heads`` of [yolo] are changed in the cfg.
    """

    kind: Kind
    data: Path
    folder: Path
    size: int | None = None
    iterations: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    heads: Mapping[str, str] = field(default_factory=dict)
    device: str | None = None

    def __str__(self) -> str:
        length = f"{self.iterations} iterations" if self.iterations else "the cfg's length"
        size = f"{self.size}x{self.size}" if self.size else "the paper's sizes"
        batch = f", batch {self.options['batch']}" if "batch" in self.options else ""
        return f"{length}{batch}, {size}, {self.data}"


def check_data(course: Course) -> DataSpec:
    """The data set; raises DataError where its lists are missing."""
    if not course.data.exists():
        raise DataError("there is no such data set", path=course.data, hint="name one with --data, or use --smoke")
    data = read_dataset(course.data)
    for word in ("train", "valid"):
        listed: Path | None = getattr(data, word)
        if listed is None or not listed.exists():
            raise DataError(f"{word}={listed} is not there", path=course.data, hint="get the data set, or use --smoke")
    return data


def train(row: Row, course: Course, say: Say) -> Path:
    """The final weights of a row's network, trained now as far as they are not.

    Raises CspError, also where the folder holds a training of another length or data set.
    """
    folder = course.folder / row.cfg
    final, cfg = folder / f"{row.cfg}_final.weights", folder / f"{row.cfg}.cfg"
    content = cfg_text(row, course, check_data(course))
    begun = final.exists() or (folder / f"{row.cfg}.state").exists()
    if begun and cfg.exists() and cfg.read_text(encoding="utf-8") != content:
        raise CspError("holds a training by another cfg", path=folder, hint="name another folder with -o, or remove it")
    if final.exists():
        say(f"{row.cfg}: trained before, {final}")
        return final
    write_atomically(cfg, [content.encode()], CspError)
    say(f"{row.cfg}: training, {course}; its log is {folder / 'train.log'}")
    words = [course.kind, "train", str(course.data), str(cfg), "--backup", str(folder), "--resume"]
    _run([*words, *_device(course)], folder / "train.log")
    if not final.exists():
        raise CspError("the training ended without final weights", path=folder)
    return final


def find_weights(row: Row, course: Course) -> Path | None:
    """Final weights of a training here, else those of the same name in ``weights/``."""
    places = (course.folder / row.cfg / f"{row.cfg}_final.weights", WEIGHTS / f"{row.cfg}.weights")
    return next((place for place in places if place.exists()), None)


def measure(row: Row, weights: Path, course: Course, say: Say) -> dict[str, float]:
    """Accuracies in percent by the row's field, measured now unless they were for these weights; raises CspError."""
    size = course.size or row.size
    crops = f"-{row.crops}crops" if row.crops > 1 else ""
    folder = course.folder / row.cfg
    file = folder / f"{course.data.stem}-{size}{crops}.json"
    if file.exists() and file.stat().st_mtime >= weights.stat().st_mtime:
        say(f"{row.cfg}: measured before, {file}")
        return _accuracies(file, course.kind)
    say(f"{row.cfg}: measuring at {size}x{size}")
    cfg = folder / f"{row.cfg}.cfg"
    if not cfg.exists():
        write_atomically(cfg, [cfg_text(row, course, check_data(course)).encode()], CspError)
    words = [course.kind, _verb(row, course), str(course.data), str(cfg), str(weights), "--size", str(size), "--json"]
    figures = ["--metrics", "coco"] if course.kind == "detector" else ["-t", "5"]
    output = _run([*words, *figures, *_device(course)], folder / "valid.log")
    write_atomically(file, [output.encode()], CspError)
    return _accuracies(file, course.kind)


def cfg_text(row: Row, course: Course, data: DataSpec) -> str:
    """The row's cfg for the data's classes and the course's settings; raises CfgError.

    Rows of one network at several sizes share it, and its training: its own size is that of the zoo.
    """
    sections = text.parse(compose(row.cfg, course.size, course.size, data.classes), row.cfg)
    sections, _ = edit.set_options(sections, ("net", "network"), dict(course.options))
    sections, _ = edit.set_options(sections, ("yolo",), dict(course.heads))
    if course.iterations:
        sections, _ = edit.set_iterations(sections, course.iterations)
    return text.render(sections)


def _verb(row: Row, course: Course) -> str:
    if course.kind == "detector":
        return "map"
    return "valid10" if row.crops > 1 else "valid"


def _device(course: Course) -> list[str]:
    return ["--device", course.device] if course.device else []


def _run(words: list[str], log: Path) -> str:
    """Run a verb in a process of its own, so that its memory goes with it; gives its output, which is logged."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as errors:
        errors.write(f"csptrain {' '.join(words)}\n")
        errors.flush()
        done = subprocess.run(
            [sys.executable, "-m", "csptrain", *words], stdout=subprocess.PIPE, stderr=errors, text=True, check=False
        )
        errors.write(done.stdout)
    if done.returncode:
        said = [line for line in log.read_text(encoding="utf-8").splitlines() if "error:" in line]
        why = said[-1] if said else f"exit code {done.returncode}"
        raise CspError(f"csptrain {words[0]} {words[1]} failed: {why}", path=log)
    return done.stdout


def _accuracies(file: Path, kind: Kind) -> dict[str, float]:
    try:
        found = json.loads(file.read_text().splitlines()[-1])
    except (ValueError, IndexError):
        raise CspError("holds no JSON; delete it to measure again", path=file) from None
    names = _CLASSIFIED
    if kind == "detector":
        names, found = _DETECTED, found.get("coco", {})
    # COCO gives -1 where there is nothing to measure.
    return {field: 100 * found[name] for field, name in names.items() if found.get(name, -1) >= 0}
