"""What a backbone is to those who stand on it: its layers at three strides, and the words of its making."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

from csptrain.errors import CfgError
from csptrain.zoo.rows.row import Counting
from csptrain.zoo.training import Training
from csptrain.zoo.writer import CfgWriter


class Taps(NamedTuple):
    """The backbone's layers at strides 8, 16 and 32 that heads read.

    They are layer numbers of the writer, which knows the rest: ``cfg.channels(taps.c4)``, ``cfg.stride(taps.c4)``.
    A classifier stands on ``c5``.
    """

    c3: int
    c4: int
    c5: int


FUSIONS = ("both", "last", "first")
SPLITS = ("conv", "route")


@dataclass(frozen=True)
class Partial:
    """How a stage is cross-stage partial.

    ``gamma``: the fraction of its channels that goes around the blocks.
    ``fusion``: ``last`` has a transition before the two parts are joined, ``first`` one after; ``both`` has the two,
    the partial transition of the paper.
    ``split``: ``conv`` makes each part by a 1x1 convolution of its own, as in the networks whose costs the paper
    prints; ``route`` takes channels as they are, as its text has it.

    Raises CfgError for other words, or a gamma that leaves nothing on a side.
    """

    gamma: float = 0.5
    fusion: str = "both"
    split: str = "conv"

    def __post_init__(self) -> None:
        for key, value, legal in (("fusion", self.fusion, FUSIONS), ("split", self.split, SPLITS)):
            if value not in legal:
                raise CfgError(f"{key}={value}", hint=f"legal: {', '.join(legal)}")
        if not 0 < self.gamma < 1:
            raise CfgError(f"gamma={self.gamma:g}", hint="legal: between 0 and 1, as 0.25, 0.5, 0.75")

    def widths(self, channels: int) -> tuple[int, int]:
        """Channels of the parts that go around and through; raises CfgError where they would not be whole."""
        around = round(channels * self.gamma)
        if around != channels * self.gamma or not 0 < around < channels:
            raise CfgError(f"gamma={self.gamma:g} does not split {channels} channels into whole ones")
        return around, channels - around

    @property
    def before(self) -> bool:
        """Whether there is a transition before the join."""
        return self.fusion != "first"

    @property
    def after(self) -> bool:
        """Whether there is a transition after the join."""
        return self.fusion != "last"


HALF = Partial()


def split(
    cfg: CfgWriter,
    x: int,
    widths: tuple[int, int],
    partial: Partial,
    activation: str | None = None,
    words: tuple[str, str] = ("blocks", "them"),
) -> tuple[int, int]:
    """The part of ``x`` that goes around the blocks, and the one that goes through them.

    ``widths``: their channels, if convolutions make them. ``words``: what the comments call the blocks.
    """
    block, it = words
    if partial.split == "route":
        around, through = partial.widths(cfg.channels(x))
        cfg.comment(f"channels that go around the {block}")
        part1 = _channels(cfg, x, 0, around)
        cfg.comment(f"channels that go through {it}")
        return part1, _channels(cfg, x, around, through)
    around, through = widths
    cfg.comment(f"the part that goes around the {block}")
    part1 = cfg.conv(x, around, activation=activation)
    cfg.comment(f"the part that goes through {it}")
    return part1, cfg.conv(x, through, activation=activation)


def _channels(cfg: CfgWriter, x: int, first: int, count: int) -> int:
    """``count`` channels of ``x``: [route] knows equal groups, so that some are joined again."""
    unit = gcd(first, count, cfg.channels(x))
    groups = cfg.channels(x) // unit
    return cfg.concat(*(cfg.part(x, (first + at) // unit, groups) for at in range(0, count, unit)))


def join(cfg: CfgWriter, part1: int, part2: int, partial: Partial, width: int) -> int:
    """The two parts of a stage of residual blocks as one, with the transitions that the fusion asks for."""
    if partial.before and partial.after:
        cfg.comment("transition before the join, and after it")
    elif partial.before:
        cfg.comment("transition before the join")
    if partial.before:
        part2 = cfg.conv(part2, cfg.channels(part2))
    joined = cfg.concat(part2, part1)
    if partial.after and not partial.before:
        cfg.comment("transition after the join")
    return cfg.conv(joined, width) if partial.after else joined


@dataclass(frozen=True)
class Style:
    """What may be asked of a backbone.

    ``partial``: its partial form, None for its own. ``squeeze``: with squeeze-and-excitation. ``boxes``: a head for
    boxes will stand on it, so that it must end at stride 32.
    """

    partial: Partial | None = None
    squeeze: bool = False
    boxes: bool = False


@dataclass(frozen=True)
class Ending:
    """How a backbone becomes a classifier.

    ``average_first``: the mean of each map is classified; if not, every place is, and the mean of that taken.
    ``dropout``: its probability before the classification, if there is one.
    """

    average_first: bool = True
    dropout: str = ""


AVERAGE_FIRST = Ending()
OWN_STYLE = Style()


@dataclass(frozen=True)
class Backbone:
    """A backbone as data.

    ``size``: its input as a classifier, in pixels. ``training``: that of the classifier. ``write`` adds the layers and
    gives the taps. ``activation``: of convolutions that name none. ``partial``: its own partial form, None for a
    network without; ``fusions`` and ``splits`` it can have beside. ``squeezes``: whether it can have
    squeeze-and-excitation. ``ending``: as a classifier. ``counting``: how its figures are printed. ``step``: both
    sides of its input must be multiples of it. ``subdivisions``: into which a detector on it cuts a batch of 64.
    """

    title: str
    evidence: str
    size: int
    training: Training
    write: Callable[[CfgWriter, Style], Taps]
    activation: str = "leaky"
    partial: Partial | None = None
    fusions: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    squeezes: bool = False
    ending: Ending = AVERAGE_FIRST
    counting: Counting = "weights"
    step: int = 1
    subdivisions: int = 4
