"""The pictures themselves: whether they can be decoded, how they are stored, and which are the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from csptrain.datasets.image import MAX_BYTES, load_image
from csptrain.datasets.shards import read_bytes
from csptrain.doctor.book import Book
from csptrain.doctor.header import UPRIGHT, Header, read_header
from csptrain.doctor.splits import Split
from csptrain.errors import DataError

MOST_WORKERS = 16
_CHANNELS_OF_CMYK = 4


@dataclass(frozen=True)
class Look:
    """What one picture is like: ``digest`` of its pixels ("" where it cannot be decoded, as ``error`` says)."""

    path: str
    header: Header
    digest: str
    blank: bool = False
    error: DataError | None = None


def look_at(images: Sequence[str], most: int | None = None) -> list[Look]:
    """Decode all of ``images``, or ``most`` of them spread evenly."""
    if most is not None and most < len(images):
        images = [images[place] for place in np.linspace(0, len(images) - 1, most).round().astype(int)]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_WORKERS)) as workers:
        return list(workers.map(_look, images))


def _look(path: str) -> Look:
    try:
        pixels = load_image(path)
        header = read_header(read_bytes(path, MAX_BYTES))
    except DataError as error:
        return Look(path, Header(), "", error=error)
    digest = blake2b(pixels.data, digest_size=16, salt=np.array(pixels.shape[:2], np.int64).tobytes()).hexdigest()
    return Look(path, header, digest, bool((pixels == pixels[:1, :1]).all()))


def check_pictures(looks: Sequence[Look], book: Book) -> None:
    """Note what is odd about the pictures of a split, each alone and within the split."""
    grey = sum(look.header.channels == 1 for look in looks)
    first: dict[str, str] = {}
    for look in looks:
        if look.error is not None:
            book.add_error("image-broken", look.error, look.path)
            continue
        _check_header(look, mixed=grey * 2 < len(looks), book=book)
        if look.blank:
            book.add("image-blank", "all pixels are equal", look.path)
        elif look.digest in first:
            book.add("image-twice", f"the same pixels as {first[look.digest]}", look.path)
        first.setdefault(look.digest, look.path)


def _check_header(look: Look, mixed: bool, book: Book) -> None:
    header = look.header
    if header.orientation != UPRIGHT:
        book.add("image-turned", f"EXIF orientation {header.orientation}", look.path)
    if header.alpha:
        book.add("image-alpha", "has an alpha channel", look.path)
    if header.bits > 8:
        book.add("image-depth", f"has {header.bits} bits a channel", look.path)
    if header.channels == _CHANNELS_OF_CMYK:
        book.add("image-cmyk", "has four channels", look.path)
    if header.channels == 1 and mixed:
        book.add("image-grey", "has one channel", look.path)


def check_shared(train: Sequence[Look], valid: Sequence[Look], book: Book) -> None:
    """Note the pictures of valid that are in train too, under whatever name."""
    known = {look.digest: look.path for look in train if look.digest and not look.blank}
    for look in valid:
        if look.digest in known:
            book.add("image-shared", f"the same pixels as {known[look.digest]} of train", look.path)


def same_images(one: Split, other: Split) -> bool:
    """Whether two splits are one list, as where the data file has no valid= of its own."""
    return set(one.samples.images) == set(other.samples.images)
