"""A command line with Darknet's habits: long flags with one dash, anywhere among the file names."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from csptrain.cli import voice
from csptrain.errors import CspError

_ARGPARSE = re.compile(r"^argument (?:[^/:]+/)?([^/:]+): ")
_PLAIN: dict[object, str] = {int: "integer", float: "number"}
_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
#: The spellings of a flag that every verb understands.
QUIET = frozenset(("-quiet", "--quiet"))


class UsageError(CspError):
    """A command line that cannot be understood: printed as one line, exit code 2."""


def unknown(what: str, word: str, legal: Iterable[str]) -> UsageError:
    """Return the error for a word that is not legal, naming the nearest legal one (all, if none is near)."""
    known = list(legal)
    near = get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"legal: {', '.join(known)}" if known else None
    return UsageError(f"unknown {what} '{word}'", hint=hint)


class Arguments:
    """The arguments of one verb.

    A flag or option is declared once, as Darknet spells it (``dont_show``), and is accepted as
    ``-dont_show``, ``--dont_show`` and ``--dont-show``, before, between and after the positional words.
    Nothing is abbreviated. Given twice, the last counts.

    >>> arguments = Arguments("detector map", "mean average precision")
    >>> arguments.positional("files", many=True)
    >>> arguments.option("thresh", float, 0.25, "least score")
    >>> arguments.flag("dont_show", "open no window")
    >>> arguments.parse(["a.data", "-thresh", ".5", "a.cfg", "--dont-show"])
    Namespace(files=['a.data', 'a.cfg'], thresh=0.5, dont_show=True)
    """

    def __init__(self, verb: str, purpose: str, epilog: str | None = None) -> None:
        self._command = f"csptrain {verb}"
        self._parser = _Parser(
            prog=self._command,
            description=purpose,
            epilog=epilog,
            formatter_class=_Help,
            allow_abbrev=False,
            add_help=False,
        )
        self._spellings: dict[str, tuple[str, bool]] = {}  # as typed -> (as declared to argparse, takes a value)
        for spelling in ("-h", "-help", "--help"):
            self._spellings[spelling] = ("--help", False)
        self._parser.add_argument("-h", "--help", action="help", help="show this and stop")
        self.flag("quiet", "print results, warnings and errors alone")

    def positional(
        self,
        name: str,
        text: str | None = None,
        *,
        optional: bool = False,
        many: bool = False,
        reader: Callable[[str], Any] = str,
    ) -> None:
        """Declare a positional word, read by `reader`; `optional` may be missing (None), `many` is a list."""
        nargs = "*" if many else "?" if optional else None
        self._parser.add_argument(name, nargs=nargs, help=text, type=_reading(reader))

    def flag(self, name: str, text: str) -> None:
        """Declare a flag without a value: False unless given."""
        self._parser.add_argument(*self._register(name, takes_value=False), action="store_true", help=text)

    def json(self) -> None:
        """Declare ``--json``, which keeps standard output for one object."""
        self.flag("json", "print one JSON object and nothing else")

    def option(
        self,
        name: str,
        reader: Callable[[str], Any],
        default: Any,
        text: str,
        *,
        metavar: str | None = None,
        choices: Sequence[str] | None = None,
    ) -> None:
        """Declare an option with one value, read by `reader`, whose ValueError says what is wrong with a bad one."""
        spellings = self._register(name, takes_value=True)
        shown = metavar or ("N" if reader in (int, float) else name.upper())
        self._parser.add_argument(*spellings, type=_reading(reader, choices), default=default, help=text, metavar=shown)

    def accepts(self, spelling: str) -> bool:
        """Whether a flag, as typed, is declared."""
        return spelling in self._spellings

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the values by declared name; how to speak (``--quiet``, ``--json``) is known to `voice` from then on.

        Raises:
            UsageError: an unknown flag, a missing or bad value, too many or too few words.
            SystemExit: after ``--help``, with code 0.
        """
        flags, words = self._split(argv)
        options = self._parser.parse_args([*flags, "--", *words] if words else flags)
        voice.adopt(vars(options).pop("quiet"), getattr(options, "json", False))
        return options

    def error(self, message: str) -> UsageError:
        """Return the usage error for what the declarations cannot express; the caller raises it."""
        return UsageError(message, hint=f"see {self._command} --help")

    def _register(self, name: str, *, takes_value: bool) -> list[str]:
        dashed = f"--{name.replace('_', '-')}"
        for spelling in (f"-{name}", f"--{name}", dashed):
            if spelling in self._spellings:
                raise AssertionError(f"{self._command}: {spelling} is declared twice")
        for spelling in (f"-{name}", f"--{name}", dashed):
            self._spellings[spelling] = (dashed, takes_value)
        return [f"-{name}", dashed]

    def _split(self, argv: Sequence[str]) -> tuple[list[str], list[str]]:
        """Separate flags, as ``--dashed-name[=value]``, from the other words; argparse does the rest.

        argparse alone would read ``-clera`` as ``-c lera`` and ``-thresh -1`` as two flags.
        """
        flags: list[str] = []
        words: list[str] = []
        rest = iter(argv)
        for word in rest:
            if word == "--":
                words.extend(rest)
            elif not _looks_like_flag(word):
                words.append(word)
            else:
                spelling, equals, value = word.partition("=")
                if spelling not in self._spellings:
                    raise self._unknown_flag(spelling)
                declared, takes_value = self._spellings[spelling]
                if equals and not takes_value:
                    raise self.error(f"{spelling} takes no value, found '{word}'")
                if takes_value and not equals:
                    value = self._value_after(spelling, next(rest, None))
                flags.append(f"{declared}={value}" if takes_value else declared)
        return flags, words

    def _value_after(self, spelling: str, value: str | None) -> str:
        if value is None or value.partition("=")[0] in self._spellings:
            found = "nothing" if value is None else f"the flag {value}"
            raise self.error(f"{spelling} needs a value, found {found} after it")
        return value

    def _unknown_flag(self, spelling: str) -> UsageError:
        near = get_close_matches(spelling, self._spellings, n=1)
        return self.error(f"unknown flag '{spelling}'") if not near else unknown("flag", spelling, near)


def _looks_like_flag(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not _NUMBER.fullmatch(word)


def _reading(reader: Callable[[str], Any], choices: Sequence[str] | None = None) -> Callable[[str], Any]:
    """The reader, whose mistakes are told in our words: argparse would hide them behind the reader's name."""

    def read(text: str) -> Any:
        if choices is not None and text not in choices:
            raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(choices)}")
        try:
            return reader(text)
        except ValueError as error:
            what = f"{text} is no {_PLAIN[reader]}" if reader in _PLAIN else str(error)
            raise argparse.ArgumentTypeError(what) from None

    return read


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        said = _ARGPARSE.sub(r"\1: ", message)
        raise UsageError(said, hint=f"see {self.prog} --help")


class _Help(argparse.HelpFormatter):
    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        value = "" if action.nargs == 0 else f" {action.metavar}"
        return ", ".join(action.option_strings) + value
