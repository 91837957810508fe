"""What the documentation's site needs beyond the pages of docs/: MkDocs calls this while it builds (see mkdocs.yml).

The pages link to each other and to files of the project as they lie in it, so that they can be read there. Here README,
CONTRIBUTING, CHANGELOG and the guide of the layers become pages of the site too, other files that are linked to are
copied into it, and links are turned to where their files are then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Pages from outside docs/, by their place in the project, and their place in the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "security.md",
    "csptrain/layers/README.md": "add-a-layer.md",
}
#: A folder has no page; this one tells of its files.
FOLDERS = {"cfg": "networks.md"}
_FILES = "files"
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages and files from outside docs/."""
    from mkdocs.structure.files import File

    for source in (*PAGES, *linked_files()):
        files.append(File.generated(config, place_in_site(source), abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn the links of a page."""
    sources = {place: source for source, place in PAGES.items()}
    place = page.file.src_uri
    return turned(markdown, sources.get(place, f"docs/{place}"))


def turned(markdown: str, source: str) -> str:
    """The text of a page of the project, ``source``, with its links as they are in the site."""
    here = PurePosixPath(place_in_site(source)).parent

    def turn(match: re.Match[str]) -> str:
        target = place_in_site(target_of(match[1], source))
        return os.path.relpath(target, here).replace(os.sep, "/")

    parts = _FENCE.split(markdown)
    parts[::2] = (_LINK.sub(turn, part) for part in parts[::2])
    return "".join(parts)


def target_of(link: str, source: str) -> str:
    """The file of the project that a relative link of a page leads to, as a path from the project's folder."""
    return os.path.normpath(PurePosixPath(source).parent / link).replace(os.sep, "/")


def place_in_site(target: str) -> str:
    """Where a file of the project is in the site, as a path within it."""
    place = {**PAGES, **FOLDERS}.get(target)
    if place is not None:
        return place
    return target.removeprefix("docs/") if target.startswith("docs/") else f"{_FILES}/{target}"


def linked_files() -> list[str]:
    """The files outside docs/ that a page links to and that are no text pages: such a page belongs into ``PAGES``."""
    found = {target_of(link, source) for source in pages() for link in links(source)}
    return sorted(
        target
        for target in found
        if not target.startswith("docs/") and not target.endswith(".md") and (ROOT / target).is_file()
    )


def pages() -> list[str]:
    """The pages of the site, by their place in the project."""
    return [*PAGES, *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md")))]


def links(source: str) -> Iterator[str]:
    """The relative links of a page."""
    for part in _FENCE.split((ROOT / source).read_text(encoding="utf-8"))[::2]:
        yield from _LINK.findall(part)
