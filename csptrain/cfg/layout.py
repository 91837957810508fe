"""The one way to write a cfg: no blanks around ``=``, full names, one blank line between sections, comments kept."""

from __future__ import annotations

import re
from collections.abc import Mapping

from csptrain.cfg.text import INVISIBLE

_BLANKS = str.maketrans("", "", " \t\r")
_PAIRS = ("anchors",)
_COMMENT = re.compile("[#;]")
_COMMENTED_OUT = re.compile(r"[#;]+\s*\w+\s*=")


def tidy(text: str, full_names: Mapping[str, str]) -> str:
    """The text of a cfg in canonical layout; it reads the same.

    ``full_names`` maps every section kind to the name it is written with (``conv`` -> ``convolutional``). Comments stay
    where they are, up to blanks at their ends; those right above a section belong to it. Groups of options that a
    blank line sets apart stay apart.
    """
    lines: list[str] = []
    gap = False
    for raw in text.split("\n"):
        line = _tidy_line(raw, full_names)
        if not line:
            gap = bool(lines)
            continue
        if line.startswith("["):
            _set_apart(lines, gap)
        elif gap and not (lines[-1].startswith("[") and not _COMMENT.match(line)):
            lines.append("")
        lines.append(line)
        gap = False
    return "\n".join(lines) + "\n" if lines else ""


def _set_apart(lines: list[str], gap: bool) -> None:
    """One blank line above a section, or above the comments that stand right on it."""
    place = len(lines)
    # An option that is commented out belongs to the section above.
    while not gap and place and _COMMENT.match(lines[place - 1]) and not _COMMENTED_OUT.match(lines[place - 1]):
        place -= 1
    if place and lines[place - 1]:
        lines.insert(place, "")


def _tidy_line(raw: str, full_names: Mapping[str, str]) -> str:
    line = raw.translate(_BLANKS)
    if line[:1] in ("#", ";"):
        return raw.strip(" \t\r")
    if line.startswith("[") and line.endswith("]"):
        return f"[{full_names.get(line[1:-1], line[1:-1])}]"
    key, equals, value = line.partition("=")
    if not equals or INVISIBLE.search(line):
        return line
    return f"{key}={spaced(key, value)}"


def spaced(key: str, value: str) -> str:
    """A value for the eye: anchors in pairs."""
    if key not in _PAIRS:
        return value
    parts = value.split(",")
    return ", ".join(",".join(parts[i : i + 2]) for i in range(0, len(parts), 2))
