"""``csptrain export onnx``: one file for onnxruntime, OpenVINO and OpenCV 5, checked where onnxruntime is installed."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.dataset import read_lines
from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.errors import ExportError

VERB = "export onnx"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Write the network as an ONNX model. Where onnxruntime is installed every head is compared with csptrain "
        "first; a difference is an error and leaves nothing.",
    )
    parser.positional("cfg", "the network")
    parser.positional("weights", "its weights")
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
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.option("names", Path, None, "class names, one a line; kept in the file", metavar="FILE")
    parser.option("tolerance", float, 1e-3, "largest difference of a head, in parts of its range (0.001)")
    parser.flag("partial", "accept weights that end early or go on after the last layer")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
    return parser


def run(argv: list[str]) -> int:
    """Export, print how far onnxruntime is off, and return the exit code; raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    if options.nms and options.output == "raw":
        raise parser.error("--nms and --output raw exclude each other")
    place = options.o or Path(options.weights).with_suffix(".onnx")
    if place.suffix != ".onnx":
        raise ExportError("is no name of an ONNX model", path=place, hint="let it end in .onnx")
    names = tuple(word for _, word in read_lines(options.names, "names")) if options.names else ()
    graph, _ = load_graph(Path(options.cfg), Overrides(size=options.size), print, options.lenient)

    from csptrain.formats.darknet import fill
    from csptrain.formats.onnx_model import DEFAULT_OPSET, OnnxOptions, build_onnx
    from csptrain.formats.verify import Verification, random_images

    wanted = OnnxOptions(
        output="nms" if options.nms else options.output,
        dynamic_batch=options.dynamic_batch,
        opset=options.opset or DEFAULT_OPSET,
        thresh=options.thresh,
        overlap=options.overlap,
        names=names,
    )
    network = fill(graph, options.weights, options.partial)
    model = build_onnx(network, wanted)
    check = Verification(network, (random_images(network),), opset=wanted.opset, tolerance=options.tolerance)
    report = check.report("onnxruntime")
    worst = report.worst
    if report.missing:
        print(f"not verified: {report.missing}")
    elif worst is None:
        raise ExportError(f"{report.refused}: nothing was written", path=graph.path)
    elif not report.agrees(options.tolerance):
        raise ExportError(
            f"layer {worst.layer} [{worst.kind}]: onnxruntime differs: {worst.quantity} by {worst.error:.3g} of "
            f"{worst.reach:.3g}",
            path=graph.path,
            hint=f"allowed are {options.tolerance:g} parts of the range; nothing was written",
        )
    else:
        print(
            f"onnxruntime {report.version} agrees on random images: max error {worst.error:.2e}, "
            f"{worst.relative:.2e} of the range"
        )
    model.write(place)
    print(f"outputs: {', '.join(model.outputs)}")
    print(f"wrote {place} ({len(model.data) / 1e6:.1f} MB, opset {wanted.opset})")
    return 0
