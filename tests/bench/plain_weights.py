"""The weights of a network, put into its plain twin."""

from __future__ import annotations

import torch
from torch import nn

from csptrain.bench.plain import PlainNetwork
from csptrain.network import Network


@torch.no_grad()
def copy_weights(network: Network, plain: PlainNetwork) -> None:
    """Fill ``plain`` with the weights and rolling statistics of ``network``."""
    for stored, block in zip(network.stored(), plain.blocks, strict=True):
        values = {item.name: item.tensor for item in stored}
        if not values:
            continue
        assert isinstance(block, nn.Sequential)
        convolution, norm = block[0], block[1]
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight.copy_(values["weights"])
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.bias.copy_(values["biases"])
            norm.weight.copy_(values["scales"])
            norm.running_mean.copy_(values["rolling_mean"])
            norm.running_var.copy_(values["rolling_variance"])
        else:
            assert convolution.bias is not None
            convolution.bias.copy_(values["biases"])
