"""What ``detector test``, ``valid`` and ``map`` share: a trained network that fits its data."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.dataset import DataSpec
from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments, UsageError
from csptrain.cli.session import Files, Overrides, Say, find_data, load_graph, pick_device, sort_files
from csptrain.cli.voice import quiet, tell
from csptrain.errors import CfgError, CspError, DataError

if TYPE_CHECKING:
    import torch

    from csptrain.datasets.evaluation import EvalDataset
    from csptrain.datasets.lists import Samples
    from csptrain.graph import Graph
    from csptrain.network import Network

POINTS = (0, 11, 101)
SPLITS = ("valid", "test", "train")
# Starting a worker costs about as much as a core needs for this many small images.
IMAGES_PER_WORKER = 200


def declare(parser: Arguments) -> None:
    """Add the options of every verb that runs a trained detector."""
    declare_network(parser)
    parser.flag("letter_box", "keep the images' aspect, as letter_box=1 in the cfg does")


def declare_network(parser: Arguments) -> None:
    """Add the options of every verb that runs a trained network."""
    parser.option("size", parse_size, None, "input size instead of the cfg's: 416, 512x288", metavar="N[xM]")
    parser.option("device", str, None, "cpu, cuda, cuda:1 (default: cuda if there is one)")
    parser.option("amp", str, "off", "bf16 arithmetic: on, off (default)", choices=("off", "on"))
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become warnings")
    parser.flag("partial", "accept weights that end early or go on after the last layer")
    parser.flag("dont_show", "accepted; nothing is ever shown in a window")


def declare_list(parser: Arguments) -> None:
    """Add the options of the verbs that run over a list of the data file."""
    parser.option("split", str, "valid", "list of the data file to run on (default valid)", choices=SPLITS)
    parser.option("batch", positive, 8, "images run at once (default 8)")
    parser.option("workers", int, None, "processes that prepare images (default: by cores and images)")


def fraction(text: str) -> float:
    """A threshold; raises ArgumentTypeError unless it is in 0..1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no number in 0..1")
    return value


def positive(text: str) -> int:
    """A count; raises ArgumentTypeError unless it is an integer from 1 on."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is no integer from 1 on")
    return int(text)


def natural(text: str) -> int:
    """A count that may be 0; raises ArgumentTypeError unless it is an integer of at most nine digits."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text} is no integer from 0 on")
    return int(text)


def recall_points(text: str) -> int:
    """The rule of average precision; raises ArgumentTypeError unless it is one of ``POINTS``."""
    if text not in map(str, POINTS):
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(map(str, POINTS))}")
    return int(text)


@dataclass(frozen=True)
class Trained:
    """A network with its weights on its device, and the data set whose classes it knows."""

    files: Files
    weights: Path
    data: DataSpec
    graph: Graph
    network: Network
    device: torch.device
    bf16: bool = False

    @cached_property
    def fused(self) -> Network:
        """The network as it runs fastest, in the arithmetic that was asked for; ``network`` is empty then."""
        import torch

        return self.network.fused(torch.bfloat16 if self.bf16 else torch.float32, consume=True)


def load_trained(
    options: argparse.Namespace,
    verb: str,
    takes_inputs: bool = False,
    *,
    find: Callable[[Path | None, Say], tuple[DataSpec, bool]] = find_data,
    check: Callable[[Graph, DataSpec], None] | None = None,
) -> Trained:
    """Read the data file, the cfg and the weights that the command line names.

    Args:
        find: where the data is when no data file is given.
        check: raises CspError for a network that is not of the verb's kind; by default a detector is asked for.

    Raises:
        UsageError: no cfg or no weights among the words, or a word too many.
        CspError: a file that cannot be used, or a cfg whose classes are not those of the data.
    """
    files = sort_files(options.files, verb)
    usage = f"csptrain {verb} x.data net.cfg net.weights"
    if files.weights is None:
        found = f"found '{files.inputs[0]}' after the cfg" if files.inputs else "none is given"
        raise UsageError(f"{verb} needs weights: {found}", hint=usage)
    if files.inputs and not takes_inputs:
        raise UsageError(f"{verb} takes nothing after the weights: found '{files.inputs[0]}'", hint=usage)

    import torch

    from csptrain.formats.darknet import fill

    data, _ = find(files.data, tell)
    for note in data.notes:
        tell(f"note: {note}")
    graph, _ = load_graph(files.cfg, Overrides(size=options.size), tell, options.lenient)
    (check or check_classes)(graph, data)
    graph.net.check_pictures()
    if getattr(options, "letter_box", False):
        graph = dataclasses.replace(graph, net=dataclasses.replace(graph.net, letter_box=1))
    device = pick_device(options.device)
    network = fill(graph, files.weights, options.partial)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Trained(files, files.weights, data, graph, network, device, getattr(options, "amp", "off") == "on")


def check_classes(graph: Graph, data: DataSpec) -> None:
    """Raise CfgError for a cfg without boxes, or whose number of classes is not the data's."""
    if not graph.box_heads:
        raise CfgError("has no [yolo] or [region] layer, so it is no detector", path=graph.path)
    for head in graph.box_heads:
        if head.classes != data.classes:
            raise head.error(
                f"classes={head.classes}, but {data.path} has {data.classes}",
                "classes",
                "name the data file and cfg of the same training",
            )


def pick_list(data: DataSpec, split: str) -> Path:
    """The list of a split; raises DataError where the data file names none that is there."""
    path = data.split(split)
    if split == "valid" and path == data.train:
        missing = "valid" not in data.lines
        why = "has no valid= of its own, its train= is used" if missing else "names the same for train= and valid="
        tell(f"note: {data.path} {why}")
    return path


def labelled_images(trained: Trained, split: str) -> tuple[Samples, EvalDataset]:
    """The images of a split with their labels, and as the network takes them; says what is odd about the labels.

    Raises DataError.
    """
    from csptrain.datasets.sources import read_split
    from csptrain.evaluate.detect import eval_dataset

    pick_list(trained.data, split)
    samples = read_split(trained.data, split)
    tell_findings(samples)
    return samples, eval_dataset(trained.graph, samples)


def pick_workers(asked: int | None, images: int) -> int:
    """The number of loader processes: the one asked for, else half the cores if there is work for them."""
    if asked is not None:
        return max(asked, 0)
    return min(images // IMAGES_PER_WORKER, (os.cpu_count() or 2) // 2, 16)


@contextmanager
def progress_bar(images: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal and nobody asks for quiet; call what it gives with the images done."""
    from tqdm import tqdm

    disable = True if quiet() else None
    bar = tqdm(total=images, unit="img", dynamic_ncols=True, disable=disable, file=sys.stderr, leave=False)

    def advance(count: int) -> None:
        bar.update(count)

    with bar:
        yield advance


def tell_bad(bad: Sequence[DataError], folder: Path) -> None:
    """Name the images that could not be decoded, and list them in bad.list of ``folder`` where that can be written."""
    if not bad:
        return
    from csptrain.formats.files import utf8, write_atomically

    path = folder / "bad.list"
    for error in bad[:5]:
        tell(f"skipped: {error}", always=True)
    more = f", {len(bad) - 5} more" if len(bad) > 5 else ""
    try:
        write_atomically(path, [utf8(f"{error.path}\n") for error in bad], CspError)
    except CspError as error:  # what was measured is worth more than the list
        tell(f"note: {len(bad)} image(s) skipped{more}; {error}", always=True)
    else:
        tell(f"note: {len(bad)} image(s) skipped{more}, listed in {path}", always=True)


def tell_findings(samples: Samples) -> None:
    """Say what is odd about the labels of a list."""
    if samples.unlabelled:
        tell(f"note: {samples.unlabelled} images of {samples.source} have no labels and count as background")
    for finding in samples.findings[:3]:
        tell(f"note: {finding}")
    if len(samples.findings) > 3:
        tell(f"note: {len(samples.findings) - 3} more label lines were corrected or left out")
