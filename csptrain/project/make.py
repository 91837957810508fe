"""All of it in order: find the labels, read them, share out the pictures, fit a network, write the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from csptrain.datasets.lists import Samples, read_images
from csptrain.datasets.made import refuse_used
from csptrain.errors import DataError
from csptrain.project.find import Labels, find_labels, find_names, read_names
from csptrain.project.network import SEEN, Fitted, fit_network, iterations_for, size_for
from csptrain.project.pictures import Picture, look_at
from csptrain.project.read import Labelled, read_labelled
from csptrain.project.readme import Step, next_steps, readme
from csptrain.project.split import TEST, TRAIN, VALID, split, told_by_folders
from csptrain.project.write import Contents, write_project

VALID_SHARE = 0.2
MOST_PARTS = 3
#: Asks for the names of so many classes; none means that nobody answers.
Ask = Callable[[int], tuple[str, ...]]


@dataclass(frozen=True)
class Wishes:
    """What the user asks for; None is what the data suggest.

    ``labels``: file or folder of the labels, ``format`` their kind, ``names`` names of classes or a file of them;
    ``cfg`` a network's name or file; ``valid`` and ``test`` shares of the images; ``background``: images without labels
    show nothing; ``copy`` the pictures.
    """

    labels: Path | None = None
    format: str | None = None
    names: str | None = None
    cfg: str | None = None
    size: tuple[int, int] | None = None
    iterations: int | None = None
    valid: float | None = None
    test: float | None = None
    seed: int = 0
    background: bool = False
    copy: bool = False

    @property
    def shares(self) -> dict[str, float]:
        """Part -> share of the images; raises DataError where nothing is left to learn from."""
        test = self.test or 0.0
        valid = VALID_SHARE if self.valid is None else self.valid
        if not 0 < valid < 1 - test:
            raise DataError(
                f"shares of {valid:g} to measure on and {test:g} to keep leave no sensible part to train on"
            )
        return {TRAIN: 1 - valid - test, VALID: valid, **({TEST: test} if test else {})}


@dataclass(frozen=True)
class Project:
    """A project that is made: ``told`` is what was found and chosen, ``left_out`` what is not in it."""

    told: tuple[str, ...]
    left_out: tuple[str, ...]
    steps: tuple[Step, ...]


def make_project(folder: Path, root: Path, wishes: Wishes, origin: str, ask: Ask) -> Project:
    """Make ``folder`` from the pictures below ``root``.

    Args:
        origin: the command line, for the read-me.

    Raises:
        DataError: the folder is in use, no pictures or labels, labels that cannot be used, too few pictures.
        CfgError: a network that does not exist or cannot have this size.
    """
    refuse_used(folder)
    if not root.is_dir():
        raise DataError("is no folder of images", path=root)
    shares = wishes.shares
    images = read_images(root)
    labels = find_labels(images, root, wishes.labels, wishes.format)
    found, names, names_from = _read(images, root, labels, wishes, ask)
    samples, pictures, left_out = _usable(found, wishes.background)
    parts, parts_from = _parts(samples, pictures, root, shares, wishes)
    fitted, size_from = _fit(samples, pictures, parts, len(names), wishes)
    told = (
        f"pictures    {len(images)} in {root}",
        f"labels      {labels}, {len(samples.rows)} boxes",
        f"names       {', '.join(names)} ({names_from})",
        *_table(samples, parts, names, parts_from),
        f"network     {fitted.name} at {size_from}",
        *_anchors(fitted),
        f"iterations  {fitted.iterations}, each picture about {_epochs(fitted, parts)} times",
    )
    listed = [image for image, part in zip(samples.images, parts, strict=True) if part == VALID]
    steps = next_steps(folder, listed[0], TEST in parts)
    text = readme(folder.name, origin, list(told), steps)
    write_project(folder, Contents(samples, tuple(parts), names, fitted.content, text), root, wishes.copy)
    return Project(told, tuple(left_out), tuple(steps))


def _read(
    images: Sequence[str], root: Path, labels: Labels, wishes: Wishes, ask: Ask
) -> tuple[Labelled, tuple[str, ...], str]:
    """The labelled images, the class names, and where those are from."""
    given, source = _given_names(root, labels, wishes.names)
    found = read_labelled(images, root, labels, given)
    if found.names is not None:
        return found, found.names, source or "from the labels"
    names = ask(found.classes)
    if names:
        if len(names) != found.classes:
            raise DataError(f"{len(names)} names for {found.classes} classes: {', '.join(names)}")
        return found, names, "as typed"
    numbered = tuple(f"class{number}" for number in range(found.classes))
    return found, numbered, "no file of names was found; --names a,b,c gives them"


def _given_names(root: Path, labels: Labels, wish: str | None) -> tuple[tuple[str, ...] | None, str]:
    if wish is not None and labels.kind == "coco":
        raise DataError(
            "a COCO json names its classes itself, in the order of its categories", hint="leave --names out"
        )
    if wish is not None:
        names = read_names(Path(wish)) if Path(wish).is_file() else tuple(word.strip() for word in wish.split(","))
        return names, "as given"
    file = find_names(root, labels) if labels.kind == "yolo" else None
    return (None, "") if file is None else (read_names(file), f"from {file}")


def _usable(found: Labelled, background: bool) -> tuple[Samples, list[Picture], list[str]]:
    """The images that can be used, with their boxes; the pictures they are; and what is left out."""
    samples, without = found.samples, found.unlabelled
    left_out = [str(finding) for finding in samples.findings]
    if without and background:
        starts = np.concatenate((samples.starts, np.full(len(without), samples.starts[-1])))
        samples = replace(samples, images=(*samples.images, *without), starts=starts)
    elif without:
        left_out.append(f"{len(without)} images without labels, as {without[0]} (--background takes them)")
    pictures = look_at(samples.images)
    left_out += [str(picture.error) for picture in pictures if picture.error is not None]
    good = [index for index, picture in enumerate(pictures) if picture.error is None]
    different = len({pictures[index].digest for index in good})
    if different < MOST_PARTS:
        raise DataError(f"{different} different pictures with labels are too few to learn from and to measure on")
    return _only(samples, good), [pictures[index] for index in good], left_out


def _only(samples: Samples, images: Sequence[int]) -> Samples:
    """Some of the images with their boxes."""
    truths = [samples.truth(index) for index in images]
    starts = np.cumsum([0, *map(len, truths)], dtype=np.int64)
    return Samples(samples.source, tuple(samples.images[index] for index in images), np.concatenate(truths), starts)


def _parts(
    samples: Samples, pictures: Sequence[Picture], root: Path, shares: dict[str, float], wishes: Wishes
) -> tuple[list[str], str]:
    """The part of each image, and how it was chosen: by the user's own folders, or drawn."""
    if wishes.valid is None and wishes.test is None:
        here = root.resolve()
        told = told_by_folders([str(Path(image).resolve().relative_to(here)) for image in samples.images])
        if told is not None:
            return told, "as the folders are called"
    classes = [frozenset(samples.truth(index)[:, 4].astype(int).tolist()) for index in range(len(samples))]
    digests = [picture.digest for picture in pictures]
    same = len(digests) - len(set(digests))
    together = f", {same} of them twice and kept together" if same else ""
    return split(classes, digests, shares, wishes.seed), f"drawn with seed {wishes.seed}{together}"


def _fit(
    samples: Samples, pictures: Sequence[Picture], parts: Sequence[str], classes: int, wishes: Wishes
) -> tuple[Fitted, str]:
    """The cfg, and why it has its size."""
    chosen = [index for index, part in enumerate(parts) if part == TRAIN]
    train = _only(samples, chosen)
    if not len(train.rows):
        raise DataError("no box is left in the pictures to learn from")
    size, reason = wishes.size, "as asked"
    if size is None:
        side = size_for(train, [pictures[index].size for index in chosen])
        size, reason = (side, side), f"nine boxes in ten are {SEEN} pixels across or more, if the bounds allow it"
    iterations = wishes.iterations or iterations_for(len(train), classes)
    fitted = fit_network(wishes.cfg, train, classes, size, iterations, wishes.seed)
    return fitted, f"{size[0]}x{size[1]} ({reason})"


def _table(samples: Samples, parts: Sequence[str], names: Sequence[str], parts_from: str) -> list[str]:
    """Images and boxes of each class by part."""
    order = [part for part in (TRAIN, VALID, TEST) if part in parts]
    of_box = np.repeat(np.array(parts), np.diff(samples.starts))
    labels = samples.rows[:, 4].astype(int)
    rows = [("images", [list(parts).count(part) for part in order])]
    rows += [
        (name, [int(((labels == number) & (of_box == part)).sum()) for part in order])
        for number, name in enumerate(names)
    ]
    wide = max(len(name) for name, _ in rows)
    lines = [f"split       {parts_from}", f"  {'':<{wide}} {''.join(f'{part:>8}' for part in order)}"]
    return lines + [f"  {name:<{wide}} {''.join(f'{count:8d}' for count in counts)}" for name, counts in rows]


def _anchors(fitted: Fitted) -> list[str]:
    if fitted.before is None or fitted.after is None:
        return ["anchors     as in the cfg: the boxes are too few for their own"]
    before, after = fitted.before, fitted.after
    return [
        f"anchors     of your boxes: mean IoU {after.mean_iou:.3f} where the cfg's had {before.mean_iou:.3f}, "
        f"{after.recall:.1%} of the boxes above one half (before {before.recall:.1%})"
    ]


def _epochs(fitted: Fitted, parts: Sequence[str]) -> int:
    return round(fitted.iterations * fitted.batch / list(parts).count(TRAIN))
