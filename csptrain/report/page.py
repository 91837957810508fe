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
td.quoted { color: #7b8794; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; } p { max-width: 60em; }
figure { display: inline-block; margin: 0 10px 14px 0; vertical-align: top; max-width: 400px; }
figure img { max-width: 100%; } figcaption { font-size: 12px; color: #66727f; overflow-wrap: anywhere; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """An HTML document of ``parts``, which are HTML already."""
    head = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>'
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
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


def photo(jpeg: bytes, text: str) -> str:
    """A JPEG within the page, with a line of plain text below it."""
    data = b64encode(jpeg).decode("ascii")
    caption = f"<figcaption>{escape(text)}</figcaption>"
    return f'<figure><img alt="{escape(text)}" src="data:image/jpeg;base64,{data}">{caption}</figure>'


def _cell(text: str, style: str) -> str:
    names = " ".join(name for name in ("number" if _is_number(text) else "", style) if name)
    return f'<td class="{escape(names)}">{escape(text)}</td>' if names else f"<td>{escape(text)}</td>"


def _is_number(text: str) -> bool:
    return bool(text) and text.strip("+-%MxG ").replace(".", "").replace(",", "").isdigit()
