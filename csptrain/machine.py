"""How the process treats the machine it runs on: settings that its numeric libraries read when they are loaded.

They are of the whole process, so only programs make them (the command line does), never an import.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: Variable of the environment -> what it is set to where the user has not set it.
SETTINGS = {
    # Idle threads of OpenMP sleep. A spinning one holds the core that the thread it waits for needs: beside another
    # busy process, a training on all cores would take many times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    # But not at once, in GNU's OpenMP: to be woken takes longer than most waits of a training step.
    "GOMP_SPINCOUNT": "2000",
    # Large tensors lie in large pages where the kernel has them: they are fetched and cleared with every allocation.
    "THP_MEM_ALLOC_ENABLE": "1",
}


def settle(environment: MutableMapping[str, str] | None = None) -> None:
    """Make the ``SETTINGS`` that the user has not made; to be called before torch is imported."""
    found = os.environ if environment is None else environment
    waits_as_told = "OMP_WAIT_POLICY" in found  # which GOMP_SPINCOUNT would overrule
    for name, value in SETTINGS.items():
        if not (name == "GOMP_SPINCOUNT" and waits_as_told):
            found.setdefault(name, value)


def unsettle() -> None:
    """Take back what a command that started this process has settled; what the user has set otherwise stays."""
    for name, value in SETTINGS.items():
        if os.environ.get(name) == value:
            del os.environ[name]
