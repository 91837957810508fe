"""``csptrain export onnx``: one file for onnxruntime, OpenVINO and OpenCV 5, checked where onnxruntime is installed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.export_figure import figure_name, figure_of, read_data
from csptrain.cli.exporting import declare_exported, find_images, load_network, read_names, tell_ready
from csptrain.cli.trained import SPLITS
from csptrain.cli.voice import say, show, show_object
from csptrain.errors import ExportError

if TYPE_CHECKING:
    from torch import Tensor

    from csptrain.cfg.dataset import DataSpec
    from csptrain.formats.onnx_export import OnnxExport
    from csptrain.network import Network

VERB = "export onnx"
# More images hardly widen the ranges that are found.
MOST_CALIBRATION = 200


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Write the network as an ONNX model. Where onnxruntime is installed every head is compared with csptrain "
        "first; a difference is an error and leaves nothing.",
    )
    parser.option("o", Path, None, "file to write (default: that of the weights with .onnx)", metavar="FILE")
    parser.option(
        "output",
        str,
        "boxes",
        "raw: the heads as Darknet holds them; boxes: boxes and scores (default); nms: detections after suppression",
        choices=("raw", "boxes", "nms"),
        metavar="WHAT",
    )
    parser.flag("nms", "the same as --output nms")
    parser.option("thresh", float, 0.25, "least score of a detection with --nms (0.25)")
    parser.option("overlap", float, 0.45, "overlap from which on --nms drops the lesser box (0.45)")
    parser.flag("dynamic_batch", "take any number of images at once instead of one")
    parser.option("opset", int, None, "version of the operators (13, which every runtime here reads)")
    parser.option(
        "precision",
        str,
        "fp32",
        "fp32 (default); fp16: half the size; int8: a quarter, calibrated on --calibrate. Heads stay in float32",
        choices=("fp32", "fp16", "int8"),
        metavar="NAME",
    )
    parser.option(
        "calibrate", str, None, "images for int8 like those it is to see: a list, a folder or a pattern", metavar="LIST"
    )
    parser.option(
        "data", Path, None, "data file: print the AP (or top-1) of the model, and what the precision costs of it"
    )
    parser.option("split", str, "valid", "list of the data file for --data (default valid)", choices=SPLITS)
    declare_exported(parser)
    parser.json()
    return parser


def run(argv: list[str]) -> int:
    """Export, print how far onnxruntime is off, and return the exit code; raises CspError."""
    options = _parse(argv)
    place = options.o or Path(options.weights).with_suffix(".onnx")
    if place.suffix != ".onnx":
        raise ExportError("is no name of an ONNX model", path=place, hint="let it end in .onnx")
    images = find_images(options.calibrate, MOST_CALIBRATION)
    network = load_network(options, options.cfg, options.weights)
    data = read_data(options.data, network.graph) if options.data else None
    names = read_names(options) or (data.names if data else ())

    from csptrain.formats.onnx_export import prepare_onnx
    from csptrain.formats.onnx_model import DEFAULT_OPSET, OnnxOptions

    wanted = OnnxOptions(
        output=options.output,
        dynamic_batch=options.dynamic_batch,
        opset=options.opset or DEFAULT_OPSET,
        thresh=options.thresh,
        overlap=options.overlap,
        names=names,
    )
    export = prepare_onnx(network, wanted, options.precision, _inputs(network, images), options.tolerance)
    _tell_agreement(export)
    figures = _tell_figures(export, data, options.split) if data else None
    ready = export.write(place)
    say(f"outputs: {', '.join(export.model.outputs)}")
    say(f"wrote {place} ({len(export.model.data) / 1e6:.1f} MB, opset {wanted.opset}, {options.precision})")
    tell_ready(ready)
    show_object(
        {
            "file": str(place),
            "bytes": len(export.model.data),
            "opset": wanted.opset,
            "precision": options.precision,
            "outputs": list(export.model.outputs),
            "onnxruntime": export.report.as_dict(options.tolerance),
            "change": export.change,
            "figures": figures,
            "files": [str(path) for path in (place, *ready.written)],
        }
    )
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    """The options; raises UsageError for those that do not go together."""
    parser = arguments()
    options = parser.parse(argv)
    if options.nms and options.output == "raw":
        raise parser.error("--nms and --output raw exclude each other")
    if options.nms:
        options.output = "nms"
    if options.precision == "int8" and not options.calibrate:
        raise parser.error("--precision int8 needs --calibrate LIST, images like those it is to see")
    if options.calibrate and options.precision != "int8":
        raise parser.error("--calibrate is for --precision int8 alone")
    if options.data and options.output != "boxes":
        raise parser.error("--data measures a model with --output boxes")
    return options


def _inputs(network: Network, images: Sequence[Path]) -> Iterator[Tensor]:
    """The images as the network is evaluated on them, [1, C, H, W]."""
    from torch import from_numpy

    from csptrain.datasets.image import load_image, to_planes
    from csptrain.datasets.views import centre_crop
    from csptrain.formats.opencv_export import network_input

    net = network.graph.net
    for path in images:
        if network.graph.box_heads:
            yield network_input(network, path)
        else:
            yield from_numpy(centre_crop(to_planes(load_image(path, net.channels)), (net.width, net.height)))


def _tell_agreement(export: OnnxExport) -> None:
    report, worst = export.report, export.report.worst
    if worst is None:
        say(f"not verified: {report.missing}")
        return
    say(
        f"onnxruntime {report.version} agrees on random images: max error {worst.error:.2e}, "
        f"{worst.relative:.2e} of the range"
    )
    if export.change is not None:
        say(f"{export.precision} changes the outputs by at most {export.change:.1e} of their range there")


def _tell_figures(export: OnnxExport, data: DataSpec, split: str) -> dict[str, object]:
    """How good the model is, and the exact one where it is another; the same by name and precision."""
    graph = export.network.graph
    name, exact = figure_name(graph), figure_of(graph, export.exact, data, split)
    said = f"{name} on {split} in onnxruntime: "
    if export.model is export.exact:
        show(f"{said}{exact:.6f}")
        return {"name": name, "split": split, "fp32": exact}
    found = figure_of(graph, export.model, data, split)
    show(f"{said}fp32 {exact:.6f}, {export.precision} {found:.6f} ({found - exact:+.6f})")
    return {"name": name, "split": split, "fp32": exact, export.precision: found}
