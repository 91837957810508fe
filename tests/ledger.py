"""Counts what torch is asked to do, and the bytes of what it made: figures that do not depend on the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Ledger(TorchDispatchMode):
    """While it is entered: ``calls`` of each operator (``aten.cat``), ``live`` and ``peak`` bytes of their results."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.peak = 0
        self._results: dict[int, tuple[StorageWeakRef, int]] = {}

    @property
    def live(self) -> int:
        """Bytes that are still held."""
        self._results = {key: held for key, held in self._results.items() if not held[0].expired()}
        return sum(size for _, size in self._results.values())

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        self.calls[str(func.overloadpacket)] += 1
        given = {_storage(tensor)._cdata for tensor in _tensors((args, kwargs))}
        for tensor in _tensors(results):
            storage = _storage(tensor)
            if storage._cdata not in given:  # what was there before is nobody's result
                self._results[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.peak = max(self.peak, self.live)
        return results


def _tensors(tree: Any) -> list[torch.Tensor]:
    # Weights in oneDNN's own order have no storage to ask for.
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided]


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
