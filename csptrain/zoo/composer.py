"""A network of one's own: a backbone, its form, and what stands on it, as cfg text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import lcm

from csptrain.cfg.fields import nearest
from csptrain.errors import CfgError
from csptrain.zoo.backbone import FUSIONS, SPLITS, Backbone, Partial, Style
from csptrain.zoo.backbones import ALIASES, BACKBONES
from csptrain.zoo.heads import HEADS, classifier
from csptrain.zoo.heads.boxes import ATTENTIONS, BoxHeads
from csptrain.zoo.heads.options import GIOU, YOLOV3
from csptrain.zoo.recipe import Recipe
from csptrain.zoo.training import LEARNING_RATE, detector
from csptrain.zoo.writer import CfgWriter

CLASSIFIER = "classifier"
#: Those that a network can be trained with from its first layer on.
ACTIVATIONS = ("leaky", "relu", "relu6", "swish", "mish", "hard_mish", "elu", "selu", "gelu")
LOSSES = {"mse": YOLOV3, "giou": GIOU}
STRIDE = 32
DETECTOR_SIZE, DETECTOR_CLASSES, CLASSIFIER_CLASSES = 416, 80, 1000


@dataclass(frozen=True)
class Choice:
    """What is asked of the composer; None is what the backbone or the head has of its own.

    ``size``: width and height of the input in pixels. ``squeeze``: with squeeze-and-excitation.
    """

    backbone: str
    head: str = CLASSIFIER
    gamma: float | None = None
    fusion: str | None = None
    split: str | None = None
    squeeze: bool = False
    activation: str | None = None
    attention: str | None = None
    loss: str | None = None
    size: tuple[int, int] | None = None
    classes: int | None = None


def compose(choice: Choice) -> tuple[str, str]:
    """The name of the network, made of its parts, and its cfg text.

    Raises CfgError for a word that is not legal, with those that are, and for choices that do not go together, with
    the reason.
    """
    backbone = BACKBONES[_known("backbone", ALIASES.get(choice.backbone, choice.backbone), BACKBONES)]
    _known("head", choice.head, (CLASSIFIER, *HEADS))
    if choice.activation is not None:
        _known("activation", choice.activation, ACTIVATIONS)
    style = _style(choice, backbone)
    recipe = _classifier(choice, backbone, style) if choice.head == CLASSIFIER else _detector(choice, backbone, style)
    _check_size(choice, backbone)
    name = _name(choice)
    width, height = choice.size or (None, None)
    try:
        content = recipe.text(name, width, height, choice.classes, f"Written by: {command(choice)}")
    except CfgError as error:
        raise CfgError(f"the parts of {name} do not fit: {error.message}", hint=error.hint) from None
    return name, content


def command(choice: Choice) -> str:
    """The command line that makes the choice."""
    words = ["csptrain cfg new"]
    for key, value in vars(choice).items():
        if key == "squeeze":
            words += ["--se"] if value else []
        elif key == "size" and value:
            words.append(f"--size {value[0]}" if value[0] == value[1] else f"--size {value[0]}x{value[1]}")
        elif value is not None and (key, value) != ("head", CLASSIFIER):
            words.append(f"--{key} {value:g}" if isinstance(value, float) else f"--{key} {value}")
    return " ".join(words)


def _known(what: str, word: str, legal: Iterable[str]) -> str:
    words = list(legal)
    if word in words:
        return word
    near = nearest(word, words)
    listed = f"legal: {', '.join(words)}"
    raise CfgError(f"there is no {what} {word[:60]}", hint=f"{near} {listed}" if near else listed)


def _style(choice: Choice, backbone: Backbone) -> Style:
    if choice.squeeze and not backbone.squeezes:
        able = ", ".join(name for name, other in BACKBONES.items() if other.squeezes)
        raise CfgError(f"squeeze-and-excitation has no place in {choice.backbone}", hint=f"it has in: {able}")
    return Style(_partial(choice, backbone), choice.squeeze, choice.head != CLASSIFIER)


def _partial(choice: Choice, backbone: Backbone) -> Partial | None:
    given = {key: value for key in ("gamma", "fusion", "split") if (value := getattr(choice, key)) is not None}
    if not given:
        return None
    if backbone.partial is None:
        able = ", ".join(name for name, other in BACKBONES.items() if other.partial)
        keys = " and ".join(given)
        raise CfgError(
            f"{choice.backbone} has no cross-stage partial form to choose: {keys} would change nothing",
            hint=f"those that have: {able}",
        )
    for key, legal, able_words in (("fusion", FUSIONS, backbone.fusions), ("split", SPLITS, backbone.splits)):
        word = given.get(key)
        if isinstance(word, str) and _known(key, word, legal) not in able_words:
            raise CfgError(f"{choice.backbone} has no {key} {word}", hint=f"it has: {', '.join(able_words)}")
    return replace(backbone.partial, **given)


def _step(choice: Choice, backbone: Backbone) -> int:
    return backbone.step if choice.head == CLASSIFIER else lcm(backbone.step, STRIDE)


def _check_size(choice: Choice, backbone: Backbone) -> None:
    width, height = choice.size or (0, 0)
    step = _step(choice, backbone)
    if width % step or height % step:
        halves = f"{choice.backbone} works on maps of half the size too"
        reason = halves if backbone.step == step else f"{choice.head} joins maps of strides up to {STRIDE}"
        raise CfgError(f"size {width}x{height}: {reason}", hint=f"legal: multiples of {step}")


def _form(choice: Choice, backbone: Backbone) -> str:
    """The backbone's name with what was chosen of its form."""
    partial = _partial(choice, backbone)
    words = [f"gamma {partial.gamma:g}", f"fusion {partial.fusion}", f"split {partial.split}"] if partial else []
    words += ["squeeze-and-excitation"] if choice.squeeze else []
    words += [choice.activation] if choice.activation else []
    return f"{backbone.title} ({', '.join(words)})" if words else backbone.title


def _classifier(choice: Choice, backbone: Backbone, style: Style) -> Recipe:
    for key in ("attention", "loss"):
        word = getattr(choice, key)
        if word is not None:
            raise CfgError(f"{key} {word} belongs to heads for boxes, a classifier has none", hint="add --head")

    def write(cfg: CfgWriter, classes: int) -> None:
        classifier(cfg, backbone.write(cfg, style), classes, backbone.ending)

    return Recipe(
        f"{_form(choice, backbone)}: classifier",
        "",
        backbone.size,
        CLASSIFIER_CLASSES,
        backbone.training,
        write,
        choice.activation or backbone.activation,
        backbone.counting,
    )


def _detector(choice: Choice, backbone: Backbone, style: Style) -> Recipe:
    head, step = HEADS[choice.head], _step(choice, backbone)
    attention = _known("attention", choice.attention or ATTENTIONS[0], ATTENTIONS)
    options = LOSSES[_known("loss", choice.loss or "mse", LOSSES)]

    def write(cfg: CfgWriter, classes: int) -> None:
        boxes = replace(BoxHeads.spread(classes, head.strides, attention=attention), options=options)
        head.write(cfg, backbone.write(cfg, style), boxes)

    with_words = [head.title]
    with_words += ["spatial attention"] if attention == "sam" else []
    with_words += [f"the {choice.loss} loss"] if choice.loss else []
    return Recipe(
        f"{_form(choice, backbone)} with {' and '.join(with_words)}: detector",
        "",
        -(-DETECTOR_SIZE // step) * step,
        DETECTOR_CLASSES,
        detector(backbone.subdivisions, LEARNING_RATE),
        write,
        choice.activation or backbone.activation,
    )


def _name(choice: Choice) -> str:
    words = ["se" if choice.squeeze else "", choice.backbone]
    rest = [
        choice.fusion if choice.fusion != "both" else None,
        f"{choice.gamma * 100:g}" if choice.gamma is not None else None,
        choice.split if choice.split != "conv" else None,
        choice.activation,
        choice.head if choice.head != CLASSIFIER else None,
        choice.attention if choice.attention != "none" else None,
        choice.loss if choice.loss != "mse" else None,
    ]
    return "-".join(["".join(words), *(word for word in rest if word)])
