"""Outputs that the backward pass computes again instead of finding them kept.

Of a convolution with batch normalization autograd keeps the convolution's output, for the normalization, and the
activated one, for the next layers; of dense blocks every concatenation besides. All but the first follow from it by
passes over memory, without a multiplication of matrices. Where a layer notes that, and somebody is ``recomputing``,
autograd is given a recipe in place of the tensor. The numbers are the same to the last bit.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

Compute = Callable[..., Tensor]
_Place = tuple[int, torch.Size, tuple[int, ...], torch.dtype]


class _Recipe:
    """How to get a tensor again; its value is held from the first use to the last that is foreseen."""

    def __init__(self, compute: Compute, inputs: Sequence[Tensor | _Recipe], device: str) -> None:
        self.compute = compute
        self.inputs = inputs
        self._autocast = torch.autocast(device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
        self._uses = 0
        self._value: Tensor | None = None

    def promise(self) -> _Recipe:
        """Foresee one more use."""
        if self._uses == 0:
            for source in self.inputs:
                if isinstance(source, _Recipe):
                    source.promise()
        self._uses += 1
        return self

    def value(self) -> Tensor:
        """The tensor, as one of its foreseen uses."""
        value = self._value
        if value is None:
            with torch.no_grad(), self._autocast:
                value = self.compute(*map(_unpack, self.inputs))
        self._uses -= 1
        self._value = value if self._uses > 0 else None
        return value


class _Recording:
    """The recipes of a forward pass, by where their tensors lie."""

    def __init__(self) -> None:
        self._recipes: dict[_Place, tuple[weakref.ref[Tensor], _Recipe]] = {}

    def add(self, output: Tensor, compute: Compute, inputs: Sequence[Tensor]) -> None:
        sources = [self.find(x) or x.detach() for x in inputs]
        if compute is concatenate:
            # Parts of parts: otherwise the last concatenation of a dense block would ask for all before it.
            nested = [_parts(source) for source in sources]
            sources = [part for parts in nested for part in parts]
        self._recipes[_place(output)] = weakref.ref(output), _Recipe(compute, sources, output.device.type)

    def find(self, x: Tensor) -> _Recipe | None:
        output, recipe = self._recipes.get(_place(x), (None, None))
        # A tensor that is gone may have left its memory to another.
        return recipe if output is not None and output() is not None else None

    def pack(self, x: Tensor) -> Tensor | _Recipe:
        recipe = self.find(x)
        return x if recipe is None else recipe.promise()


_recording: _Recording | None = None


@contextmanager
def recomputing(wanted: bool = True) -> Iterator[None]:
    """While this lasts autograd keeps recipes of what is noted; not for several threads at once."""
    global _recording
    if not wanted:
        yield
        return
    _recording = recording = _Recording()
    try:
        with torch.autograd.graph.saved_tensors_hooks(recording.pack, _unpack):
            yield
    finally:
        _recording = None


def note(output: Tensor, compute: Compute, *inputs: Tensor) -> None:
    """Say that ``output``, as it will be when the layer is done, is ``compute(*inputs)``; nobody may write to these."""
    if _recording is not None and output.requires_grad:
        _recording.add(output, compute, inputs)


def concatenate(*parts: Tensor) -> Tensor:
    """Channels of all parts, [N, C_i, H, W] -> [N, sum of C_i, H, W]."""
    return torch.cat(parts, 1)


def _parts(source: Tensor | _Recipe) -> Sequence[Tensor | _Recipe]:
    return source.inputs if isinstance(source, _Recipe) and source.compute is concatenate else (source,)


def _unpack(packed: Any) -> Tensor:
    value: Tensor = packed.value() if isinstance(packed, _Recipe) else packed
    return value


def _place(x: Tensor) -> _Place:
    return x.data_ptr(), x.shape, x.stride(), x.dtype
