"""What a verb prints, and where: results on standard output, all else where it does not mix with them.

Every verb understands ``--quiet``: results, warnings and errors alone are printed. With ``--json``, where a verb has
it, standard output holds one object and nothing else. `Arguments.parse` reads both flags, the functions here heed them.
"""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO


@dataclass
class _Manner:
    quiet: bool = False
    json: bool = False


_manner = _Manner()


def adopt(quiet: bool = False, json: bool = False) -> None:
    """Speak so from now on."""
    _manner.quiet, _manner.json = quiet, json


def escape() -> None:
    """Have characters that the terminal's encoding lacks, and bytes of file names that are no text, written as \\x.."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def quiet() -> bool:
    """Whether ``--quiet`` was given."""
    return _manner.quiet


def as_json() -> bool:
    """Whether ``--json`` was given."""
    return _manner.json


def aside() -> TextIO:
    """Where a log or a question goes: standard output, with ``--json`` standard error."""
    return sys.stderr if _manner.json else sys.stdout


def show(*lines: str) -> None:
    """Lines of a result, at once; nothing with ``--json``, whose object says the same."""
    if not _manner.json:
        for line in lines:
            print(line)
        sys.stdout.flush()


def show_text(text: str) -> None:
    """A result that is a text of its own, as a cfg is."""
    print(text, end="")


def show_object(record: Mapping[str, object] | Sequence[Mapping[str, object]]) -> None:
    """A result as one JSON object on one line, where ``--json`` was given; what is no finite number becomes null."""
    if _manner.json:
        print(json.dumps(_finite(record)), flush=True)


def say(*lines: str) -> None:
    """Lines of the log: what is done, and what was written."""
    if not _manner.quiet:
        for line in lines:
            print(line, file=aside())
        aside().flush()


def tell(line: str, *, always: bool = False) -> None:
    """A remark beside the results, on standard error; ``always`` where a result is another because of it."""
    if always or not _manner.quiet:
        print(line, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Something went wrong that does not stop the work: a line of the log, with ``--quiet`` on standard error."""
    if _manner.quiet:
        tell(f"warning: {message}", always=True)
    else:
        say(f"warning: {message}")


def _finite(value: object) -> object:
    """The same with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
