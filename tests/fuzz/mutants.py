"""Damaged cfgs: what a slip of the hand, a bad disk or bad will makes of good ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

NASTY = (
    "0 1 -1 2 3 7 1000 65536 65537 1000000000 2147483647 2147483648 -2147483648 99999999999999999999 1e999 -1e999 nan "
    "inf -inf 0.5 -0.5 1.9 1e-300 0x10 ,, , 1, ,1 1,2 1,2,3,4,5 -1,-2 -1,-1,-1,-1 -50 -1000000000 leaky logistic lekay "
    "relu6 # ; = [ ] \ufeff \u00a0 \u0661 \u202e caf\u00e9 %s ../../etc/passwd /dev/zero . per_channel relu softmax"
).split(" ") + ["", "1 # x", "leaky # x", "9" * 5000, "1," * 5000, "x" * 100_000]
KEYS = (
    "filters size stride stride_x stride_y pad padding groups group_id dilation activation batch_normalize share_index "
    "layers from num mask anchors classes coords width height channels inputs batch subdivisions time_steps output "
    "maxpool_depth out_channels weights_type weights_normalization temperature tree map scale reverse antialiasing "
    "xnor binary hidden side probability crop_width crop_height max random filter strid steps scales policy w_count "
    "output_filters state_constrain peephole shortcut bottleneck history_size dropblock noloss"
).split()
KINDS = (
    "net network convolutional conv local connected batchnorm normalization activation maxpool local_avgpool avgpool "
    "route shortcut upsample reorg reorg3d scale_channels sam implicit crop dropout empty softmax cost yolo region "
    "Gaussian_yolo detection rnn gru lstm crnn conv_lstm history contrastive convolutionl x"
).split()

Lines = list[bytes]
Change = Callable[[Lines, random.Random], Lines]


def corpus() -> list[Path]:
    """The cfgs that are damaged: the project's, and the reference ones beside it where they are."""
    return sorted((ROOT / "cfg").glob("*.cfg")) + sorted((ROOT.parent / "shared/reference/cfg").glob("*.cfg"))


def mutants(count: int, seed: int, paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """``count`` named mutants, the same for the same seed."""
    for number in range(count):
        draw = random.Random(f"{seed}-{number}")
        path = draw.choice(paths)
        lines = path.read_bytes().split(b"\n")
        names = []
        for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
            change = draw.choice(CHANGES)
            names.append(change.__name__.strip("_"))
            lines = change(lines, draw) or [b""]
        yield f"{seed}-{number} {path.name} {'+'.join(names)}", b"\n".join(lines)


def _options(lines: Lines) -> list[int]:
    return [number for number, line in enumerate(lines) if b"=" in line and not line.startswith(b"#")]


def _sections(lines: Lines) -> list[int]:
    return [number for number, line in enumerate(lines) if line.startswith(b"[")]


def _value(lines: Lines, draw: random.Random) -> Lines:
    places = _options(lines)
    if places:
        place = draw.choice(places)
        lines[place] = lines[place].partition(b"=")[0] + b"=" + draw.choice(NASTY).encode()
    return lines


def _key(lines: Lines, draw: random.Random) -> Lines:
    places = _options(lines)
    if places:
        place = draw.choice(places)
        lines[place] = draw.choice(KEYS).encode() + b"=" + lines[place].partition(b"=")[2]
    return lines


def _new_option(lines: Lines, draw: random.Random) -> Lines:
    lines.insert(draw.randint(0, len(lines)), f"{draw.choice(KEYS)}={draw.choice(NASTY)}".encode())
    return lines


def _kind(lines: Lines, draw: random.Random) -> Lines:
    places = _sections(lines)
    if places:
        lines[draw.choice(places)] = f"[{draw.choice(KINDS)}]".encode()
    return lines


def _new_section(lines: Lines, draw: random.Random) -> Lines:
    options = [f"{draw.choice(KEYS)}={draw.choice(NASTY[:40])}" for _ in range(draw.randint(0, 4))]
    place = draw.choice(_sections(lines) or [0])
    lines[place:place] = [line.encode() for line in (f"[{draw.choice(KINDS)}]", *options)]
    return lines


def _drop(lines: Lines, draw: random.Random) -> Lines:
    start = draw.randrange(len(lines))
    del lines[start : start + draw.choice((1, 1, 2, 10))]
    return lines


def _repeat(lines: Lines, draw: random.Random) -> Lines:
    start = draw.randrange(len(lines))
    part = lines[start : start + draw.choice((1, 5, 20))]
    lines[start:start] = part * draw.choice((1, 1, 2, 300))
    return lines


def _move(lines: Lines, draw: random.Random) -> Lines:
    a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return lines


def _cut(lines: Lines, draw: random.Random) -> Lines:
    text = b"\n".join(lines)
    return text[: draw.randrange(len(text) + 1)].split(b"\n")


def _bytes(lines: Lines, draw: random.Random) -> Lines:
    text = bytearray(b"\n".join(lines))
    for _ in range(draw.choice((1, 3, 50))):
        place = draw.randrange(len(text) + 1)
        text[place : place + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
    return bytes(text).split(b"\n")


def _letters(lines: Lines, draw: random.Random) -> Lines:
    place = draw.randrange(len(lines))
    line = bytearray(lines[place])
    if line:
        line[draw.randrange(len(line))] = draw.choice(b"abcdefghijklmnopqrstuvwxyz0123456789=,.-[]#; \r")
    lines[place] = bytes(line)
    return lines


def _glue(lines: Lines, draw: random.Random) -> Lines:
    place = draw.randrange(len(lines))
    lines[place] += draw.choice((b" # x", b";", b"#", b",", b" \xa0", b"\xe2\x80\x8b", b"\xff\xfe", b"\r"))
    return lines


CHANGES: tuple[Change, ...] = (
    _value, _value, _value, _key, _new_option, _kind, _new_section,
    _drop, _repeat, _move, _cut, _bytes, _letters, _glue,
)  # fmt: skip


def monsters() -> dict[str, bytes]:
    """Cfgs that no slip makes."""
    net = b"[net]\nwidth=64\nheight=64\nchannels=3\n"
    conv = b"[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
    million = 900_000
    return {
        "nothing": b"",
        "blank": b"\n \n\t\r\n",
        "NUL bytes": net + b"\0" + conv,
        "UTF-16": (net + conv).decode().encode("utf-16"),
        "a megabyte in one line": b"x" * million,
        "a key of a megabyte": net + b"x" * million + b"=1\n" + conv,
        "a value of a megabyte": net + conv + b"filters=" + b"9" * million + b"\n",
        "a kind of a megabyte": net + b"[" + b"c" * million + b"]\n",
        "an activation of a megabyte": net + conv.replace(b"leaky", b"l" * million),
        "500,000 anchors": net + conv + b"[yolo]\nnum=1000000\nanchors=" + b"1," * 499_999 + b"1\n",
        "500,000 sources": net + conv + b"[route]\nlayers=" + b"0," * 500_000 + b"0\n",
        "500,000 masks": net + conv + b"[yolo]\nmask=" + b"0," * 500_000 + b"0\n",
        "a thousand million anchors": net + conv + b"[yolo]\nnum=1000000000\n",
        "a thousand million classes": net + conv + b"[yolo]\nclasses=1000000000\n",
        "a thousand million filters": net + conv.replace(b"filters=4", b"filters=1000000000"),
        "a thousand million pixels": net.replace(b"64", b"1000000000") + conv,
        "many large layers": net.replace(b"64", b"65536") + conv.replace(b"filters=4", b"filters=1048576") * 10,
        "many weights": net + conv.replace(b"filters=4", b"filters=1048576").replace(b"size=3", b"size=63") * 50,
        "an upsampling tower": net + b"[upsample]\nstride=64\n" * 50,
        "a padded kernel": net + conv + b"[convolutional]\nsize=2147483647\npad=1\n",
        "padding": net + conv + b"[maxpool]\nsize=3\npadding=2147483647\n",
        "recursive references": net + b"[route]\nlayers=0\n[route]\nlayers=1,2\n[route]\nlayers=-1,-1,-1\n" * 20,
        "doubling routes": net + conv + b"[route]\nlayers=-1,-1\n" * 60,
        "120,000 sections": b"[net]\n" + b"[empty]\n" * 120_000,
        "a long chain": net + b"[empty]\n" * 4000,
        "a long chain of convolutions": net + conv * 1200,
        "all read all": net
        + conv
        + b"".join(
            b"[route]\nlayers=" + b",".join(b"%d" % i for i in range(n)) + b"\ngroups=1\n" for n in range(1, 500, 7)
        ),
        "30,000 mistakes": net + b"a=1\n" * 30_000 + conv,
        "30,000 broken lines": net + b"broken\n" * 30_000 + conv,
        "30,000 repeats": net + b"width=64\n" * 30_000 + conv,
        "a million lines": net + b"\n" * 800_000 + conv,
        "nets only": b"[net]\n" * 1000,
        "recurrent giants": net + b"[lstm]\noutput=1000000000\n",
        "a deep crnn": net + b"[crnn]\nhidden=1000000\noutput=1000000\nsize=99\n",
        "a tree that is none": net + conv + b"[softmax]\ntree=/dev/zero\n",
        "a map that is a pipe": net + conv + b"[region]\nmap=/dev/random\n",
    }
