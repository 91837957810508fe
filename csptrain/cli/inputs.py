"""The pictures that a command line names: files, folders, patterns and lists, or paths typed one by one."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from csptrain.cli.voice import aside, tell
from csptrain.errors import DataError


def expand(words: Sequence[str]) -> list[str]:
    """The image paths that files, folders, patterns, shards and ``.txt`` lists stand for, in the order given.

    Raises:
        DataError: nothing of that name, an empty folder or list, or a listed image that is missing.
    """
    from csptrain.datasets.lists import read_images
    from csptrain.datasets.shards import exists, is_shard

    images: list[str] = []
    for word in words:
        path = Path(word)
        if path.is_dir() or path.suffix == ".txt" or is_shard(path):
            images += read_images(path)
        elif exists(path):
            images.append(word)
        elif glob.has_magic(word):
            found = sorted(name for name in glob.glob(word, recursive=True) if Path(name).is_file())
            if not found:
                raise DataError("no file matches", path=word)
            images += found
        else:
            raise DataError("no such image", path=word)
    return images


def typed_paths() -> Iterator[str]:
    """Image paths from standard input, asked for where a person types them; raises DataError for a missing one."""
    asks = sys.stdin.isatty()
    for number in range(1, sys.maxsize):
        if asks:
            print("Enter Image Path: ", end="", file=aside(), flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        image = line.strip()
        if not image or Path(image).is_file():
            yield from [image] if image else []
        elif asks:
            tell(f"no such image: {image}")
        else:
            raise DataError(f"no such image: {image}", path="<stdin>", line=number)
