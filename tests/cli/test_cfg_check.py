"""A page of mistakes that people make: `csptrain cfg check` names the line and the remedy of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from csptrain.cfg.text import ERROR, WARNING
from csptrain.cli.main import main
from csptrain.lint.repair import clear_match, repair

BASE = """\
# A detector with two heads
[net]
batch=64
subdivisions=16
width=64
height=64
channels=3
momentum=0.9
learning_rate=0.001
burn_in=100
max_batches=6000
policy=steps
steps=4800,5400
scales=.1,.1

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=16
size=3
stride=2
pad=1
activation=mish

[shortcut]
from=-1
activation=linear

# layer 3
[maxpool]
size=2
stride=2

[convolutional]
filters=24
size=1
activation=linear

[yolo]
mask=3,4,5
anchors=4,5, 8,9, 12,14, 20,22, 30,32, 44,48
classes=3
num=6
jitter=.3
ignore_thresh=.7
random=0

[route]
layers=3

[upsample]
stride=2

[route]
layers=-1, 2

[convolutional]
filters=24
size=1
stride=1
activation=linear

[yolo]
mask=0,1,2
anchors=4,5, 8,9, 12,14, 20,22, 30,32, 44,48
classes=3
num=6
jitter=.3
ignore_thresh=.7
random=0
"""


class Mistake(NamedTuple):
    """A change of BASE, the line that is to be named (as it reads then), and words of message and remedy."""

    name: str
    old: str
    new: str
    line: str
    message: str
    remedy: str
    severity: str = ERROR
    repaired: bool = False
    last: bool = False  # change the last occurrence instead of the first


FIRST_HEAD = "filters=24\nsize=1\nactivation=linear\n"
MISTAKES = [
    Mistake("filters before a head", FIRST_HEAD, FIRST_HEAD.replace("24", "255"), "classes=3",
            "has 255 channels", "filters=24", repaired=True),
    Mistake("classes of one head forgotten", "classes=3", "classes=80", "classes=80",
            "80 classes need 255", "filters=255", repaired=True),
    Mistake("num does not count the anchors", "num=6", "num=9", "num=9", "num=9 but 12 numbers", "num=6",
            repaired=True),
    Mistake("an anchor too few", ", 44,48", ", 44", "num=6", "num=6 but 11 numbers", "12 numbers"),
    Mistake("mask beyond num", "mask=3,4,5", "mask=3,4,6", "mask=3,4,6", "mask=6 with num=6", "legal: 0..5"),
    Mistake("misspelt activation", "activation=leaky", "activation=lekay", "activation=lekay",
            "activation=lekay", "did you mean leaky", repaired=True),
    Mistake("activation in capitals", "activation=mish", "activation=Mish", "activation=Mish",
            "activation=Mish", "did you mean mish", repaired=True),
    Mistake("comment behind a word", "activation=leaky", "activation=leaky # as in v3", "activation=leaky # as in v3",
            "activation=leaky#asinv3", "a line of its own", repaired=True),
    Mistake("comment behind a number", "filters=16", "filters=16 ; wide", "filters=16 ; wide",
            "filters=16;wide", "a line of its own", repaired=True),
    Mistake("comment behind a section", "[maxpool]", "[maxpool] # half", "[maxpool] # half",
            "is not a section", "[maxpool]", repaired=True),
    Mistake("misspelt key", "filters=16", "filter=16", "filter=16", "unknown key filter=", "did you mean filters",
            repaired=True),
    Mistake("key in capitals", "stride=2", "Stride=2", "Stride=2", "unknown key Stride=", "did you mean stride",
            repaired=True),
    Mistake("a key of another section", "from=-1\n", "from=-1\nlayers=-2\n", "layers=-2", "unknown key layers=",
            "legal keys"),
    Mistake("key given twice", "size=3\nstride=2", "size=3\nstride=1\nstride=2", "stride=2", "given again",
            "uses the first", repaired=True),
    Mistake("batch left from testing", "batch=64\n", "batch=64\nbatch=1\n", "batch=1", "batch= is given again",
            "line 3", repaired=True),
    Mistake("no equals sign", "size=2\n", "size 2\n", "size 2", "is not key=value", "a comment begins with #"),
    Mistake("colon for equals sign", "size=2\n", "size: 2\n", "size: 2", "is not key=value", "comment"),
    Mistake("a half number", "size=2\n", "size=2.5\n", "size=2.5", "size=2.5", "an integer"),
    Mistake("a word for a number", "filters=16", "filters=sixteen", "filters=sixteen", "filters=sixteen", "an integer"),
    Mistake("a comma at the end", "steps=4800,5400", "steps=4800,5400,", "steps=4800,5400,", "steps=4800,5400,",
            "integers between commas", repaired=True),
    Mistake("misspelt section", "[upsample]", "[upsampel]", "[upsampel]", "unknown section [upsampel]",
            "did you mean upsample", repaired=True),
    Mistake("section of another program", "[upsample]", "[fpn]", "[fpn]", "unknown section",
            "legal: "),
    Mistake("section not closed", "[upsample]", "[upsample", "[upsample", "is not a section", "write [kind]"),
    Mistake("no-break space from a web page", "filters=16", "filters=\u00a016", "filters=\u00a016",
            "invisible character U+00A0", "delete it", repaired=True),
    Mistake("byte order mark", "# A detector", "\ufeff# A detector", "\ufeff# A detector with two heads",
            "byte order mark", "UTF-8 without", repaired=True),
    Mistake("option before any section", "[net]\n", "", "batch=64", "before the first section", "[net]"),
    Mistake("a later layer", "layers=3", "layers=30", "layers=30", "layers=30 points outside", "legal: -6..-1 or 0..5"),
    Mistake("counted beyond the image", "from=-1", "from=-7", "from=-7", "from=-7 points outside", "-2..-1 or 0..1"),
    Mistake("maps of different size", "layers=-1, 2", "layers=-1, 0", "layers=-1, 0", "the maps differ in size",
            "[upsample]"),
    Mistake("no sources", "layers=3\n", "", "[route]", "names no layer", "layers="),
    Mistake("a thousand million filters", "filters=16", "filters=1000000000", "filters=1000000000",
            "more than 1048576", "filters"),
    Mistake("no width", "width=64\n", "", "[net]", "width=0 in [net]", "legal: 1.."),
    Mistake("scales without steps", "scales=.1,.1", "scales=.1", "steps=4800,5400", "2 steps but 1 scales", "scales"),
    Mistake("unknown policy", "policy=steps", "policy=cosine", "policy=cosine", "policy=cosine", "one of constant"),
    Mistake("size that does not divide", "width=64", "width=60", "width=60", "does not divide into the cells",
            "56 or 64", WARNING),
    Mistake("batch and subdivisions", "subdivisions=16", "subdivisions=24", "subdivisions=24", "no multiple",
            "a divisor of batch", WARNING),
    Mistake("steps after the end", "max_batches=6000", "max_batches=5000", "steps=4800,5400",
            "step 5400 is not before max_batches=5000", "80 %", WARNING),
    Mistake("burn-in without end", "burn_in=100", "burn_in=6000", "burn_in=6000", "does not end before", "tenth",
            WARNING),
    Mistake("more images where they are never smaller", "burn_in=100", "burn_in=100\ndynamic_minibatch=1",
            "dynamic_minibatch=1", "without random= in the last head", "random=1", WARNING),
    Mistake("leaky before a head", FIRST_HEAD, FIRST_HEAD.replace("linear", "leaky"), "activation=leaky",
            "before a [yolo]", "activation=linear", WARNING, last=True),
    Mistake("masks exchanged", "mask=3,4,5", "mask=0,1,2", "mask=0,1,2", "stands in two masks", "one head", WARNING,
            last=True),
    Mistake("an anchor of no head", "mask=3,4,5", "mask=3,4", "classes=3", "need 16", "filters=16", repaired=True),
    Mistake("anchors of one head changed", "mask=0,1,2\nanchors=4,5,", "mask=0,1,2\nanchors=3,3,",
            "anchors=3,3, 8,9, 12,14, 20,22, 30,32, 44,48", "other anchors than layer 5", "the same list", WARNING),
    Mistake("a layer that nobody reads", "layers=-1, 2", "layers=2", "[upsample]", "no layer reads its output",
            "counted wrongly", WARNING),
    Mistake("jitter in per cent", "jitter=.3", "jitter=30", "jitter=30", "out of the usual range", "0 to 0.9", WARNING),
]  # fmt: skip


def changed(mistake: Mistake) -> str:
    before, found, after = (BASE.rpartition if mistake.last else BASE.partition)(mistake.old)
    assert found, mistake.name
    return before + mistake.new + after


def checked(path: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, list[dict[str, object]]]:
    code = main(["cfg", "check", str(path), "--json", *flags])
    (report,) = json.loads(capsys.readouterr().out)
    return code, report["findings"]


def test_the_page_is_long_enough_and_its_base_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(MISTAKES) >= 40 and len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)
    (tmp_path / "x.cfg").write_text(BASE)
    assert main(["cfg", "check", str(tmp_path / "x.cfg")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'x.cfg'}: fine\n"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake(mistake: Mistake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(changed(mistake), encoding="utf-8")
    lines = [0, *changed(mistake).split("\n")]
    code, findings = checked(path, capsys)
    assert code == int(any(finding["severity"] == ERROR for finding in findings))
    for finding in findings:
        text = f"{finding['message']} ({finding['hint']})"
        if mistake.message in text and mistake.remedy in text:
            assert (lines[finding["line"]], finding["severity"]) == (mistake.line, mistake.severity)
            break
    else:
        pytest.fail(f"not said: {findings}")
    if mistake.repaired:
        code, findings = checked(path, capsys, "--fix")
        assert code == 0 and not any(mistake.message in str(finding["message"]) for finding in findings)
    elif code:
        assert checked(path, capsys, "--fix")[0] == 1


def test_repair_changes_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments, blank lines, blanks, line ends and bytes that are no UTF-8 stay."""
    before = BASE.replace("[upsample]", "  # caf\xe9\n\n\n[upsample]  ").replace("stride=1\n", "stride =\t1 \n")
    wrong = before.replace("activation=mish", "activation = msih  # new").replace("filters=24", "filters = 255")
    right = before.replace("activation=mish", "# new\nactivation = mish").replace("filters=24", "filters = 24")
    path = tmp_path / "x.cfg"
    path.write_bytes(wrong.replace("\n", "\r\n").encode("latin-1"))
    assert main(["cfg", "check", "--fix", str(path)]) == 0
    assert path.read_bytes() == right.replace("\n", "\r\n").encode("latin-1")
    shown = capsys.readouterr().out
    assert "-activation = msih  # new\n+# new\n+activation = mish\n" in shown
    assert shown.count("-filters = 255") == shown.count("+filters = 24") == 2
    assert [file.name for file in tmp_path.iterdir()] == ["x.cfg"]


def test_without_fix_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(BASE.replace("activation=mish", "activation=msih"))
    time = path.stat().st_mtime_ns
    assert main(["cfg", "check", str(path)]) == 1
    assert path.stat().st_mtime_ns == time


def test_all_mistakes_of_a_file_and_of_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = BASE.replace("filters=24", "filters=30").replace("stride=2\npad", "strid=2\npad").replace("=mish", "=mihs")
    (tmp_path / "a.cfg").write_text(text)
    (tmp_path / "b.cfg").write_text(BASE)
    assert main(["cfg", "check", str(tmp_path / "a.cfg"), str(tmp_path / "b.cfg"), str(tmp_path / "none.cfg")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1] for line in lines[:5]] == ["20", "27", "29", "48", "72"]
    assert lines[-3:] == [
        f"{tmp_path / 'b.cfg'}: fine",
        f"{tmp_path / 'none.cfg'}: no such cfg file",
        "3 files, 6 errors, 0 warnings",
    ]


def test_lenient_reading_makes_warnings_of_what_darknet_reads_past(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(BASE.replace("=mish", "=mihs").replace("pad=1\n", "pad=1\ncolour=2\n"))
    code, findings = checked(path, capsys, "--lenient")
    assert code == 0 and {finding["severity"] for finding in findings} == {WARNING} and len(findings) == 3
    path.write_text(BASE.replace("[upsample]", "[upsampel]"))
    assert checked(path, capsys, "--lenient")[0] == 1


def test_a_target_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(BASE.replace("size=2\nstride=2", "size=2\nstride=2\nmaxpool_depth=0").replace("=mish", "=relu6"))
    assert checked(path, capsys)[0] == 0
    code, findings = checked(path, capsys, "--target", "opencv4")
    assert code == 1
    assert [finding["line"] for finding in findings if finding["severity"] == ERROR] == [29]


@pytest.mark.parametrize(
    ("word", "legal", "match"),
    [
        ("filtres", ["filters", "size"], "filters"),
        ("FILTERS", ["filters", "size"], "filters"),
        ("msih", ["mish", "swish"], "mish"),
        ("stride_z", ["stride_x", "stride_y"], None),  # either could be meant
        ("colour", ["filters", "size"], None),
        ("x" * 1000, ["filters"], None),
    ],
)
def test_a_word_is_replaced_only_where_there_is_no_doubt(word: str, legal: list[str], match: str | None) -> None:
    assert clear_match(word, legal) == match


def test_a_key_of_another_section_is_no_misspelling() -> None:
    text = BASE.replace("from=-1\n", "from=-1\nlayer=-2\nlayers=-2\n")
    assert repair(text) == text
