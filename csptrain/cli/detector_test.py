"""``csptrain detector test``: what is on these pictures, in Darknet's words and drawn."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.backends import declare_backend, open_backend
from csptrain.cli.inputs import expand, typed_paths
from csptrain.cli.trained import Trained, declare, fraction, load_trained, tell_bad
from csptrain.cli.voice import show, show_object, tell
from csptrain.errors import DataError

if TYPE_CHECKING:
    from csptrain.datasets.image import Pixels
    from csptrain.evaluate.detect import Detector
    from csptrain.ops.decode import Detections

VERB = "detector test"
PICTURE = "predictions.jpg"
PICTURES = Path("predictions")
_JPEG_QUALITY = 95


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Find objects: csptrain detector test x.data net.cfg net.weights [image ...]. An input is an image, a folder, "
        "a pattern like 'a/*.jpg' or a list of paths (.txt); without one, paths are read from standard input.",
        epilog=f"One image is drawn to {PICTURE}, several into {PICTURES}/; --output names another folder.",
    )
    parser.positional("files", "[data] cfg weights [image|folder|pattern|list.txt ...]", many=True)
    parser.option("thresh", fraction, 0.25, "least score of a detection (0.25)")
    parser.option("nms", fraction, 0.45, "overlap above which the weaker of two boxes goes; 0 keeps all (0.45)")
    parser.option("out", Path, None, "file for all detections as JSON, as Darknet's result.json", metavar="FILE")
    parser.option("output", Path, None, "folder for pictures (and labels)", metavar="DIR")
    declare_backend(parser)
    declare(parser)
    parser.flag("ext_output", "print the boxes' pixels too")
    parser.flag("save_labels", "write a label file for each image, beside it or to --output")
    parser.json()
    parser.flag("heatmap", "draw the objectness of each head over the picture too, as ..._heat.jpg")
    return parser


def run(argv: list[str]) -> int:
    """Detect, print, draw, and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    trained = load_trained(options, VERB, takes_inputs=True)
    words = trained.files.inputs
    images = expand(words) if words else None
    if images is not None and options.save_labels and options.output is None:
        for image in images:
            _refuse_overwriting(image)
    with open_backend(options, trained) as detect:
        one_by_one = _OneByOne(options, trained, detect, many=images is not None and len(images) > 1)
        for image in typed_paths() if images is None else images:
            one_by_one.take(image)
    one_by_one.finish()
    return 0


class _OneByOne:
    """Detects, prints and draws images as they come; keeps what the end has to tell."""

    def __init__(self, options: argparse.Namespace, trained: Trained, detect: Detector, many: bool) -> None:
        self.options = options
        self.trained = trained
        self.many = many or (options.output is not None and not trained.files.inputs)
        self.folder: Path = options.output or (PICTURES if many else Path())
        self.detect = detect
        self.frames: list[dict[str, object]] = []
        self.bad: list[DataError] = []
        self._stems: set[str] = set()

    def take(self, image: str) -> None:
        """One image; one that cannot be decoded is left out unless it is the only one."""
        from csptrain.datasets.image import load_image

        channels = self.trained.graph.net.channels
        try:
            pixels = load_image(image, channels)
        except DataError as error:
            if self.trained.files.inputs and not self.many:
                raise
            self.bad.append(error)
            return
        self._tell(image, pixels)

    def finish(self) -> None:
        """Write what belongs to all images; raises DataError when there was none to run."""
        if self.options.out is not None and self.frames:
            text = json.dumps(self.frames, indent=1)
            _write(self.options.out, f"{text}\n".encode())
            tell(f"detections: {self.options.out}")
        if self.frames:
            picture = self.folder if self.many else self.folder / PICTURE
            tell(f"{'pictures' if self.many else 'picture'}: {picture}")
            tell_bad(self.bad, self.folder)
        elif self.bad:
            raise DataError(f"none of {len(self.bad)} images can be decoded; the first: {self.bad[0]}")
        else:
            raise DataError("no image is named", path="<stdin>", hint=f"csptrain {VERB} --help")
        show_object({"frames": self.frames, "bad_images": len(self.bad)})

    def _tell(self, image: str, pixels: Pixels) -> None:
        from csptrain.evaluate.look import look
        from csptrain.report.records import console_lines, frame, label_lines

        options, names = self.options, self.trained.data.names
        size = (pixels.shape[1], pixels.shape[0])
        found, seconds = look(self.trained.graph, self.detect, pixels, options.thresh, options.nms)
        show(f"{image}: Predicted in {seconds * 1000:f} milli-seconds.")
        show(*console_lines(found, names, size, options.ext_output))
        self.frames.append(frame(len(self.frames) + 1, image, found, names))
        stem = self._stem(image)
        picture = self.folder / (f"{stem}.jpg" if self.many else PICTURE)
        colours = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
        self._draw(colours, found, picture)
        if options.heatmap:
            self._draw_heat(pixels, colours, picture.with_stem(f"{picture.stem}_heat"))
        if options.save_labels:
            if options.output is None:
                _refuse_overwriting(image)
            path = Path(image).with_suffix(".txt") if options.output is None else self.folder / f"{stem}.txt"
            _write(path, "".join(f"{line}\n" for line in label_lines(found)).encode())

    def _draw(self, colours: Pixels, found: Detections, path: Path) -> None:
        from csptrain.report.draw import confident, draw_detections

        _write_jpeg(draw_detections(colours, *confident(found, self.options.thresh), self.trained.data.names), path)

    def _draw_heat(self, pixels: Pixels, colours: Pixels, path: Path) -> None:
        import torch

        from csptrain.evaluate.look import as_input
        from csptrain.report.heat import draw_heat, heat_maps

        graph, network = self.trained.graph, self.trained.fused
        with torch.inference_mode():
            outputs = network(as_input(graph, pixels).to(self.trained.device))
        _write_jpeg(draw_heat(graph, colours, heat_maps(graph, outputs)), path)

    def _stem(self, image: str) -> str:
        """The image's name without suffix, numbered where another folder's image has the same."""
        stem = name = Path(image).stem
        number = 2
        while name in self._stems:
            name, number = f"{stem}_{number}", number + 1
        self._stems.add(name)
        return name


def _write_jpeg(picture: Pixels, path: Path) -> None:
    import cv2

    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    if not done:
        raise DataError(f"{bgr.shape[1]}x{bgr.shape[0]} is too large for a JPEG picture", path=path)
    _write(path, jpeg.tobytes())


def _refuse_overwriting(image: str) -> None:
    from csptrain.datasets.lists import label_candidates

    for label in label_candidates(image):
        if Path(label).exists():
            raise DataError(
                "this image has labels already, -save_labels would replace them",
                path=label,
                hint="--output DIR writes them elsewhere",
            )


def _write(path: Path, content: bytes) -> None:
    from csptrain.formats.files import write_atomically

    write_atomically(path, [content], DataError)
