"""What the verbs share that take a network to other runtimes: options, the network, the pictures, what was written."""

from __future__ import annotations

import argparse
import glob
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import read_lines
from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.voice import say
from csptrain.errors import DataError

if TYPE_CHECKING:
    from csptrain.formats.ready import Ready
    from csptrain.network import Network

# More say nothing new about equality and cost a forward pass in both runtimes each.
MOST_IMAGES = 16


def declare_compared(parser: Arguments) -> None:
    """Add the options of every verb that compares a network with another runtime."""
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.option("tolerance", float, 1e-3, "largest difference, in parts of the range (0.001)")
    parser.flag("partial", "accept weights that end early or go on after the last layer")
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")


def declare_exported(parser: Arguments) -> None:
    """Add what every verb of ``csptrain export`` takes."""
    parser.positional("cfg", "the network")
    parser.positional("weights", "its weights")
    parser.option("names", Path, None, "class names, one a line; kept with the export", metavar="FILE")
    declare_compared(parser)


def load_network(options: argparse.Namespace, cfg: str, weights: str) -> Network:
    """The network of a cfg at the size that was asked for, with its weights; raises CspError."""
    graph, _ = load_graph(Path(cfg), Overrides(size=options.size), say, options.lenient)

    from csptrain.formats.darknet import fill

    return fill(graph, weights, options.partial)


def read_names(options: argparse.Namespace) -> tuple[str, ...]:
    """The class names that were given; raises DataError."""
    return tuple(word for _, word in read_lines(options.names, "names")) if options.names else ()


def find_images(given: str | None, most: int = MOST_IMAGES) -> list[Path]:
    """The images of an option (one, a list, a folder or a pattern), at most ``most``, evenly; raises DataError."""
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
    if len(found) <= most:
        return found
    say(f"taking {most} of {len(found)} images")
    return [found[place * len(found) // most] for place in range(most)]


def tell_ready(ready: Ready) -> None:
    """Name the programs that were written, and the files of other hands that stayed."""
    for path in ready.written:
        say(f"wrote {path}")
    for path in ready.kept:
        say(f"kept {path}, which is no file of this export; another folder gets one")
