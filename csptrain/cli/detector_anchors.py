"""``csptrain detector calc_anchors``: anchors from the boxes of a training list, dealt to the heads of a cfg."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg import edit, text
from csptrain.cfg.dataset import DataSpec
from csptrain.cfg.draft import Draft, carry_over, unified_diff
from csptrain.cli.anchor_tables import class_lines, deal_lines, head_lines
from csptrain.cli.arguments import Arguments, UsageError
from csptrain.cli.session import DATA_SUFFIXES, find_data
from csptrain.cli.trained import natural, positive, tell_findings
from csptrain.cli.voice import say, show, show_object, tell
from csptrain.errors import CfgError, DataError

if TYPE_CHECKING:
    from csptrain.datasets.anchors import Clusters, FloatArray
    from csptrain.datasets.lists import Samples
    from csptrain.evaluate.anchor_deal import Deal
    from csptrain.evaluate.anchor_fit import HeadAnchors, Plane

VERB = "detector calc_anchors"
CLUSTERS = 5  # Darknet's, where neither flag nor cfg says how many
ANCHORS, COUNTERS, CLOUD = Path("anchors.txt"), Path("counters_per_class.txt"), Path("cloud.png")
#: Rule -> what the table calls it.
RULES = {
    "even": "k-means, dealt evenly",
    "size": "k-means, dealt by size",
    "stride": "anchors of each head's own",
}


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Find anchors for the boxes of a training list by Darknet's k-means: csptrain detector calc_anchors x.data "
        "[net.cfg]. With a cfg the anchors are dealt to its heads, and what they gain over its own is told.",
    )
    parser.positional("files", "[data] [cfg]", many=True)
    text_of_count = f"how many anchors (default: the cfg's num, else {CLUSTERS})"
    parser.option("num_of_clusters", positive, None, text_of_count, metavar="N")
    parser.option("width", positive, None, "of the network (default: the cfg's); up to 32 means cells", metavar="N")
    parser.option("height", positive, None, "of the network (default: the cfg's)", metavar="N")
    parser.option(
        "assign",
        str,
        "stride",
        "how the heads of a cfg get theirs: stride (default) finds anchors for each head among the boxes that its "
        "stride suits, size and even deal out those of one k-means",
        choices=tuple(RULES),
        metavar="RULE",
    )
    parser.flag("write", "put anchors, mask, num and filters into the cfg")
    parser.flag("show", f"draw boxes and anchors to {CLOUD}")
    parser.option("plot", Path, None, "draw boxes and anchors to this .png or .svg", metavar="FILE")
    parser.option("seed", natural, 0, "of the random starts (0)", metavar="N")
    parser.json()
    return parser


@dataclass(frozen=True)
class Network:
    """A cfg as far as anchors go."""

    path: Path
    content: str
    sections: edit.Sections
    plane: Plane
    heads: tuple[HeadAnchors, ...]


def run(argv: list[str]) -> int:
    """Compute, print, write, and return the exit code; raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    data_file, cfg = _files(options.files)
    if options.write and cfg is None:
        raise parser.error("--write needs a cfg to write into")
    picture = options.plot or (CLOUD if options.show else None)
    if picture is not None and picture.suffix.lower() not in (".png", ".svg"):
        raise parser.error(f"{picture} is neither .png nor .svg")
    network = None if cfg is None else _network(cfg)
    plane = _plane(options, network, parser)
    data, _ = find_data(data_file, tell)
    count = _count(options.num_of_clusters, network)
    samples = _samples(data, count)
    clusters, found = _clusters(samples, data, plane, count, options.seed)
    anchors = clusters.centres
    heads: tuple[HeadAnchors, ...] = ()
    if network is not None:
        deal, fits = _deal(network, samples, data, clusters, options)
        anchors, heads = deal.anchors, deal.give(network.heads)
        found |= {"cfg": str(network.path), **fits, "heads": [head.as_dict() for head in heads]}
    _save(samples, data, anchors, plane)
    if picture is not None:
        _draw(picture, samples, plane, anchors, heads)
    if network is not None:
        _into_cfg(network, anchors, heads, options.write)
    show_object({**found, "anchors": anchors.tolist()})
    return 0


def _files(words: list[str]) -> tuple[Path | None, Path | None]:
    rest = list(words)
    data = Path(rest.pop(0)) if rest and rest[0].endswith(DATA_SUFFIXES) else None
    cfg = Path(rest.pop(0)) if rest and rest[0].endswith(".cfg") else None
    if rest:
        raise UsageError(f"{VERB} takes a data file and a cfg: found '{rest[0]}'", hint=f"csptrain {VERB} x.data y.cfg")
    return data, cfg


def _network(path: Path) -> Network:
    from csptrain import graph
    from csptrain.evaluate.anchor_fit import head_anchors

    content = text.read_text(path, errors="surrogateescape")
    sections = text.parse(content, str(path))
    planned = graph.plan(sections)
    if planned.net.letter_box:
        tell("note: letter_box=1 shrinks boxes that are measured here on images stretched to the input")
    return Network(path, content, sections, *head_anchors(planned))


def _plane(options: argparse.Namespace, network: Network | None, parser: Arguments) -> Plane:
    """Width and height on which anchors are measured: the cfg's, else those of the command line."""
    if network is None:
        if options.width is None or options.height is None:
            raise parser.error("say -width and -height of the network, or name its cfg")
        return options.width, options.height
    for word, given, own in zip(("width", "height"), (options.width, options.height), network.plane, strict=True):
        if given not in (None, own):
            hint = f"leave -{word} out, or change the cfg by `csptrain cfg adapt --size`"
            raise UsageError(f"-{word} {given}, but anchors of {network.path} are measured on {own}", hint=hint)
    return network.plane


def _count(asked: int | None, network: Network | None) -> int:
    """How many anchors: as many as asked for, or as the cfg has; raises UsageError for fewer than its heads need."""
    if network is None:
        return asked or CLUSTERS
    strides = len({head.stride for head in network.heads})
    if asked is not None and asked < strides:
        raise UsageError(f"-num_of_clusters {asked}, but heads of {strides} strides", hint="at least one for each")
    return asked or max(len(head.anchors) for head in network.heads)


def _samples(data: DataSpec, count: int) -> Samples:
    """The training list with its boxes; raises DataError where they are too few for so many anchors."""
    import numpy as np

    from csptrain.datasets.sources import read_split

    samples = read_split(data, "train")
    tell_findings(samples)
    different = len(np.unique(samples.rows[:, 2:4], axis=0))
    if different < count:
        raise DataError(f"boxes of {different} different sizes do not make {count} anchors", path=samples.source)
    return samples


def _clusters(
    samples: Samples, data: DataSpec, plane: Plane, count: int, seed: int
) -> tuple[Clusters, dict[str, object]]:
    """Darknet's k-means with what it prints, its centres as a cfg holds them; and its figures by name."""
    from csptrain.datasets.anchors import as_written, box_sizes, counters, counters_text, find_clusters, mean_best_iou

    say(f"\n num_of_clusters = {count}, width = {plane[0]}, height = {plane[1]} ")
    say(f" read labels from {len(samples)} images ")
    say(f" loaded \t image: {len(samples)} \t box: {len(samples.rows)}\n all loaded. \n\n calculating k-means++ ...")
    sizes = box_sizes(samples, *plane)
    clusters = find_clusters(sizes, count, seed)
    avg_iou = mean_best_iou(sizes, clusters.centres)
    say(f"\n iterations = {clusters.updates} ")
    show(f"\n{counters_text(samples, data.classes)}", f"\n avg IoU = {100 * avg_iou:2.2f} % \n")
    figures = {
        "width": plane[0],
        "height": plane[1],
        "images": len(samples),
        "boxes": len(samples.rows),
        "counters_per_class": counters(samples, data.classes),
        "avg_iou": avg_iou,
    }
    return dataclasses.replace(clusters, centres=as_written(clusters.centres, plane[0])), figures


def _deal(
    network: Network, samples: Samples, data: DataSpec, clusters: Clusters, options: argparse.Namespace
) -> tuple[Deal, dict[str, object]]:
    """The anchors by the rule that was asked for, and a comparison of all rules with the cfg's own anchors."""
    from csptrain.datasets.anchors import box_sizes
    from csptrain.evaluate.anchor_deal import deal_by_size, deal_evenly, deal_own, levels
    from csptrain.evaluate.anchor_fit import measure

    strides, centres, plane = levels(network.heads), clusters.centres, network.plane
    sizes = box_sizes(samples, *plane)
    deals = {
        "even": deal_evenly(centres, strides),
        "size": deal_by_size(centres, strides),
        "stride": deal_own(samples, plane, network.heads, len(centres), options.seed),
    }
    before = measure(samples, plane, network.heads)
    after = {rule: measure(samples, plane, deal.give(network.heads)) for rule, deal in deals.items()}
    rows = [(f"{network.path.name} now", before), *((RULES[rule], fit) for rule, fit in after.items())]
    show(*deal_lines(rows, network.heads, RULES[options.assign]), "")
    show(*class_lines(before, after[options.assign], sizes, data.names), "")
    show(*head_lines(deals[options.assign].give(network.heads), after[options.assign]), "")
    fits = {rule: fit.as_dict() for rule, fit in {"now": before, **after}.items()}
    return deals[options.assign], {"assign": options.assign, "fits": fits}


def _save(samples: Samples, data: DataSpec, anchors: FloatArray, plane: Plane) -> None:
    from csptrain.datasets.anchors import anchors_text, counters_text
    from csptrain.formats.files import write_atomically

    line = anchors_text(anchors, plane[0])
    say(f"Saving anchors to the file: {ANCHORS} ")
    show(f"anchors = {line}")
    write_atomically(ANCHORS, [line.encode()], DataError)
    write_atomically(COUNTERS, [counters_text(samples, data.classes).encode()], DataError)


def _draw(path: Path, samples: Samples, plane: Plane, anchors: FloatArray, heads: tuple[HeadAnchors, ...]) -> None:
    from csptrain.datasets.anchors import box_sizes
    from csptrain.formats.files import write_atomically
    from csptrain.report.anchor_cloud import cloud_of_anchors, cloud_of_heads
    from csptrain.report.draw import save_png
    from csptrain.report.picture import paint, svg

    title = f"{samples.source.name} at {plane[0]} x {plane[1]}: {len(samples.rows)} boxes"
    if heads:
        picture = cloud_of_heads(title, samples, plane, heads)
    else:
        picture = cloud_of_anchors(title, box_sizes(samples, *plane), anchors)
    if path.suffix.lower() == ".svg":
        write_atomically(path, [svg(picture).encode()], DataError)
    else:
        save_png(paint(picture), path)
    say(f"wrote {path}")


def _into_cfg(network: Network, anchors: FloatArray, heads: tuple[HeadAnchors, ...], write: bool) -> None:
    """Plan the cfg with its new anchors; write it and print what changed, or say how."""
    from csptrain import graph
    from csptrain.formats.files import write_atomically

    pairs = [(float(width), float(height)) for width, height in anchors]
    sections, _ = edit.place_anchors(network.sections, pairs, {head.layer: head.mask for head in heads})
    graph.plan(sections)
    draft = Draft(network.content)
    carry_over(draft, network.sections, sections)
    if draft.text == network.content:
        say(f"{network.path} has these anchors already")
    elif not write:
        say(f"{network.path} stays as it is; --write puts them there")
    else:
        write_atomically(network.path.resolve(), [draft.text.encode("utf-8", "surrogateescape")], CfgError)
        old, new = (
            content.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            for content in (network.content, draft.text)
        )
        say("", *unified_diff(old, new, str(network.path)), f"wrote {network.path}")
