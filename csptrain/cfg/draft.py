"""Changes to the text of a cfg, line by line: what is not changed stays byte for byte."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from csptrain.cfg.layout import spaced
from csptrain.cfg.text import Option, Section

_OPTION = re.compile(r"([^=]*=[ \t]*)(.*?)([ \t]*)", re.DOTALL)
_KEY = re.compile(r"([ \t]*)([^=]*?)([ \t]*=.*)", re.DOTALL)


class Draft:
    """A text whose lines, numbered from 1 as findings are, can be replaced; numbers are those of the original."""

    def __init__(self, text: str) -> None:
        self.original = text
        self._lines = text.split("\n")
        self._changed: dict[int, list[str]] = {}

    @property
    def text(self) -> str:
        """The text with all changes."""
        if not self._changed:
            return self.original
        lines = (self._changed.get(number, [line]) for number, line in enumerate(self._lines, 1))
        return "\n".join(line for part in lines for line in part)

    def line(self, number: int) -> str:
        """A line of the original, without its end."""
        return self._lines[number - 1].removesuffix("\r")

    def touched(self, number: int) -> bool:
        """Whether a line is changed already."""
        return number in self._changed

    def replace(self, number: int, lines: Iterable[str]) -> None:
        """Other lines instead of one; none deletes it."""
        end = "\r" if self._lines[number - 1].endswith("\r") else ""
        self._changed[number] = [line + end for line in lines]

    def set_value(self, number: int, value: str) -> None:
        """Another value behind the ``=`` of a line, the blanks around it kept."""
        match = _OPTION.fullmatch(self.line(number))
        if match:
            self.replace(number, [match[1] + value + match[3]])

    def set_key(self, number: int, key: str) -> None:
        """Another key before the ``=`` of a line."""
        match = _KEY.fullmatch(self.line(number))
        if match:
            self.replace(number, [match[1] + key + match[3]])

    def set_kind(self, number: int, kind: str) -> None:
        """Another kind in the ``[kind]`` of a line."""
        before, _, _ = self.line(number).partition("[")
        self.replace(number, [f"{before}[{kind}]"])

    def add_after(self, number: int, line: str) -> None:
        """A new line below one."""
        end = "\r" if self._lines[number - 1].endswith("\r") else ""
        self._changed.setdefault(number, [self._lines[number - 1]]).append(line + end)


def unified_diff(before: str, after: str, name: str) -> list[str]:
    """Lines of a unified diff of two texts, without line ends."""
    first, second = ([line.rstrip("\r") for line in text.split("\n")] for text in (before, after))
    return list(difflib.unified_diff(first, second, f"{name} (before)", f"{name} (after)", lineterm=""))


def carry_over(draft: Draft, before: Iterable[Section], after: Iterable[Section]) -> None:
    """Write into ``draft`` what differs between the sections of its text and edited ones, paired in order."""
    for old, new in zip(before, after, strict=True):
        _carry_section(draft, old, new)


def _carry_section(draft: Draft, old: Section, new: Section) -> None:
    given = _first_of_each(old.options)
    wanted = _first_of_each(new.options)
    for key, option in given.items():
        if key not in wanted:
            draft.replace(option.line, [])
        elif wanted[key].value != option.value:
            draft.set_value(option.line, spaced(key, wanted[key].value))
    last = max((option.line for option in old.options), default=old.line)
    for key, option in wanted.items():
        if key not in given:
            draft.add_after(last, f"{key}={spaced(key, option.value)}")


def _first_of_each(options: Iterable[Option]) -> dict[str, Option]:
    found: dict[str, Option] = {}
    for option in options:
        found.setdefault(option.key, option)
    return found
