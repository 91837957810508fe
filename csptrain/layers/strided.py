"""The stride options that convolution and pooling share, and antialiasing, which takes the stride over."""

from __future__ import annotations

from dataclasses import dataclass

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.layers.antialias import Blur
from csptrain.layers.base import Layer, View


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
    def own_strides(self) -> tuple[int, int]:
        """(vertical, horizontal) stride of the layer's own arithmetic."""
        return self.strides

    def sliding_view(self, size: int) -> View:
        """The view of a window of ``size`` that moves by the strides, with what a blur behind it adds."""
        return View(size, size, *self.strides)

    @property
    def stride_text(self) -> str:
        """As the layer table shows it: 2, or 2x1 for horizontal x vertical."""
        down, right = self.strides
        return f"{right}" if down == right else f"{right}x{down}"


@dataclass(frozen=True, kw_only=True)
class Antialiased(Strided):
    """antialiasing=1 or 2: the layer itself has stride 1, and a blur behind it has the stride."""

    antialiasing: int = opt(0, integer)

    @property
    def blur(self) -> Blur | None:
        """What follows the layer's own arithmetic."""
        return Blur(self.strides, self.antialiasing == 2) if self.antialiasing else None

    def sliding_view(self, size: int) -> View:
        return super().sliding_view(size if self.blur is None else size + self.blur.size - 1)

    @property
    def own_strides(self) -> tuple[int, int]:
        return (1, 1) if self.antialiasing else self.strides

    def check(self, reading: Reading) -> None:
        super().check(reading)
        if not 0 <= self.antialiasing <= 2:
            reading.mistake(self.error(f"antialiasing={self.antialiasing}", "antialiasing", "legal: 0, 1, 2"))
