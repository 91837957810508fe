"""What the header of a JPEG or PNG file says about its pixels, which decoding would hide."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}  # colour type -> channels without alpha
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF, _SCAN = 0xE1, 0xDA
_ORIENTATION = 0x0112
UPRIGHT = 1


@dataclass(frozen=True)
class Header:
    """Channels (without alpha) and bits of each, whether there is transparency, and EXIF's orientation (1 upright)."""

    channels: int = 3
    bits: int = 8
    alpha: bool = False
    orientation: int = UPRIGHT


def read_header(raw: bytes) -> Header:
    """The header of an image file's bytes; of a kind that is neither JPEG nor PNG nothing odd is told."""
    if raw.startswith(_PNG) and len(raw) > 25:
        bits, colour = raw[24], raw[25]
        return Header(_PNG_CHANNELS.get(colour, 3), max(bits, 8), colour in (4, 6))
    if not raw.startswith(b"\xff\xd8"):
        return Header()
    channels, bits, orientation = 3, 8, UPRIGHT
    for marker, body in _segments(raw):
        if marker in _FRAMES and len(body) > 5:
            bits, channels = body[0], body[5]
        elif marker == _EXIF and body.startswith(b"Exif\0\0"):
            orientation = _orientation(body[6:])
    return Header(channels, bits, False, orientation)


def _segments(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment of a JPEG before its first scan."""
    place = 2
    while place + 4 <= len(raw) and raw[place] == 0xFF and raw[place + 1] != _SCAN:
        if raw[place + 1] == 0xFF:  # a filling byte
            place += 1
            continue
        (length,) = struct.unpack_from(">H", raw, place + 2)
        yield raw[place + 1], raw[place + 4 : place + 2 + length]
        place += 2 + max(length, 2)


def _orientation(tiff: bytes) -> int:
    """EXIF's orientation, 1 where it is not told or the block is damaged."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for number in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * number)
            if tag == _ORIENTATION:
                return int(value) if 1 <= value <= 8 else UPRIGHT
    except struct.error:
        return UPRIGHT
    return UPRIGHT
