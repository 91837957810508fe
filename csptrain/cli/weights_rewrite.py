"""Darknet's verbs that make weights from weights: partial, average, reset, rescale, rgbgr, normalize, denormalize."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg import text
from csptrain.cfg.text import Reading, Section
from csptrain.cli.arguments import Arguments
from csptrain.cli.session import Overrides, load_graph
from csptrain.cli.trained import positive
from csptrain.cli.voice import say, tell
from csptrain.errors import CfgError, WeightsError

if TYPE_CHECKING:
    from csptrain.network import Network

    Sections = tuple[Section, ...]

_LENIENT = "read the cfg as Darknet does; mistakes become notes"
_PARTIAL = "accept weights that end early or go on after the last layer"


def partial(argv: list[str]) -> int:
    """Write the first layers of a weights file; raises CspError."""
    parser = _arguments("partial", "Write the first N layers of a weights file, as the start of another network.")
    parser.positional("layers", "N: layers 0 to N-1 are written; a file named x.conv.N is read so", reader=positive)
    options = parser.parse(argv)
    layers: int = options.layers
    graph, _ = load_graph(Path(options.cfg), Overrides(), tell, options.lenient)
    if layers > len(graph.nodes):
        raise parser.error(f"{options.cfg} has {len(graph.nodes)} layers, {layers} are asked for")

    from csptrain.formats.weights import fit_file, load_weights, save_weights
    from csptrain.network import Network

    network = Network(graph)
    if not options.partial:
        fit_file(network, options.weights).check()
    load_weights(network, options.weights, cutoff=layers)
    network.seen = 0
    save_weights(network, options.out, cutoff=layers)
    say(f"wrote {options.out}: layers 0..{layers - 1} of {len(graph.nodes)}, seen 0")
    return 0


def average(argv: list[str]) -> int:
    """Write the mean of several weights files; raises CspError."""
    parser = Arguments("average", "Write the mean of the weights of several files of one network.")
    parser.positional("cfg", "the network")
    parser.positional("out", "the file to write")
    parser.positional("weights", "the files to average", many=True)
    parser.flag("lenient", _LENIENT)
    options = parser.parse(argv)
    if not options.weights:
        raise parser.error("no weights to average: csptrain average net.cfg out.weights a.weights b.weights ...")
    graph, _ = load_graph(Path(options.cfg), Overrides(), tell, options.lenient)

    from csptrain.formats import rewrite
    from csptrain.formats.weights import save_weights
    from csptrain.network import Network

    network = Network(graph)
    rewrite.average(network, options.weights)
    save_weights(network, options.out)
    say(f"wrote {options.out}: the mean of {len(options.weights)} files, seen {network.seen}")
    return 0


def reset(argv: list[str]) -> int:
    """Move batch statistics into the weights; raises CspError."""
    from csptrain.formats import rewrite

    purpose = (
        "Move the rolling statistics and scales of every batch normalization into the weights before it. The network "
        "computes the same; its normalizations start anew."
    )
    return _in_place("reset", purpose, rewrite.reset, argv)


def rescale(argv: list[str]) -> int:
    """Change the range of the image; raises CspError."""
    from csptrain.formats import rewrite

    purpose = "Change the first convolution from images in -1..1 to images in 0..1 (exact but for padded borders)."
    return _in_place("rescale", purpose, rewrite.rescale, argv)


def rgbgr(argv: list[str]) -> int:
    """Swap red and blue; raises CspError."""
    from csptrain.formats import rewrite

    purpose = "Change the first convolution from RGB to BGR, or back."
    return _in_place("rgbgr", purpose, rewrite.swap_red_and_blue, argv)


def normalize(argv: list[str]) -> int:
    """Give every convolution a neutral batch normalization; raises CspError."""
    from csptrain.formats import rewrite

    purpose = "Give every convolutional and connected layer without batch normalization a neutral one."
    return _with_cfg("normalize", purpose, rewrite.normalized, argv)


def denormalize(argv: list[str]) -> int:
    """Fold every batch normalization; raises CspError."""
    from csptrain.formats import rewrite

    purpose = "Fold every batch normalization into its convolution or connected layer."
    return _with_cfg("denormalize", purpose, rewrite.denormalized, argv)


def _arguments(verb: str, purpose: str) -> Arguments:
    parser = Arguments(verb, purpose)
    parser.positional("cfg", "the network")
    parser.positional("weights", "its weights")
    parser.positional("out", "the file to write")
    parser.flag("partial", _PARTIAL)
    parser.flag("lenient", _LENIENT)
    return parser


def _in_place(verb: str, purpose: str, change: Callable[[Network], None], argv: list[str]) -> int:
    options = _arguments(verb, purpose).parse(argv)
    graph, _ = load_graph(Path(options.cfg), Overrides(), tell, options.lenient)

    from csptrain.formats.darknet import fill, save_weights

    network = fill(graph, options.weights, options.partial)
    change(network)
    save_weights(network, options.out)
    say(f"wrote {options.out}")
    return 0


def _with_cfg(
    verb: str,
    purpose: str,
    change: Callable[[Network, Sections], tuple[Network, Sections]],
    argv: list[str],
) -> int:
    parser = _arguments(verb, f"{purpose} The network computes the same, under another cfg.")
    parser.option("cfg_out", Path, None, "also write the cfg of the new weights", metavar="FILE")
    options = parser.parse(argv)
    if options.cfg_out is not None and options.cfg_out.exists():
        raise CfgError("is there already", path=options.cfg_out, hint="name another -cfg_out")
    reading = Reading(options.lenient)
    sections = text.read(Path(options.cfg), reading)

    from csptrain import graph
    from csptrain.formats.darknet import fill, save_weights
    from csptrain.formats.files import utf8, write_atomically

    planned = graph.plan(sections, reading)
    for finding in planned.findings:
        tell(f"note: {finding}")
    network, changed = change(fill(planned, options.weights, options.partial), sections)
    save_weights(network, options.out)
    say(f"wrote {options.out}")
    if options.cfg_out is None:
        say(f"note: it needs a cfg with batch_normalize {'set' if verb == 'normalize' else 'removed'}; see -cfg_out")
    else:
        write_atomically(options.cfg_out, [utf8(text.render(changed))], WeightsError)
        say(f"wrote {options.cfg_out}")
    return 0
