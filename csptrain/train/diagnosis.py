"""Where in a network a training left the finite numbers.

Weights and gradients are lost where their squares are not finite either, beyond 1e19: a norm is quick to compute.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from csptrain.errors import CspError
from csptrain.layers.base import Layer
from csptrain.network import Network, NetworkLoss
from csptrain.train.optim import Trained


class NotFinite(CspError):
    """A loss or an update that is not finite; names the iteration, and the layer and head where it shows first."""


def in_stored(network: Network, statistics: bool) -> str | None:
    """The first layer with a trained value, or with ``statistics`` any stored one, that is not finite."""
    for node, layer in zip(network.graph.nodes, network.stored(), strict=True):
        for stored in layer:
            if (statistics or isinstance(stored.tensor, nn.Parameter)) and _lost(stored.tensor):
                return f"first in the {stored.label} of {_name(node.layer)}"
    return None


def in_outputs(network: Network, loss: NetworkLoss, outputs: list[Tensor]) -> str | None:
    """The first layer whose output is not finite and the first head that this reaches, or None."""
    layers = [node.layer for node in network.graph.nodes]
    bad = {index for index, output in enumerate(outputs) if not output.isfinite().all()}
    heads = [
        index
        for index, head in loss.heads.items()
        if bad.intersection(network.graph.nodes[index].sources) or not head.cost.isfinite()
    ]
    where = [f"first in the output of {_name(layers[min(bad)])}"] if bad else []
    if heads:
        where.append(f"{'then' if bad else 'first'} in head {_name(layers[heads[0]])}")
    return ", ".join(where) or None


def in_update(tensors: Iterable[Trained], network: Network) -> str:
    """The layer nearest to the heads whose gradient is not finite, else the first with a stored value that is not."""
    for item in reversed(list(tensors)):
        if item.parameter.grad is not None and _lost(item.parameter.grad):
            return f"first in the gradient of {_name(item.layer)}"
    return in_stored(network, statistics=True) or "in all weights together"


def _lost(tensor: Tensor) -> bool:
    return not bool(tensor.norm().isfinite())


def _name(layer: Layer) -> str:
    return f"layer {layer.index} [{layer.section.kind}] ({layer.section.path}:{layer.section.line})"
