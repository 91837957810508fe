"""Who learns from which picture: parts of a set in which every class is as frequent as in the whole."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np

TRAIN, VALID, TEST = "train", "valid", "test"
_WORDS = {"train": TRAIN, "training": TRAIN, "val": VALID, "valid": VALID, "validation": VALID, "test": TEST}
_DIGITS = re.compile(r"[\d_-]+$")


def split(
    classes: Sequence[frozenset[int]], same: Sequence[object], shares: Mapping[str, float], seed: int
) -> list[str]:
    """The part of ``shares`` that each image belongs to.

    Images are dealt out class by class, those with the rarest class first, each to the part that lacks most of that
    class; what has no class comes last. A class of few images goes to the parts with the largest share.

    Args:
        classes: the classes that each image shows.
        same: what is equal for images that must stay together.
        shares: part -> its share of the images; they add up to 1.
    """
    members: dict[object, list[int]] = defaultdict(list)
    for image, key in enumerate(same):
        members[key].append(image)
    units = [members[key] for key in members]
    shown = [frozenset[int]().union(*(classes[image] for image in unit)) for unit in units]
    parts = list(shares)
    wanted = {
        label: [share * count for share in shares.values()]
        for label, count in Counter(label for unit in shown for label in unit).items()
    }
    room = [share * len(classes) for share in shares.values()]
    order = np.random.default_rng(seed).permutation(len(units)).tolist()
    dealt: dict[int, int] = {}
    for label in _rarest_first(shown):
        for unit in order:
            if unit in dealt or (label is not None and label not in shown[unit]):
                continue
            lacking = room if label is None else wanted[label]
            # Of parts that lack equally much the one with more room takes it.
            part = max(range(len(parts)), key=lambda number: (round(lacking[number], 9), room[number]))
            dealt[unit] = part
            room[part] -= len(units[unit])
            for other in shown[unit]:
                wanted[other][part] -= 1
    _leave_none_empty(dealt, len(parts), shown)
    result = [parts[0]] * len(classes)
    for unit, part in dealt.items():
        for image in units[unit]:
            result[image] = parts[part]
    return result


def _leave_none_empty(dealt: dict[int, int], parts: int, shown: Sequence[frozenset[int]]) -> None:
    """Give each part at least one unit, from the one that has most: one whose classes are shown by many others."""
    counts = Counter(label for unit in shown for label in unit)
    for part in range(parts):
        held = Counter(dealt.values())
        richest, most = held.most_common(1)[0]
        if part not in held and most > 1:
            spare = [unit for unit, own in dealt.items() if own == richest]
            dealt[max(spare, key=lambda unit: min((counts[label] for label in shown[unit]), default=0))] = part


def _rarest_first(shown: Sequence[frozenset[int]]) -> list[int | None]:
    """The classes by rising number of images, then None for images without."""
    counts = Counter(label for unit in shown for label in unit)
    return [*sorted(counts, key=lambda label: (counts[label], label)), None]


def told_by_folders(images: Sequence[str]) -> list[str] | None:
    """The parts that folders of the images' relative paths are called after, as ``valid/images/a.jpg``.

    None unless every image lies in such a folder, and there is one to learn from and one to measure on.
    """
    found = [_told(image) for image in images]
    parts = {part for part in found if part is not None}
    if None in found or not {TRAIN, VALID} <= parts:
        return None
    return [part or TRAIN for part in found]


def _told(image: str) -> str | None:
    folders = PurePath(image).parts[:-1]
    return next((part for name in folders if (part := _WORDS.get(_DIGITS.sub("", name.lower())))), None)
