"""Writes a network as Darknet cfg text, layer by layer; every layer is known by its number."""

from __future__ import annotations

from dataclasses import dataclass, field

IMAGE = -1
# So far a reader counts back with a finger; what lies further is named by its number and marked in place.
NEAR = 10


@dataclass
class _Block:
    """One section with the comments above it."""

    kind: str
    options: list[tuple[str, str]]
    comments: list[str]
    marked: bool = field(default=False)

    def text(self, index: int) -> str:
        comments = [*self.comments, f"layer {index}"] if self.marked else self.comments
        lines = [f"# {comment}" for comment in comments]
        lines += [f"[{self.kind}]", *(f"{key}={value}" for key, value in self.options)]
        return "\n".join(lines)


class CfgWriter:
    """Collects sections; methods that add one take and give layer numbers (-1 is the image).

    Darknet's layers read the one before them: where another is meant, a ``[route]`` to it is written first.
    References up to 10 layers back are relative, others are absolute, to a layer marked ``# layer N``.
    ``activation`` is the one of convolutions that name none.
    """

    def __init__(self, activation: str = "leaky", channels: int = 3) -> None:
        self.activation = activation
        self._blocks: list[_Block] = []
        self._channels = [channels]  # of the image, then of each layer
        self._strides = [1.0]
        self._comments: list[str] = []

    def comment(self, text: str) -> None:
        """A line above the next section."""
        self._comments.append(text)

    def channels(self, x: int) -> int:
        """The number of channels of a layer."""
        return self._channels[x + 1]

    def stride(self, x: int) -> float:
        """How many pixels of the image a layer's pixel stands for; past [avgpool] that of the map it averages."""
        return self._strides[x + 1]

    def conv(
        self,
        x: int,
        filters: int,
        size: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        activation: str | None = None,
        batch_normalize: bool = True,
    ) -> int:
        """[convolutional] of ``x`` that keeps the map's size over its stride."""
        self._read(x)
        options = [("batch_normalize", 1)] if batch_normalize else []
        options += [("filters", filters), ("size", size), ("stride", stride), ("pad", 1)]
        options += [("groups", groups)] if groups > 1 else []
        own = ("activation", activation or self.activation)
        return self._add("convolutional", x, filters, *options, own, times=stride)

    def maxpool(self, x: int, size: int = 2, stride: int = 2, padding: int | None = None) -> int:
        """[maxpool] of ``x``; None is Darknet's own padding, size - 1."""
        self._read(x)
        options = [("size", size), ("stride", stride)]
        options += [] if padding is None else [("padding", padding)]
        return self._add("maxpool", x, self.channels(x), *options, times=stride)

    def local_avgpool(self, x: int, size: int = 2, stride: int = 2) -> int:
        """[local_avgpool] of ``x``: the mean of each window."""
        self._read(x)
        return self._add("local_avgpool", x, self.channels(x), ("size", size), ("stride", stride), times=stride)

    def maxout(self, x: int, out_channels: int) -> int:
        """The largest of every channels/out_channels channels of ``x``: [maxpool] along the depth."""
        if self.channels(x) % out_channels:
            raise ValueError(f"maxout of {self.channels(x)} channels to {out_channels}")
        self._read(x)
        return self._add("maxpool", x, out_channels, ("maxpool_depth", 1), ("out_channels", out_channels))

    def concat(self, *sources: int) -> int:
        """[route] that joins channels; of a single source, that source itself."""
        if len(sources) == 1:
            return sources[0]
        layers = ",".join(self._reference(source) for source in sources)
        return self._add("route", sources[0], sum(self.channels(source) for source in sources), ("layers", layers))

    def part(self, x: int, group_id: int, groups: int = 2) -> int:
        """[route] to one of ``groups`` equal parts of the channels of ``x``."""
        options = (("layers", self._reference(x)), ("groups", groups), ("group_id", group_id))
        return self._add("route", x, self.channels(x) // groups, *options)

    def shortcut(self, x: int, other: int, activation: str = "linear") -> int:
        """[shortcut]: ``x`` plus the first channels of ``other``."""
        self._read(x)
        return self._add("shortcut", x, self.channels(x), ("from", self._reference(other)), ("activation", activation))

    def upsample(self, x: int, stride: int = 2) -> int:
        """[upsample] of ``x`` to the nearest pixel."""
        self._read(x)
        return self._add("upsample", x, self.channels(x), ("stride", stride), times=1 / stride)

    def batchnorm(self, x: int) -> int:
        """[batchnorm] of ``x``, for networks that normalize before they convolve."""
        self._read(x)
        return self._add("batchnorm", x, self.channels(x))

    def activate(self, x: int, activation: str | None = None) -> int:
        """[activation] of ``x``."""
        self._read(x)
        return self._add("activation", x, self.channels(x), ("activation", activation or self.activation))

    def dropout(self, x: int, probability: str) -> int:
        """[dropout] of ``x``."""
        self._read(x)
        return self._add("dropout", x, self.channels(x), ("probability", probability))

    def avgpool(self, x: int) -> int:
        """[avgpool]: the mean of each map of ``x``."""
        self._read(x)
        return self._add("avgpool", x, self.channels(x))

    def scale_channels(self, scale: int, x: int) -> int:
        """[scale_channels]: ``x`` times one number per channel."""
        self._read(scale)
        return self._add("scale_channels", x, self.channels(x), ("from", self._reference(x)))

    def sam(self, attention: int, x: int) -> int:
        """[sam]: ``x`` times a map of its own shape."""
        self._read(attention)
        return self._add("sam", x, self.channels(x), ("from", self._reference(x)))

    def softmax(self, x: int) -> int:
        """[softmax] over the channels of ``x``."""
        self._read(x)
        return self._add("softmax", x, self.channels(x), ("groups", 1))

    def yolo(self, x: int, *options: tuple[str, object]) -> int:
        """[yolo] of ``x``."""
        self._read(x)
        return self._add("yolo", x, self.channels(x), *options)

    def reorg(self, x: int, stride: int = 2) -> int:
        """[reorg] of ``x``: cells of stride x stride pixels laid out as channels, in Darknet's own order."""
        self._read(x)
        return self._add("reorg", x, self.channels(x) * stride**2, ("stride", stride), times=stride)

    def region(self, x: int, *options: tuple[str, object]) -> int:
        """[region] of ``x``."""
        self._read(x)
        return self._add("region", x, self.channels(x), *options)

    def text(self, net: list[tuple[str, str]], header: list[str]) -> str:
        """The cfg: comments, [net], layers; one blank line between sections."""
        top = "\n".join(f"# {line}".rstrip() for line in header)
        first = _Block("net", net, []).text(0)
        layers = (block.text(index) for index, block in enumerate(self._blocks))
        return "\n\n".join(part for part in (top, first, *layers) if part) + "\n"

    @property
    def _last(self) -> int:
        return len(self._blocks) - 1

    def _read(self, x: int) -> None:
        """Make ``x`` the previous layer."""
        if x != self._last:
            self._add("route", x, self.channels(x), ("layers", self._reference(x)))

    def _reference(self, x: int) -> str:
        if not 0 <= x <= self._last:
            raise ValueError(f"no layer {x} among {self._last + 1}; the image is read by the first layer only")
        back = self._last + 1 - x
        if back <= NEAR:
            return str(-back)
        self._blocks[x].marked = True
        return str(x)

    def _add(self, kind: str, x: int, channels: int, *options: tuple[str, object], times: float = 1) -> int:
        texts = [(key, str(value)) for key, value in options]
        self._blocks.append(_Block(kind, texts, self._comments))
        self._comments = []
        self._channels.append(channels)
        self._strides.append(self.stride(x) * times)
        return self._last
