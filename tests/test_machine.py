"""What the command line asks of the machine, and that it asks in time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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


def test_the_command_line_settles_before_torch_is_there() -> None:
    program = (
        "import os, sys; from csptrain.cli.main import main; main(['version']); "
        f"print('torch' in sys.modules, *(os.environ[name] for name in {list(SETTINGS)}))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert said.splitlines()[-1].split() == ["False", *SETTINGS.values()]
