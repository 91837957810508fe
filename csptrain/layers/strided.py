"""The stride options that convolution and pooling share."""

from __future__ import annotations

from dataclasses import dataclass

from csptrain.cfg.fields import integer, opt
from csptrain.layers.base import Layer


@dataclass(frozen=True, kw_only=True)
class Strided(Layer):
    """stride, or stride_x and stride_y; a missing one of these is `stride`."""

    stride: int = opt(1, integer)
    stride_x: int = opt(-1, integer)
    stride_y: int = opt(-1, integer)

    @property
    def strides(self) -> tuple[int, int]:
        """(vertical, horizontal) stride."""
        return (
            self.stride if self.stride_y < 1 else self.stride_y,
            self.stride if self.stride_x < 1 else self.stride_x,
        )

    @property
    def stride_text(self) -> str:
        """As the layer table shows it: 2, or 2x1 for horizontal x vertical."""
        down, right = self.strides
        return f"{right}" if down == right else f"{right}x{down}"
