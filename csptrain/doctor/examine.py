"""The whole examination: every check that the data file and the cfg allow, in order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csptrain import graph as planning
from csptrain.cfg import edit, text
from csptrain.cfg.dataset import DataSpec, read_dataset
from csptrain.cfg.text import ERROR, NOTE, WARNING, Reading
from csptrain.doctor.balance import ClassCount, check_classes, count_classes
from csptrain.doctor.book import Book
from csptrain.doctor.boxes import Plane, check_boxes
from csptrain.doctor.fit import AnchorFit, check_anchors
from csptrain.doctor.pictures import Look, check_pictures, check_shared, look_at, same_images
from csptrain.doctor.runtimes import check_opencv, find_runtimes
from csptrain.doctor.splits import Split, find_orphans, inspect_split
from csptrain.errors import CfgError, DataError
from csptrain.graph import Graph
from csptrain.layers.anchors import AnchorHead

if TYPE_CHECKING:
    import torch

    from csptrain.doctor.trial import DryRun, Overfit

SIZE: Plane = (416, 416)


@dataclass(frozen=True)
class Settings:
    """What to look for and how closely.

    Attributes:
        size: of the network's input instead of the cfg's; without both it is ``SIZE``.
        tiny: pixels of the input that the shorter side of a box needs.
        few: boxes of train that a class needs.
        most_pictures: how many pictures of a split are decoded, None for all.
        device: where the two trials run.
        overfit: iterations of the self-test, 0 for none.
    """

    size: Plane | None = None
    tiny: float = 4.0
    few: int = 10
    most_pictures: int | None = None
    lenient: bool = False
    device: torch.device | None = None
    dry_run: bool = False
    overfit: int = 0


@dataclass
class Examination:
    """All that was found; what could not be looked at is None or empty."""

    path: Path
    cfg: Path | None
    plane: Plane
    book: Book = field(default_factory=Book)
    data: DataSpec | None = None
    splits: dict[str, Split] = field(default_factory=dict)
    decoded: dict[str, int] = field(default_factory=dict)
    classes: list[ClassCount] = field(default_factory=list)
    anchors: AnchorFit | None = None
    dry_run: DryRun | None = None
    overfit: Overfit | None = None
    runtimes: dict[str, str | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        book = self.book
        return {
            "data": str(self.path),
            "cfg": None if self.cfg is None else str(self.cfg),
            "verdict": book.verdict,
            "errors": book.count(ERROR),
            "warnings": book.count(WARNING),
            "notes": book.count(NOTE),
            "size": list(self.plane),
            "findings": [chapter.as_dict() for chapter in book.chapters],
            "splits": {
                name: {
                    "source": str(split.samples.source),
                    "images": len(split.samples),
                    "decoded": self.decoded.get(name, 0),
                    "boxes": len(split.samples.rows),
                    "unlabelled": split.samples.unlabelled,
                    "labels_found": split.pairing,
                }
                for name, split in self.splits.items()
            },
            "classes": [asdict(found) for found in self.classes],
            "anchors": None if self.anchors is None else asdict(self.anchors),
            "dry_run": None if self.dry_run is None else asdict(self.dry_run),
            "overfit": None if self.overfit is None else asdict(self.overfit),
            "runtimes": self.runtimes,
        }


def examine(path: Path, cfg: Path | None, settings: Settings) -> Examination:
    """Look at a data file, and at a cfg that is to learn it; whatever is wrong becomes a finding."""
    done = Examination(path, cfg, settings.size or SIZE)
    done.runtimes = find_runtimes()
    check_opencv(str(done.runtimes["opencv"]), done.book)
    try:
        done.data = read_dataset(path)
    except DataError as error:
        done.book.add_error("data-file", error, path)
    classes = None if done.data is None else done.data.classes
    graph = None if cfg is None else _plan(done, cfg, classes, settings)
    data = done.data
    if data is None:
        return done
    _read(done, data)
    for split in done.splits.values():
        check_boxes(split, done.plane, settings.tiny, done.book)
    find_orphans(done.splits.values(), done.book)
    _look(done, settings)
    done.classes = count_classes(data.names, done.splits)
    check_classes(data, done.classes, done.splits, settings.few, done.book)
    train = done.splits.get("train")
    if graph is not None and train is not None and len(train.samples.rows):
        _try(done, graph, train, settings)
    return done


def _plan(done: Examination, cfg: Path, classes: int | None, settings: Settings) -> Graph | None:
    """The network as training would have it, its classes those of the data; None where it cannot be planned."""
    try:
        reading = Reading(settings.lenient)
        sections = text.read(cfg, reading)
        if not any(section.kind in edit.BOX_ENTRIES for section in sections):
            raise CfgError("has no [yolo] or [region] layer, so it is no detector", path=cfg)
        if classes is not None:
            sections, changes = edit.set_classes(sections, classes)
            for change in changes:
                done.book.add("cfg-classes", change, cfg)
        graph = planning.plan(sections, reading)
        if settings.size is not None:
            graph = graph.resized(*settings.size)
    except CfgError as error:
        done.book.add_error("cfg", error, cfg)
        return None
    done.plane = graph.net.width, graph.net.height
    return graph


def _read(done: Examination, data: DataSpec) -> None:
    """Read train and valid; a valid that is train is noted and not looked at twice."""
    train = inspect_split(data, "train", done.book)
    if train is not None:
        done.splits["train"] = train
    if data.valid is None:
        return
    if data.valid == data.train:
        done.book.add("valid-is-train", "valid= is missing, or names the list of train=", data.path)
        return
    valid = inspect_split(data, "valid", done.book)
    if valid is not None and train is not None and same_images(train, valid):
        done.book.add("valid-is-train", "valid= lists the images of train=", data.path)
    elif valid is not None:
        done.splits["valid"] = valid


def _look(done: Examination, settings: Settings) -> None:
    looks: dict[str, list[Look]] = {}
    for name, split in done.splits.items():
        looks[name] = look_at(split.samples.images, settings.most_pictures)
        done.decoded[name] = len(looks[name])
        check_pictures(looks[name], done.book)
    check_shared(looks.get("train", []), looks.get("valid", []), done.book)


def _try(done: Examination, graph: Graph, train: Split, settings: Settings) -> None:
    """What needs network and data together."""
    book = done.book
    try:
        if any(isinstance(node.layer, AnchorHead) for node in graph.nodes):
            done.anchors = check_anchors(graph, train, book)
        if settings.device is None or not (settings.dry_run or settings.overfit):
            return
        from csptrain.doctor.trial import dry_run, overfit

        if settings.dry_run:
            done.dry_run = dry_run(graph, train.samples, settings.device, book)
        if settings.overfit and done.data is not None:
            done.overfit = overfit(graph, train.samples, done.data.names, settings.device, settings.overfit, book)
    except CfgError as error:
        book.add_error("cfg", error, graph.path)
    except DataError as error:
        book.add_error("split", error, train.samples.source)
