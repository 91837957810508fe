"""``csptrain classifier predict``: what is on these pictures, the likeliest classes first."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from csptrain.cli.arguments import Arguments
from csptrain.cli.classifiers import check_classifier, declare, find_class_data
from csptrain.cli.inputs import expand, typed_paths
from csptrain.cli.trained import Trained, load_trained, positive, tell_bad
from csptrain.cli.voice import show, show_object, tell
from csptrain.errors import CspError, DataError

VERB = "classifier predict"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Name what is on pictures: csptrain classifier predict x.data net.cfg net.weights [image ...]. An input is an "
        "image, a folder, a pattern like 'a/*.jpg' or a list of paths (.txt); without one, paths are read from "
        "standard input.",
    )
    parser.positional("files", "[data] cfg weights [image|folder|pattern|list.txt ...]", many=True)
    parser.option("t", positive, None, "classes to print of each image (default: top= of the data file)")
    parser.option("out", Path, None, "file for all answers as JSON", metavar="FILE")
    parser.option("batch", positive, 8, "images run at once (default 8)")
    declare(parser)
    parser.json()
    return parser


def run(argv: list[str]) -> int:
    """Classify, print, and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    trained = load_trained(options, VERB, takes_inputs=True, find=find_class_data, check=check_classifier)

    names = trained.data.names
    top = min(options.t or trained.data.top, len(names))
    words = trained.files.inputs
    answers: list[dict[str, object]] = []
    bad: list[DataError] = []
    images = expand(words) if words else None
    for group in _groups(images, options.batch) if images is not None else ([path] for path in typed_paths()):
        answers += _answer(trained, group, names, top, bad)
    if not answers:
        raise bad[0] if bad else DataError("no image is named", path="<stdin>", hint=f"csptrain {VERB} --help")
    tell_bad(bad, trained.data.results)
    show_object({"guesses": answers, "bad_images": len(bad)})
    if options.out is not None:
        from csptrain.formats.files import write_atomically

        write_atomically(options.out, [f"{json.dumps(answers, indent=1)}\n".encode()], CspError)
        tell(f"answers: {options.out}")
    return 0


def _groups(images: list[str], batch: int) -> list[list[str]]:
    return [images[first : first + batch] for first in range(0, len(images), batch)]


def _answer(
    trained: Trained, paths: Sequence[str], names: Sequence[str], top: int, bad: list[DataError]
) -> list[dict[str, object]]:
    """Classify and print some images; those that cannot be decoded are added to ``bad``."""
    from csptrain.datasets.class_images import ClassImages
    from csptrain.datasets.views import centre_crop
    from csptrain.evaluate.classification import guess, torch_classifier
    from csptrain.report.guesses import console_lines, guess_records

    net = trained.graph.net
    images = ClassImages(Path(paths[0]), paths, centre_crop, (net.width, net.height), net.channels)
    started = time.perf_counter()
    try:
        guesses = guess(torch_classifier(trained.fused, trained.device), images, top, batch=len(paths))
    except DataError:
        if len(images.bad) < len(paths):
            raise
        bad += images.bad  # others may be better
        return []
    bad += images.bad
    show(*console_lines(guesses, paths, names, time.perf_counter() - started))
    return guess_records(guesses, paths, names)
