"""Findings, by rule: all are counted, the first of each rule are kept with their places."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csptrain.cfg.text import ERROR, NOTE, WARNING
from csptrain.doctor.rules import RULES, Rule
from csptrain.errors import CspError

MOST_KEPT = 200
SEVERITIES = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class Finding:
    """One violation of a rule: what was found, in which file and line (None: no line)."""

    found: str
    path: str
    line: int | None = None

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.found}"


@dataclass
class Chapter:
    """The findings of a rule: ``count`` of them, the first ``MOST_KEPT`` in ``findings``."""

    rule: Rule
    count: int = 0
    findings: list[Finding] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "rule": self.rule.name,
            "severity": self.rule.severity,
            "means": self.rule.means,
            "remedy": self.rule.remedy,
            "count": self.count,
            "findings": [{"path": one.path, "line": one.line, "found": one.found} for one in self.findings],
        }


class Book:
    """Collects findings; the rules come in the order of their severity."""

    def __init__(self) -> None:
        self._chapters: dict[str, Chapter] = {}

    def add(self, rule: str, found: str, path: str | Path, line: int | None = None) -> None:
        """Note a violation of ``rule``, one of ``RULES``."""
        chapter = self._chapters.setdefault(rule, Chapter(RULES[rule]))
        chapter.count += 1
        if chapter.count <= MOST_KEPT:
            chapter.findings.append(Finding(found, str(path), line))

    def add_error(self, rule: str, error: CspError, path: str | Path) -> None:
        """Note an error as a violation of ``rule``; it is said of ``path`` where it names no file."""
        found = f"{error.message} ({error.hint})" if error.hint else error.message
        self.add(rule, found, error.path or path, error.line)

    @property
    def chapters(self) -> list[Chapter]:
        """Errors first, then warnings and notes, each in the order of ``RULES``."""
        place = {name: number for number, name in enumerate(RULES)}
        return sorted(
            self._chapters.values(),
            key=lambda chapter: (SEVERITIES.index(chapter.rule.severity), place[chapter.rule.name]),
        )

    def count(self, severity: str) -> int:
        """How many findings are of a severity."""
        return sum(chapter.count for chapter in self._chapters.values() if chapter.rule.severity == severity)

    @property
    def verdict(self) -> str:
        """``errors``, ``warnings`` or ``ok``, which notes do not change."""
        return "errors" if self.count(ERROR) else "warnings" if self.count(WARNING) else "ok"
