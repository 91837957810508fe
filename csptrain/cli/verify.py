"""``csptrain verify``: what other runtimes make of a network, head by head, and the layer where they part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments, unknown
from csptrain.cli.exporting import declare_compared, find_images, load_network
from csptrain.cli.verify_darknet import declare_darknet, run_darknet
from csptrain.cli.voice import show, show_object

if TYPE_CHECKING:
    from torch import Tensor

    from csptrain.formats.opencv_export import HeadError
    from csptrain.formats.verify import RuntimeReport
    from csptrain.network import Network

VERB = "verify"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Run a network in other runtimes on the same images and compare every head with csptrain's. Where a head is "
        "off, or with --layers, every layer is compared and the first that is off is named. Exit code 1 if any head "
        "is off by more than the tolerance, or a runtime that was named cannot run the network. With --darknet the "
        "objects or probabilities that a Darknet program finds are compared instead; without weights, on random ones.",
    )
    parser.positional("words", "the cfg, its weights and images, lists or folders (default: random images)", many=True)
    parser.option(
        "runtimes",
        str,
        None,
        "opencv (the pair of `export opencv`), opencv-onnx, opencv5, opencv5-new (its new engine), onnxruntime, "
        "openvino (default: all that are installed)",
        metavar="A,B",
    )
    parser.option("opencv5_python", Path, None, "a Python with OpenCV 5", metavar="PATH")
    parser.flag("layers", "compare every layer, and print them")
    parser.option("opset", int, None, "version of the ONNX operators (13)")
    parser.flag("matrix", "the words are cfgs or folders of them: try each with random weights")
    parser.option("markdown", Path, None, "write the matrix into this page", metavar="FILE")
    declare_darknet(parser)
    declare_compared(parser)
    parser.json()
    return parser


def run(argv: list[str]) -> int:
    """Verify, print the table, and return 1 where something is off; raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    if options.darknet is not None:
        return run_darknet(options, parser)
    for name in ("thresh", "seconds"):
        if getattr(options, name) is not None:
            raise parser.error(f"--{name} has no effect without --darknet")

    from csptrain.formats.onnx_model import DEFAULT_OPSET
    from csptrain.formats.runtimes import RUNTIMES
    from csptrain.formats.verify import Verification

    runtimes = tuple(options.runtimes.split(",")) if options.runtimes else RUNTIMES
    for word in runtimes:
        if word not in RUNTIMES:
            raise unknown("runtime", word, RUNTIMES)
    if options.matrix:
        from csptrain.cli.verify_matrix import run_matrix

        return run_matrix([Path(word) for word in options.words], runtimes, options)
    if len(options.words) < 2:
        raise parser.error("a cfg and its weights are needed")
    cfg, weights, *pictures = options.words
    paths = [path for word in pictures for path in find_images(word)]
    network = load_network(options, cfg, weights)
    net = network.graph.net
    check = Verification(
        network,
        _images(network, paths),
        options.opencv5_python,
        options.opset or DEFAULT_OPSET,
        options.tolerance,
    )
    show(f"csptrain against other runtimes on {len(paths) or 'random'} images, {net.width}x{net.height}:")
    show(f"  {'runtime':<22}{'layer':>5}  {'kind':<14}{'quantity':<12}{'max error':>10}  {'of range':>9}")
    reports: list[RuntimeReport] = []
    for runtime in runtimes:
        reports.append(check.report(runtime, options.layers))
        _tell(reports[-1], options.tolerance)
    needed = [report for report in reports if report.missing is None or options.runtimes is not None]
    agree = all(report.agrees(options.tolerance) for report in needed)
    show_object(
        {
            "cfg": cfg,
            "weights": weights,
            "input": [net.width, net.height, net.channels],
            "images": len(paths),
            "tolerance": options.tolerance,
            "agree": agree,
            "runtimes": [report.as_dict(options.tolerance) for report in reports],
        }
    )
    return 0 if agree else 1


def _images(network: Network, paths: Sequence[Path]) -> tuple[Tensor, ...]:
    from csptrain.formats.opencv_export import network_input
    from csptrain.formats.verify import random_images

    return tuple(network_input(network, path) for path in paths) or (random_images(network),)


def _tell(report: RuntimeReport, tolerance: float) -> None:
    name = f"{report.runtime} {report.version}".strip()
    if report.missing or report.refused:
        show(f"  {name:<22}{'not there' if report.missing else 'cannot run it'}: {report.missing or report.refused}")
        return
    for entry in (*report.layers, *report.heads):
        show(_line(name, entry, tolerance))
    first = report.first_diverging(tolerance)
    if first is not None:
        show(f"  {name:<22}parts from csptrain at layer {first.layer} [{first.kind}]")


def _line(name: str, entry: HeadError, tolerance: float) -> str:
    mark = "" if entry.relative <= tolerance else "  OFF"
    return (
        f"  {name:<22}{entry.layer:5d}  {entry.kind:<14}{entry.quantity:<12}{entry.error:10.2e}  "
        f"{entry.relative:9.2e}{mark}"
    )
