"""How the process treats the machine it runs on: settings that its numeric libraries read when they are loaded.

They are of the whole process, so only programs make them (the command line does), never an import.
"""

from __future__ import annotations

import ctypes
import os
import sys
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

# Names and numbers of malloc.h, and what is kept: as much as mallopt can be told, or what suffices for decoding images.
_MALLOC_TRIM_THRESHOLD, _MALLOC_MMAP_THRESHOLD = -1, -3
_ALL, _A_FEW_IMAGES = (1 << 31) - 1, 64 << 20
_LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"


def settle(environment: MutableMapping[str, str] | None = None, *, trains: bool = False) -> None:
    """Make the ``SETTINGS`` that the user has not made; to be called before torch is imported.

    A process that ``trains`` keeps what it frees, where the C library can be told to, and then needs no large pages:
    its steps ask for the same memory again and again.
    """
    found = os.environ if environment is None else environment
    waits_as_told = "OMP_WAIT_POLICY" in found  # which GOMP_SPINCOUNT would overrule
    told = any(name.startswith("MALLOC_") for name in found)
    kept = trains and not told and _LARGE_PAGES not in found and keep_freed_memory(_ALL)
    for name, value in SETTINGS.items():
        if not (name == "GOMP_SPINCOUNT" and waits_as_told) and not (name == _LARGE_PAGES and kept):
            found.setdefault(name, value)


def keep_freed_memory(most: int = _A_FEW_IMAGES) -> bool:
    """Have glibc keep up to ``most`` bytes of what this process frees, instead of giving them back and clearing others.

    By default what suffices for processes that decode images. False, and nothing done, without glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is None:
        return False
    return bool(mallopt(_MALLOC_MMAP_THRESHOLD, most // 2) and mallopt(_MALLOC_TRIM_THRESHOLD, most))


def unsettle() -> None:
    """Take back what a command that started this process has settled; what the user has set otherwise stays."""
    for name, value in SETTINGS.items():
        if os.environ.get(name) == value:
            del os.environ[name]
