"""Whether bf16 arithmetic is worth using on a device."""

from __future__ import annotations

from pathlib import Path

import torch

_CPU_FLAGS = ("amx_bf16", "avx512_bf16")


def fast_bf16(device: torch.device) -> bool:
    """True where the hardware multiplies bf16 itself: NVIDIA from Ampere on, CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(flag in flags for flag in _CPU_FLAGS)
