"""Changes to a cfg that are asked for on the command line: each gives new sections and says what it changed."""

from __future__ import annotations

import dataclasses
import re

from csptrain.cfg.fields import Malformed, integer, integers
from csptrain.cfg.text import Option, Section
from csptrain.errors import CfgError

Sections = tuple[Section, ...]
BOX_ENTRIES = 5
# A warm-up is counted in steps, not as a share of the run: scaled with a short run it would vanish.
WARM_UP_SHARE = 0.1
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
        raise ValueError(f"{text!r} is no size, write 416 or 512x288")
    return int(match.group(1)), int(match.group(2) or match.group(1))


def set_size(sections: Sections, width: int, height: int) -> tuple[Sections, list[str]]:
    """Another input size in [net]."""
    net = with_option(with_option(sections[0], "width", width), "height", height)
    return (net, *sections[1:]), [f"width={width} height={height}"]


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
    """Another number of classes: `classes` of every [yolo] and [region], `filters` of the convolution before each.

    Raises CfgError where no convolution stands before a head.
    """
    changed = list(sections)
    changes: list[str] = []
    for index, section in enumerate(sections):
        if section.kind not in ("yolo", "region") or _integer(section, "classes", 20) == classes:
            continue
        before = changed[index - 1]
        if before.kind not in ("convolutional", "conv"):
            raise section.error(f"no [convolutional] before [{section.kind}], so filters= cannot follow classes=")
        boxes = _boxes(section)
        filters = boxes * (classes + BOX_ENTRIES)
        changed[index - 1] = with_option(before, "filters", filters)
        changed[index] = without_option(with_option(section, "classes", classes), "counters_per_class")
        changes.append(f"layer {index - 1} [{section.kind}] classes={classes}, layer {index - 2} filters={filters}")
    return tuple(changed), changes


def class_counts(sections: Sections) -> set[int]:
    """The different `classes` of the box heads."""
    return {_integer(section, "classes", 20) for section in sections if section.kind in ("yolo", "region")}


def _boxes(section: Section) -> int:
    if section.kind == "yolo" and section.get("mask"):
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
