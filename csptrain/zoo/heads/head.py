"""What a head is to those who compose a detector: the strides at which it predicts, and the words of its making."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from csptrain.zoo.backbone import Taps
from csptrain.zoo.heads.boxes import BoxHeads
from csptrain.zoo.writer import CfgWriter


@dataclass(frozen=True)
class Head:
    """A detector's head as data; ``write`` adds its layers to those of any backbone with these taps."""

    title: str
    evidence: str
    strides: tuple[int, ...]
    write: Callable[[CfgWriter, Taps, BoxHeads], None]
