"""cfg text to sections that remember their lines; knows no layer.

Source: Darknet strips every space and tab inside a line, takes a line that then starts with ``#`` or ``;`` as a
comment, and knows no comment behind a value.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from csptrain.errors import CfgError

# The largest published cfg has 30 kB; all that these limits let in is read within two seconds.
MAX_BYTES = 1024 * 1024
MAX_LINES = 65536
# The largest networks have about a thousand layers.
MAX_SECTIONS = 4096
# A file of nothing but mistakes is no cfg.
MAX_FINDINGS = 2000
_BLANKS = str.maketrans("", "", " \t\r")
_BYTE_ORDER_MARK = "\ufeff"
# Blanks that Darknet does not strip, and what no editor shows.
INVISIBLE = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff]")
ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True)
class Option:
    """One ``key=value`` line."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Section:
    """One ``[kind]`` with its options in file order, repeated keys included."""

    kind: str
    path: str
    line: int
    options: tuple[Option, ...] = ()

    def get(self, key: str) -> Option | None:
        """The option in force: Darknet takes the first of a repeated key."""
        return next((option for option in self.options if option.key == key), None)

    def error(self, message: str, key: str | None = None, hint: str | None = None) -> CfgError:
        """A CfgError at this section, or at the line of one of its keys."""
        option = self.get(key) if key else None
        return CfgError(message, path=self.path, line=option.line if option else self.line, hint=hint)


@dataclass(frozen=True)
class Finding:
    """Something about a cfg that its author should know: an ``error``, a ``warning`` or a ``note``."""

    path: str
    line: int
    message: str
    hint: str | None = None
    severity: str = NOTE

    def __str__(self) -> str:
        return str(CfgError(self.message, path=self.path, line=self.line or None, hint=self.hint))


@dataclass
class Reading:
    """How a cfg is read: strictly (a mistake is an error) or as Darknet does (a mistake becomes a finding).

    ``collecting`` is for a reader that wants to know all mistakes: none is raised where reading can go on.
    """

    lenient: bool = False
    findings: list[Finding] = field(default_factory=list)
    collecting: bool = False

    def mistake(self, error: CfgError) -> None:
        """Raise ``error``, or keep it as a finding when reading leniently or collecting."""
        if not (self.lenient or self.collecting):
            raise error
        self.keep(error, WARNING if self.lenient else ERROR)

    def stop(self, error: CfgError) -> None:
        """Raise ``error``, at which Darknet stops too, or keep it as a finding when collecting."""
        if not self.collecting:
            raise error
        self.keep(error, ERROR)

    def keep(self, error: CfgError, severity: str) -> None:
        """Keep an error as a finding; raises CfgError when there are far too many."""
        if len(self.findings) >= MAX_FINDINGS:
            raise CfgError(f"holds more than {MAX_FINDINGS} mistakes, so it is no cfg", path=error.path)
        self.findings.append(Finding(error.path or "", error.line or 0, error.message, error.hint, severity))

    def note(self, section: Section, line: int, message: str, hint: str | None = None) -> None:
        """Keep a finding that is no mistake."""
        self.findings.append(Finding(section.path, line, message, hint))


def read_text(path: str | os.PathLike[str], limit: int = MAX_BYTES, what: str = "cfg", errors: str = "replace") -> str:
    """The text of a small regular file; ``errors="surrogateescape"`` keeps bytes that are no UTF-8 for writing.

    Raises:
        CfgError: not there, not a regular file, larger than ``limit`` bytes, or with NUL bytes in it.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise CfgError(f"is not a file, a {what} was expected", path=path)
        with Path(path).open("rb") as stream:
            raw = stream.read(limit + 1)
    except FileNotFoundError:
        raise CfgError(f"no such {what} file", path=path) from None
    except (OSError, ValueError) as error:
        raise CfgError(f"cannot be read: {error}", path=str(path)) from None
    if len(raw) > limit:
        raise CfgError(f"is larger than {limit} bytes, too long for a {what}", path=path)
    if b"\0" in raw:
        raise CfgError(f"holds NUL bytes, so it is no {what}", path=path, hint="is it a weights file?")
    return raw.decode("utf-8", errors=errors)


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The meaningful lines, stripped as Darknet strips them, with their numbers from 1."""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.translate(_BLANKS)
        if line and line[0] not in "#;":
            yield number, line


def parse_option(line: str, number: int, path: str, mistake: Callable[[CfgError], None]) -> Option | None:
    """One ``key=value`` line; anything else is a mistake and yields None."""
    key, equals, value = line.partition("=")
    if equals and key:
        return Option(key, value, number)
    mistake(CfgError(f"'{line[:60]}' is not key=value", path=path, line=number, hint="a comment begins with #"))
    return None


def _parse_kind(line: str, number: int, path: str, reading: Reading) -> str:
    """The kind of a ``[kind]`` line; of a broken one, when collecting, the word behind the bracket."""
    if line.endswith("]") and len(line) > 2:
        return line[1:-1]
    word, bracket, _ = line[1:].partition("]")
    hint = f"write [{word[:60]}], a comment needs a line of its own" if word and bracket else "write [kind]"
    reading.stop(CfgError(f"'{line[:60]}' is not a section", path=path, line=number, hint=hint))
    return word


def _visible(line: str, number: int, path: str, reading: Reading) -> str:
    """The line without the characters that nobody sees, which are a mistake; leniently as it is."""
    found = INVISIBLE.search(line)
    if found is None:
        return line
    message = f"holds the invisible character U+{ord(found.group()):04X}"
    reading.mistake(CfgError(message, path=path, line=number, hint="delete it, Darknet does not"))
    return line if reading.lenient else INVISIBLE.sub("", line)


def parse(text: str, path: str = "<cfg>", reading: Reading | None = None) -> tuple[Section, ...]:
    """Split cfg text into sections.

    Raises:
        CfgError: an option before the first section, an unclosed ``[``, no section at all or thousands, and when
            reading strictly a line that is not ``key=value`` or a key given twice.
    """
    reading = reading or Reading()
    if text.count("\n") > MAX_LINES:
        raise CfgError(f"has more than {MAX_LINES} lines", path=path)
    if text.startswith(_BYTE_ORDER_MARK):
        mark = CfgError("begins with a byte order mark", path=path, line=1, hint="save it as UTF-8 without one")
        reading.mistake(mark)
        text = text[1:]
    sections: list[Section] = []
    options: list[Option] = []
    head: tuple[str, int] | None = None

    def close() -> None:
        if head is not None:
            section = Section(head[0], path, head[1], tuple(options))
            _check_repeats(section, reading)
            sections.append(section)
        options.clear()

    for number, raw in lines(text):
        line = _visible(raw, number, path, reading)
        if line.startswith("["):
            kind = _parse_kind(line, number, path, reading)
            close()
            head = (kind, number)
            if len(sections) > MAX_SECTIONS:
                raise CfgError(f"has more than {MAX_SECTIONS} sections", path=path, line=number)
        elif head is None:
            first = CfgError(
                "an option stands before the first section", path=path, line=number, hint="begin with [net]"
            )
            reading.stop(first)
        elif (option := parse_option(line, number, path, reading.mistake)) is not None:
            options.append(option)
    close()
    if not sections:
        raise CfgError("has no section", path=path, hint="a cfg begins with [net]")
    return tuple(sections)


def read(path: str | os.PathLike[str], reading: Reading | None = None) -> tuple[Section, ...]:
    """Read and split a cfg file; raises CfgError."""
    return parse(read_text(path), os.fspath(path), reading)


def _check_repeats(section: Section, reading: Reading) -> None:
    first: dict[str, int] = {}
    for option in section.options:
        if option.key in first:
            reading.mistake(
                CfgError(
                    f"{option.key[:60]}= is given again in [{section.kind[:60]}]",
                    path=section.path,
                    line=option.line,
                    hint=f"Darknet uses the first, line {first[option.key]}",
                )
            )
        first.setdefault(option.key, option.line)


def render(sections: tuple[Section, ...], comment: str = "") -> str:
    """cfg text of sections: one ``key=value`` a line, a blank line between sections."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    parts = [f"[{s.kind}]\n" + "".join(f"{o.key}={o.value}\n" for o in s.options) for s in sections]
    return (head + "\n" if head else "") + "\n".join(parts)
