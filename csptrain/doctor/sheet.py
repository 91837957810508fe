"""The examination as one page: findings, balance of the classes, and pictures with their labels drawn."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import cv2
import numpy as np

from csptrain.datasets.image import load_image
from csptrain.doctor.balance import ClassCount
from csptrain.doctor.examine import Examination
from csptrain.doctor.lines import anchor_lines, dry_run_line, overfit_line, verdict_line
from csptrain.doctor.splits import Split
from csptrain.errors import DataError
from csptrain.report.augmented import draw_truth
from csptrain.report.page import drawing, heading, page, paragraph, photo, table
from csptrain.report.picture import Box, Line, Picture, Words, svg

SHOWN = 8  # pictures of each kind and split
FINDINGS = 20  # of a rule
MOST_BARS = 60
_SIDE = 400
_QUALITY = 85
_COLOURS = {"train": "#2f6fb3", "valid": "#e08e2b"}
_INK, _NAMES, _BARS, _ROW = "#1f2933", 150.0, 520.0, 15.0


def doctor_page(done: Examination) -> str:
    """An HTML document that needs nothing beside it."""
    return page(f"csptrain doctor: {done.path}", _parts(done))


def _parts(done: Examination) -> Iterator[str]:
    beside = "" if done.cfg is None else f" with {done.cfg}"
    yield paragraph(f"{done.path}{beside}, seen at {done.plane[0]}x{done.plane[1]}; {verdict_line(done)}")
    yield from _findings(done)
    yield from _splits(done)
    if done.classes and done.splits:
        yield heading("Boxes of each class")
        yield drawing(svg(balance_bars(done.classes, list(done.splits))))
    if done.anchors is not None:
        yield heading("Anchors")
        yield from (paragraph(line) for line in anchor_lines(done.anchors))
    if done.dry_run is not None or done.overfit is not None:
        yield heading("Trials")
    if done.dry_run is not None:
        yield paragraph(dry_run_line(done.dry_run))
    if done.overfit is not None:
        yield paragraph(overfit_line(done.overfit))
    for split in done.splits.values():
        yield from _photos(done, split)
    yield heading("Here")
    yield table(["package", "version"], [[name, found or "not installed"] for name, found in done.runtimes.items()])


def _findings(done: Examination) -> Iterator[str]:
    yield heading("Findings")
    if not done.book.chapters:
        yield paragraph("Nothing was found.")
    for chapter in done.book.chapters:
        rule = chapter.rule
        yield f"<h3>{escape(f'{rule.severity}: {rule.name} ({chapter.count})')}</h3>"
        yield paragraph(f"{rule.means}. Remedy: {rule.remedy}.")
        shown = chapter.findings[:FINDINGS]
        places = [one.path if one.line is None else f"{one.path}:{one.line}" for one in shown]
        yield table(["where", "what"], [[place, one.found] for place, one in zip(places, shown, strict=True)])
        if chapter.count > len(shown):
            yield paragraph(f"... and {chapter.count - len(shown)} more.")


def _splits(done: Examination) -> Iterator[str]:
    yield heading("Images and labels")
    rows = []
    for name, split in done.splits.items():
        samples = split.samples
        found = "; ".join(f"{rule} ({count})" for rule, count in split.pairing.items())
        counts = [len(samples), done.decoded.get(name, 0), len(samples.rows), samples.unlabelled]
        rows.append([name, str(samples.source), *map(str, counts), found])
    yield table(["split", "list", "images", "decoded", "boxes", "without labels", "labels found"], rows)


def balance_bars(classes: list[ClassCount], splits: list[str]) -> Picture:
    """A bar for each class and split, the longest as wide as the picture; of very many classes the rarest."""
    shown = sorted(classes, key=lambda found: sum(found.boxes.values()))[:MOST_BARS]
    shown = [found for found in classes if found in shown]
    most = max(max((*found.boxes.values(), 1)) for found in shown)
    items: list[Box | Line | Words] = []
    x = _NAMES
    for name in splits:
        items += [Box(x, 4, 10, 10, _COLOURS[name], radius=2), Words(x + 15, 13, name, 11, _INK)]
        x += 70
    y = 26.0
    for found in shown:
        items.append(Words(_NAMES - 8, y + 10, found.name, 11, _INK, "end", room=_NAMES - 12))
        for name in splits:
            long = _BARS * found.boxes[name] / most
            items.append(Box(_NAMES, y, max(long, 0.5), _ROW - 4, _COLOURS[name], radius=1))
            items.append(Words(_NAMES + long + 5, y + 9, str(found.boxes[name]), 10, _INK))
            y += _ROW - 2
        y += 6
    return Picture(_NAMES + _BARS + 70, y + 4, items)


def _photos(done: Examination, split: Split) -> Iterator[str]:
    """Pictures that something was found about, then pictures spread evenly over the split."""
    odd = {one.path for chapter in done.book.chapters for one in chapter.findings}
    images = split.samples.images
    found = [place for place, image in enumerate(images) if {image, split.files[place]} & odd]
    even = np.linspace(0, len(images) - 1, min(SHOWN, len(images))).round().astype(int).tolist()
    for title, places in ((f"Findings of {split.name}", found[:SHOWN]), (f"A sample of {split.name}", even)):
        shown = [_photo(split, place, done) for place in places]
        if any(shown):
            yield heading(title)
            yield "".join(shown)


def _photo(split: Split, place: int, done: Examination) -> str:
    """An image with its boxes as part of the page; "" where it cannot be decoded."""
    image = split.samples.images[place]
    try:
        pixels = load_image(image)
    except DataError:
        return ""
    factor = _SIDE / max(pixels.shape[:2])
    # Small pictures grow too, so that the words on them can be read.
    sized = np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    names = () if done.data is None else done.data.names
    truth = split.samples.truth(place)
    drawn = draw_truth(sized, truth, names)
    encoded, jpeg = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return photo(jpeg.tobytes(), f"{Path(image)}: {len(truth)} boxes") if encoded else ""
