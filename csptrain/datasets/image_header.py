"""The size that an image file declares, read before anything of it is decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Size = tuple[int, int]

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_FRAME = {0xC4, 0xC8, 0xCC}  # JPEG markers among those of frames that are none
_ALONE = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length
_SCAN = 0xDA
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_SHORT = 256, 257, 3


def declared_size(raw: bytes) -> Size | None:
    """(width, height) in pixels of a JPEG, PNG, BMP, GIF, WebP, TIFF or PNM; None where it is not known."""
    try:
        return _size(raw)
    except (struct.error, ValueError, IndexError):
        return None


def _size(raw: bytes) -> Size | None:
    if raw.startswith(b"\xff\xd8"):
        sizes = list(_jpeg_frames(raw))
        return max(sizes, key=lambda size: size[0] * size[1]) if sizes else None
    if raw.startswith(_PNG):
        return _pair(">II", raw, 16)
    if raw.startswith(b"BM"):
        width, height = _pair("<ii", raw, 18)
        return abs(width), abs(height)  # a negative height is counted from the top
    if raw.startswith((b"GIF87a", b"GIF89a")):
        return _pair("<HH", raw, 6)
    if raw.startswith(b"RIFF") and raw[8:12] == b"WEBP":
        return _webp(raw)
    if raw.startswith((b"II*\0", b"MM\0*")):
        return _tiff(raw, "<" if raw.startswith(b"II") else ">")
    if raw[:1] == b"P" and raw[1:2] in b"123456":
        return _pnm(raw)
    return None


def _pair(form: str, raw: bytes, place: int) -> Size:
    first, second = struct.unpack_from(form, raw, place)
    return int(first), int(second)


def _jpeg_frames(raw: bytes) -> Iterator[Size]:
    place = 2
    while place + 4 <= len(raw) and raw[place] == 0xFF:
        marker = raw[place + 1]
        if marker == 0xFF or marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            return
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = _pair(">HH", raw, place + 5)
            yield width, height
        (length,) = struct.unpack_from(">H", raw, place + 2)
        place += 2 + max(length, 2)


def _webp(raw: bytes) -> Size | None:
    kind = raw[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", raw, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = _pair("<HH", raw, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff(raw: bytes, order: str) -> Size | None:
    (place,) = struct.unpack_from(f"{order}I", raw, 4)
    (count,) = struct.unpack_from(f"{order}H", raw, place)
    found: dict[int, int] = {}
    for number in range(count):
        tag, kind = struct.unpack_from(f"{order}HH", raw, place + 2 + 12 * number)
        form = "H" if kind == _TIFF_SHORT else "I"
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            (found[tag],) = struct.unpack_from(f"{order}{form}", raw, place + 10 + 12 * number)
    return (found[_TIFF_WIDTH], found[_TIFF_HEIGHT]) if len(found) == 2 else None


def _pnm(raw: bytes) -> Size:
    words: list[bytes] = []
    for line in raw[:4096].splitlines():
        words += line.partition(b"#")[0].split()
        if len(words) >= 3:
            break
    return int(words[1]), int(words[2])
