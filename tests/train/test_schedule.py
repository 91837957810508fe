"""Learning rates; Darknet's own are golden cases lr_*."""

from __future__ import annotations

import pytest

from csptrain.cfg import text
from csptrain.cfg.text import Reading
from csptrain.errors import CfgError
from csptrain.net import POLICIES, Net
from csptrain.train.schedule import rate, sequential_subdivisions

BASE = "[net]\nwidth=32\nheight=32\nchannels=3\nlearning_rate=.1\nmax_batches=1000\n"


def net(lines: str) -> Net:
    (section,) = text.parse(BASE + lines)
    return Net.read(section, Reading())


def rates(lines: str, *iterations: int) -> list[float]:
    plan = net(lines)
    return [rate(plan, iteration) for iteration in iterations]


def test_burn_in_ends_at_the_policy() -> None:
    assert rates("burn_in=10\n", 1, 5, 9, 10, 11) == pytest.approx([1e-5, 0.1 / 16, 0.1 * 0.9**4, 0.1, 0.1])
    assert rates("burn_in=10\npower=1\n", 5) == pytest.approx([0.05])


def test_steps_multiply_from_their_iteration_on() -> None:
    lines = "policy=steps\nsteps=5,8\nscales=.1,.5\n"
    assert rates(lines, 4, 5, 7, 8, 900) == pytest.approx([0.1, 0.01, 0.01, 0.005, 0.005])


def test_poly_ends_at_zero_and_stays_there() -> None:
    assert rates("policy=poly\npower=2\n", 500, 1000, 1500) == pytest.approx([0.025, 0, 0])
    assert rates("policy=poly\nmax_batches=0\n".replace("max_batches=0\n", ""), 1)[0] < 0.1


def test_sgdr_starts_anew_after_each_longer_cycle() -> None:
    found = rates("policy=sgdr\nsgdr_cycle=100\nlearning_rate_min=.02\n", 50, 100, 101, 200, 300, 301)
    assert found[:2] == pytest.approx([0.06, 0.02])
    assert found[2] == pytest.approx(0.1, rel=1e-3)
    assert found[3:5] == pytest.approx([0.06, 0.02])
    assert found[5] == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gives_a_rate_at_every_iteration(policy: str) -> None:
    plan = net(f"policy={policy}\nstep=100\nscale=.5\ngamma=.99\nsteps=3\nscales=.1\n")
    for iteration in (1, 2, 99, 100, 101, 999, 1000, 1001, 50000):
        assert 0 <= rate(plan, iteration) <= 0.1
        assert rate(plan, iteration) == rate(plan, iteration)


@pytest.mark.parametrize("lines", ["policy=exp\ngamma=9\n", "policy=step\nscale=10\n", "policy=poly\npower=-1\n"])
def test_a_rate_beyond_all_numbers_is_the_cfgs_mistake(lines: str) -> None:
    with pytest.raises(CfgError, match=r"<cfg>:7: policy=\w+ gives no rate at iteration 1000"):
        rates(lines, 1000)


def test_sequential_subdivisions_stay_within_the_batch() -> None:
    plan = net(
        "subdivisions=8\nbatch=8\nsequential_subdivisions=2\nsteps=5,9\nscales=1,1\nseq_scales=2,9\npolicy=steps\n"
    )
    assert [sequential_subdivisions(plan, iteration) for iteration in (1, 5, 9)] == [2, 4, 8]
    assert sequential_subdivisions(net("subdivisions=8\nbatch=8\n"), 3) == 8
