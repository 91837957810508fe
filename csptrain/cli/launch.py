"""Several processes for one training: started here for ``-gpus 0,1``, or by torchrun."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from csptrain.cli.arguments import UsageError
from csptrain.cli.stopping import SIGNALS
from csptrain.errors import CspError

if TYPE_CHECKING:
    from csptrain.train.distributed import Processes

STORE = "CSPTRAIN_STORE"  # the file by which processes that are started here find each other
# What the first process does alone may keep the others waiting this long.
PATIENCE = timedelta(hours=6)
GRACE = 10.0  # seconds that the others have to end when one has failed
_POLL = 0.1


def several() -> bool:
    """Whether this is one of several processes of a training."""
    named = "RANK" in os.environ and (STORE in os.environ or "MASTER_ADDR" in os.environ)
    return named and int(os.environ.get("WORLD_SIZE", "1")) > 1


def first() -> bool:
    """Whether this process is the one that prints."""
    return not several() or os.environ["RANK"] == "0"


def restarted() -> bool:
    """Whether torchrun has started this process again, after one of the training had failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def may_restart() -> bool:
    """Whether torchrun is to start the processes again when one fails."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def gpus_of(options: argparse.Namespace) -> list[str]:
    """The numbers of ``-gpus``; raises UsageError."""
    numbers = [] if options.gpus is None else options.gpus.replace(" ", "").split(",")
    if not all(number.isdecimal() for number in numbers) or len({*numbers}) < len(numbers):
        raise UsageError(f"-gpus {options.gpus} is no list of numbers", hint="-gpus 0,1")
    return numbers


def device_of(options: argparse.Namespace) -> str | None:
    """The name of this process's device: what was asked for, or of several GPUs its own; raises CspError."""
    numbers, name = gpus_of(options), options.device
    if not several():
        return name or (f"cuda:{numbers[0]}" if numbers else None)
    import torch

    place = int(os.environ.get("LOCAL_RANK", "0"))
    if name not in (None, "cpu", "cuda"):
        raise CspError(f"device '{name}' is one for all processes", hint="-gpus 0,1 names one for each")
    if name == "cpu" or not (numbers or torch.cuda.is_available()):
        return "cpu"
    if place >= len(numbers or range(torch.cuda.device_count())):
        raise CspError(f"process {place} of this machine has no GPU: there are {numbers or torch.cuda.device_count()}")
    return f"cuda:{numbers[place] if numbers else place}"


def launch(verb: str, argv: Sequence[str], options: argparse.Namespace) -> int | None:
    """Run the command once for each of several ``-gpus``, and give the exit code; None where there is nothing to start.

    A signal is handed on. When one process fails the others are ended too. Raises CspError for GPUs that are not there.
    """
    numbers = gpus_of(options)
    if len(numbers) < 2 or several():
        return None
    if options.device != "cpu":
        _check_gpus(numbers)
    with tempfile.TemporaryDirectory(prefix="csptrain-") as folder:
        return _Crew([sys.executable, "-m", "csptrain", *verb.split(), *argv], len(numbers), Path(folder)).wait()


@contextlib.contextmanager
def joined(options: argparse.Namespace) -> Iterator[Processes | None]:
    """This process among those of its training, None where it is the only one; raises CspError."""
    if not several():
        yield None
        return
    import torch
    import torch.distributed as dist

    from csptrain.cli.session import pick_device
    from csptrain.train.distributed import Processes

    device = pick_device(device_of(options))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=_store(rank, count),
            rank=rank,
            world_size=count,
            timeout=PATIENCE,
        )
        yield Processes(rank, count, device)
    except RuntimeError as error:
        lost = isinstance(error, dist.DistError) or "gloo" in str(error).lower() or "Connection" in str(error)
        if not lost:
            raise
        cause = str(error).splitlines()[0][:200]
        raise CspError(f"the connection to another process is lost: {cause}", hint="--resume goes on") from None
    except CspError as error:
        _leave_complaint(error, rank)
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _store(rank: int, count: int) -> Any:
    """Where the processes find each other's addresses."""
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    if STORE in os.environ:
        return dist.FileStore(os.environ[STORE], count)  # type: ignore[attr-defined]
    store, _, _ = next(iter(rendezvous("env://", rank, count, timeout=PATIENCE)))
    # Torchrun keeps its store when it starts the processes again; the addresses of those before are no longer true.
    prefix = f"csptrain {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    return dist.PrefixStore(prefix, store)  # type: ignore[attr-defined]


def _leave_complaint(error: CspError, rank: int) -> None:
    """Tell the process that started this one what the first one has told the user."""
    if rank == 0 and STORE in os.environ:
        Path(os.environ[STORE]).with_name("0.txt").write_text(f"csptrain: error: {error}\n", encoding="utf-8")


def _check_gpus(numbers: Sequence[str]) -> None:
    import torch

    there = torch.cuda.device_count()
    if missing := [number for number in numbers if int(number) >= there]:
        raise CspError(f"there is no GPU {missing[0]}: torch {torch.__version__} finds {there} here")


class _Crew:
    """The processes of one command line on this machine; the first one's words are the terminal's."""

    def __init__(self, words: Sequence[str], count: int, folder: Path) -> None:
        self._complaints = [folder / f"{rank}.txt" for rank in range(count)]
        settings = {**os.environ, "WORLD_SIZE": str(count), STORE: str(folder / "store")}
        # They share a machine: nothing needs to listen to the network.
        settings.setdefault("GLOO_SOCKET_IFNAME", "lo")
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._before = {number: signal.signal(number, self._hand_on) for number in SIGNALS}
        for rank, complaints in enumerate(self._complaints):
            with complaints.open("wb") as stream:
                self._running[rank] = subprocess.Popen(
                    words,
                    env={**settings, "RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count)},
                    stderr=None if rank == 0 else stream,
                    # A Ctrl-C of the terminal reaches them through this process alone, once.
                    start_new_session=True,
                )

    def wait(self) -> int:
        """The exit code: 0, or that of the first process that failed."""
        deadline: float | None = None
        failed: list[tuple[int, int]] = []
        try:
            while self._running:
                for rank, process in [*self._running.items()]:
                    ended = process.poll()
                    if ended is None:
                        continue
                    del self._running[rank]
                    if ended:
                        failed.append((rank, ended))
                        deadline = deadline or time.monotonic() + GRACE
                if deadline is not None and time.monotonic() > deadline:
                    self._kill()
                    break
                time.sleep(_POLL)
        finally:
            self._kill()
            for number, handler in self._before.items():
                signal.signal(number, handler)
        if not failed:
            return 0
        rank, ended = failed[0]
        self._tell(rank, ended)
        return 128 - ended if ended < 0 else ended

    def _tell(self, rank: int, ended: int) -> None:
        """Say what the first process did not say itself."""
        first, own = (self._complaints[each].read_text(encoding="utf-8", errors="replace") for each in (0, rank))
        if ended < 0:
            print(f"csptrain: error: process {rank} was killed by {signal.Signals(-ended).name}", file=sys.stderr)
        elif own != first:
            print(f"csptrain: process {rank} ended with {ended}: {own}", file=sys.stderr, end="")

    def _kill(self) -> None:
        for process in self._running.values():
            process.kill()

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                process.send_signal(number)
