"""Self-adversarial training (``adversarial_lr``): images changed so that the network sees less in them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from csptrain.net import Net
from csptrain.network import Network

SHARE = 0.5  # of the mini-batches


def attack_rate(net: Net, seed: int, iteration: int, part: int) -> float:
    """The rate by which the images of mini-batch ``part`` of an iteration are changed, 0 where they are left alone.

    Source: Darknet behaviour, from reading: half of the mini-batches after burn-in, at `adversarial_lr` times the share
    of the training that is done.
    """
    done = iteration - 1
    if not net.adversarial_lr or done <= net.burn_in:
        return 0.0
    if np.random.default_rng([seed, iteration, part, 1]).random() >= SHARE:
        return 0.0
    return net.adversarial_lr * done / net.max_batches


def attacked(network: Network, x: Tensor, truth: Tensor, rate: float) -> Tensor:
    """Images [N, C, H, W] moved by ``rate`` along the heads' delta for seeing nothing, cut to 0..1.

    The network is used as it is at inference, with its rolling statistics, and nothing of it changes.

    Differs: [dropout] is off here too, and a frozen part of the network (`stopbackward`) hands the delta on; in Darknet
    it does not, so that the images of such a training never change.
    """
    training = network.training
    network.eval()
    try:
        with torch.enable_grad():
            image = x.detach().requires_grad_()
            loss = network.loss(image, torch.zeros_like(truth), adversarial=True)
            (gradient,) = torch.autograd.grad(loss.surrogate, image)
    finally:
        network.train(training)
    return (x - rate * gradient).clamp_(0, 1)
