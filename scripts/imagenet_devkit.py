"""Read ImageNet's development kit: which classes there are, and the class of every validation image.

usage: imagenet_devkit.py ILSVRC2012_devkit_t12.tar.gz FOLDER [CLASSES]

Writes FOLDER/labels.txt (the WordNet id of each class, in the kit's order, which is that of Darknet's published
weights), FOLDER/names.txt (its first English name) and FOLDER/val_labels.txt (a WordNet id for each validation image).
CLASSES (1000) is how many there are. Each file appears only when complete. Needs nothing but Python.
"""

from __future__ import annotations

import os
import struct
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_HEADER = 128
_INT8, _UINT8, _INT16, _UINT16, _INT32, _UINT32, _SINGLE, _DOUBLE = 1, 2, 3, 4, 5, 6, 7, 9
_MATRIX, _COMPRESSED, _UTF8, _UTF16 = 14, 15, 16, 17
_FORMATS = {
    _INT8: "b", _UINT8: "B", _INT16: "h", _UINT16: "H", _INT32: "i", _UINT32: "I", _SINGLE: "f", _DOUBLE: "d",
    12: "q", 13: "Q",
}  # fmt: skip
_CELL, _STRUCT, _CHAR = 1, 2, 4


class Element(NamedTuple):
    """One data element of a MATLAB 5 file: its type and its bytes."""

    kind: int
    data: bytes

    def numbers(self) -> tuple[Any, ...]:
        """The values of an element of numbers; raises ValueError for another one."""
        letter = _FORMATS.get(self.kind)
        if letter is None:
            raise ValueError(f"elements of type {self.kind} are no numbers")
        return struct.unpack(f"<{len(self.data) // struct.calcsize(letter)}{letter}", self.data)

    def text(self) -> str:
        """The characters of an element of text."""
        if self.kind == _UTF8:
            return self.data.decode("utf-8")
        if self.kind == _UTF16:
            return self.data.decode("utf-16-le")
        return "".join(map(chr, self.numbers()))


def elements(data: bytes) -> Iterator[Element]:
    """The elements of a MATLAB 5 file behind its header, or within another; raises ValueError where it is cut off."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        start, after = at + 8, 0
        if kind >> 16:  # a small one: type and size in four bytes, up to four bytes of data
            kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if start + size > len(data):
            raise ValueError("is cut off")
        body = data[start : start + size]
        if kind == _COMPRESSED:
            yield from elements(zlib.decompress(body))
            at = start + size
        else:
            yield Element(kind, body)
            at = after or start + (size + 7) // 8 * 8


def matrix(data: bytes) -> tuple[str, Any]:
    """Name and value of a matrix: text, a tuple of numbers, or a list of the records of a struct array."""
    if not data:
        return "", ()
    parts = elements(data)
    kind = next(parts).numbers()[0] & 0xFF
    rows, columns = next(parts).numbers()[:2]
    name = next(parts).text()
    if kind == _CHAR:
        letters = next(parts).text() if rows * columns else ""
        return name, letters[::rows] if rows > 1 else letters
    if kind == _CELL:
        return name, [matrix(part.data)[1] for part in parts]
    if kind != _STRUCT:
        return name, next(parts).numbers()
    (length,) = next(parts).numbers()
    packed = next(parts).data
    fields = [packed[at : at + length].split(b"\0")[0].decode() for at in range(0, len(packed), length)]
    values = [matrix(part.data)[1] for part in parts]
    return name, [
        dict(zip(fields, values[at : at + len(fields)], strict=True)) for at in range(0, len(values), len(fields))
    ]


def read_meta(data: bytes) -> dict[int, tuple[str, str]]:
    """meta.mat of the kit: ILSVRC2012_ID -> WordNet id and English names; raises ValueError for another file."""
    if data[126:128] != b"IM":
        raise ValueError("meta.mat is no MATLAB 5 file")
    for element in elements(data[_HEADER:]):
        name, value = matrix(element.data) if element.kind == _MATRIX else ("", [])
        if name == "synsets":
            return {int(record["ILSVRC2012_ID"][0]): (record["WNID"], record["words"]) for record in value}
    raise ValueError("meta.mat holds no synsets")


def read_kit(kit: Path) -> tuple[dict[int, tuple[str, str]], list[int]]:
    """The classes, and the ILSVRC2012_ID of each validation image; raises OSError, KeyError or ValueError."""
    with tarfile.open(kit) as archive:

        def member(end: str) -> bytes:
            name = next((name for name in archive.getnames() if name.endswith(end)), None)
            file = archive.extractfile(name) if name else None
            if file is None:
                raise ValueError(f"holds no {end}")
            return file.read()

        meta = read_meta(member("data/meta.mat"))
        truth = member("data/ILSVRC2012_validation_ground_truth.txt").decode().split()
    return meta, [int(word) for word in truth]


def write(kit: Path, folder: Path, classes: int) -> tuple[int, int]:
    """Write the three files; how many classes and validation images they name. Raises as `read_kit` does."""
    meta, truth = read_kit(kit)
    missing = [number for number in range(1, classes + 1) if number not in meta]
    if missing:
        raise ValueError(f"has no class {missing[0]}, {classes} were expected")
    if not truth or min(truth) < 1 or max(truth) > classes:
        raise ValueError(f"names validation classes {min(truth, default=0)}..{max(truth, default=0)}, not 1..{classes}")
    chosen = [meta[number] for number in range(1, classes + 1)]
    _write_lines(folder / "labels.txt", [label for label, _ in chosen])
    _write_lines(folder / "names.txt", [words.split(",")[0].strip() for _, words in chosen])
    _write_lines(folder / "val_labels.txt", [meta[number][0] for number in truth])
    return classes, len(truth)


def _write_lines(path: Path, lines: list[str]) -> None:
    unfinished = path.with_name(f"{path.name}.partial")
    with unfinished.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def main(argv: list[str]) -> int:
    """Read the kit as the command line says; 0 done, 1 a file cannot be used, 2 a wrong command line."""
    if len(argv) not in (2, 3) or not all(word.isdigit() for word in argv[2:]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        classes, images = write(Path(argv[0]), Path(argv[1]), int(argv[2]) if len(argv) == 3 else 1000)
    except (OSError, KeyError, ValueError, struct.error, tarfile.TarError, zlib.error) as error:
        print(f"{argv[0]}: is not ImageNet's development kit: {error}", file=sys.stderr)
        return 1
    print(f"{argv[1]}: {classes} classes, {images} validation images")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
