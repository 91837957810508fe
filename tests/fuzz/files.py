"""Hostile files of every kind that is read: seeds, what damages them, monsters made by hand, and their readers."""

from __future__ import annotations

import io
import json
import random
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch

from csptrain import graph
from csptrain.cfg.categories import read_categories
from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.coco import read_coco
from csptrain.datasets.image import load_image
from csptrain.datasets.image_header import declared_size
from csptrain.datasets.lists import read_images, read_label, read_samples
from csptrain.datasets.shards import read_bytes
from csptrain.datasets.voc import read_annotation
from csptrain.errors import CspError
from csptrain.formats.checkpoint import State, load_state, pack
from csptrain.formats.weights import load_weights
from csptrain.network import Network
from csptrain.train.log import read_results
from tests import tiny
from tests.fuzz import trial

SECONDS, BYTES = 5.0, 2 << 30
TOKENS = [
    b"nan", b"inf", b"-inf", b"-1", b"1e999", b"99999999999999999999", b"-0.0", b"2147483648", b"1e-320", b"0x7f",
    b"\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"../../../../etc/passwd", b"/dev/zero",
    b"{", b"[", b"]", b"}", b'"', b"<", b">", b"&", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\n", b"\r", b"null", b"true",
    b"{}", b"[]", b"1" * 400, b"x" * 3000, b"*a", b"&a", b"!!python/object/apply:os.system", b"~",
]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Files of one kind: the suffix, whole ones to damage, monsters by name, and who reads them."""

    suffix: str
    seeds: Callable[[], list[bytes]]
    monsters: Callable[[], dict[str, bytes]]
    read: Callable[[Path], object]


def damaged(seed: bytes, draw: random.Random) -> bytes:
    """A file after one to eight accidents."""
    content = bytearray(seed)
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        place = draw.randrange(len(content) + 1)
        length = draw.choice((1, 1, 2, 4, 16, 200))
        match draw.randrange(7):
            case 0 if content:
                content[min(place, len(content) - 1)] ^= 1 << draw.randrange(8)
            case 1:
                content[place : place + length] = draw.randbytes(length)
            case 2:
                del content[place:]
            case 3:
                del content[place : place + length]
            case 4:
                content[place:place] = content[place : place + length] * draw.choice((1, 2, 50))
            case 5:
                content[place : place + draw.choice((0, 1, 4))] = draw.choice(TOKENS)
            case _:
                content[place : place + 4] = struct.pack(
                    draw.choice("<>") + "I", draw.choice((0, 1, 0xFFFFFFFF, 70000))
                )
    return bytes(content)


def mutants(kind: Kind, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """``count`` named files, the same for the same seed."""
    seeds = kind.seeds()
    for number in range(count):
        draw = random.Random(f"{kind.suffix}-{seed}-{number}")
        yield f"{kind.suffix} {seed}-{number}", damaged(draw.choice(seeds), draw)


def attempt(kind: Kind, path: Path) -> str | None:
    """What went wrong in reading a file, if anything."""
    try:
        with trial.limits(SECONDS, BYTES):
            kind.read(path)
    except CspError as error:
        return None if error.path is not None else f"names no file: {error}"
    except (Exception, trial.TooSlow) as error:  # noqa: BLE001 - whatever it is, it is what we look for
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


@cache
def network() -> Network:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.cfg"
        path.write_text(tiny.cfg())
        return Network(graph.load(path))


def _weights(path: Path) -> None:
    load_weights(network(), path, partial=True)
    load_weights(network(), path)


def _image(path: Path) -> None:
    load_image(path, 1)
    pixels = load_image(path, 3)
    size = declared_size(path.read_bytes())
    assert size in (None, (pixels.shape[1], pixels.shape[0])), "what is declared is what is decoded"


def _label(path: Path) -> None:
    rows = read_label(path, 3, [])
    assert np.isfinite(rows).all() and (rows[:, 4] < 3).all()


def _json(path: Path) -> None:
    names = tuple(name for _, name in read_categories(path))
    read_coco(path, names)


def _shard(path: Path) -> None:
    samples = read_samples(path, 3, need_labels=False)
    for image in samples.images:
        read_bytes(image, 1 << 20)


def tar(form: int, name: str = "größe/a", **records: str) -> bytes:
    """A tar of two images and a label; ``records`` stand before all."""
    stream, label = io.BytesIO(), b"0 0.5 0.5 0.2 0.3\n"
    with tarfile.open(fileobj=stream, mode="w", format=form, pax_headers=records) as shard:
        for member in (f"{name}.jpg", f"{name}.txt", "c/" + "b" * 99 + "/d.jpg"):
            info = tarfile.TarInfo(member)
            info.size = len(label)
            shard.addfile(info, io.BytesIO(label))
    return stream.getvalue()


@cache
def _picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (23, 31, 3), np.uint8)


def _images() -> list[bytes]:
    suffixes = (".jpg", ".png", ".bmp", ".ppm", ".tiff", ".webp")
    made = [cv2.imencode(suffix, _picture())[1].tobytes() for suffix in suffixes]
    made.append(cv2.imencode(".pgm", _picture()[:, :, 0])[1].tobytes())
    made.append(cv2.imencode(".jpg", _picture(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())
    made.append(cv2.imencode(".png", _picture().astype(np.uint16) * 257)[1].tobytes())
    return made


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that declares a size, with ``data`` as its compressed rows."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _image_monsters() -> dict[str, bytes]:
    jpeg = bytearray(_images()[0])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 20000, 20000)
    return {
        "png of 20000x20000": png(20000, 20000, zlib.compress(b"\0" * 60001 * 200)),
        "png of 2^31": png(2**31 - 1, 2**31 - 1),
        "png of no size": png(0, 0),
        "jpeg of 20000x20000": bytes(jpeg),
        "bmp of 2^31": b"BM" + struct.pack("<IHHIIii", 0, 0, 0, 54, 40, 2**31 - 1, -(2**31) + 1) + b"\0" * 60,
        "pnm of many pixels": b"P6 99999999 99999999 255\n",
        "pnm with a long number": b"P6 " + b"9" * 4000 + b" 1 255\n",
        "tiff that names itself": b"II*\0\x08\0\0\0" + b"\xff\xff" + b"\0" * 50,
        "nothing": b"",
        "half a signature": b"\xff\xd8",
    }


def _state() -> bytes:
    tensors = {"layer.0.weights": torch.arange(6.0).view(2, 3), "rng": torch.arange(9, dtype=torch.uint8)}
    return pack(State(tensors, {"iteration": 3, "seed": 0}))


def _state_monsters() -> dict[str, bytes]:
    def npz(**arrays: object) -> bytes:
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    packed = io.BytesIO()
    np.savez_compressed(packed, bomb=np.zeros(1 << 26, np.uint8))
    lying = _state().replace(b"'shape': (2, 3)", b"'shape': (2e9)")
    meta = {"meta.json": np.frombuffer(b'{"format": "csptrain state 1"}', np.uint8)}
    return {
        "compressed bomb": packed.getvalue(),
        "shape that lies": lying,
        "objects": npz(bomb=np.array([{}], object)),
        "no meta": npz(x=np.zeros(3)),
        "texts": npz(x=np.array(["a"]), **meta),
        "deep meta": npz(**{"meta.json": np.frombuffer(b"[" * 100_000, np.uint8)}),
        "a pickle": b"\x80\x04cposix\nsystem\n(S'true'\ntR.",
    }


def _coco() -> list[bytes]:
    record = {
        "categories": [{"id": 1, "name": "a"}, {"id": 7, "name": "b"}],
        "images": [{"id": 5, "file_name": "a.png", "width": 31, "height": 23}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 7, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0,
             "segmentation": [[1, 2, 3, 4, 5, 6]]},
        ],
    }  # fmt: skip
    return [json.dumps(record).encode()]


VOC = b"""<annotation><size><width>31</width><height>23</height><depth>3</depth></size><object><name>a</name>
<difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>12</ymax></bndbox></object></annotation>"""
LAUGHS = b'<!DOCTYPE l [<!ENTITY a0 "ha">' + b"".join(
    b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)
)
YAML = b"path: .\ntrain: list.txt\nval: list.txt\nnames:\n  0: a\n  1: b\nnc: 2\n"
ALIASES = b"a: &a [x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(12)
)
RESULTS = b"iteration,loss,avg_loss,rate,seconds,data_wait,images,width,height,map,top1,topk\n1,2,3,4,5,6,7,8,9,,,\n"

KINDS: dict[str, Kind] = {
    "weights": Kind(
        ".weights",
        lambda: [struct.pack("<iiiQ", 0, 2, 5, 320) + np.random.default_rng(0).random(6000, np.float32).tobytes()],
        lambda: {
            "seen by 2^64": struct.pack("<iiiQ", 0, 2, 5, 2**64 - 1) + b"\0" * 30000,
            "transposed": struct.pack("<iiiQ", 1001, 1001, 5, 0) + b"\0" * 30000,
            "nothing": b"",
        },
        _weights,
    ),
    "labels": Kind(
        ".txt",
        lambda: [b"0 0.5 0.5 0.2 0.3\n1 0.1 0.9 0.05 0.05\n2 .5 .5 1 1\n"],
        lambda: {
            "numbers": b"0 nan 0.5 0.2 0.3\n",
            "negative": b"-1 0.5 0.5 0.2 0.3\n",
            "huge": b"0 1e308 1e308 1e308 1e308\n1 0.5 0.5 1e38 1e38\n",
            "long class": b"1" * 5000 + b" 0.5 0.5 0.2 0.3\n",
            "many lines": b"0 0.5 0.5 0.1 0.1\n" * 100_000,
            "one line": b"0.5 " * 1_000_000,
        },
        _label,
    ),
    "images": Kind(".img", _images, _image_monsters, _image),
    "states": Kind(".state", lambda: [_state()], _state_monsters, load_state),
    "json": Kind(
        ".json",
        _coco,
        lambda: {
            "deep": b"[" * 500_000,
            "deep objects": b'{"a":' * 100_000,
            "long number": b'{"images": [{"id": ' + b"9" * 100_000 + b"}]}",
            "numbers that are none": _coco()[0].replace(b"31", b"NaN").replace(b"12", b"Infinity"),
            "huge ids": _coco()[0].replace(b'"id": 5', b'"id": 99999999999999999999'),
            "list": b"[1, 2]",
        },
        _json,
    ),
    "voc": Kind(
        ".xml",
        lambda: [VOC],
        lambda: {
            "laughs": LAUGHS + b"]><annotation><object><name>&a11;</name></object></annotation>",
            "outside": b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
            "deep": b"<a>" * 200_000,
        },
        lambda path: read_annotation(path, ("a", "b")),
    ),
    "data": Kind(
        ".data",
        lambda: [b"classes=2\ntrain=list.txt\nvalid=list.txt\nbackup=backup\ntop=5\n"],
        lambda: {"long": b"classes=2\n" * 50_000, "many names": b"classes=999999999\n"},
        read_dataset,
    ),
    "yaml": Kind(
        ".yaml",
        lambda: [YAML],
        lambda: {
            "aliases": ALIASES + b"names: [*m]\n",
            "key of aliases": ALIASES + b"? *m\n: x\n",
            "deep": b"names: " + b"[" * 100_000,
            "object": b"names: !!python/object/apply:os.system [true]\n",
            "itself": b"names: &a [*a]\n",
        },
        read_dataset,
    ),
    "lists": Kind(
        ".txt",
        lambda: [b"a.png\nb.jpg\n# c\n/etc/hostname\n"],
        lambda: {"long": b"x" * 900_000, "home": b"~root/x.jpg\n", "no user": b"~nobody-there/x.jpg\n"},
        read_images,
    ),
    "shards": Kind(
        ".tar",
        lambda: [tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)],
        lambda: {
            "long name": tar(tarfile.GNU_FORMAT, "x" * 2_000_000),
            "long record": tar(tarfile.PAX_FORMAT, "x" * 2_000_000),
            "records about records": tar(tarfile.PAX_FORMAT, "é" * 100)[:1024] * 3000,
            "size below zero": tar(tarfile.PAX_FORMAT, size="-512"),
            "size of no file": tar(tarfile.PAX_FORMAT, size=str(2**62)),
            "size of no number": tar(tarfile.PAX_FORMAT, size="9" * 5000),
            "sparse": tar(tarfile.PAX_FORMAT, **{"GNU.sparse.map": "0,1" + ",9" * 9999, "GNU.sparse.size": "9" * 18}),
        },
        _shard,
    ),
    "results": Kind(".csv", lambda: [RESULTS], lambda: {"long": b"1," * 200_000}, read_results),
}
