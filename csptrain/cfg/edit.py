"""Changes to a cfg that are asked for on the command line: each gives new sections and says what it changed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from csptrain.cfg.fields import Malformed, integer, integers
from csptrain.cfg.text import Option, Section
from csptrain.errors import CfgError

Sections = tuple[Section, ...]
#: Sections that predict boxes from anchors, and how many values stand before the classes of a box.
BOX_ENTRIES = {"yolo": 5, "Gaussian_yolo": 9, "region": 5}
_MASKED = ("yolo", "Gaussian_yolo")
# A warm-up is counted in steps, not as a share of the run: scaled with a short run it would vanish.
WARM_UP_SHARE = 0.1
_CLASSIFIER_ENDS = ("softmax", "soft", "cost")
_WITHOUT_WEIGHTS = ("avgpool", "avg", "dropout")
_OUTPUTS = {"convolutional": "filters", "conv": "filters", "connected": "output", "conn": "output"}
_SIZE = re.compile(r"(\d{1,5})(?:[xX](\d{1,5}))?")


def with_option(section: Section, key: str, value: object) -> Section:
    """The section with one option set; its line is kept, a new one takes the section's."""
    old = section.get(key)
    new = Option(key, str(value), old.line if old else section.line)
    if old is None:
        return dataclasses.replace(section, options=(*section.options, new))
    options = tuple(new if option is old else option for option in section.options)
    return dataclasses.replace(section, options=options)


def without_option(section: Section, key: str) -> Section:
    """The section without an option."""
    return dataclasses.replace(section, options=tuple(o for o in section.options if o.key != key))


def parse_size(text: str) -> tuple[int, int]:
    """'416' or '512x288' (width x height) as (width, height); raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or not int(match.group(1)) or not int(match.group(2) or 1):
        raise ValueError(f"{text} is no size, write 416 or 512x288")
    return int(match.group(1)), int(match.group(2) or match.group(1))


def set_size(sections: Sections, width: int, height: int) -> tuple[Sections, list[str]]:
    """Another input size in [net]; the crops of a classifier's training keep their proportion to the width."""
    old = _integer(sections[0], "width", 0)
    net = with_option(with_option(sections[0], "width", width), "height", height)
    changes = [f"width={width} height={height}"]
    for key in ("min_crop", "max_crop"):
        if old > 0 and old != width and net.get(key):
            crop = max(round(_integer(net, key, 0) * width / old), 1)
            net = with_option(net, key, crop)
            changes.append(f"{key}={crop}")
    return (net, *sections[1:]), changes


def set_options(sections: Sections, kinds: tuple[str, ...], options: dict[str, str]) -> tuple[Sections, list[str]]:
    """Other values of some options in every section of these kinds."""
    changed = []
    for section in sections:
        for key, value in options.items() if section.kind in kinds else ():
            section = with_option(section, key, value)
        changed.append(section)
    return tuple(changed), [f"[{kinds[0]}] {key}={value}" for key, value in options.items()]


def set_iterations(sections: Sections, iterations: int) -> tuple[Sections, list[str]]:
    """Another length of the training: steps and burn_in move with max_batches.

    burn_in is scaled too, but not below a tenth of the run (nor above what it was).
    """
    net = sections[0]
    old = _integer(net, "max_batches", 0)
    if old < 1:
        raise net.error("has no max_batches= to rescale", "max_batches")
    factor = iterations / old
    changes = [f"max_batches={iterations}"]
    new = with_option(net, "max_batches", iterations)
    burn_in = _integer(net, "burn_in", 0)
    if burn_in:
        scaled = min(max(round(burn_in * factor), round(iterations * WARM_UP_SHARE), 1), burn_in)
        new = with_option(new, "burn_in", scaled)
        changes.append(f"burn_in={scaled}")
    steps = net.get("steps")
    if steps is not None:
        scaled_steps = ",".join(str(max(round(s * factor), 1) if s > 0 else s) for s in _integers(net, "steps"))
        new = with_option(new, "steps", scaled_steps)
        changes.append(f"steps={scaled_steps}")
    for key in ("step", "sgdr_cycle"):
        if net.get(key):
            value = max(round(_integer(net, key, 0) * factor), 1)
            new = with_option(new, key, value)
            changes.append(f"{key}={value}")
    return (new, *sections[1:]), changes


def set_classes(sections: Sections, classes: int) -> tuple[Sections, list[str]]:
    """Another number of classes: `classes` of every box head, `filters` of the convolution before each.

    Of a classifier: `filters` or `output` of the last layer that has weights. Raises CfgError where no convolution
    stands before a box head, and where what a classifier ends with does not come from such a layer.
    """
    if not any(section.kind in BOX_ENTRIES for section in sections):
        return _set_outputs(sections, classes)
    changed = list(sections)
    changes: list[str] = []
    for index, section in enumerate(sections):
        if section.kind not in BOX_ENTRIES or _integer(section, "classes", 20) == classes:
            continue
        changed[index] = without_option(with_option(section, "classes", classes), "counters_per_class")
        filters = _set_filters(changed, index)
        changes.append(f"layer {index - 1} [{section.kind}] classes={classes}, layer {index - 2} filters={filters}")
    return tuple(changed), changes


def set_anchors(
    sections: Sections, anchors: tuple[float, ...], finest_first: tuple[int, ...]
) -> tuple[Sections, list[str]]:
    """Other anchors in every box head: width and height of each in turn.

    As many as before leave `mask` alone. Another number is sorted by area and dealt out evenly, the smallest to the
    first of ``finest_first`` (numbers of the layers of the [yolo] heads); `num`, `mask` and `filters` follow.

    Raises CfgError for an odd count, or one that the heads cannot share evenly.
    """
    pairs = list(zip(anchors[0::2], anchors[1::2], strict=False))
    if not pairs or len(anchors) % 2:
        raise sections[0].error(
            f"{len(anchors)} numbers are no anchors", hint="width and height of each, between commas"
        )
    heads = [index for index, section in enumerate(sections) if section.kind in BOX_ENTRIES]
    if not heads:
        raise sections[0].error("there is no head that takes anchors")
    deal = any(_integer(sections[index], "num", 1) != len(pairs) for index in heads)
    if deal and finest_first and len(pairs) % len(finest_first):
        hint = f"a multiple of {len(finest_first)}"
        raise sections[0].error(f"{len(pairs)} anchors cannot be shared evenly by {len(finest_first)} heads", hint=hint)
    if deal:
        pairs.sort(key=lambda pair: pair[0] * pair[1])
    if not deal:
        words = _pairs_text(pairs)
        kept = tuple(
            with_option(section, "anchors", words) if section.kind in BOX_ENTRIES else section for section in sections
        )
        return kept, [f"anchors={words}"]
    share = len(pairs) // max(len(finest_first), 1)
    return place_anchors(
        sections,
        pairs,
        {layer: tuple(range(number * share, (number + 1) * share)) for number, layer in enumerate(finest_first)},
    )


def place_anchors(
    sections: Sections, pairs: Sequence[tuple[float, float]], masks: Mapping[int, tuple[int, ...]]
) -> tuple[Sections, list[str]]:
    """These anchors (width, height) in every box head, `num` and `filters` with them.

    ``masks`` gives the numbers of the anchors that each [yolo] predicts from, by its layer. Raises CfgError where no
    convolution stands before a head.
    """
    words = _pairs_text(pairs)
    changed = list(sections)
    changes = [f"anchors={words}"]
    for index, section in enumerate(sections):
        if section.kind not in BOX_ENTRIES:
            continue
        new = with_option(with_option(section, "anchors", words), "num", len(pairs))
        said = ""
        if new.kind in _MASKED:
            mask = ",".join(str(number) for number in masks[index - 1])
            new = with_option(new, "mask", mask)
            said = f" mask={mask}"
        changed[index] = new
        filters = _set_filters(changed, index)
        changes.append(f"layer {index - 1} [{new.kind}] num={len(pairs)}{said}, layer {index - 2} filters={filters}")
    return tuple(changed), changes


def _pairs_text(pairs: Iterable[tuple[float, float]]) -> str:
    return ",".join(f"{width:g},{height:g}" for width, height in pairs)


def _set_outputs(sections: Sections, classes: int) -> tuple[Sections, list[str]]:
    """The classes of a network that ends with [softmax] or [cost]; another one is left as it is."""
    if sections[-1].kind not in _CLASSIFIER_ENDS:
        return sections, []
    for index in range(len(sections) - 1, 0, -1):
        section = sections[index]
        key = _OUTPUTS.get(section.kind)
        if key is not None:
            if _integer(section, key, 1) == classes:
                return sections, []
            changed = with_option(section, key, classes)
            said = f"layer {index - 1} [{section.kind}] {key}={classes}"
            return (*sections[:index], changed, *sections[index + 1 :]), [said]
        if section.kind not in (*_CLASSIFIER_ENDS, *_WITHOUT_WEIGHTS):
            what = f"[{section.kind}] stands between the classes and their layer, so filters= cannot follow"
            raise section.error(what, hint="write the number of classes into the cfg")
    raise sections[-1].error("no [convolutional] or [connected] gives the classes")


def _set_filters(sections: list[Section], head: int) -> int:
    """Make `filters` of the convolution before a head what the head needs; gives the number."""
    section, before = sections[head], sections[head - 1]
    if before.kind not in ("convolutional", "conv"):
        raise section.error(f"no [convolutional] before [{section.kind}], so filters= cannot follow")
    filters = _boxes(section) * (_integer(section, "classes", 20) + BOX_ENTRIES[section.kind])
    sections[head - 1] = with_option(before, "filters", filters)
    return filters


def class_counts(sections: Sections) -> set[int]:
    """The different `classes` of the box heads."""
    return {_integer(section, "classes", 20) for section in sections if section.kind in BOX_ENTRIES}


def _boxes(section: Section) -> int:
    if section.kind in _MASKED and section.get("mask"):
        return len(_integers(section, "mask"))
    return _integer(section, "num", 1)


def _integer(section: Section, key: str, default: int) -> int:
    option = section.get(key)
    try:
        return default if option is None else integer(option.value)
    except Malformed as bad:
        raise _malformed(section, key, bad) from None


def _integers(section: Section, key: str) -> tuple[int, ...]:
    option = section.get(key)
    try:
        return () if option is None else integers(option.value)
    except Malformed as bad:
        raise _malformed(section, key, bad) from None


def _malformed(section: Section, key: str, bad: Malformed) -> CfgError:
    option = section.get(key)
    return section.error(f"{key}={option.value if option else ''}", key, f"legal: {bad.legal}")
