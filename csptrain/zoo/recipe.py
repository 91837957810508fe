"""A network of the zoo as data, and the cfg text it becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from csptrain.cfg import text
from csptrain.errors import CfgError
from csptrain.graph import plan
from csptrain.zoo.figures import Figures
from csptrain.zoo.rows.row import Counting
from csptrain.zoo.training import Training
from csptrain.zoo.writer import CfgWriter


@dataclass(frozen=True)
class Recipe:
    """What a network is, how sure that is, its input's width and height in pixels, its training, its layers.

    ``write`` adds the layers for a number of classes. ``activation``: of convolutions that name none. ``counting``:
    how the figures of its header are counted.
    """

    title: str
    evidence: str
    size: int
    classes: int
    training: Training
    write: Callable[[CfgWriter, int], None]
    activation: str = "leaky"
    counting: Counting = "weights"

    def text(
        self,
        name: str,
        width: int | None = None,
        height: int | None = None,
        classes: int | None = None,
        closing: str = "Written by csptrain.zoo: change the recipe, or a copy",
    ) -> str:
        """The cfg for an input size in pixels and a number of classes; what is not given is the recipe's.

        ``closing`` is the last line of the header. Raises CfgError for less than one class, or a size it cannot have.
        """
        classes = self.classes if classes is None else classes
        if classes < 1:
            raise CfgError(f"classes={classes} must be 1 or more")
        cfg = CfgWriter(self.activation)
        self.write(cfg, classes)
        width = self.size if width is None else width
        net = self.training.resized(width / self.size).net(width, self.size if height is None else height)
        figures = Figures.of(plan(text.parse(cfg.text(net, []), name)), self.counting)
        evidence = [f"Evidence: {self.evidence}"] if self.evidence else []
        return cfg.text(net, [name, self.title, *evidence, str(figures), *self.training.notes, closing])
