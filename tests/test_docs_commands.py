"""Every command line of the documentation is executed, page by page and in order, on tiny stand-ins for its files."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from csptrain.cli import main as front
from tests.cli.darknet_world import furnish
from tests.live.film import camera_shows_a_film
from tests.test_docs import PAGES, ROOT, Line, commands

#: What makes a run short, or fit for a machine without GPUs, cameras and free ports; nothing else is changed.
SHORTER = {"--iterations": "2", "-json_port": "0", "-mjpeg_port": "0", "--repeats": "1"}
#: The last words of verbs that count layers or passes, for a network of five layers.
FEWER = {"partial": "3", "speed": "2"}
#: Lines that other tests or people run: the set-up of environments, and what asks for a second Python.
ELSEWHERE = ("bash", "sh", "python")
#: Verbs that make no tensor: they get the cfg that is named, the others a network of a few layers under its name.
OF_CFGS = ("cfg", "cost", "ops")
#: Programs that a line names and that a machine may have, with the variables that name them here.
PROGRAMS = {"--opencv5-python": "CSPTRAIN_OPENCV5_PYTHON", "--darknet": "CSPTRAIN_DARKNET"}


def shortened(words: list[str]) -> list[str]:
    """The words of a line as they are run here."""
    short = [SHORTER.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    if words[1] == "bench":
        short += ["--quick"]
    if words[2:3] == ["train"] and words[1] != "bench" and "--iterations" not in words:
        short += ["--iterations", "2"]
    if words[1] in FEWER:
        short[-1] = FEWER[words[1]]
    if "-gpus" in words:
        short += ["--device", "cpu"]
    if "--darknet" in words:
        # Fresh weights find nothing that could be compared, those that the verb draws itself do.
        short = [word for word in short if not word.endswith(".weights")]
    return short


def lines_of(page: Path) -> list[Line]:
    """The lines of a page that are run here."""
    return [line for line in commands() if line.page == page and line.words[0] not in ELSEWHERE]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if lines_of(page)], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_commands_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    camera_shows_a_film(monkeypatch, tmp_path / "camera")
    for line in lines_of(page):
        words = shortened(line.words)
        # A net.cfg of a page may be a detector in one line and a classifier in another.
        folder = tmp_path / ("classes" if words[1] == "classifier" else "boxes")
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        programs = {flag: os.environ.get(PROGRAMS[flag]) for flag in PROGRAMS if flag in words}
        if None in programs.values():
            continue
        words = [programs.get(before) or word for before, word in zip(["", *words], words, strict=False)]
        if words[1] in OF_CFGS:
            for name in (word for word in words if word.startswith("cfg/")):
                Path("cfg").mkdir(exist_ok=True)
                shutil.copy(ROOT / name, name)
        elif "--matrix" in words:
            furnish("csptrain cfg cfg/tiny.cfg")
        furnish(shlex.join(word for before, word in zip(["", *words], words, strict=False) if before != "-cfg_out"))
        capsys.readouterr()
        code = front.main(words[1:])
        captured = capsys.readouterr()
        assert code == 0, f"{line}\n{captured.out[-2000:]}\n{captured.err[-2000:]}"
