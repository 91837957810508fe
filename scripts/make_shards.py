"""Write the images of a list and their label files as tar shards.

usage: make_shards.py LIST FOLDER [--size N]

LIST is a list, a folder of images, or shards that are to get another size. FOLDER gets FOLDER-000000.tar and so on with
N images (1000) each, in the order of LIST, and right after each image its label file, where there is one. A data file's
`train=FOLDER` then stands for all of them. Folders are kept as far as they differ, so classes told by folders stay.
The same files give the same bytes. FOLDER appears only when complete. Needs csptrain installed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from csptrain.datasets.image import MAX_BYTES
from csptrain.datasets.lists import label_candidates, read_images
from csptrain.datasets.made import new_folder, refuse_used
from csptrain.datasets.shards import exists, read_bytes
from csptrain.errors import CspError, DataError
from csptrain.formats.files import write_atomically


def member(name: str, content: bytes) -> bytes:
    """A file as it stands in a tar: nothing of its owner or time."""
    header = tarfile.TarInfo(name)
    header.size = len(content)
    return header.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def shard(images: Sequence[str], root: str) -> Iterator[bytes]:
    """The bytes of a shard, image by image; names in it are relative to ``root``."""
    for image in images:
        name = os.path.relpath(image, root)
        yield member(name, read_bytes(image, MAX_BYTES))
        label = next(filter(exists, label_candidates(image)), None)
        if label is not None:
            yield member(f"{os.path.splitext(name)[0]}.txt", read_bytes(label, MAX_BYTES))
    yield bytes(2 * tarfile.BLOCKSIZE)


def write_shards(source: Path, folder: Path, size: int) -> int:
    """Write the shards into a new ``folder``, ``size`` images each; gives their number.

    Raises:
        DataError: an image or label cannot be read, two of one name would share a label, or the folder is in use.
    """
    images = [os.path.abspath(image) for image in read_images(source)]
    root = os.path.commonpath([os.path.dirname(image) for image in images])
    keys = [os.path.splitext(image)[0] for image in images]
    if len(set(keys)) < len(keys):
        raise DataError("lists an image twice, or two that differ in their suffix alone", path=source)
    refuse_used(folder)
    rest, count = iter(images), 0
    with new_folder(folder) as fresh:
        while part := list(islice(rest, size)):
            write_atomically(fresh / f"{folder.name}-{count:06d}.tar", shard(part, root), DataError)
            count += 1
    return count


def main(argv: list[str]) -> int:
    """Write as the command line says; 0 done, 1 a file cannot be used, 2 a wrong command line."""
    parser = argparse.ArgumentParser(prog="make_shards.py", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("list", type=Path, help="list or folder of images")
    parser.add_argument("folder", type=Path, help="folder to make")
    parser.add_argument("--size", type=int, default=1000, metavar="N", help="images of a shard (1000)")
    options = parser.parse_args(argv)
    if options.size < 1:
        parser.error("--size must be at least 1")
    try:
        count = write_shards(options.list, Path(os.path.abspath(options.folder)), options.size)
    except (CspError, OSError) as error:
        print(f"make_shards.py: {error}", file=sys.stderr)
        return 1
    print(f"{options.folder}: {count} shards")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
