"""The networks of the zoo by name, and their cfg text."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.fields import nearest
from csptrain.errors import CfgError
from csptrain.formats.files import write_atomically
from csptrain.zoo.classifiers import CLASSIFIERS
from csptrain.zoo.detectors import DETECTORS
from csptrain.zoo.examples import EXAMPLES
from csptrain.zoo.public import PUBLIC
from csptrain.zoo.recipe import Recipe

RECIPES: dict[str, Recipe] = {**CLASSIFIERS, **DETECTORS, **PUBLIC, **EXAMPLES}


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
    return recipe.text(name, width, height, classes)


def write_all(folder: Path) -> list[Path]:
    """Write every network of the zoo as ``<name>.cfg`` below ``folder``; raises CfgError where that cannot be."""
    return [_write(folder / f"{name}.cfg", compose(name)) for name in RECIPES]


def _write(path: Path, content: str) -> Path:
    write_atomically(path, [content.encode()], CfgError)
    return path
