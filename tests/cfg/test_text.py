"""Reading cfg text as Darknet does, with the line of every mistake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from csptrain.cfg import text
from csptrain.cfg.text import Reading
from csptrain.errors import CfgError


def message(content: str) -> str:
    with pytest.raises(CfgError) as caught:
        text.parse(content, "x.cfg")
    return str(caught.value)


def test_blanks_comments_and_order() -> None:
    content = "# head\n ; other\n[ n e t ]\r\n wid th = 4 1 6 \n\n\t#[x]\n[conv]\nkey==a=b\n[conv]\n"
    net, first, second = text.parse(content, "x.cfg")
    assert (net.kind, net.line, net.options[0].key, net.options[0].value, net.options[0].line) == (
        "net", 3, "width", "416", 4,
    )  # fmt: skip
    assert (first.kind, first.line, first.options[0].key, first.options[0].value) == ("conv", 7, "key", "=a=b")
    assert (second.line, second.options) == (9, ())


def test_there_is_no_comment_behind_a_value() -> None:
    (net,) = text.parse("[net]\nactivation=leaky # no\n")
    assert net.options[0].value == "leaky#no"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("width=3\n[net]\n", "x.cfg:1: an option stands before the first section (begin with [net])"),
        ("\n# only\n", "x.cfg: has no section (a cfg begins with [net])"),
        ("[net]\n[conv\n", "x.cfg:2: '[conv' is not a section (write [kind])"),
        ("[net]\n[]\n", "x.cfg:2: '[]' is not a section (write [kind])"),
        ("[net]\nwidth\n", "x.cfg:2: 'width' is not key=value (a comment begins with #)"),
        ("[net]\n=3\n", "x.cfg:2: '=3' is not key=value (a comment begins with #)"),
        ("\ufeff[net]\n", "x.cfg:1: begins with a byte order mark (save it as UTF-8 without one)"),
        ("[net]\na=\xa01\n", "x.cfg:2: holds the invisible character U+00A0 (delete it, Darknet does not)"),
        ("[net]# v4\n", "x.cfg:1: '[net]#v4' is not a section (write [net], a comment needs a line of its own)"),
        ("[net]\na=1\nb=2\na=3\n", "x.cfg:4: a= is given again in [net] (Darknet uses the first, line 2)"),
    ],
)
def test_mistakes(content: str, expected: str) -> None:
    assert message(content) == expected


def test_lenient_reading_keeps_mistakes_as_findings_and_the_first_of_a_key() -> None:
    reading = Reading(lenient=True)
    (net,) = text.parse("[net]\nrubbish\na=1\na=2\n", "x.cfg", reading)
    assert [str(finding).split(" (")[0] for finding in reading.findings] == [
        "x.cfg:2: 'rubbish' is not key=value",
        "x.cfg:4: a= is given again in [net]",
    ]
    option = net.get("a")
    assert option is not None and option.value == "1" and net.get("b") is None


def test_errors_point_at_the_key_or_the_section() -> None:
    (net,) = text.parse("\n[net]\na=1\n", "x.cfg")
    assert str(net.error("bad", "a")) == "x.cfg:3: bad"
    assert str(net.error("bad", "b", "hint")) == "x.cfg:2: bad (hint)"


def test_render_and_parse_are_inverse() -> None:
    content = "[net]\nwidth=4\n\n[route]\nlayers=-1,3\n"
    sections = text.parse(content)
    assert text.render(sections) == content
    commented = text.render(sections, "made\nby hand")
    assert commented.startswith("# made\n# by hand\n\n[net]\n")
    assert [section.options[0].value for section in text.parse(commented)] == ["4", "-1,3"]


def test_files_that_are_no_cfg(tmp_path: Path) -> None:
    for name, content, words in (
        ("nul.cfg", b"[net]\n\0", "NUL bytes"),
        ("long.cfg", b"#" * (text.MAX_BYTES + 1), "larger than"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CfgError, match=words):
            text.read(tmp_path / name)
    with pytest.raises(CfgError, match="no such cfg file"):
        text.read(tmp_path / "none.cfg")
    with pytest.raises(CfgError, match="is not a file"):
        text.read(tmp_path)
    os.mkfifo(tmp_path / "pipe.cfg")
    with pytest.raises(CfgError, match="is not a file"):
        text.read(tmp_path / "pipe.cfg")
    with pytest.raises(CfgError, match="no such cfg file|cannot be read"):
        text.read("a\0b")


def test_bytes_that_are_no_text_do_not_stop_the_reading(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_bytes(b"# caf\xe9\n[net]\nwidth=3\n")
    assert text.read(tmp_path / "x.cfg")[0].kind == "net"
