"""A ``.data`` or ``.yaml`` file to a frozen DataSpec: which images, which classes, where results go."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from csptrain.cfg.categories import read_categories
from csptrain.errors import DataError

MAX_BYTES = 16 * 1024 * 1024
MAX_CLASSES = 1_000_000

_INTEGERS = {"classes": 1, "top": 1, "saveweights": 0, "savelast": 1}
_PATHS = ("train", "valid", "test", "images", "labels", "difficult", "map", "leaves", "names", "backup", "results")
_KEYS = (*_INTEGERS, *_PATHS, "eval")
# Spellings of the yaml style that other trainers use.
_YAML_ALIASES = {"val": "valid", "nc": "classes"}
_YAML_ONLY = ("path", "download")
# In the name of tar shards; csptrain.datasets.shards says what it stands for.
RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


class Entry(NamedTuple):
    """One value of a data file and its line; a yaml list or mapping of names is a tuple."""

    value: str | tuple[str, ...]
    line: int


@dataclass(frozen=True)
class DataSpec:
    """What a data file says, with paths resolved and the names read.

    ``train``, ``valid`` and ``test`` are list files, folders of images, shards, COCO jsons or VOC's image sets (see
    `csptrain.datasets.sources`) and need not exist; ``valid`` falls back to ``train``. ``images`` is the folder of
    the images that a COCO json or a VOC set names. ``difficult`` lists images as ``valid`` does, with labels of
    objects that mAP passes over. ``backup`` and ``results`` are relative to the working directory, where they are
    made. Without ``names`` a COCO json gives them, with their number.
    ``notes`` are lines the user should see: settings without effect. ``lines`` are those of the keys.
    """

    path: Path
    classes: int
    names: tuple[str, ...]
    train: Path | None = None
    valid: Path | None = None
    test: Path | None = None
    images: Path | None = None
    backup: Path = Path("backup")
    results: Path = Path("results")
    labels: Path | None = None
    difficult: Path | None = None
    map: Path | None = None
    leaves: Path | None = None
    eval: str | None = None
    top: int = 1
    saveweights: int | None = None
    savelast: int | None = None
    notes: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)

    def split(self, name: str) -> Path:
        """What ``train``, ``valid`` or ``test`` names; raises DataError where that is not said or not there."""
        path: Path | None = getattr(self, name)
        if path is None:
            raise DataError(f"has no {name}=", path=self.path, hint=f"add {name}=LIST, one image path a line")
        if not os.path.exists(path) and not RANGE.search(path.name):
            key = name if name in self.lines else "train"
            looked = "looked for from the working directory, then from the data file's folder"
            hint = None if path.is_absolute() else looked
            raise DataError(f"{key}={path} does not exist", path=self.path, line=self.lines.get(key), hint=hint)
        return path

    @property
    def has_names(self) -> bool:
        """Whether the data file names its classes; else they are class0, class1 ..."""
        return self.names != _numbered(self.classes)


def _numbered(classes: int) -> tuple[str, ...]:
    return tuple(f"class{index}" for index in range(classes))


def resolve(text: str, near: Path) -> Path:
    """Where a path written in a file of folder ``near`` leads.

    The working directory comes first (Darknet's rule), then ``near``, then the folder above it (a Darknet
    tree holds ``data/x.data`` with paths that begin with ``data/``). What exists nowhere stays as written.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # the home of nobody
        path = Path(text)
    if path.is_absolute() or os.path.exists(path):
        return path
    above = near.parent if near.name not in ("", "..") else near / ".."  # near may be the working directory, "."
    return next((folder / path for folder in (near, above) if os.path.exists(folder / path)), path)


def read_lines(path: Path, what: str, limit: int = MAX_BYTES) -> list[tuple[int, str]]:
    """Stripped lines of a text file of at most ``limit`` bytes with their numbers from 1, blank ones left out.

    Raises:
        DataError: the file is not there, cannot be read, or is not UTF-8 text.
    """
    return _lines(_read(path, what, limit))


def lines_of(raw: bytes, path: Path, what: str) -> list[tuple[int, str]]:
    """What `read_lines` gives, of bytes that have been read; ``path`` is for messages."""
    return _lines(_text(raw, path, what))


def _lines(text: str) -> list[tuple[int, str]]:
    return [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def read_dataset(path: str | os.PathLike[str]) -> DataSpec:
    """Read a Darknet ``.data`` file, or the same keys (or ``path/train/val/nc/names``) as ``.yaml``.

    Raises:
        DataError: an unreadable file, a line that is not ``key=value``, an unknown or repeated key, a value
            of the wrong type, or names that do not fit ``classes``.
    """
    path = Path(path)
    text = _read(path, "data")
    if path.suffix.lower() in (".yaml", ".yml"):
        entries, root = _yaml_entries(text, path)
    else:
        entries, root = _data_entries(text, path), None
    return _Builder(path, entries, root).spec()


def _read(path: Path, what: str, limit: int = MAX_BYTES) -> str:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"is not a file, a {what} file was expected", path=path)
        raw = path.read_bytes() if found.st_size <= limit else None
    except FileNotFoundError:
        raise DataError(f"no such {what} file", path=path) from None
    except OSError as error:
        raise DataError(f"the {what} file cannot be read: {error.strerror}", path=path) from None
    except ValueError as error:  # a NUL in the path
        raise DataError(f"the {what} file cannot be read: {error}", path=str(path)) from None
    if raw is None:
        raise DataError(f"is larger than {limit} bytes, too long for a {what} file", path=path)
    return _text(raw, path, what)


def _text(raw: bytes, path: Path, what: str) -> str:
    if b"\0" in raw:
        raise DataError(f"holds NUL bytes, so it is no {what} file", path=path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"the {what} file is not UTF-8 text", path=path, line=line) from None


def _check_key(key: str, legal: Iterable[str], seen: Mapping[str, Entry], path: Path, line: int) -> None:
    legal = tuple(legal)
    if key not in legal:
        near = get_close_matches(key, legal, 1)
        hint = f"did you mean {near[0]}?" if near else f"legal keys: {', '.join(legal)}"
        raise DataError(f"unknown key '{key}'", path=path, line=line, hint=hint)
    if key in seen:
        raise DataError(f"{key} is given again", path=path, line=line, hint=f"first given in line {seen[key].line}")


def _data_entries(text: str, path: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key:
            raise DataError(f"'{line[:60]}' is not key=value", path=path, line=number)
        _check_key(key, _KEYS, entries, path, number)
        entries[key] = Entry(value, number)
    return entries


def _yaml_entries(text: str, path: Path) -> tuple[dict[str, Entry], Path | None]:
    """Entries of a yaml file and the folder of its ``path``; read as nodes, because nodes know lines."""
    import yaml  # here: a .data file must not pay for it

    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be read"
        raise DataError(f"is not valid yaml: {problem}", path=path, line=mark.line + 1 if mark else None) from None
    except RecursionError:
        raise DataError("is nested too deeply for a data file", path=path) from None
    if not isinstance(top, yaml.MappingNode):
        raise DataError("is not a yaml mapping of key: value", path=path)
    entries: dict[str, Entry] = {}
    for key_node, value_node in top.value:
        line = key_node.start_mark.line + 1
        word = str(key_node.value)
        key = _YAML_ALIASES.get(word, word)
        _check_key(key, (*_KEYS, *_YAML_ALIASES, *_YAML_ONLY), entries, path, line)
        if isinstance(value_node, yaml.ScalarNode):
            if value_node.tag != "tag:yaml.org,2002:null":
                entries[key] = Entry(str(value_node.value), line)
        elif key == "names":
            entries[key] = Entry(_yaml_names(value_node, path), line)
        else:
            raise DataError(f"{word} must be a single value", path=path, line=line)
    folder = entries.pop("path", None)
    return entries, None if folder is None else resolve(str(folder.value), path.parent)


def _yaml_names(node: object, path: Path) -> tuple[str, ...]:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return tuple(str(item.value) for item in node.value)
    assert isinstance(node, yaml.MappingNode)
    names: list[str] = []
    for key, value in node.value:
        if key.value != str(len(names)):
            raise DataError(
                f"names counts {key.value} where {len(names)} was expected",
                path=path,
                line=key.start_mark.line + 1,
                hint="class numbers run from 0 without a gap",
            )
        names.append(str(value.value))
    return tuple(names)


class _Builder:
    """Turns entries into a DataSpec, with file and line at hand for every message."""

    def __init__(self, path: Path, entries: dict[str, Entry], root: Path | None) -> None:
        self.path = path
        self.entries = entries
        self.root = root
        self.notes: list[str] = []

    def spec(self) -> DataSpec:
        """Raises DataError for anything that is not legal."""
        names = self._names()
        classes = self._integer("classes")
        if classes is not None and "labels" in self.entries:
            names = names[:classes]  # Darknet's files for ImageNet name 21,000 classes, the first 1,000 count
        if classes is None and not names:
            raise DataError("has neither classes nor names", path=self.path, hint="write classes=<number>")
        if classes is None:
            classes = len(names)
        elif names and len(names) != classes:
            entry = self.entries.get("names")
            given = "names are given" if entry else "categories are in the COCO json"
            line = (entry or self.entries["classes"]).line
            raise DataError(f"classes={classes}, but {len(names)} {given}", path=self.path, line=line)
        if "download" in self.entries:
            self.notes.append(f"{self.path}:{self.entries['download'].line}: download has no effect here")
        train = self._path("train")
        return DataSpec(
            path=self.path,
            classes=classes,
            names=names or _numbered(classes),
            train=train,
            valid=self._path("valid") or train,
            test=self._path("test"),
            images=self._path("images"),
            backup=Path(self._text("backup") or DataSpec.backup),
            results=Path(self._text("results") or DataSpec.results),
            labels=self._path("labels"),
            difficult=self._path("difficult"),
            map=self._path("map"),
            leaves=self._path("leaves"),
            eval=self._text("eval"),
            top=self._integer("top") or DataSpec.top,
            saveweights=self._integer("saveweights"),
            savelast=self._integer("savelast"),
            notes=tuple(self.notes),
            lines={key: entry.line for key, entry in self.entries.items()},
        )

    def _text(self, key: str) -> str | None:
        entry = self.entries.get(key)
        if entry is None:
            return None
        if not isinstance(entry.value, str) or not entry.value:
            raise DataError(f"{key} has no value", path=self.path, line=entry.line)
        return entry.value

    def _integer(self, key: str) -> int | None:
        text = self._text(key)
        if text is None:
            return None
        least = _INTEGERS[key]
        if key == "classes" and text.isdecimal() and len(text) < 10 and int(text) > MAX_CLASSES:
            raise DataError(f"{key}={text} is more than {MAX_CLASSES}", path=self.path, line=self.entries[key].line)
        if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < least:
            line = self.entries[key].line
            raise DataError(f"{key}={text} is not an integer from {least} on", path=self.path, line=line)
        return int(text)

    def _path(self, key: str) -> Path | None:
        text = self._text(key)
        if text is None:
            return None
        if self.root is not None:
            return self.root / text
        folder, name = os.path.split(text)
        # Of shards {000..049} the first leads the way.
        first = os.path.join(folder, RANGE.sub(r"\1", name))
        return resolve(first, self.path.parent).parent / name if first != text else resolve(text, self.path.parent)

    def _names(self) -> tuple[str, ...]:
        entry = self.entries.get("names")
        if entry is None:
            return self._names_of_json()
        if isinstance(entry.value, tuple):
            return entry.value
        self._text("names")
        file = resolve(entry.value, self.path.parent)
        if not os.path.exists(file):
            raise DataError(f"the names file {entry.value} does not exist", path=self.path, line=entry.line)
        names = tuple(text for _, text in read_lines(file, "names"))
        if not names:
            raise DataError("the names file is empty", path=file)
        return names

    def _names_of_json(self) -> tuple[str, ...]:
        """The names of the categories of the first list that is a COCO json and exists."""
        for path in map(self._path, ("train", "valid", "test")):
            if path is not None and path.suffix.lower() == ".json" and path.is_file():
                return tuple(name for _, name in read_categories(path))
        return ()
