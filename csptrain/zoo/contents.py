"""The networks of the zoo by name, and their cfg text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from csptrain.cfg import text
from csptrain.cfg.fields import nearest
from csptrain.errors import CfgError
from csptrain.graph import plan
from csptrain.zoo import darknet_tiny
from csptrain.zoo.cspresnext import cspresnext50
from csptrain.zoo.examples import CELL_ANCHORS, CELL_HEAD, short_cosine, short_steps
from csptrain.zoo.figures import Figures
from csptrain.zoo.heads import classifier, efm, panet_spp
from csptrain.zoo.peleenet import csp_peleenet
from csptrain.zoo.training import BoxHeads, Training, detector, imagenet
from csptrain.zoo.writer import CfgWriter


@dataclass(frozen=True)
class Recipe:
    """A network as data: what it is, how sure that is, its size in pixels, its training, its layers."""

    title: str
    evidence: str
    size: int
    classes: int
    training: Training
    write: Callable[[CfgWriter, int], None]


_PUBLIC = "layer numbers and shapes are those of the public network: its weights fit"
_EFM = "backbone strong, head a candidate: there is no published cfg; all printed numbers are met"

RECIPES: dict[str, Recipe] = {
    "csppeleenet": Recipe(
        "CSPPeleeNet, gamma 0.5: classifier of Tables 1 and 3 of the CSPNet paper",
        "strong: there is no published cfg; one rule meets the BFLOPs of all partial networks of Table 1",
        224,
        1000,
        imagenet(max_batches=1600000),
        lambda cfg, classes: classifier(cfg, csp_peleenet(cfg), classes),
    ),
    "csppeleenet-efm": Recipe(
        "CSPPeleeNet with the Exact Fusion Model (EFM): detector of Table 2 of the CSPNet paper",
        _EFM,
        416,
        80,
        detector(subdivisions=4),
        lambda cfg, classes: efm(cfg, csp_peleenet(cfg), BoxHeads(classes)),
    ),
    "csppeleenet-efm-sam": Recipe(
        "CSPPeleeNet with EFM and spatial attention: detector of Tables 2 and 4 of the CSPNet paper",
        _EFM,
        416,
        80,
        detector(subdivisions=4),
        lambda cfg, classes: efm(cfg, csp_peleenet(cfg), BoxHeads(classes), sam=True),
    ),
    "csppeleenet-efm-sam-bccd": Recipe(
        "CSPPeleeNet with EFM and spatial attention, set up for the 364 blood cell images of BCCD",
        "an example of one's own data: docs/experiments.md has what it reaches",
        256,
        3,
        short_cosine(batch=32, iterations=1000, learning_rate="0.003", burn_in=60),
        lambda cfg, classes: efm(cfg, csp_peleenet(cfg), BoxHeads(classes, CELL_ANCHORS, CELL_HEAD), sam=True),
    ),
    "csresnext50": Recipe(
        "CSPResNeXt-50: classifier of Table 3 of the CSPNet paper",
        "the backbone of the public csresnext50-panet-spp; weights and BFLOPs are those printed",
        256,
        1000,
        imagenet(max_batches=800000),
        lambda cfg, classes: classifier(cfg, cspresnext50(cfg), classes),
    ),
    "csresnext50-panet-spp": Recipe(
        "CSPResNeXt-50 with PANet and SPP: detector of Table 4 of the CSPNet paper",
        _PUBLIC,
        512,
        80,
        detector(subdivisions=16),
        lambda cfg, classes: panet_spp(cfg, cspresnext50(cfg), BoxHeads(classes)),
    ),
    "yolov3-tiny": Recipe(
        "YOLOv3-tiny, a small detector",
        _PUBLIC,
        416,
        80,
        detector(subdivisions=2, max_batches=500200),
        darknet_tiny.yolov3_tiny,
    ),
    "yolov3-tiny-prn": Recipe(
        "YOLOv3-tiny with partial residual connections, a small detector",
        _PUBLIC,
        416,
        80,
        detector(subdivisions=4, max_batches=500200),
        darknet_tiny.yolov3_tiny_prn,
    ),
    "yolov4-tiny": Recipe(
        "YOLOv4-tiny, a small detector",
        _PUBLIC,
        416,
        80,
        detector(subdivisions=1, learning_rate="0.00261", max_batches=2000200, steps=(1600000, 1800000)),
        darknet_tiny.yolov4_tiny,
    ),
    "yolov4-tiny-bccd": Recipe(
        "YOLOv4-tiny with the settings of a short Darknet run on the blood cell images of BCCD",
        "for a comparison at equal images: docs/experiments.md",
        224,
        3,
        short_steps(batch=16, subdivisions=2, iterations=300, learning_rate="0.001", burn_in=100),
        darknet_tiny.yolov4_tiny,
    ),
    "yolov4-tiny-3l": Recipe(
        "YOLOv4-tiny with a third head at stride 8, a small detector",
        _PUBLIC,
        608,
        80,
        detector(subdivisions=1, learning_rate="0.00261", max_batches=500200),
        darknet_tiny.yolov4_tiny_3l,
    ),
}


def compose(name: str, width: int | None = None, height: int | None = None, classes: int | None = None) -> str:
    """The cfg text of a network of the zoo for an input size in pixels and a number of classes.

    What is not given is as in the paper, or the public network.

    Raises:
        CfgError: no such network; a size that it cannot have; less than one class.
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        hint = nearest(name, RECIPES) or f"legal: {', '.join(RECIPES)}"
        raise CfgError(f"there is no network {name} in the zoo", hint=hint)
    classes = recipe.classes if classes is None else classes
    if classes < 1:
        raise CfgError(f"classes={classes} must be 1 or more")
    cfg = CfgWriter()
    recipe.write(cfg, classes)
    width = recipe.size if width is None else width
    net = recipe.training.net(width, recipe.size if height is None else height)
    figures = Figures.of(plan(text.parse(cfg.text(net, []), name)))
    header = [name, recipe.title, f"Evidence: {recipe.evidence}", str(figures), *recipe.training.notes]
    return cfg.text(net, [*header, "Written by csptrain.zoo: change the recipe, or a copy"])


def write_all(folder: Path) -> list[Path]:
    """Write every network of the zoo as ``<name>.cfg`` below ``folder``; raises OSError."""
    return [_write(folder / f"{name}.cfg", compose(name)) for name in RECIPES]


def _write(path: Path, content: str) -> Path:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        temporary = Path(folder, path.name)
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    return path
