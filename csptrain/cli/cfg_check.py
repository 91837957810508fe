"""``csptrain cfg check``: all mistakes of some cfgs, what another reader gets wrong, and repair."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from csptrain.cfg.draft import unified_diff
from csptrain.cfg.text import ERROR, WARNING, Finding, read_text
from csptrain.cli.arguments import Arguments
from csptrain.cli.voice import say, show, show_object
from csptrain.errors import CfgError

TARGETS = ("darknet", "opencv4", "onnx")


@dataclass(frozen=True)
class Report:
    """What is said of one file; ``diff`` is the repair that was written."""

    path: str
    findings: tuple[Finding, ...]
    diff: tuple[str, ...] = ()

    def count(self, severity: str) -> int:
        """How many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "path": self.path,
            "errors": self.count(ERROR),
            "warnings": self.count(WARNING),
            "findings": [asdict(finding) for finding in self.findings],
            "diff": list(self.diff),
        }


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        "cfg check",
        "Report every mistake of cfgs with its line and remedy. The exit code is 1 if there is an error, be it of the "
        "cfg or of the target's.",
    )
    parser.positional("files", "cfg files", many=True)
    parser.flag("lenient", "what Darknet reads past is a warning")
    parser.flag("fix", "write back what has one clear repair, and show it")
    parser.option("target", str, None, "also say what this reader would get wrong", choices=TARGETS)
    parser.flag("json", "a JSON list of reports")
    return parser


def run(argv: list[str]) -> int:
    """Report, and return 1 if there is an error; raises CspError for a repair that cannot be written."""
    parser = arguments()
    options = parser.parse(argv)
    if not options.files:
        raise parser.error("no cfg is given")
    reports = [_report(Path(name), options.lenient, options.fix, options.target) for name in options.files]
    show_object([report.as_dict() for report in reports])
    for report in reports:
        show(*report.diff, *(_line(finding) for finding in report.findings))
        if not (report.diff or report.findings or options.json):
            say(f"{report.path}: fine")
    if len(reports) > 1 and not options.json:
        errors, warnings = (sum(report.count(kind) for report in reports) for kind in (ERROR, WARNING))
        say(f"{len(reports)} files, {errors} errors, {warnings} warnings")
    return int(any(report.count(ERROR) for report in reports))


def _report(path: Path, lenient: bool, fix: bool, target: str | None) -> Report:
    from csptrain.lint.advice import advise
    from csptrain.lint.check import check_file, in_order
    from csptrain.lint.targets import check_target

    try:
        diff = _repair(path) if fix else []
        checked = check_file(path, lenient)
    except CfgError as error:
        return Report(str(path), (Finding(error.path or str(path), error.line or 0, error.message, error.hint, ERROR),))
    found = [*checked.findings, *advise(checked), *(check_target(checked, target) if target else [])]
    return Report(str(path), in_order(found), tuple(diff))


def _repair(path: Path) -> list[str]:
    from csptrain.formats.files import write_atomically
    from csptrain.lint.repair import repair

    # Bytes that are no UTF-8, say in a comment, come back as they were.
    before = read_text(path, errors="surrogateescape")
    after = repair(before, str(path))
    if after == before:
        return []
    write_atomically(path.resolve(), [after.encode("utf-8", "surrogateescape")], CfgError)
    old, new = (text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for text in (before, after))
    return unified_diff(old, new, str(path))


def _line(finding: Finding) -> str:
    if finding.severity == ERROR:
        return str(finding)
    where = f"{finding.path}:{finding.line}:"
    return str(finding).replace(where, f"{where} {finding.severity}:", 1)
