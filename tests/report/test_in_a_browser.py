"""Pages as a browser shows them: without an error, without asking for anything, every picture there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csptrain.cli.main import main
from tests import tiny, tiny_classes
from tests.browser import Browser, Seen, find_browser

HOSTILE = "<img src=nowhere.png onerror=console.error('hostile')>"

pytestmark = pytest.mark.skipif(find_browser() is None, reason="needs Chromium: CSPTRAIN_CHROMIUM names its program")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    assert program is not None
    with Browser(program, tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(seen: Seen, page: Path, pictures: int) -> None:
    assert seen.errors == []
    assert seen.asked == [page.resolve().as_uri()]
    assert len(seen.widths) >= pictures and min(seen.widths) > 0
    assert seen.width <= 1080, "wider than the window"


def test_the_page_of_a_training(folder: Path, browser: Browser) -> None:
    tiny.write_set(folder)
    (folder / "tiny.cfg").write_text(tiny.cfg())
    (folder / "tiny.names").write_text(f"{HOSTILE}\nblue\n")
    words = ["--workers", "0", "--device", "cpu", "-map", "-thresh", "0.01"]
    assert main(["detector", "train", "tiny.data", "tiny.cfg", *words]) == 0
    page = folder / "backup/report.html"
    seen = browser.see(page)
    check(seen, page, 20)
    assert "finished: iteration 12 of 12" in seen.text
    for title in ("Validation after iteration 12", "As the network sees them", "Heads", "Network", "Environment"):
        assert title in seen.text
    assert HOSTILE in seen.text


def test_the_page_of_a_classifiers_training(folder: Path, browser: Browser) -> None:
    tiny_classes.write_set(folder)
    words = ["--workers", "0", "--device", "cpu", "-topk", "--iterations", "4"]
    assert main(["classifier", "train", "classes.data", "classes.cfg", *words]) == 0
    page = folder / "backup/report.html"
    seen = browser.see(page)
    check(seen, page, 12)
    assert "top-1" in seen.text and "As the network sees them" in seen.text


def test_the_page_of_the_doctor(folder: Path, browser: Browser) -> None:
    tiny.write_set(folder)
    (folder / "tiny.names").write_text(f"{HOSTILE}\nblue\n")
    main(["doctor", "tiny.data", "--html", "doctor.html"])
    page = folder / "doctor.html"
    check(browser.see(page), page, 7)


def test_the_page_of_costs(folder: Path, browser: Browser) -> None:
    (folder / "tiny.cfg").write_text(tiny.cfg())
    assert main(["cost", "tiny.cfg", "--html", "cost.html"]) == 0
    page = folder / "cost.html"
    check(browser.see(page), page, 1)


def test_a_page_with_an_error_is_noticed(folder: Path, browser: Browser) -> None:
    page = folder / "bad.html"
    page.write_text('<img src="nowhere.png"><script>console.error("odd"); throw new Error("bad")</script>')
    seen = browser.see(page)
    assert len(seen.errors) >= 2 and seen.widths == [0]
    assert len(seen.asked) == 2
