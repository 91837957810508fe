"""One row of one of the paper's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How a row's #Parameter and BFLOPs were counted (csptrain.zoo.figures has all three).
#: weights: convolution and connected weights; convolutions and max pooling.
#: file: every float of the weights file, biases and batch normalization too; BFLOPs as in ``weights``.
#: learnable: all that PyTorch learns, and the operations of a counter of its modules.
Counting = Literal["weights", "file", "learnable"]


@dataclass(frozen=True)
class Row:
    """What the paper prints in a row, every figure as printed (``2.83M``, ``70.9%``), and what stands for it here.

    ``table``: 1 to 5; 0 for what the authors printed beside the paper. ``name``: the row's first column, with
    PeleeNet spelt as by its own paper.
    ``cfg``: name of the network in the zoo and in ``cfg/`` (without ``.cfg``); empty where there is none.
    ``quoted``: the paper takes the row's figures from elsewhere; with a ``cfg`` too, they are shown beside ours but
    not held against it.
    ``size``: the side in pixels of the input at which BFLOPs are counted; 0 where the paper prints no size or system.
    ``counting``: how the printed #Parameter and BFLOPs were counted.
    ``unmatched``: (column, figure of the cfg in the same digits) of each figure the cfg is known not to meet.
    ``evidence``: how sure it is that the cfg is the paper's network: published, exact, strong, good, candidate.
    ``note``: what a reader should know; ends each deviation.
    Figures the paper leaves empty are "".
    """

    table: int
    name: str
    cfg: str = ""
    quoted: bool = False
    size: int = 0
    counting: Counting = "weights"
    unmatched: tuple[tuple[str, str], ...] = ()
    evidence: str = ""
    note: str = ""
    # Columns that describe the system.
    gamma: str = ""
    marks: tuple[str, ...] = ()  # the checked columns of Tables 1 and 2
    backbone: str = ""
    # Columns of costs.
    parameters: str = ""
    bflops: str = ""
    crops: int = 1  # of one image: BFLOPs stand for each
    change: str = ""  # of BFLOPs against the row that the model is compared with, as "-13%"
    baseline: str = ""  # name of that row
    # Columns of accuracy.
    top1: str = ""
    top5: str = ""
    ap: str = ""
    ap50: str = ""
    ap75: str = ""
    ap_s: str = ""
    ap_m: str = ""
    ap_l: str = ""
    # Columns of speed, in frames per second: GTX 1080 Ti, Core i9-9900K, Jetson TX2.
    fps: str = ""
    cpu_fps: str = ""
    mobile_fps: str = ""
