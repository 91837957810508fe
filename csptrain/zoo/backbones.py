"""The backbones by name: what each is, the forms it can have, how it is trained as a classifier."""

from __future__ import annotations

from collections.abc import Callable

from csptrain.zoo import evidence
from csptrain.zoo.backbone import AVERAGE_FIRST, FUSIONS, HALF, SPLITS, Backbone, Ending, Partial, Style, Taps
from csptrain.zoo.cspresnet import (
    CSP_RESNET50,
    CSP_RESNET50_ELASTIC,
    CSP_RESNET101,
    CSP_RESNET152,
    CSP_RESNEXT50,
    CSP_RESNEXT50_ELASTIC,
    Stages,
    csp_resnet,
    csp_resnet10,
)
from csptrain.zoo.darknet import csp_darknet53, darknet53, darknet_reference
from csptrain.zoo.darknet19 import darknet19
from csptrain.zoo.darknet_tiny import csp_darknet53_tiny
from csptrain.zoo.dense import DenseStyle
from csptrain.zoo.densenet import CANDIDATE, csp_densenet201_elastic, densenet201, densenet201_elastic
from csptrain.zoo.mobile import efficientnet_b0, mobilenet_v2
from csptrain.zoo.peleenet import csp_peleenet, peleenet
from csptrain.zoo.reference import csp_densenet_reference, csp_peleenet_reference
from csptrain.zoo.resnet import resnet10, resnet50, resnet101, resnet152, resnext50
from csptrain.zoo.training import EFFICIENTNET, imagenet
from csptrain.zoo.writer import CfgWriter

#: Blocks that also work on a map of half the size need an even one, at stride 32 too.
ELASTIC_STEP = 64
#: Squeeze-and-excitation of the PeleeNets narrows to half.
SQUEEZE = 2
AVERAGE_LAST = Ending(average_first=False)
_DENSE, _RESIDUAL = imagenet(max_batches=1600000), imagenet(max_batches=800000)


def _plain(write: Callable[[CfgWriter], Taps]) -> Callable[[CfgWriter, Style], Taps]:
    return lambda cfg, style: write(cfg)


def _partial(style: Style) -> Partial:
    return style.partial or HALF


def _wiring(style: Style) -> DenseStyle:
    return DenseStyle(squeeze=SQUEEZE if style.squeeze else 0)


def _pelee(title: str, words: str, wiring: DenseStyle) -> Backbone:
    return Backbone(title, words, 224, _DENSE, lambda cfg, style: peleenet(cfg, wiring))


def _resnet(title: str, words: str, write: Callable[[CfgWriter], Taps], ending: Ending = AVERAGE_FIRST) -> Backbone:
    return Backbone(title, words, 256, _RESIDUAL, _plain(write), ending=ending, subdivisions=16)


def _csp_resnet(title: str, words: str, stages: Stages, elastic: bool = False) -> Backbone:
    return Backbone(
        title,
        words,
        256,
        _RESIDUAL,
        lambda cfg, style: csp_resnet(cfg, stages, _partial(style)),
        partial=HALF,
        fusions=FUSIONS,
        splits=("conv",) if elastic else SPLITS,
        step=ELASTIC_STEP if elastic else 1,
        subdivisions=16,
    )


def _csp_darknet(title: str, words: str, elastic: bool) -> Backbone:
    return Backbone(
        title,
        words,
        256,
        _RESIDUAL,
        lambda cfg, style: csp_darknet53(cfg, _partial(style), elastic),
        partial=HALF,
        fusions=FUSIONS,
        splits=SPLITS,
        step=ELASTIC_STEP if elastic else 1,
        subdivisions=16,
    )


def _csp_pelee_reference(title: str, size: int) -> Backbone:
    return Backbone(
        title,
        evidence.CSP_PELEENET_REFERENCE,
        224,
        _DENSE,
        lambda cfg, style: csp_peleenet_reference(cfg, _partial(style), size),
        partial=HALF,
        fusions=("both", "last"),
        splits=SPLITS,
    )


def _csp_dense_reference(title: str, size: int) -> Backbone:
    return Backbone(
        title,
        evidence.CSP_DENSENET_REFERENCE,
        224,
        _DENSE,
        lambda cfg, style: csp_densenet_reference(cfg, size),
    )


BACKBONES: dict[str, Backbone] = {
    "peleenet": Backbone(
        "PeleeNet",
        evidence.PELEENET,
        224,
        _DENSE,
        lambda cfg, style: peleenet(cfg, _wiring(style)),
        squeezes=True,
    ),
    "sparsepeleenet": _pelee("SparsePeleeNet", evidence.SPARSE, DenseStyle(sparse=True)),
    "peleenext": _pelee("PeleeNeXt", evidence.GROUPED, DenseStyle(group_channels=8)),
    "csppeleenet": Backbone(
        "CSPPeleeNet",
        evidence.CSP_PELEENET,
        224,
        _DENSE,
        lambda cfg, style: csp_peleenet(cfg, _partial(style), _wiring(style)),
        partial=HALF,
        fusions=FUSIONS,
        splits=SPLITS,
        squeezes=True,
    ),
    "csppeleenet-ref": _csp_pelee_reference("CSPPeleeNet Reference", 3),
    "csppeleenetb-ref": _csp_pelee_reference("CSPPeleeNetb Reference", 1),
    "cspdensenet-ref": _csp_dense_reference("CSPDenseNet Reference", 3),
    "cspdensenetb-ref": _csp_dense_reference("CSPDenseNetb Reference", 1),
    "darknet-ref": Backbone(
        "Darknet Reference",
        evidence.DARKNET_REFERENCE,
        256,
        _DENSE,
        lambda cfg, style: darknet_reference(cfg, style.boxes),
    ),
    "cspdarknet53-tiny": Backbone(
        "CSPDarknet-53-tiny", evidence.PUBLIC, 224, _DENSE, _plain(csp_darknet53_tiny), subdivisions=1
    ),
    "darknet19": Backbone("Darknet-19", evidence.PUBLIC, 224, _DENSE, _plain(darknet19), ending=AVERAGE_LAST),
    "darknet53": Backbone("Darknet-53", evidence.PUBLIC, 256, _RESIDUAL, _plain(darknet53), subdivisions=16),
    "cspdarknet53": _csp_darknet("CSPDarkNet-53", evidence.CSP_DARKNET53, elastic=False),
    "cspdarknet53-elastic": _csp_darknet("CSPDarkNet-53-Elastic", evidence.ELASTIC, elastic=True),
    "resnet10": _resnet("ResNet-10", evidence.RESNET10, resnet10),
    "resnet50": _resnet("ResNet-50", evidence.PUBLIC, resnet50, AVERAGE_LAST),
    "resnet101": _resnet("ResNet-101", evidence.PUBLIC, resnet101, AVERAGE_LAST),
    "resnet152": _resnet("ResNet-152", evidence.PUBLIC, resnet152, AVERAGE_LAST),
    "resnext50": _resnet("ResNeXt-50", evidence.RESNEXT50, resnext50),
    "cspresnet10": _resnet("CSPResNet-10", evidence.CSP_RESNET10, csp_resnet10),
    "cspresnet50": _csp_resnet("CSPResNet-50", evidence.CSP_RESNET50, CSP_RESNET50),
    "cspresnet101": _csp_resnet("CSPResNet-101", evidence.CSP_DEEPER, CSP_RESNET101),
    "cspresnet152": _csp_resnet("CSPResNet-152", evidence.CSP_DEEPER, CSP_RESNET152),
    "cspresnext50": _csp_resnet("CSPResNeXt-50", evidence.CSP_RESNEXT50, CSP_RESNEXT50),
    "cspresnet50-elastic": _csp_resnet("CSPResNet-50-Elastic", evidence.ELASTIC, CSP_RESNET50_ELASTIC, True),
    "cspresnext50-elastic": _csp_resnet("CSPResNeXt-50-Elastic", evidence.ELASTIC, CSP_RESNEXT50_ELASTIC, True),
    "densenet201": Backbone(
        "DenseNet-201", evidence.PUBLIC, 256, _DENSE, _plain(densenet201), ending=AVERAGE_LAST, subdivisions=16
    ),
    "densenet201-elastic": Backbone(
        "DenseNet-201-Elastic",
        evidence.DENSENET201_ELASTIC,
        224,
        _DENSE,
        _plain(densenet201_elastic),
        activation="relu",
        counting="learnable",
        step=32,
        subdivisions=16,
    ),
    "cspdensenet201-elastic": Backbone(
        "CSPDenseNet-201-Elastic",
        evidence.CSP_DENSENET201_ELASTIC,
        224,
        _DENSE,
        lambda cfg, style: csp_densenet201_elastic(cfg, style.partial or CANDIDATE),
        activation="relu",
        partial=CANDIDATE,
        fusions=FUSIONS,
        splits=SPLITS,
        counting="learnable",
        step=32,
        subdivisions=16,
    ),
    "efficientnet-b0": Backbone(
        "EfficientNet-B0",
        evidence.PUBLIC,
        224,
        EFFICIENTNET,
        _plain(efficientnet_b0),
        activation="swish",
        ending=Ending(dropout=".2"),
    ),
    "mobilenet-v2": Backbone(
        "MobileNet-v2", evidence.MOBILENET_V2, 224, _DENSE, _plain(mobilenet_v2), activation="relu6"
    ),
}

#: Darknet's names of files for what is called otherwise here.
ALIASES = {
    "csresnet50": "cspresnet50",
    "csresnext50": "cspresnext50",
    "csdarknet53": "cspdarknet53",
    "darknet": "darknet-ref",
    "efficientnet_b0": "efficientnet-b0",
}
