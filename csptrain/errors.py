"""The errors a user can cause, each naming file, line, what was found and what is legal."""

from __future__ import annotations

from os import PathLike, fspath


class CspError(Exception):
    """A mistake in something the user gave: printed as one line, exit code 1.

    ``str(error)`` is ``path:line: message (hint)``; the parts that are not known are left out.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else fspath(path)
        self.line = line
        self.hint = hint

    def __str__(self) -> str:
        where = "" if self.path is None else f"{self.path}:"
        if self.line is not None:
            where += f"{self.line}:"
        text = f"{where} {self.message}" if where else self.message
        return f"{text} ({self.hint})" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders when a loader worker raises them.
        return _rebuild, (type(self), self.message, self.path, self.line, self.hint)


def _rebuild(kind: type[CspError], message: str, path: str | None, line: int | None, hint: str | None) -> CspError:
    return kind(message, path=path, line=line, hint=hint)


class CfgError(CspError):
    """A cfg that cannot be read or does not describe a network."""


class DataError(CspError):
    """A data file, list, label or image that cannot be used."""


class WeightsError(CspError):
    """A weights file or checkpoint that does not fit the network."""


class ExportError(CspError):
    """A network that the target runtime cannot compute equally."""
