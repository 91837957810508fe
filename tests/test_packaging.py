"""What an installation brings: no file of the package is forgotten, and every extra and script is one that exists."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "csptrain"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_that_is_no_program_is_named() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["csptrain"]
    named = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    there = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in there - named if path.suffix != ".py"} <= set(PACKAGE.rglob("README.md"))
    assert all(any(PACKAGE.glob(pattern)) for pattern in patterns), "a pattern without a file"


def test_the_source_archive_names_what_exists() -> None:
    for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines():
        word, *patterns = line.split()
        if word in ("include", "graft"):
            assert [pattern for pattern in patterns if not any(ROOT.glob(pattern))] == [], line


def test_scripts_lead_to_functions() -> None:
    for place in PROJECT["project"]["scripts"].values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_what_is_said_to_be_installed_can_be() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *PACKAGE.rglob("*.py")]
    said = {extra for page in pages for extra in re.findall(r"csptrain\[([\w,]+)\]", page.read_text(encoding="utf-8"))}
    assert {name for extra in said for name in extra.split(",")} <= set(extras)
