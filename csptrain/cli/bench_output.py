"""What ``csptrain bench`` writes beside the terminal: a page, a table for programs, a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.voice import tell
from csptrain.errors import CspError

if TYPE_CHECKING:
    from csptrain.bench.page import Report
    from csptrain.bench.result import Comparison
    from csptrain.report.ratios import Panel


def write(report: Report, markdown_file: Path | None, csv_file: Path | None, png_file: Path | None) -> None:
    """Write those files that are asked for; the page keeps what stands outside its markers. Raises CspError."""
    from csptrain.bench.page import comma_separated, markdown
    from csptrain.formats.files import write_atomically
    from csptrain.formats.verify_matrix import insert
    from csptrain.report.draw import save_png
    from csptrain.report.picture import paint
    from csptrain.report.ratios import draw_ratios

    if markdown_file:
        before = markdown_file.read_text(encoding="utf-8") if markdown_file.exists() else ""
        page = insert(before, markdown(report), f"bench {report.verb}")
        write_atomically(markdown_file, [page.encode()], CspError)
        tell(f"wrote {markdown_file}")
    if csv_file:
        write_atomically(csv_file, [comma_separated(report).encode()], CspError)
        tell(f"wrote {csv_file}")
    if png_file:
        panels = [_panel(comparison) for comparison in report.comparisons]
        note = f"{report.machine['CPU']}, {report.machine['cores']} cores, {report.date}"
        save_png(paint(draw_ratios(panels, f"csptrain bench {report.verb}", note)), png_file)
        tell(f"wrote {png_file}")


def _panel(comparison: Comparison) -> Panel:
    from csptrain.report.ratios import Bar, Panel

    bars = []
    for figure in comparison.figures:
        if figure.turns:
            speed, length = comparison.speed(figure.side), comparison.per_second(figure)
            ratio = f", {speed:.2f}x" if speed else ""
            text = f"{length:.3g} {comparison.unit}s/s{ratio}"
            bars.append(Bar(figure.side, length, text, figure.side == comparison.baseline))
    return Panel(comparison.title, tuple(bars))
