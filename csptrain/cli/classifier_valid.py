"""``csptrain classifier valid``, ``valid10`` and ``validfull``: how often trained weights name the right class."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.classifiers import check_any_size, check_classifier, declare, find_class_data
from csptrain.cli.trained import (
    Trained,
    declare_list,
    load_trained,
    pick_list,
    pick_workers,
    positive,
    progress_bar,
    tell_bad,
)
from csptrain.cli.voice import show, show_object, tell
from csptrain.errors import CspError

if TYPE_CHECKING:
    from csptrain.datasets.class_list import ClassList
    from csptrain.datasets.views import Views
    from csptrain.evaluate.classification import Guesses

#: Verb -> what the network sees of an image.
LOOKS = {
    "valid": "the centre of each image, its shorter side brought to the network's",
    "valid10": "ten crops of each image (corners, centre, and their mirror images), whose answers are averaged",
    "validfull": "all of each image, its shorter side brought to the network's width",
}


def run(argv: list[str]) -> int:
    """``classifier valid``; raises CspError."""
    return _run("valid", argv)


def ten(argv: list[str]) -> int:
    """``classifier valid10``; raises CspError."""
    return _run("valid10", argv)


def full(argv: list[str]) -> int:
    """``classifier validfull``; raises CspError."""
    return _run("validfull", argv)


def arguments(word: str = "valid") -> Arguments:
    """The command line of a verb of ``LOOKS``."""
    parser = Arguments(
        f"classifier {word}",
        f"Measure top-1 and top-k accuracy: csptrain classifier {word} x.data net.cfg net.weights. The network sees "
        f"{LOOKS[word]}. Without a data file: data/imagenet.data when its images are there.",
    )
    parser.positional("files", "[data] cfg weights", many=True)
    parser.option("t", positive, None, "the k of top-k (default: top= of the data file)")
    declare_list(parser)
    declare(parser)
    parser.flag("topk", "accepted; top-k is always measured")
    parser.json()
    parser.option("out", Path, None, "file for the guesses of every image and all figures as JSON", metavar="FILE")
    return parser


def _run(word: str, argv: list[str]) -> int:
    options = arguments(word).parse(argv)
    trained = load_trained(options, f"classifier {word}", find=find_class_data, check=check_classifier)

    from csptrain.datasets.class_images import ClassImages
    from csptrain.datasets.class_list import class_labels, read_class_list
    from csptrain.evaluate.classification import accuracy, guess, torch_classifier

    net, data = trained.graph.net, trained.data
    listed = read_class_list(pick_list(data, options.split), class_labels(data))
    images = ClassImages(listed.source, listed.images, _views(word, trained), (net.width, net.height), net.channels)
    started = time.perf_counter()
    with progress_bar(len(listed)) as progress:
        guesses = guess(
            torch_classifier(trained.fused, trained.device),
            images,
            min(options.t or data.top, data.classes),
            batch=options.batch,
            workers=pick_workers(options.workers, len(listed)),
            progress=progress,
        )
    result = accuracy(guesses, listed.classes, data.names)
    seconds = time.perf_counter() - started
    tell_bad(images.bad, data.results)
    told = {**result.as_dict(), **_about(word, options, trained, len(images.bad), seconds)}
    show(*result.lines(), f"Total Classification Time: {seconds:.0f} Seconds")
    show_object(told)
    if options.out is not None:
        _write(options.out, {**told, "guesses": _each(listed, guesses, data.names)})
    return 0


def _views(word: str, trained: Trained) -> Views:
    from csptrain.datasets import views

    if word == "validfull":
        check_any_size(trained.graph)
    return {"valid": views.centre_crop, "valid10": views.ten_crops, "validfull": views.whole}[word]


def _about(word: str, options: argparse.Namespace, trained: Trained, bad: int, seconds: float) -> dict[str, object]:
    return {
        "cfg": str(trained.files.cfg),
        "weights": str(trained.weights),
        "data": str(trained.data.path),
        "split": options.split,
        "look": word,
        "bad_images": bad,
        "width": trained.graph.net.width,
        "height": trained.graph.net.height,
        "seconds": round(seconds, 3),
    }


def _each(listed: ClassList, guesses: Guesses, names: Sequence[str]) -> list[dict[str, object]]:
    """The guesses of every image beside its class."""
    from csptrain.report.guesses import guess_records

    truth = listed.classes[guesses.indices].tolist()
    records = guess_records(guesses, listed.images, names)
    return [{**record, "truth": names[k]} for record, k in zip(records, truth, strict=True)]


def _write(path: Path, content: dict[str, object]) -> None:
    from csptrain.formats.files import write_atomically

    write_atomically(path, [f"{json.dumps(content, indent=1)}\n".encode()], CspError)
    tell(f"guesses: {path}")
