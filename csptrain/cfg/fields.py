"""Typed options of a section: declared as dataclass fields, read once, checked with the line at hand."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

from csptrain.cfg.text import Option, Reading, Section
from csptrain.errors import CfgError

T = TypeVar("T")
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LIMIT = 2**31
_MOST_VALUES = 65536
_LONGEST_WORD = 80  # what is longer is no misspelt key


class Malformed(ValueError):
    """A value that a reader cannot take; ``fallback`` is what Darknet would make of it, ``choices`` the legal words."""

    def __init__(self, legal: str, fallback: Any, choices: tuple[str, ...] = ()) -> None:
        super().__init__(legal)
        self.legal = legal
        self.fallback = fallback
        self.choices = choices


def _prefix(pattern: re.Pattern[str], text: str, convert: Callable[[str], T], legal: str, zero: T) -> T:
    match = pattern.match(text)
    value = convert(match.group()) if match else zero
    if match is None or match.end() != len(text):
        raise Malformed(legal, value)
    return value


def _to_int(text: str) -> int:
    if len(text) > 11 or abs(int(text)) >= _LIMIT:
        raise Malformed("an integer of 32 bits", 0)
    return int(text)


def integer(text: str) -> int:
    """A whole number; Darknet reads the leading digits of anything (1.9 is 1)."""
    return _prefix(_INTEGER, text, _to_int, "an integer", 0)


def number(text: str) -> float:
    """A decimal number; Darknet reads the leading number of anything."""
    value = _prefix(_NUMBER, text, float, "a number", 0.0)
    if not math.isfinite(value):
        raise Malformed("a finite number", 0.0)
    return value


def _many(text: str, read: Callable[[str], T], legal: str) -> tuple[T, ...]:
    values: list[T] = []
    parts = text.split(",", _MOST_VALUES)
    clean = len(parts) <= _MOST_VALUES
    for part in parts[:_MOST_VALUES]:
        try:
            values.append(read(part))
        except Malformed as bad:
            clean = False
            values.append(bad.fallback)
    if not clean:
        raise Malformed(legal, tuple(values))
    return tuple(values)


def integers(text: str) -> tuple[int, ...]:
    """Whole numbers between commas."""
    return _many(text, integer, "integers between commas")


def numbers(text: str) -> tuple[float, ...]:
    """Decimal numbers between commas."""
    return _many(text, number, "numbers between commas")


def text(value: str) -> str:
    """Any word."""
    return value


def word(fallback: str, *choices: str) -> Callable[[str], str]:
    """One of some words; ``fallback`` is what Darknet takes for an unknown one."""

    def read_word(value: str) -> str:
        if value not in choices:
            raise Malformed(nearest(value, choices) or "one of " + ", ".join(choices), fallback, choices)
        return value

    return read_word


def nearest(found: str, legal: Iterable[str]) -> str | None:
    """A 'did you mean' for a word, or None."""
    if len(found) > _LONGEST_WORD:
        return None
    close = get_close_matches(found, list(legal), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else None


def opt(default: Any, reader: Callable[[str], Any], key: str | None = None, unused: str = "") -> Any:
    """A dataclass field read from a cfg key (the field's own name unless ``key`` is given).

    ``unused`` is the reason why another value than the default changes nothing, which is said when one is set.
    """
    return dataclasses.field(default=default, metadata={"reader": reader, "key": key, "unused": unused})


def switched_off(value: str) -> bool:
    """Whether an option's value is nothing or zero."""
    try:
        return not value or number(value) == 0
    except Malformed:
        return False


def keys(kind: type[Any]) -> dict[str, tuple[str, Callable[[str], Any]]]:
    """The cfg keys of a dataclass: key -> (field name, reader)."""
    return {
        field.metadata["key"] or field.name: (field.name, field.metadata["reader"])
        for field in dataclasses.fields(kind)
        if "reader" in field.metadata
    }


def read_options(
    kind: type[Any],
    section: Section,
    reading: Reading,
    inert: dict[str, str] | None = None,
    refused: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Read a section's options into the fields declared by ``kind``.

    Args:
        inert: keys that Darknet reads and that change no number here, with the reason; said once when set.
        refused: keys that change the numbers and are not computed here, with the reason.

    Returns: field name -> value, of the keys that are given.
    Raises:
        CfgError: unknown key or malformed value (a finding when reading leniently); a refused key in use.
    """
    known = keys(kind)
    unused = {field.name: field.metadata.get("unused") for field in dataclasses.fields(kind)}
    inert = inert or {}
    refused = refused or {}
    values: dict[str, Any] = {}
    for option in section.options:
        if option.key in known:
            name, reader = known[option.key]
            if name not in values:
                values[name] = _read_value(option, reader, section, reading)
                if (reason := unused.get(name)) and values[name] != getattr(kind, name):
                    reading.note(section, option.line, f"{option.key}= has no effect here", reason)
        elif option.key in inert:
            if not switched_off(option.value):
                reading.note(section, option.line, f"{option.key}= has no effect here", inert[option.key])
        elif option.key in refused:
            if not switched_off(option.value):
                what = f"{option.key}={option.value[:60]} of [{section.kind}] is not supported"
                raise section.error(what, option.key, refused[option.key])
        else:
            legal = [*known, *inert, *refused]
            hint = nearest(option.key, legal) or f"legal keys: {', '.join(sorted(known))}"
            reading.mistake(
                CfgError(
                    f"unknown key {option.key[:60]}= in [{section.kind}]",
                    path=section.path,
                    line=option.line,
                    hint=hint,
                )
            )
    return values


def _read_value(option: Option, reader: Callable[[str], Any], section: Section, reading: Reading) -> Any:
    try:
        return reader(option.value)
    except Malformed as bad:
        hint = bad.legal if bad.legal.startswith("did") else f"legal: {bad.legal}"
        if "#" in option.value or ";" in option.value:
            hint = "no comment can stand behind a value: give it a line of its own"
        reading.mistake(
            CfgError(
                f"{option.key}={option.value[:60]} in [{section.kind}]", path=section.path, line=option.line, hint=hint
            )
        )
        return bad.fallback
