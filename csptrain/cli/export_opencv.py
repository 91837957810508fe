"""``csptrain export opencv``: a cfg and weights that OpenCV 4 computes as csptrain does, proven first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.exporting import declare_exported, find_images, load_network, read_names, tell_ready
from csptrain.cli.side_by_side import SideBySide
from csptrain.cli.voice import say, show_object
from csptrain.errors import ExportError

if TYPE_CHECKING:
    from csptrain.formats.opencv_export import ExportReport

VERB = "export opencv"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Write a cfg and weights for cv2.dnn.readNetFromDarknet of OpenCV 4: what it computes wrongly or refuses is "
        "said in other layers, then every head is compared in OpenCV. A difference is an error and leaves nothing.",
    )
    parser.option("o", Path, None, "folder to write to", metavar="DIR")
    parser.option("name", str, None, "name of the written files (default: that of the cfg)")
    parser.option(
        "images", str, None, "compare on these too: an image, a list of images, a folder, or a pattern", metavar="FILE"
    )
    parser.option("thresh", float, 0.25, "least score of the detections that are compared and drawn (0.25)")
    declare_exported(parser)
    parser.json()
    return parser


def run(argv: list[str]) -> int:
    """Export, print how far OpenCV is off, and return the exit code; raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    if options.o is None:
        raise parser.error("-o DIR is missing: the folder to write to")
    name = options.name or Path(options.cfg).stem
    if Path(options.weights).resolve() == (options.o / f"{name}.weights").resolve():
        raise ExportError(
            "the export would replace the weights it is made from", path=options.weights, hint="choose another -o"
        )
    images = find_images(options.images)
    names = read_names(options)
    network = load_network(options, options.cfg, options.weights)

    from csptrain.formats.opencv_export import export_opencv

    boxes = network.graph.box_heads
    pictures = SideBySide(network, images, names, options.thresh) if boxes and images else None
    report = export_opencv(network, options.o, name, images, options.tolerance, names, pictures)
    _tell(report)
    if pictures is not None:
        pictures.tell(report.cfg.with_name(f"{name}-compare.png"))
    show_object(
        {
            "layers": {"before": report.layers[0], "after": report.layers[1]},
            "images": {"random": report.random_images, "real": report.images},
            "heads": [head.as_dict() for head in report.heads],
            "detections": None if pictures is None else pictures.agreement.as_dict(),
            "files": [str(path) for path in (*_files(report), *report.ready.written)],
        }
    )
    return 0


def _files(report: ExportReport) -> list[Path]:
    return [path for path in (report.cfg, report.weights, report.names) if path is not None]


def _tell(report: ExportReport) -> None:
    import cv2

    before, after = report.layers
    say(f"{before} layers said in {after} that OpenCV {cv2.__version__} computes equally")
    say(f"OpenCV against csptrain on {report.random_images} random and {report.images} real images:")
    say(f"  {'layer':>5}  {'kind':<14}{'quantity':<14}{'max error':>10}  {'of range':>9}")
    for head in report.heads:
        say(f"  {head.layer:5d}  {head.kind:<14}{head.quantity:<14}{head.error:10.2e}  {head.relative:9.2e}")
    say(*(f"wrote {path}" for path in _files(report)))
    tell_ready(report.ready)
