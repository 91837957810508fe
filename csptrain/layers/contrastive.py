"""[contrastive]: the end of a branch of embeddings, which its loss teaches to tell objects apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from csptrain.cfg.fields import integer, opt
from csptrain.cfg.text import Reading
from csptrain.layers.base import Identity, Layer, Shape
from csptrain.layers.onnx_target import OnnxTarget, Value
from csptrain.layers.target import Blob, Target

_LOSS = "it belongs to the loss of [contrastive], which is not computed here"


@dataclass(frozen=True, kw_only=True)
class Contrastive(Layer):
    """Options of [contrastive].

    Differs: at inference Darknet's output is never written; here it is the embeddings themselves.
    """

    kind = "contrastive"
    inert = dict.fromkeys("classes temperature cls_normalizer max_delta contrastive_neg_max".split(), _LOSS)

    yolo_layer: int = opt(0, integer)

    def refuse_training(self) -> None:
        super().refuse_training()
        raise self.error("has no loss here, so the network can be run but not trained", hint="remove the branch")

    def check(self, reading: Reading) -> None:
        if self.yolo_layer:
            self.resolve([self.yolo_layer], "yolo_layer")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def build(self, inputs: Sequence[Shape], output: Shape) -> nn.Module:
        return Identity()

    def lower(self, target: Target, inputs: Sequence[Blob], module: nn.Module) -> Blob:
        return inputs[0]

    def to_onnx(self, target: OnnxTarget, inputs: Sequence[Value], module: nn.Module) -> Value:
        return inputs[0]
