"""What the command line asks of the machine, and that it asks in time."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from csptrain import machine
from csptrain.machine import SETTINGS, settle, unsettle


def test_what_the_user_has_set_stays() -> None:
    environment = {"THP_MEM_ALLOC_ENABLE": "0", "OTHER": "1"}
    settle(environment)
    assert environment == {**SETTINGS, "THP_MEM_ALLOC_ENABLE": "0", "OTHER": "1"}


def test_who_says_how_threads_wait_is_not_overruled() -> None:
    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    settle(environment)
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE" and "GOMP_SPINCOUNT" not in environment


def test_a_process_that_is_started_can_be_as_if_nothing_was_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    settle()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
    unsettle()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE" and "THP_MEM_ALLOC_ENABLE" not in os.environ


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
@pytest.mark.parametrize("told", [{}, {"MALLOC_ARENA_MAX": "1"}, {"THP_MEM_ALLOC_ENABLE": "0"}])
def test_training_keeps_memory_instead_of_asking_for_large_pages(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(machine, "keep_freed_memory", lambda most: bool(asked.append(most) or True))
    environment = dict(told)
    settle(environment, trains=True)
    assert environment == {**SETTINGS, **told} if told else "THP_MEM_ALLOC_ENABLE" not in environment
    assert len(asked) == (0 if told else 1)


def test_the_command_line_settles_before_torch_is_there() -> None:
    program = (
        "import os, sys; from csptrain.cli.main import main; main(['version']); "
        f"print('torch' in sys.modules, *(os.environ[name] for name in {list(SETTINGS)}))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert said.splitlines()[-1].split() == ["False", *SETTINGS.values()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_kept() -> None:
    program = (
        "import resource, sys, numpy as np; from csptrain.machine import keep_freed_memory\n"
        "if sys.argv[1] == 'keep': keep_freed_memory()\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "work = lambda: [np.ones(1 << 20, np.uint8) for _ in range(8)]\n"
        "work(); work(); before = faults()\n"
        "for _ in range(20): work()\n"
        "print(faults() - before)"
    )
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", program, word], capture_output=True, text=True, check=True).stdout)
        for word in ("keep", "leave")
    )
    assert kept < 1000 < given_back
