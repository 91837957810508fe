"""A validation set measured by all processes of a training: each runs its turns, the first one has the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from csptrain.datasets.turns import Turns
from csptrain.errors import CspError
from csptrain.formats.checkpoint import State, pack, unpack
from csptrain.train.distributed import Processes

Arrays = Mapping[str, NDArray[Any]]


def gathered(processes: Processes, compute: Callable[[Turns], Arrays]) -> list[Arrays] | None:
    """What each process computes for its turns, in the order of the processes; None on all but the first.

    Raises:
        CspError: on the first process, what any of them met; the others go on.
    """
    arrays: Arrays = {}
    failure = ""
    try:
        arrays = compute(Turns(processes.rank, processes.count))
    except CspError as error:
        failure = str(error)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    packed = processes.to_first(pack(State(tensors, {"failure": failure})))
    if packed is None:
        return None
    shares = [unpack(content) for content in packed]
    for rank, share in enumerate(shares):
        if share.meta["failure"]:
            raise CspError(f"process {rank}: {share.meta['failure']}")
    return [{name: tensor.numpy() for name, tensor in share.tensors.items()} for share in shares]
