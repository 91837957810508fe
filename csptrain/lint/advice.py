"""What reads well and is still likely a mistake: settings that contradict each other or never act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from csptrain.cfg.text import WARNING, Finding, Section
from csptrain.graph import Node
from csptrain.layers.anchors import AnchorHead
from csptrain.layers.base import Head, Layer
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.dense import Dropout
from csptrain.layers.masked import MaskedHead
from csptrain.lint.check import Checked
from csptrain.net import Net

#: Section kind -> key -> least and greatest value that mean something.
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "net": {
        "momentum": (0, 0.9999),
        "decay": (0, 0.1),
        "learning_rate": (1e-12, 1),
        "hue": (0, 1),
        "saturation": (0.01, 10),
        "exposure": (0.01, 10),
    },
    "yolo": {
        "ignore_thresh": (0, 1),
        "truth_thresh": (0, 1),
        "iou_thresh": (0, 1),
        "jitter": (0, 0.9),
        "scale_x_y": (1, 3),
        "label_smooth_eps": (0, 0.9),
    },
    "region": {"thresh": (0, 1), "jitter": (0, 0.9)},
}


def advise(checked: Checked) -> list[Finding]:
    """Warnings about the sections that could be read."""
    heads = [layer for layer in checked.layers if isinstance(layer, AnchorHead)]
    found = [*_between_heads(heads), *_layers(checked.nodes)]
    if checked.net is not None:
        found += _sizes(checked.net, heads)
        found += [*_net(checked.net), *_ranges(checked.net.section, checked.net, "net")]
        found += _raster(checked.net, checked.nodes)
    for layer in checked.layers:
        if layer is not None:
            found += _ranges(layer.section, layer, layer.kind)
    if checked.graph is not None:
        found += _unread(checked.graph.nodes, checked.graph.heads)
    return found


def _warn(section: Section, key: str | None, message: str, hint: str | None = None) -> Finding:
    error = section.error(message, key, hint)
    return Finding(section.path, error.line or 0, message, hint, WARNING)


def _net(net: Net) -> Iterator[Finding]:
    section = net.section
    if net.batch % net.subdivisions:
        yield _warn(
            section,
            "subdivisions",
            f"batch={net.batch} is no multiple of subdivisions={net.subdivisions}: "
            f"{net.effective_batch} images make an iteration",
            "choose a divisor of batch",
        )
    if net.policy == "steps":
        if not net.steps:
            yield _warn(section, "policy", "policy=steps without steps=: the rate stays", "add steps= and scales=")
        if list(net.steps) != sorted(net.steps):
            yield _warn(section, "steps", "steps= are not in order", "sort them, scales= too")
        late = [step for step in net.steps if 0 < net.max_batches <= step]
        if late:
            hint = "usual are 80 % and 90 % of max_batches"
            yield _warn(section, "steps", f"step {late[0]} is not before max_batches={net.max_batches}", hint)
    if 0 < net.max_batches <= net.burn_in:
        message = f"burn_in={net.burn_in} does not end before max_batches={net.max_batches}"
        yield _warn(section, "burn_in", message, "1000, or a tenth of a short run")


def _sizes(net: Net, heads: Sequence[AnchorHead]) -> Iterator[Finding]:
    if net.dynamic_minibatch and heads and not heads[-1].random:
        message = f"dynamic_minibatch={net.dynamic_minibatch} without random= in the last head: sizes never change"
        yield _warn(net.section, "dynamic_minibatch", message, "remove it, or set random=1 there")


def _ranges(section: Section, options: object, kind: str) -> Iterator[Finding]:
    for key, (least, greatest) in RANGES.get(kind, {}).items():
        value = getattr(options, key)
        if section.get(key) and not least <= value <= greatest:
            yield _warn(section, key, f"{key}={value:g} is out of the usual range", f"{least:g} to {greatest:g}")


def _between_heads(heads: Sequence[AnchorHead]) -> Iterator[Finding]:
    for head in heads[1:]:
        first = heads[0]
        if head.classes != first.classes:
            message = f"classes={head.classes}, but layer {first.index} has classes={first.classes}"
            yield _warn(head.section, "classes", message, "all heads need the same")
        if isinstance(head, MaskedHead) and isinstance(first, MaskedHead) and head.anchors != first.anchors:
            message = f"other anchors than layer {first.index}"
            yield _warn(head.section, "anchors", message, "repeat the same list, mask= chooses from it")
    masked = [head for head in heads if isinstance(head, MaskedHead)]
    used = [index for head in masked for index in head.mask_used]
    if masked and len({head.num for head in masked}) == 1:
        missing = sorted(set(range(masked[0].num)) - set(used))
        if missing:
            words = "anchor " + ", ".join(str(index) for index in missing[:9])
            message = f"{words} of num={masked[0].num} stands in no mask=: objects of its size train nothing"
            yield _warn(masked[-1].section, "mask", message, "give each anchor to one head")
        double = sorted({index for index in used if used.count(index) > 1}) if len(used) < 1000 else []
        if double:
            yield _warn(
                masked[-1].section, "mask", f"anchor {double[0]} stands in two masks", "give each anchor to one head"
            )


def _layers(nodes: Sequence[Node | None]) -> Iterator[Finding]:
    if nodes and nodes[0] and isinstance(nodes[0].layer, Dropout):
        yield _warn(nodes[0].layer.section, None, "dropout as the first layer: Darknet crashes", "remove it")
    grids: list[tuple[float, float, MaskedHead]] = []
    for node in nodes:
        if node is None or not isinstance(node.layer, MaskedHead):
            continue
        head = node.layer
        sizes = [width * height for width, height in (head.anchor_pairs[index] for index in head.mask_used)]
        grids.append((node.output.h * node.output.w, sum(sizes) / len(sizes), head))
        before = nodes[head.index - 1]
        if before is not None and isinstance(before.layer, Convolutional):
            yield from _before_head(before.layer, head)
    grids.sort(key=lambda entry: -entry[0])
    for (fine, small, _), (coarse, large, head) in zip(grids, grids[1:], strict=False):
        if fine > coarse and small > large:
            hint = "the finest map takes the smallest: exchange the masks"
            yield _warn(head.section, "mask", "a coarser map than another head's, but smaller anchors", hint)


def _before_head(layer: Convolutional, head: MaskedHead) -> Iterator[Finding]:
    new_coords = getattr(head, "new_coords", 0)
    wanted = "logistic" if new_coords else "linear"
    if layer.activation != wanted:
        reason = "new_coords=1 wants" if new_coords else f"[{head.kind}] has its own, so it wants"
        message = f"layer {layer.index}: activation={layer.activation} before a [{head.kind}]; {reason} {wanted}"
        yield _warn(layer.section, "activation", message, f"activation={wanted}")
    if layer.batch_normalize:
        message = f"layer {layer.index}: batch normalization before a [{head.kind}] narrows what it can say"
        yield _warn(layer.section, "batch_normalize", message, "remove batch_normalize=1")


def _raster(net: Net, nodes: Sequence[Node | None]) -> Iterator[Finding]:
    maps = [node.output for node in nodes if node and isinstance(node.layer, AnchorHead)]
    for key, length, cells in (
        ("width", net.width, [shape.w for shape in maps]),
        ("height", net.height, [shape.h for shape in maps]),
    ):
        raster = max((round(length / count) for count in cells), default=1)
        if length % raster:
            hint = f"a multiple of {raster}: {length // raster * raster} or {(length // raster + 1) * raster}"
            yield _warn(net.section, key, f"{key}={length} does not divide into the cells of a head", hint)


def _unread(nodes: Sequence[Node], heads: Sequence[int]) -> Iterator[Finding]:
    read = {source for node in nodes for source in node.sources} | set(heads)
    for node in nodes:
        layer: Layer = node.layer
        if layer.index not in read and not isinstance(layer, Head):
            message = f"layer {layer.index} [{layer.kind}]: no layer reads its output"
            yield _warn(layer.section, None, message, "is a route counted wrongly?")
