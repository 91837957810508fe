"""One HTML page that needs nothing beside it: headings, tables and pictures, every text escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body { font: 14px/1.45 Helvetica, Arial, sans-serif; color: #1f2933; margin: 24px; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 28px; }
table { border-collapse: collapse; margin: 10px 0 18px; }
th, td { border: 1px solid #d7dde3; padding: 3px 8px; text-align: left; vertical-align: top; }
th { background: #f1f4f7; position: sticky; top: 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.match { background: #e8f5e9; } td.deviates { background: #fdecea; } td.known { background: #fff4e0; }
td.quoted { color: #7b8794; } td.long { min-width: 30em; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; } p { max-width: 60em; }
figure { display: inline-block; margin: 0 10px 14px 0; vertical-align: top; max-width: 400px; }
figure.wide { max-width: 502px; }
figure img { max-width: 100%; } figcaption { font-size: 12px; color: #66727f; overflow-wrap: anywhere; }
.cards { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
.cards > div { border: 1px solid #e3e8ed; border-radius: 6px; padding: 8px; background: #fff; max-width: 100%;
  box-sizing: border-box; }
.cards h3 { font-size: 13px; margin: 2px 4px 6px; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0; }
.tiles div { background: #f4f7fa; border-radius: 6px; padding: 8px 14px; min-width: 96px; }
.tiles b { display: block; font-size: 19px; font-variant-numeric: tabular-nums; }
.tiles span { font-size: 12px; color: #66727f; }
.meter { background: #e6eaee; border-radius: 4px; height: 8px; overflow: hidden; max-width: 994px; }
.meter div { background: #2f6fb3; height: 100%; }
details { margin: 10px 0; } summary { cursor: pointer; color: #2f6fb3; }
pre { background: #f7f9fb; border: 1px solid #e3e8ed; border-radius: 6px; padding: 10px; overflow-x: auto;
  font: 12px/1.4 Menlo, Consolas, monospace; max-width: 994px; }
pre .gone { background: #fdecea; } pre .new { background: #e8f5e9; }
"""
_LONG = 60  # letters of a cell that is not to be squeezed by its neighbours


def page(title: str, parts: Iterable[str], refresh: int | None = None) -> str:
    """An HTML document of ``parts``, which are HTML already; a browser reads it again every ``refresh`` seconds."""
    again = "" if refresh is None else f'\n<meta http-equiv="refresh" content="{refresh}">'
    small = '<meta name="viewport" content="width=device-width">'
    head = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{small}{again}'
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    head = f"{head}\n<title>{escape(title)}</title>"
    return f"{head}\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"


def heading(text: str) -> str:
    """A heading of a part."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], styles: Iterable[Sequence[str]] | None = None) -> str:
    """A table of plain texts; ``styles`` are the classes of each row's cells (numbers are found without)."""
    lines = [f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in header)}</tr>"]
    rows = [list(row) for row in rows]
    given = [list(row) for row in styles] if styles is not None else [[""] * len(row) for row in rows]
    for row, classes in zip(rows, given, strict=True):
        cells = (_cell(text, style) for text, style in zip(row, classes, strict=True))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(lines)
    return f'<div class="scroll"><table>\n{body}\n</table></div>'


def drawing(svg: str) -> str:
    """An SVG document as part of the page."""
    return f"<div>{svg}</div>"


def cards(*parts: str) -> str:
    """Parts beside each other, as many as there is room for."""
    return f'<div class="cards">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def card(title: str, part: str) -> str:
    """A part with a small heading, for `cards`."""
    return f"<h3>{escape(title)}</h3>{part}"


def tiles(figures: Iterable[tuple[str, str]]) -> str:
    """Figures that are read at a glance: name and value of each."""
    shown = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in figures)
    return f'<div class="tiles">{shown}</div>'


def meter(share: float) -> str:
    """A bar that is filled to ``share`` of its length."""
    return f'<div class="meter"><div style="width: {100 * min(max(share, 0.0), 1.0):.1f}%"></div></div>'


def folded(title: str, part: str) -> str:
    """A part that is shown when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{part}</details>"


def difference(lines: Iterable[str]) -> str:
    """Lines of a unified diff, those gone and those new on a ground of their own."""
    kinds = {"-": ' class="gone"', "+": ' class="new"'}
    shown = "\n".join(f"<span{kinds.get(line[:1], '')}>{escape(line)}</span>" for line in lines)
    return f"<pre>{shown}</pre>"


def photo(jpeg: bytes, text: str, wide: bool = False) -> str:
    """A JPEG within the page, with a line of plain text below it."""
    data = b64encode(jpeg).decode("ascii")
    caption = f"<figcaption>{escape(text)}</figcaption>"
    kind = ' class="wide"' if wide else ""
    return f'<figure{kind}><img alt="{escape(text)}" src="data:image/jpeg;base64,{data}">{caption}</figure>'


def _cell(text: str, style: str) -> str:
    kind = "number" if _is_number(text) else "long" if len(text) > _LONG else ""
    names = " ".join(name for name in (kind, style) if name)
    return f'<td class="{escape(names)}">{escape(text)}</td>' if names else f"<td>{escape(text)}</td>"


def _is_number(text: str) -> bool:
    return text.strip("+-%MxG ").replace(".", "", 1).replace(",", "").isdigit()
