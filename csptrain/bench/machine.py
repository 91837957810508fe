"""The machine that figures were measured on, and the versions of what ran."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import cv2
import numpy as np
import torch

from csptrain import __version__
from csptrain.bench.result import MIB

#: Words of /proc/cpuinfo that decide how fast convolutions are.
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "sve", "bf16")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, str]:
    """What a reader needs to know, words by their names."""
    info = _cpu_info()
    flags = info.get("flags", info.get("Features", "")).split()
    found = {
        "CPU": info.get("model name", platform.processor() or platform.machine()),
        "cores": str(cores()),
        "instructions": " ".join(flag for flag in _FLAGS if flag in flags),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": ", ".join(
            f"{name} {version}"
            for name, version in (
                ("csptrain", __version__),
                ("torch", torch.__version__),
                ("OpenCV", cv2.__version__),
                ("NumPy", np.__version__),
            )
        ),
    }
    if torch.cuda.is_available():
        found["GPU"] = torch.cuda.get_device_name()
    return {name: words for name, words in found.items() if words}


def _cpu_info() -> dict[str, str]:
    """Of the first core."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first)}


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return ""
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / MIB / 1024:.0f} GiB"
