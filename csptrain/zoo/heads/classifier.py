"""What makes a backbone a classifier."""

from __future__ import annotations

from csptrain.zoo.backbone import AVERAGE_FIRST, Ending, Taps
from csptrain.zoo.writer import CfgWriter


def classifier(cfg: CfgWriter, taps: Taps, classes: int, ending: Ending = AVERAGE_FIRST) -> None:
    """Mean of each map, one linear layer, softmax, or what ``ending`` has otherwise."""
    cfg.comment("classifier")
    x = cfg.avgpool(taps.c5) if ending.average_first else taps.c5
    x = cfg.dropout(x, ending.dropout) if ending.dropout else x
    x = cfg.conv(x, classes, activation="linear", batch_normalize=False)
    cfg.softmax(x if ending.average_first else cfg.avgpool(x))
