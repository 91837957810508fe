"""Pages: whole, escaped, and needing nothing beside them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from csptrain.report.page import drawing, heading, page, paragraph, table

VOID = {"meta", "br", "img"}


class Balanced(HTMLParser):
    """Collects texts, and the tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_texts_are_escaped_and_tags_closed() -> None:
    nasty = '<script>alert("x")</script> & more'
    html = page(nasty, [heading(nasty), paragraph(nasty), table([nasty, "b"], [[nasty, "1.5"]], [["match", nasty]])])
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert "<script" not in html
    assert parser.texts.count(nasty) == 6  # title, two headings, paragraph, head and cell of the table
    assert '<td class="number' in html


def test_a_page_names_no_other_file() -> None:
    html = page("t", [drawing("<svg></svg>"), table(["a"], [["1"]])])
    assert not re.search(r"(src|href|@import|url\()", html)


def test_numbers_are_set_to_the_right() -> None:
    html = table(["a"], [["2.83M"], ["-13%"], ["word"], ["= 3"], ["4.14.0"], [""]])
    assert html.count('class="number"') == 2
