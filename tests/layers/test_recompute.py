"""What the backward pass computes again is what was there, and less is kept for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain import graph
from csptrain.network import Network
from csptrain.train.step import Trainer
from tests import tiny
from tests.ledger import Ledger

CONVOLUTION = "[convolutional]\nfilters=8\nsize=3\npad=1\nbatch_normalize=1\nactivation={}\n\n"
LEAKY = CONVOLUTION.format("leaky")
CASES = {
    "chain": "".join(CONVOLUTION.format(word) for word in ("leaky", "mish", "linear", "swish", "relu", "leaky")),
    "dense": LEAKY + "".join(f"{LEAKY}[route]\nlayers=-1,-2\n\n" for _ in range(4)),
    "split": CONVOLUTION.format("mish")
    + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n\n"
    + LEAKY
    + "[route]\nlayers=-1,-3\n\n[maxpool]\nsize=2\nstride=1\n\n"
    + LEAKY
    + LEAKY
    + "[shortcut]\nfrom=-2\nactivation=leaky\n\n[dropout]\nprobability=.5\n\n[upsample]\nstride=2\n\n"
    + LEAKY,
}
#: Bytes kept with recipes over bytes kept without: convolutions' outputs against these and all that follows from them.
KEPT = {"chain": 0.45, "dense": 0.23, "split": 0.62}


def trainer(folder: Path, case: str, recomputed: bool, amp: torch.dtype | None = None) -> Trainer:
    path = folder / "x.cfg"
    net, rest = tiny.cfg().split("[convolutional]", 1)
    path.write_text(f"{net}{CASES[case]}[convolutional]{rest}")
    made = Trainer(Network(graph.load(path), seed=3), torch.device("cpu"), amp)
    made.checkpoint_activations = recomputed
    return made


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("amp", [None, torch.bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_three_iterations_end_at_the_same_bits(tmp_path: Path, case: str, amp: torch.dtype | None) -> None:
    truth = torch.tensor([[[0.4, 0.5, 0.3, 0.6, 1.0]]]).repeat(4, 1, 1)
    ends = []
    for recomputed in (False, True):
        made = trainer(tmp_path, case, recomputed, amp)
        torch.manual_seed(2)  # of the dropout
        losses = [made.step(iteration, images(4), truth).loss for iteration in (1, 2, 3)]
        ends.append((losses, [stored.tensor for layer in made.network.stored() for stored in layer]))
    (losses, tensors), (losses_again, tensors_again) = ends
    assert losses == losses_again
    assert all(torch.equal(one, other) for one, other in zip(tensors, tensors_again, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_less_is_kept(tmp_path: Path, case: str) -> None:
    kept = []
    for recomputed in (False, True):
        made = trainer(tmp_path, case, recomputed)
        made.network.train()
        x = images(2).permute(0, 3, 1, 2).float()
        with Ledger() as ledger:
            loss = made._loss(x, torch.zeros(2, 1, 5), 1)
            kept.append(ledger.live)
        loss.surrogate.backward()
    assert kept[1] / kept[0] < KEPT[case]
