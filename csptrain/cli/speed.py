"""``csptrain speed``: the time of forward passes, in Darknet's words."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph, pick_device
from csptrain.cli.trained import positive
from csptrain.cli.voice import show, show_object, tell

MOST = 1000
SECONDS = 10.0
WARM_UP = 2


def run(argv: list[str]) -> int:
    """Time and print; raises CspError."""
    parser = Arguments(
        "speed", "Time forward passes of a network with random weights, without reading or decoding images."
    )
    parser.positional("cfg", "the network")
    tics = f"number of passes (default: what {SECONDS:.0f} s suffice for, {MOST} at most)"
    parser.positional("tics", tics, optional=True, reader=positive)
    parser.option("batch", positive, 1, "images of a pass (default 1)")
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.option("device", str, None, "cpu, cuda, cuda:1 (default: cuda if there is one)")
    parser.option("amp", str, "off", "bf16 arithmetic: on, off (default)", choices=("off", "on"))
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    parser.json()
    options = parser.parse(argv)
    graph, _ = load_graph(Path(options.cfg), Overrides(size=options.size), tell, options.lenient)

    import torch

    from csptrain.bench.clock import passes
    from csptrain.network import Network

    device = pick_device(options.device)
    network = Network(graph).to(device).fused(torch.bfloat16 if options.amp == "on" else torch.float32)
    shape = graph.net.shape
    images = torch.rand(options.batch, shape.c, shape.h, shape.w, device=device)
    images = images.contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        network(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with torch.inference_mode():
        passes(forward, WARM_UP)
        taken = passes(forward, options.tics) if options.tics else passes(forward, MOST, SECONDS)
    done, seconds = len(taken), sum(taken)
    bf16 = ", bf16" if options.amp == "on" else ""
    operations = sum(node.cost.operations for node in graph.nodes)
    flops, rate = operations * options.batch * done / seconds, options.batch * done / seconds
    show(
        f"{done} evals, {seconds:f} Seconds",
        f"Floating Point Operations: {operations / 1e9:.2f} Bn",
        f"FLOPS: {flops / 1e9:.2f} Bn",
        f"Speed: {seconds / done:f} sec/eval",
        f"Speed: {done / seconds:f} Hz",
        f"Speed: {rate:.2f} img/s ({options.batch} x {shape}, {device}{bf16})",
    )
    show_object(
        {
            "cfg": options.cfg,
            "input": [shape.w, shape.h, shape.c],
            "batch": options.batch,
            "device": str(device),
            "amp": options.amp,
            "passes": done,
            "seconds": seconds,
            "operations": operations,
            "operations_per_second": flops,
            "images_per_second": rate,
        }
    )
    return 0
