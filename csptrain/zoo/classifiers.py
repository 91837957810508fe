"""The classifiers of Tables 1 and 3 of the CSPNet paper, those published beside it, and Darknet's own."""

from __future__ import annotations

from csptrain.zoo import evidence
from csptrain.zoo.backbone import OWN_STYLE, Partial, Style
from csptrain.zoo.backbones import BACKBONES
from csptrain.zoo.heads import classifier
from csptrain.zoo.recipe import Recipe
from csptrain.zoo.writer import CfgWriter

CLASSES = 1000


def _classifier(
    backbone: str, where: str, style: Style = OWN_STYLE, activation: str = "", title: str = "", words: str = ""
) -> Recipe:
    """``where`` it is known from; ``title`` and ``words`` of evidence where they are not the backbone's own."""
    own = BACKBONES[backbone]

    def write(cfg: CfgWriter, classes: int) -> None:
        classifier(cfg, own.write(cfg, style), classes, own.ending)

    return Recipe(
        f"{title or own.title}: classifier{where}",
        words or own.evidence,
        own.size,
        CLASSES,
        own.training,
        write,
        activation or own.activation,
        own.counting,
    )


TABLE1, TABLE3, TABLES = (f" of {place} of the CSPNet paper" for place in ("Table 1", "Table 3", "Tables 1 and 3"))
BESIDE = " published beside the CSPNet paper"
_SQUEEZE = Style(squeeze=True)


def _partial(fusion: str, title: str) -> dict[str, Recipe]:
    """The three ratios of a fusion strategy; 0.5 has no ending."""
    name = "csppeleenet" if fusion == "both" else f"csppeleenet-{fusion}"
    return {
        name + ending: _classifier(
            "csppeleenet",
            TABLES if name + ending == "csppeleenet" else TABLE1,
            Style(Partial(gamma, fusion)),
            title=f"{title}, gamma {gamma:g}",
        )
        for ending, gamma in (("-75", 0.75), ("", 0.5), ("-25", 0.25))
    }


CLASSIFIERS: dict[str, Recipe] = {
    "peleenet": _classifier("peleenet", TABLES),
    "peleenet-swish": _classifier("peleenet", TABLE3, activation="swish", title="PeleeNet with swish"),
    "sepeleenet-swish": _classifier("peleenet", TABLE3, _SQUEEZE, "swish", "SEPeleeNet with swish", evidence.SQUEEZED),
    "sparsepeleenet": _classifier("sparsepeleenet", TABLES),
    "peleenext": _classifier("peleenext", TABLE1),
    **_partial("first", "CSP (fusion first) on PeleeNet"),
    **_partial("last", "CSP (fusion last) on PeleeNet"),
    **_partial("both", "CSPPeleeNet"),
    "csppeleenet-swish": _classifier("csppeleenet", TABLE3, activation="swish", title="CSPPeleeNet with swish"),
    "secsppeleenet-swish": _classifier(
        "csppeleenet", TABLE3, _SQUEEZE, "swish", "SECSPPeleeNet with swish", evidence.SQUEEZED
    ),
    "efficientnet-b0": _classifier("efficientnet-b0", TABLE3),
    "darknet-ref": _classifier("darknet-ref", TABLE3),
    "cspdensenet-ref": _classifier("cspdensenet-ref", TABLE3),
    "csppeleenet-ref": _classifier("csppeleenet-ref", TABLE3),
    "cspdensenetb-ref": _classifier("cspdensenetb-ref", BESIDE),
    "csppeleenetb-ref": _classifier("csppeleenetb-ref", BESIDE),
    "resnet10": _classifier("resnet10", TABLE3),
    "cspresnet10": _classifier("cspresnet10", TABLE3),
    "resnext50": _classifier("resnext50", TABLE3),
    "csresnext50": _classifier("cspresnext50", TABLE3),
    "resnet152": _classifier("resnet152", TABLE3),
    "densenet201-elastic": _classifier("densenet201-elastic", TABLE3),
    "cspdensenet201-elastic": _classifier("cspdensenet201-elastic", TABLE3),
    "csresnet50": _classifier("cspresnet50", BESIDE),
    "csdarknet53": _classifier("cspdarknet53", BESIDE),
    "csresnet50-elastic": _classifier("cspresnet50-elastic", BESIDE),
    "csresnext50-elastic": _classifier("cspresnext50-elastic", BESIDE),
    "csdarknet53-elastic": _classifier("cspdarknet53-elastic", BESIDE),
    "mobilenet-v2": _classifier("mobilenet-v2", BESIDE),
    "resnet50": _classifier("resnet50", ""),
    "resnet101": _classifier("resnet101", ""),
    "densenet201": _classifier("densenet201", ""),
    "darknet19": _classifier("darknet19", ""),
    "darknet53": _classifier("darknet53", ""),
}
