"""The documentation's site: every page in its navigation, every link where its file is then."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "scripts" / "docs_site.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def named(nav: Any) -> Iterator[str]:
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from named(value)


def test_the_navigation_names_every_page_once(site: ModuleType) -> None:
    nav = list(named(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(nav) == sorted(site.place_in_site(source) for source in site.pages())


def test_links_lead_to_files_of_the_site(site: ModuleType) -> None:
    there = {site.place_in_site(source) for source in (*site.pages(), *site.linked_files())}
    there |= {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs/img").iterdir()}
    wrong = []
    for source in site.pages():
        for link in site.links(source):
            if site.place_in_site(site.target_of(link, source)) not in there:
                wrong.append(f"{source}: {link}")
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "text", "turned"),
    [
        ("README.md", "[a](docs/training.md#flags) [b](cfg/a.cfg)", "[a](training.md#flags) [b](files/cfg/a.cfg)"),
        ("README.md", "[`cfg/`](cfg) ![p](docs/img/a.png)", "[`cfg/`](networks.md) ![p](img/a.png)"),
        ("README.md", "[c](CHANGELOG.md)", "[c](changes.md)"),
        ("docs/cfg.md", "[a](../csptrain/layers/README.md) [b](#net)", "[a](add-a-layer.md) [b](#net)"),
        ("csptrain/layers/README.md", "[a](../../docs/cfg.md)", "[a](cfg.md)"),
        ("README.md", "[a](https://example.org/docs/a.md)", "[a](https://example.org/docs/a.md)"),
        ("README.md", "```\n[a](docs/a.md)\n```\n[a](docs/a.md)", "```\n[a](docs/a.md)\n```\n[a](a.md)"),
    ],
)
def test_links_are_turned(site: ModuleType, source: str, text: str, turned: str) -> None:
    assert site.turned(text, source) == turned


def test_versions_are_pinned() -> None:
    pins = [line for line in (ROOT / "constraints/docs.txt").read_text().splitlines() if line and line[0] != "#"]
    assert pins[0].startswith("mkdocs-material==")
    assert [line for line in pins if "==" not in line] == []


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs mkdocs-material, see scripts/docs.sh")
    pytest.importorskip("material", reason="needs mkdocs-material, see scripts/docs.sh")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/index.html").is_file() and (tmp_path / "site/training.html").is_file()
