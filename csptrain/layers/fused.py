"""A convolution for inference alone: normalization in its weights, activation in its arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from csptrain.layers.antialias import Blur
from csptrain.layers.base import Shape
from csptrain.ops.activation import activation

#: Activations that oneDNN computes while it writes the output: its word and its constants.
_IN_ONEDNN: dict[str, tuple[str, list[float]]] = {
    "linear": ("none", []),
    "leaky": ("leaky_relu", [0.1]),
    "relu": ("relu", []),
    "logistic": ("sigmoid", []),
    "tanh": ("tanh", []),
    "swish": ("swish", []),
}


@dataclass(frozen=True)
class Window:
    """How a convolution slides: (vertical, horizontal) stride, padding of each side, dilation, groups."""

    stride: tuple[int, int]
    padding: int
    dilation: int
    groups: int


class FusedConvolution(nn.Module):
    """Convolution with bias, activation, blur; [N, C, H, W] of any float type -> [N, filters, H', W'] in the weights'.

    Where oneDNN is there, weights are in its own order and the activation costs no pass over memory. It stays on the
    device of its weights and is nothing to train or to save.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, window: Window, image: Shape, word: str, blur: Blur | None = None
    ) -> None:
        """``weight`` [filters, C / groups, size, size] and ``bias`` [filters] of one type; ``image`` is the input."""
        super().__init__()
        weight, bias = weight.detach(), bias.detach()
        self.dtype = weight.dtype
        packed = weight.device.type == "cpu" and _has_onednn()
        known = _IN_ONEDNN.get(word) if packed else None
        self._convolve = (_in_onednn if packed else _in_torch)(weight, bias, window, known or ("none", []), image)
        self._activate = None if known else activation(word, in_place=True)
        self._blur = blur

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, filters, H', W']."""
        y = self._convolve(x if x.dtype == self.dtype else x.to(self.dtype))
        if self._activate is not None:
            y = self._activate(y)
        return y if self._blur is None else self._blur(y)


Convolve = Callable[[Tensor], Tensor]


def _has_onednn() -> bool:
    # Where torch's compiler keeps them; they are no public interface, so their absence is no error.
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_convolution_weight", "_convolution_pointwise")
    )


def _in_onednn(weight: Tensor, bias: Tensor, window: Window, after: tuple[str, list[float]], image: Shape) -> Convolve:
    padding, stride, dilation = [window.padding] * 2, list(window.stride), [window.dilation] * 2
    # The size of the input only helps to choose the order.
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight, padding, stride, dilation, window.groups, [1, image.c, image.h, image.w]
    )
    run, rest = torch.ops.mkldnn._convolution_pointwise, (padding, stride, dilation, window.groups, *after, "")

    def convolve(x: Tensor) -> Tensor:
        y: Tensor = run(x, packed, bias, *rest)
        return y

    return convolve


def _in_torch(weight: Tensor, bias: Tensor, window: Window, after: tuple[str, list[float]], image: Shape) -> Convolve:
    weight = weight.contiguous(memory_format=torch.channels_last)
    return lambda x: F.conv2d(x, weight, bias, window.stride, window.padding, window.dilation, window.groups)
