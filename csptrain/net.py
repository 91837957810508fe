"""[net]: input, batch, optimizer, schedule and augmentation of a network, frozen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from csptrain.cfg.fields import integer, integers, number, numbers, opt, read_options, word
from csptrain.cfg.text import Reading, Section
from csptrain.layers.base import MAX_CHANNELS, MAX_SIDE, Shape

NAMES = ("net", "network")
POLICIES = ("constant", "step", "steps", "exp", "poly", "sigmoid", "sgdr", "random")
_GPU = "a setting of Darknet's GPU memory or streams"
_VIDEO = "training on video sequences"
_ADAM = "it belongs to adam=1"
_CLASSIFIER = "it acts in classifier training, which is not supported yet"

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
    "try_fix_nan": "a loss that is not finite always stops the step here",
    "angle": "classifiers rotate by it, detectors do not",
    "mosaic_bound": "mosaics are always bounded by their parts",
    **dict.fromkeys(("aspect", "max_crop", "min_crop"), _CLASSIFIER),
}
# Darknet trains with these; here a network that sets one loads and runs, but `refuse_training` names it.
NOT_TRAINED = frozenset(
    "adam adversarial_lr ema_alpha unsupervised contrastive contrastive_jit_flip contrastive_color "
    "num_sigmas_reject_badlabels badlabels_rejection_percentage equidistant_point weights_reject_freq "
    "dynamic_minibatch gaussian_noise mixup cutmix blur".split()
)


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
    B1: float = opt(0.9, number, unused=_ADAM)
    B2: float = opt(0.999, number, unused=_ADAM)
    eps: float = opt(0.000001, number, unused=_ADAM)
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
    mosaic: int = opt(0, integer)
    saturation: float = opt(1.0, number)
    exposure: float = opt(1.0, number)
    hue: float = opt(0.0, number)
    resize_step: int = opt(32, integer)
    label_smooth_eps: float = opt(0.0, number, unused=_CLASSIFIER)

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
        if net.is_vector:
            net = dataclasses.replace(net, width=1, height=1, channels=net.inputs)
        if net.policy == "steps" and len(net.steps) != len(net.scales):
            raise section.error(f"{len(net.steps)} steps but {len(net.scales)} scales", "steps")
        return net

    @property
    def is_vector(self) -> bool:
        """Whether the input is `inputs` values and no image; it is then read as one pixel of that many channels."""
        return self.inputs > 0 and not (self.width or self.height or self.channels)

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

    def refuse_training(self) -> None:
        """Raise CfgError when an option asks for a way of training that is not computed here."""
        if self.time_steps > 1:
            raise self.section.error(
                f"time_steps={self.time_steps} of [net]: there is no training on sequences yet", "time_steps"
            )
        for option in self.section.options:
            if option.key in NOT_TRAINED and option.value not in ("0", ""):
                raise self.section.error(
                    f"{option.key}={option.value} of [net] is not supported in training", option.key
                )

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
