"""The table of ``csptrain verify --matrix``: cfgs by runtimes, on the terminal and as a page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from csptrain.cli.voice import show, show_object
from csptrain.errors import DataError, ExportError
from csptrain.formats.files import write_atomically

SMALL = (96, 96)


def run_matrix(given: Sequence[Path], runtimes: Sequence[str], options: argparse.Namespace) -> int:
    """Try every cfg, print a line each, write the page after each; 1 where a runtime computes other numbers."""
    from csptrain.formats.onnx_model import DEFAULT_OPSET
    from csptrain.formats.verify_matrix import Row, insert, markdown, try_cfg

    rows: list[Row] = []
    before = options.markdown.read_text(encoding="utf-8") if options.markdown and options.markdown.exists() else ""
    for cfg in _cfgs(given):
        row = try_cfg(cfg, runtimes, options.opencv5_python, options.size or SMALL, options.opset or DEFAULT_OPSET)
        rows.append(row)
        show(f"{cfg}: {row.problem or ''}")
        for report in row.reports:
            worst = report.worst
            said = report.missing or report.refused or (f"{worst.relative:.1e}" if worst else "")
            show(f"  {report.runtime:<14}{'' if report.agrees() else '!! '}{said}")
        if options.markdown:
            page = insert(before, list(markdown(rows, runtimes)))
            write_atomically(options.markdown, [page.encode()], ExportError)
    show_object({"cfgs": [row.as_dict() for row in rows]})
    wrong = [report for row in rows for report in row.reports if report.heads and not report.agrees()]
    return 1 if wrong else 0


def _cfgs(given: Sequence[Path]) -> list[Path]:
    """The cfgs, a folder standing for all that it holds; raises DataError."""
    found = [cfg for path in given for cfg in (sorted(path.rglob("*.cfg")) if path.is_dir() else [path])]
    if not found:
        raise DataError("no cfg is given", hint="name cfgs or folders of them")
    return found
