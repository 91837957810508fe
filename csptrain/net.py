"""[net]: input, batch, optimizer, schedule and augmentation of a network, frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from csptrain.cfg.fields import integer, integers, number, numbers, opt, read_options, switched_off, word
from csptrain.cfg.text import Reading, Section
from csptrain.errors import CfgError
from csptrain.layers.base import MAX_CHANNELS, MAX_SIDE, Shape

NAMES = ("net", "network")
POLICIES = ("constant", "step", "steps", "exp", "poly", "sigmoid", "sgdr", "random")
_GPU = "a setting of Darknet's GPU memory or streams"
_VIDEO = "training on video sequences"
_MOST_MIXUP, _MOST_NOISE = 4, 127
_ADAM = ("B1", "B2", "eps")
# What acts in the training of classifiers alone, and of detectors alone.
_CLASSIFIERS = ("angle", "aspect", "min_crop", "max_crop", "label_smooth_eps")
_DETECTORS = ("letter_box", "mosaic_bound", "gaussian_noise", "dynamic_minibatch")

INERT = {
    "use_cuda_graph": _GPU,
    "optimized_memory": _GPU,
    "workspace_size_limit_MB": _GPU,
    "loss_scale": _GPU,
    "max_chart_loss": "the chart scales itself",
    "show_receptive_field": "see csptrain cfg info",
    "attention": "a window of Darknet's training display",
    "augment_speed": _VIDEO,
    "track": _VIDEO,
    "try_fix_nan": "a step that is not finite is always undone here",
}
# Darknet trains with these; here a network that sets one loads and runs, but `refuse_training` names it.
NOT_TRAINED = {
    **dict.fromkeys(
        "unsupervised contrastive contrastive_jit_flip contrastive_color".split(), "there is no training of embeddings"
    ),
    **dict.fromkeys(
        "num_sigmas_reject_badlabels badlabels_rejection_percentage equidistant_point weights_reject_freq".split(),
        "there are no numbers of Darknet's to check it with",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Net:
    """Options of [net] with Darknet's defaults; sizes in pixels, rates per iteration of one full batch."""

    section: Section = dataclasses.field(repr=False)
    batch: int = opt(1, integer)
    subdivisions: int = opt(1, integer)
    width: int = opt(0, integer)
    height: int = opt(0, integer)
    channels: int = opt(0, integer)
    inputs: int = opt(0, integer)
    max_batches: int = opt(0, integer)
    time_steps: int = opt(1, integer)

    learning_rate: float = opt(0.001, number)
    learning_rate_min: float = opt(0.00001, number)
    momentum: float = opt(0.9, number)
    decay: float = opt(0.0001, number)
    adam: int = opt(0, integer)
    B1: float = opt(0.9, number)
    B2: float = opt(0.999, number)
    eps: float = opt(0.000001, number)
    ema_alpha: float = opt(0.0, number)
    adversarial_lr: float = opt(0.0, number)
    dynamic_minibatch: int = opt(0, integer)
    policy: str = opt("constant", word("constant", *POLICIES))
    power: float = opt(4.0, number)
    burn_in: int = opt(0, integer)
    step: int = opt(1, integer)
    scale: float = opt(1.0, number)
    gamma: float = opt(1.0, number)
    steps: tuple[int, ...] = opt((), integers)
    scales: tuple[float, ...] = opt((), numbers)
    sequential_subdivisions: int | None = opt(None, integer, unused=_VIDEO)
    seq_scales: tuple[float, ...] = opt((), numbers, unused=_VIDEO)
    sgdr_cycle: int = opt(0, integer)
    sgdr_mult: int = opt(2, integer)

    flip: int = opt(1, integer)
    letter_box: int = opt(0, integer)
    mixup: int = opt(0, integer)
    cutmix: int = opt(0, integer)
    mosaic: int = opt(0, integer)
    mosaic_bound: int = opt(0, integer)
    blur: int = opt(0, integer)
    gaussian_noise: int = opt(0, integer)
    saturation: float = opt(1.0, number)
    exposure: float = opt(1.0, number)
    hue: float = opt(0.0, number)
    resize_step: int = opt(32, integer)
    angle: float = opt(0.0, number)
    aspect: float = opt(1.0, number)
    min_crop: int | None = opt(None, integer)
    max_crop: int | None = opt(None, integer)
    label_smooth_eps: float = opt(0.0, number)

    @classmethod
    def read(cls, section: Section, reading: Reading) -> Net:
        """The typed [net]; raises CfgError for what cannot be trained or run."""
        if section.kind not in NAMES:
            raise section.error(f"the first section is [{section.kind}]", hint="a cfg begins with [net]")
        inert = {**INERT, **dict.fromkeys(NOT_TRAINED, "it acts in training only, where it is not supported")}
        net = cls(section=section, **read_options(cls, section, reading, inert))
        for key in ("batch", "subdivisions", "time_steps", "resize_step"):
            if getattr(net, key) < 1:
                raise section.error(f"{key}={getattr(net, key)} must be 1 or more", key)
        net._check_size()
        net._check_augmentation(reading)
        net._check_optimizer(reading)
        if net.is_vector:
            net = dataclasses.replace(net, width=1, height=1, channels=net.inputs)
        if net.policy == "steps" and len(net.steps) != len(net.scales):
            raise section.error(f"{len(net.steps)} steps but {len(net.scales)} scales", "steps")
        return net

    @property
    def is_vector(self) -> bool:
        """Whether the input is `inputs` values and no image; it is then read as one pixel of that many channels."""
        return self.inputs > 0 and not (self.width or self.height or self.channels)

    def check_pictures(self) -> None:
        """Raise CfgError for a network that pictures do not fit."""
        if self.channels not in (1, 3):
            key = "inputs" if self.is_vector else "channels"
            raise self.section.error(f"{key}={self.channels} in [net]", key, "images have channels=3, grey ones 1")

    def _check_size(self) -> None:
        if self.is_vector:
            if self.inputs > MAX_CHANNELS:
                raise self.section.error(f"inputs={self.inputs} in [net]", "inputs", f"legal: 1..{MAX_CHANNELS}")
            return
        for key in ("width", "height", "channels"):
            if not 1 <= getattr(self, key) <= MAX_SIDE:
                raise self.section.error(
                    f"{key}={getattr(self, key)} in [net]",
                    key,
                    f"legal: 1..{MAX_SIDE}; images need all of width, height, channels, other data needs inputs=",
                )

    def _check_augmentation(self, reading: Reading) -> None:
        for key, most in (("mixup", _MOST_MIXUP), ("blur", MAX_SIDE), ("gaussian_noise", _MOST_NOISE)):
            value = getattr(self, key)
            if not 0 <= value <= most:
                reading.mistake(self.section.error(f"{key}={value} in [net]", key, f"legal: 0..{most}"))

    def _check_optimizer(self, reading: Reading) -> None:
        for error in self._optimizer_mistakes():
            reading.mistake(error)
        for key in () if self.adam else _ADAM:
            option = self.section.get(key)
            if option is not None and getattr(self, key) != getattr(Net, key):
                reading.note(self.section, option.line, f"{key}= has no effect here", "it belongs to adam=1")

    def _optimizer_mistakes(self) -> Iterator[CfgError]:
        for key in ("ema_alpha", "B1", "B2"):
            if not 0 <= getattr(self, key) < 1:
                yield self.section.error(f"{key}={getattr(self, key)} in [net]", key, "legal: from 0 to below 1")
        for key in ("eps", "adversarial_lr"):
            if getattr(self, key) < 0:
                yield self.section.error(f"{key}={getattr(self, key)} in [net]", key, "legal: 0 or more")

    @property
    def crops(self) -> tuple[int, int]:
        """Smallest and largest size in pixels that a classifier's image is brought to before a crop is taken.

        *Source:* Darknet's own are the width of the network and twice that, and it swaps them where they are swapped.
        """
        low = self.width if self.min_crop is None else self.min_crop
        high = 2 * self.width if self.max_crop is None else self.max_crop
        return min(low, high), max(low, high)

    def check_crops(self) -> None:
        """Raise CfgError when no image of a classifier can be drawn with the options of its crop and its target."""
        low, high = self.crops
        legal = {
            "min_crop": (low >= 1, "1 or more"),
            "max_crop": (high <= MAX_SIDE, f"at most {MAX_SIDE}"),
            "aspect": (self.aspect > 0, "above 0"),
            "label_smooth_eps": (0 <= self.label_smooth_eps < 1, "from 0 to below 1"),
        }
        for key, (fits, words) in legal.items():
            if not fits:
                option = self.section.get(key)
                given = option.value if option else getattr(self, key)
                raise self.section.error(f"{key}={given} in [net]", key, f"legal: {words}")

    def note_unused(self, detector: bool, reading: Reading) -> None:
        """Say which options that are set act only in the training of the other kind of network."""
        keys, kind = (_CLASSIFIERS, "classifiers") if detector else (_DETECTORS, "detectors")
        for key in keys:
            option = self.section.get(key)
            if option is not None and not switched_off(option.value):
                reading.note(
                    self.section, option.line, f"{key}= has no effect here", f"it acts in the training of {kind} only"
                )

    @property
    def mix(self) -> int:
        """What is made of several training images: 0 nothing, 1 mixup, 2 cutmix, 3 mosaic, 4 cutmix or mosaic.

        *Source:* in Darknet these are the values of ``mixup=`` too, and ``cutmix=1`` and ``mosaic=1`` go before it.
        """
        if self.cutmix:
            return 4 if self.mosaic else 2
        return 3 if self.mosaic else self.mixup

    def refuse_cutmix(self) -> None:
        """Raise CfgError when a detector's images would be cut by cutmix, as Darknet refuses it."""
        if self.mix in (2, 4):
            key = "cutmix" if self.cutmix else "mixup"
            raise self.section.error(
                f"{key}={getattr(self, key)} of [net]: cutmix cuts objects apart, it is for classifiers",
                key,
                "leave it out; mosaic=1 is the detector's",
            )

    def refuse_training(self) -> None:
        """Raise CfgError when an option asks for a way of training that is not computed here."""
        if self.time_steps > 1:
            raise self.section.error(
                f"time_steps={self.time_steps} of [net]: there is no training on sequences yet", "time_steps"
            )
        for option in self.section.options:
            if option.key in NOT_TRAINED and option.value not in ("0", ""):
                raise self.section.error(
                    f"{option.key}={option.value} of [net] is not supported in training",
                    option.key,
                    NOT_TRAINED[option.key],
                )
        for error in self._optimizer_mistakes():  # read leniently so far
            raise error

    @property
    def mini_batch(self) -> int:
        """Rows of one forward pass: batch / subdivisions, whole division as Darknet does it, times time_steps."""
        return max(self.batch // self.subdivisions, 1) * self.time_steps

    @property
    def effective_batch(self) -> int:
        """Images of one iteration: mini-batch x subdivisions."""
        return self.mini_batch * self.subdivisions

    @property
    def shape(self) -> Shape:
        """The input's shape."""
        return Shape(self.channels, self.height, self.width)
