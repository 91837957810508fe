"""The executor: runs a planned graph, frees every output after its last reader, gives the heads' outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from csptrain.errors import CfgError
from csptrain.graph import IMAGE, Graph, Node
from csptrain.layers.base import Head, LossContext, Stored
from csptrain.layers.batchnorm import BatchNorm
from csptrain.losses.base import HeadLoss

# Above this a cfg is taken for a mistake rather than for a network; the largest public ones hold 0.3e9.
MAX_PARAMETERS = 4_000_000_000


@dataclass(frozen=True)
class NetworkLoss:
    """The loss of one mini-batch.

    ``surrogate`` is a scalar whose gradient is Darknet's summed delta of all heads (its value means nothing);
    ``cost`` is Darknet's network cost: the mean over the layers that carry one; ``heads`` maps layer -> HeadLoss;
    ``finite`` is a bool scalar: whether the cost and all that these layers read are finite numbers.
    """

    surrogate: Tensor
    cost: Tensor
    heads: dict[int, HeadLoss]
    finite: Tensor


class _Inject(torch.autograd.Function):
    """A zero whose gradient with respect to ``x`` is minus ``delta``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, delta: Tensor) -> Tensor:
        ctx.save_for_backward(delta.to(x.dtype))
        return x.new_zeros((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (delta,) = ctx.saved_tensors
        return -delta * grads[0].to(delta.dtype), None


class _PassGradient(torch.autograd.Function):
    """A head's output, whose backward hands the gradient on unchanged, as Darknet's softmax does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, output: Tensor) -> Tensor:
        return output

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


def _outline(node: Node) -> nn.Module:
    """The module of a layer on the meta device, where it has shapes and no memory."""
    try:
        return node.layer.build(node.inputs, node.output)
    except RuntimeError as error:
        # Torch counts the bytes of a tensor in 63 bits even where it holds none.
        raise node.layer.error(f"its weights cannot be counted: {error}") from None


class Network(nn.Module):
    """A Darknet network as a torch module; input [N, C, H, W] float 0..1 RGB.

    Calling it gives the outputs of ``graph.heads`` in order, as Darknet's layers hold them (a [yolo] map is activated
    but not decoded).
    """

    def __init__(self, graph: Graph, seed: int = 0, shapes_only: bool = False, draw: bool = True) -> None:
        """Build and draw the start weights from ``seed``; with ``shapes_only`` nothing is allocated.

        Without ``draw`` the weights hold whatever is in memory, for a file that fills them all to follow. Raises
        CfgError for a network of more than ``MAX_PARAMETERS`` parameters.
        """
        super().__init__()
        self.graph = graph
        self.seen = 0
        self.amp: torch.dtype | None = None
        self.is_fused = False
        with torch.device("meta"):
            modules = [_outline(node) for node in graph.nodes]
        owners = [
            node.layer.donor is None and any(True for _ in module.parameters())
            for node, module in zip(graph.nodes, modules, strict=True)
        ]
        count = sum(
            parameter.numel()
            for own, module in zip(owners, modules, strict=True)
            if own
            for parameter in module.parameters()
        )
        if count > MAX_PARAMETERS:
            raise CfgError(f"has {count} parameters, more than {MAX_PARAMETERS}", path=graph.path)
        self.layers = nn.ModuleList(
            node.layer.build(node.inputs, node.output) if own and not shapes_only else module
            for own, node, module in zip(owners, graph.nodes, modules, strict=True)
        )
        if not shapes_only:
            finished = list(self.layers)
            for node, module in zip(graph.nodes, finished, strict=True):
                node.layer.complete(module, finished, node.inputs)
        if shapes_only or not draw:
            return
        generator = torch.Generator().manual_seed(seed)
        for module in self.layers:
            initialize: Callable[[torch.Generator], None] | None = getattr(module, "initialize", None)
            if initialize is not None:
                initialize(generator)
        for node in graph.nodes:
            if isinstance(node.layer, Head) and node.sources[0] != IMAGE:
                node.layer.prime(self.layers[node.sources[0]])

    @torch.no_grad()
    def fused(self, dtype: torch.dtype = torch.float32, consume: bool = False) -> Network:
        """The network as it is now, for inference alone: faster, nothing to train or to save; it shares what stays.

        Normalization is folded into the convolutions' weights, so its numbers differ in their last digits. In bf16
        the heads still compute in float32. ``consume`` empties this network layer by layer, so that never more than
        one layer is there twice; it is of no use afterwards.
        """
        copy = Network(self.graph, shapes_only=True)
        modules = list(self.layers)
        if consume:
            self.layers = nn.ModuleList()
        modules.reverse()
        copy.layers = nn.ModuleList(node.layer.fused(modules.pop(), node.inputs, dtype) for node in self.graph.nodes)
        copy.amp = None if dtype == torch.float32 else dtype
        copy.is_fused = True
        return copy.eval()

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, C, H, W] -> one output per head."""
        if self.amp is None:
            outputs = self._run(x, keep=False)
        else:
            with torch.autocast(x.device.type, self.amp):
                outputs = self._run(x, keep=False)
        return [output for index in self.graph.heads if (output := outputs[index]) is not None]

    def layer_outputs(self, x: Tensor) -> list[Tensor]:
        """[N, C, H, W] -> the output of every cfg layer, as Darknet holds them."""
        return [output for output in self._run(x, keep=True) if output is not None]

    def loss(
        self,
        x: Tensor,
        truth: Tensor,
        iteration: int = 1,
        outputs: list[Tensor] | None = None,
        adversarial: bool = False,
    ) -> NetworkLoss:
        """Run a mini-batch and collect the heads' losses.

        Args:
            x: [N, C, H, W] images.
            truth: [N, T, 5] boxes (x y w h class) for detectors, [N, classes] targets for classifiers.
            iteration: number of the Darknet iteration, from 1; `stopbackward=k` with k > 1 ends at iteration k.
            outputs: when given, every layer's output is appended to it.
            adversarial: the heads' deltas are those by which they would see nothing (give zeros as truth), and reach
                the image whatever `stopbackward` says.

        ``self.seen`` must already count this mini-batch, as Darknet's does.
        """
        frozen = -1 if adversarial else self.frozen_before(iteration)
        context = LossContext(x.shape[3], x.shape[2], self.seen, adversarial)
        held: dict[int, Tensor] = {IMAGE: x}
        losses: dict[int, HeadLoss] = {}
        surrogate = x.new_zeros((), dtype=torch.float32)
        finite = torch.ones((), dtype=torch.bool, device=x.device)
        for index, (node, module) in enumerate(zip(self.graph.nodes, self.layers, strict=True)):
            inputs = [held[source] for source in node.sources]
            layer = node.layer
            if isinstance(layer, Head):
                with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
                    output = module(*inputs)
                    if layer.has_loss:
                        losses[index] = layer.loss(inputs, output, truth, context)
                        finite = finite & inputs[0].isfinite().all()
                if index in losses:
                    surrogate = surrogate + _Inject.apply(inputs[0], losses[index].delta)  # type: ignore[no-untyped-call]
                if not layer.has_boxes and layer.kind != "cost":
                    output = _PassGradient.apply(inputs[0], output)  # type: ignore[no-untyped-call]
            elif index <= frozen:
                with torch.no_grad():
                    output = module(*inputs)
            else:
                output = module(*inputs)
            if outputs is not None:
                # A single-source route gives its input itself; apart, each layer has its own gradient.
                output = output.view_as(output)
                outputs.append(output)
            held[index] = output
            for done in self.graph.releases[index]:
                del held[done]
        if not losses:
            raise CfgError("has no layer with a cost, so it cannot be trained", path=self.graph.path)
        cost = torch.stack([loss.cost.float() for loss in losses.values()]).mean()
        return NetworkLoss(surrogate, cost, losses, finite & cost.isfinite())

    def frozen_before(self, iteration: int) -> int:
        """Index of the last [..] stopbackward layer in force (it and all before get no gradient), or -1."""
        frozen = -1
        for node in self.graph.nodes:
            stop = node.layer.stopbackward
            if stop == 1 or stop > iteration:
                frozen = node.layer.index
        return frozen

    def stored(self) -> list[list[Stored]]:
        """Per layer, its tensors in the order of Darknet's weights file; raises ValueError for a `fused` network."""
        if self.is_fused:
            raise ValueError("a fused network holds nothing to save; save the one that it was made of")
        return [node.layer.stored(module) for node, module in zip(self.graph.nodes, self.layers, strict=True)]

    def batch_norms(self) -> list[BatchNorm]:
        """Every batch normalization, in order."""
        return [module for module in self.modules() if isinstance(module, BatchNorm)]

    def _run(self, x: Tensor, keep: bool) -> list[Tensor | None]:
        held: dict[int, Tensor] = {IMAGE: x}
        for index, (node, module) in enumerate(zip(self.graph.nodes, self.layers, strict=True)):
            inputs = [held[source] for source in node.sources]
            if self.amp is not None and isinstance(node.layer, Head):
                inputs = [x.float() for x in inputs]
            held[index] = module(*inputs)
            if not keep:
                for done in self.graph.releases[index]:
                    del held[done]
        return [held.get(index) for index in range(len(self.graph.nodes))]
