"""A network rewritten in the part of Darknet's language that OpenCV 4's importer computes correctly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from csptrain import graph
from csptrain.cfg import text
from csptrain.errors import ExportError
from csptrain.formats.files import utf8, write_atomically
from csptrain.formats.weights import save_weights
from csptrain.graph import IMAGE, Node
from csptrain.layers.base import Layer
from csptrain.layers.target import Blob, NoEquivalent, Target
from csptrain.network import Network

_NOTE = """\
# {name}, rewritten by csptrain for OpenCV 4: for inference, not for training.
# Batch normalization is part of the convolutions; thresh=0 keeps OpenCV from zeroing low scores."""


@dataclass(frozen=True)
class Lowered:
    """A lowered network: its cfg, and for each layer the tensors of the weights file in order, float32.

    ``seen`` is the number of images the original was trained on.
    """

    cfg_text: str
    tensors: tuple[tuple[Tensor, ...], ...]
    seen: int

    def network(self, path: str | os.PathLike[str] = "<lowered>") -> Network:
        """csptrain's own network of the pair, in evaluation mode; ``path`` is what its errors name."""
        network = Network(graph.plan(text.parse(self.cfg_text, os.fspath(path))))
        with torch.no_grad():
            for stored, tensors in zip(network.stored(), self.tensors, strict=True):
                for item, tensor in zip(stored, tensors, strict=True):
                    item.tensor.copy_(tensor)
        network.seen = self.seen
        return network.eval()

    def write(self, cfg: Path, weights: Path) -> Network:
        """Write both files, each atomically; gives the network of the pair. Raises ExportError, WeightsError."""
        network = self.network(cfg)
        write_atomically(cfg, [utf8(self.cfg_text)], ExportError)
        save_weights(network, weights)
        return network


def lower(network: Network) -> Lowered:
    """Rewrite ``network`` with its weights; its heads stay the same in number, order and value.

    Raises:
        ExportError: a layer without an exact equivalent; it names the line and the reason.
    """
    target = Target(network.graph.net.shape)
    outputs: dict[int, Blob | None] = {IMAGE: target.image}
    for node, module in zip(network.graph.nodes, network.layers, strict=True):
        layer = node.layer
        inputs = [_readable(outputs[source], source, layer, network.graph.nodes) for source in node.sources]
        try:
            blob = layer.lower(target, inputs, module)
            # A layer that gives the image on makes it one that several may read.
            outputs[layer.index] = target.held(blob) if blob == target.image else blob
        except NoEquivalent as found:
            raise _refusal(layer, found.reason, found.key) from None
    last = outputs[network.graph.heads[-1]]
    if last is not None and last.index != len(target.sections) - 1:
        target.concatenate([last])
    sections = [_net(network), *target.sections]
    tensors = tuple(tuple(tensors) for tensors in target.tensors)
    return Lowered("\n\n".join(sections) + "\n", tensors, network.seen)


def _readable(blob: Blob | None, source: int, layer: Layer, nodes: Sequence[Node]) -> Blob:
    if blob is None:
        raise _refusal(
            layer, f"it reads layer {source} [{nodes[source].layer.kind}], whose output OpenCV changes", "layers"
        )
    return blob


def _refusal(layer: Layer, reason: str, key: str | None) -> ExportError:
    error = layer.error(reason, key)
    return ExportError(
        error.message, path=error.path, line=error.line, hint="nothing that OpenCV 4 reads computes the same"
    )


def _net(network: Network) -> str:
    net = network.graph.net
    lines = [_NOTE.format(name=Path(network.graph.path).name), "[net]", "batch=1", "subdivisions=1"]
    lines += [f"width={net.width}", f"height={net.height}", f"channels={net.channels}"]
    if net.letter_box:
        lines.append(f"letter_box={net.letter_box}")
    return "\n".join(lines)
