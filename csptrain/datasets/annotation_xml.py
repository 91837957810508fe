"""XML of annotations, read element by element: what is hostile or broken is refused before it can harm."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from csptrain.cfg.regular import check_regular
from csptrain.errors import DataError

_DEEPEST = 100


class AnnotationReader:
    """Reads one file. A format defines `begin` and `end`, which find the names of the open elements in ``stack``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[str] = []
        self._text = ""
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._refuse

    @property
    def line(self) -> int:
        """The line that is being read."""
        return self._parser.CurrentLineNumber

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins inside of those in ``stack``."""

    def end(self, text: str) -> None:
        """The last element of ``stack`` ends; ``text`` is what stands behind the last element that began."""

    def parse(self, most: int | None = None) -> None:
        """Read the file, of at most ``most`` bytes; raises DataError for one that is not there or is no XML."""
        check_regular(self.path, most)
        try:
            self._parser.Parse(self.path.read_bytes(), True)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", path=self.path) from None
        except expat.ExpatError as error:
            words = expat.ErrorString(error.code)
            raise DataError(f"is not valid XML: {words}", path=self.path, line=error.lineno) from None

    def error(self, message: str, hint: str | None = None) -> DataError:
        """What is wrong with the line that is being read."""
        return DataError(message, path=self.path, line=self.line, hint=hint)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.begin(name, attributes)
        self.stack.append(name)
        if len(self.stack) > _DEEPEST:
            raise self.error("is nested too deeply for an annotation")
        self._text = ""

    def _characters(self, text: str) -> None:
        self._text += text

    def _end(self, _name: str) -> None:
        self.end(self._text.strip())
        self.stack.pop()

    def _refuse(self, *_declaration: object) -> None:
        raise self.error("declares an entity, which an annotation has no use for")
