"""The learning rate of an iteration: a pure function of [net] and the iteration's number.

Source: Darknet behaviour, golden cases lr_*. Iterations count from 1; an iteration is one full batch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from csptrain.net import Net

LARGEST_EXPONENT = 700.0  # of e, in float64


def rate(net: Net, iteration: int) -> float:
    """Learning rate of ``iteration``: burn-in first, then the policy.

    Raises CfgError for one that grows beyond all numbers.
    """
    try:
        if iteration < net.burn_in:
            return net.learning_rate * math.pow(iteration / net.burn_in, net.power)
        return _POLICIES[net.policy](net, iteration)
    except (OverflowError, ValueError):
        raise net.section.error(f"policy={net.policy} gives no rate at iteration {iteration}", "policy") from None


def sequential_subdivisions(net: Net, iteration: int) -> int:
    """How many sub-batches follow each other in time (``track=1``), at most `subdivisions`."""
    count: float = net.subdivisions if net.sequential_subdivisions is None else net.sequential_subdivisions
    for step, scale in zip(net.steps, net.seq_scales, strict=False):
        if step <= iteration:
            count *= scale
    return max(min(int(count), net.subdivisions), 1)


def _steps(net: Net, iteration: int) -> float:
    value = net.learning_rate
    for step, scale in zip(net.steps, net.scales, strict=False):
        if step > iteration:
            break
        value *= scale
    return value


def _poly(net: Net, iteration: int) -> float:
    left = 1 - iteration / net.max_batches if net.max_batches else 1.0
    return net.learning_rate * math.pow(max(left, 0.0), net.power)


def _sgdr(net: Net, iteration: int) -> float:
    start, length = 0, net.sgdr_cycle or net.max_batches
    while length and start + length < iteration:
        start += length
        length *= net.sgdr_mult
    turn = math.pi * (iteration - start) / length if length else 0.0
    low = net.learning_rate_min
    return low + (net.learning_rate - low) / 2 * (1 + math.cos(turn))


def _sigmoid(net: Net, iteration: int) -> float:
    return net.learning_rate / (1 + math.exp(min(net.gamma * (iteration - net.step), LARGEST_EXPONENT)))


def _random(net: Net, iteration: int) -> float:
    return net.learning_rate * math.pow(random.Random(iteration).random(), net.power)


_POLICIES: dict[str, Callable[[Net, int], float]] = {
    "constant": lambda net, iteration: net.learning_rate,
    "step": lambda net, iteration: net.learning_rate * net.scale ** (iteration // max(net.step, 1)),
    "steps": _steps,
    "exp": lambda net, iteration: net.learning_rate * net.gamma**iteration,
    "poly": _poly,
    "sigmoid": _sigmoid,
    "sgdr": _sgdr,
    "random": _random,
}
