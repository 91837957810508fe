"""``csptrain speed``: the time of forward passes, in Darknet's words."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph, pick_device
from csptrain.cli.trained import positive, tell

MOST = 1000
SECONDS = 10.0
WARM_UP = 2


def run(argv: list[str]) -> int:
    """Time and print; raises CspError."""
    parser = Arguments(
        "speed", "Time forward passes of a network with random weights, without reading or decoding images."
    )
    parser.positional("cfg", "the network")
    passes = f"number of passes (default: what {SECONDS:.0f} s suffice for, {MOST} at most)"
    parser.positional("tics", passes, optional=True, reader=positive)
    parser.option("batch", positive, 1, "images of a pass (default 1)")
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.option("device", str, None, "cpu, cuda, cuda:1 (default: cuda if there is one)")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    options = parser.parse(argv)
    graph, _ = load_graph(Path(options.cfg), Overrides(size=options.size), tell, options.lenient)

    import torch

    from csptrain.network import Network

    device = pick_device(options.device)
    network = Network(graph).eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = graph.net.shape
    images = torch.rand(options.batch, shape.c, shape.h, shape.w, device=device)
    images = images.contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        network(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with torch.inference_mode():
        done, seconds = _timed(forward, options.tics)
    operations = sum(node.cost.operations for node in graph.nodes)
    print(f"{done} evals, {seconds:f} Seconds")
    print(f"Floating Point Operations: {operations / 1e9:.2f} Bn")
    print(f"FLOPS: {operations * options.batch * done / seconds / 1e9:.2f} Bn")
    print(f"Speed: {seconds / done:f} sec/eval")
    print(f"Speed: {done / seconds:f} Hz")
    print(f"Speed: {options.batch * done / seconds:.2f} img/s ({options.batch} x {shape}, {device})")
    return 0


def _timed(forward: Callable[[], None], tics: int | None) -> tuple[int, float]:
    """Passes made and the seconds they took."""
    for _ in range(WARM_UP):
        forward()
    done, started = 0, time.perf_counter()
    while True:
        forward()
        done, seconds = done + 1, time.perf_counter() - started
        if done == (tics or MOST) or (tics is None and seconds >= SECONDS):
            return done, seconds
