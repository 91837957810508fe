"""Whatever stands in a file, reading it gives a result or a CspError, within two seconds and a gibibyte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from csptrain import graph
from csptrain.cfg import text
from csptrain.cli.main import main
from csptrain.errors import CspError
from csptrain.lint.check import check
from csptrain.lint.repair import repair
from tests.fuzz import mutants, trial

MUTANTS = 208
PARTS = 8
#: The larger the cfg, the longer a trial; `python -m tests.fuzz` takes all of them.
LARGEST = 12_000
MONSTERS = mutants.monsters()


@pytest.mark.parametrize("part", range(PARTS))
def test_mutants(part: int, tmp_path: Path) -> None:
    paths = [path for path in mutants.corpus() if path.stat().st_size < LARGEST]
    path = tmp_path / "mutant.cfg"
    wrong = []
    for name, content in mutants.mutants(MUTANTS // PARTS, seed=1000 + part, paths=paths):
        path.write_bytes(content)
        wrong += [f"{name}: {line}" for line in trial.trial(path)[0]]
    assert wrong == []


@pytest.mark.parametrize("name", MONSTERS)
def test_monsters(name: str, tmp_path: Path) -> None:
    path = tmp_path / "monster.cfg"
    path.write_bytes(MONSTERS[name])
    assert trial.trial(path)[0] == []


@given(some.binary(max_size=200))
@example(b"[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\n")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.cfg"
    path.write_bytes(content)
    assert trial.trial(path)[0] == []


_WORDS = some.sampled_from([*mutants.KEYS, *mutants.KINDS, *mutants.NASTY[:60]]) | some.text(max_size=5)
_LINES = some.one_of(
    some.builds("[{}]".format, some.sampled_from(mutants.KINDS)),
    some.builds("{}={}".format, some.sampled_from(mutants.KEYS), _WORDS),
    some.builds("{}={}".format, some.sampled_from(mutants.KEYS), some.integers(-3, 40)),
    _WORDS,
)


@given(some.lists(_LINES, max_size=25))
@settings(max_examples=150, deadline=None)
def test_lines_that_look_like_a_cfg(lines: list[str]) -> None:
    content = "\n".join(["[net]", "width=16", "height=16", "channels=3", *lines])
    try:
        found = check(content)
        again = repair(repair(content))
    except CspError:
        return
    assert again == repair(content), "a repair leaves nothing to repair"
    if found.graph is None:
        assert found.errors
    try:
        graph.plan(text.parse(content))
        planned = True
    except CspError:
        planned = False
    assert planned == (found.errors == 0), "the linter finds an error exactly where reading does"


@pytest.mark.parametrize("words", [["info"], ["check"], ["format"], ["graph"], ["diff"]])
def test_what_is_no_file(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.cfg")
    (tmp_path / "folder.cfg").mkdir()
    (tmp_path / "loop.cfg").symlink_to(tmp_path / "loop.cfg")
    (tmp_path / "weights.cfg").write_bytes(bytes(range(256)) * 40)
    for name in ("pipe.cfg", "folder.cfg", "loop.cfg", "weights.cfg", "none.cfg", "x" * 300 + ".cfg"):
        paths = [str(tmp_path / name)] * (2 if words == ["diff"] else 1)
        assert main(["cfg", *words, *paths]) == 1
        shown = capsys.readouterr()
        assert name[:20] in shown.out + shown.err
