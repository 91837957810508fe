"""``csptrain export opencv``: a cfg and weights that OpenCV 4 computes as csptrain does, proven first."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import read_lines
from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.side_by_side import SideBySide
from csptrain.errors import DataError, ExportError

if TYPE_CHECKING:
    from csptrain.formats.opencv_export import ExportReport

VERB = "export opencv"
# More say nothing new about equality and cost a forward pass in both runtimes each.
MOST_IMAGES = 16


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Write a cfg and weights for cv2.dnn.readNetFromDarknet of OpenCV 4: what it computes wrongly or refuses is "
        "said in other layers, then every head is compared in OpenCV. A difference is an error and leaves nothing.",
    )
    parser.positional("cfg", "the network")
    parser.positional("weights", "its weights")
    parser.option("o", Path, None, "folder to write to", metavar="DIR")
    parser.option("name", str, None, "name of the written files (default: that of the cfg)")
    parser.option(
        "images", str, None, "compare on these too: an image, a list of images, a folder, or a pattern", metavar="FILE"
    )
    parser.option("names", Path, None, "class names, one a line; copied beside the cfg", metavar="FILE")
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.option("tolerance", float, 1e-3, "largest difference of a head, in parts of its range (0.001)")
    parser.option("thresh", float, 0.25, "least score of the detections that are compared and drawn (0.25)")
    parser.flag("partial", "accept weights that end early or go on after the last layer")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")
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
    names = tuple(word for _, word in read_lines(options.names, "names")) if options.names else ()
    graph, _ = load_graph(Path(options.cfg), Overrides(size=options.size), print, options.lenient)

    from csptrain.formats.darknet import fill
    from csptrain.formats.opencv_export import export_opencv

    network = fill(graph, options.weights, options.partial)
    pictures = SideBySide(network, images, names, options.thresh) if graph.box_heads and images else None
    report = export_opencv(network, options.o, name, images, options.tolerance, names, pictures)
    _tell(report)
    if pictures is not None:
        pictures.tell(report.cfg.with_name(f"{name}-compare.png"))
    return 0


def find_images(given: str | None) -> list[Path]:
    """The images of an option (one, a list, a folder or a pattern), at most ``MOST_IMAGES``; raises DataError."""
    if given is None:
        return []
    from csptrain.datasets.lists import IMAGE_SUFFIXES, read_images

    if Path(given).suffix.lower() in IMAGE_SUFFIXES and Path(given).exists():
        return [Path(given)]
    if Path(given).exists():
        found = [Path(image) for image in read_images(Path(given))]
    else:
        found = [Path(image) for image in sorted(glob.glob(given, recursive=True))]
    if not found:
        raise DataError("is no image, list, folder or pattern of images", path=given)
    if len(found) > MOST_IMAGES:
        print(f"comparing on the first {MOST_IMAGES} of {len(found)} images")
    return found[:MOST_IMAGES]


def _tell(report: ExportReport) -> None:
    import cv2

    before, after = report.layers
    print(f"{before} layers said in {after} that OpenCV {cv2.__version__} computes equally")
    print(f"OpenCV against csptrain on {report.random_images} random and {report.images} real images:")
    print(f"  {'layer':>5}  {'kind':<14}{'quantity':<14}{'max error':>10}  {'of range':>9}")
    for head in report.heads:
        print(f"  {head.layer:5d}  {head.kind:<14}{head.quantity:<14}{head.error:10.2e}  {head.relative:9.2e}")
    for path in (report.cfg, report.weights, report.names):
        if path is not None:
            print(f"wrote {path}")
