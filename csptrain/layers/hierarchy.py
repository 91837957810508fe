"""The `tree=` option of [region] and [softmax]: a file that is read when a network is built, not when it is planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor, nn

from csptrain.cfg.dataset import resolve
from csptrain.cfg.fields import opt, text
from csptrain.errors import CfgError
from csptrain.layers.base import Head
from csptrain.ops.tree import Tree, read_tree, tree_softmax


class HierarchyModule(nn.Module):
    """A module whose softmax may be one among the siblings of a tree, which ``complete`` gives it."""

    tree: Tree | None = None

    def probabilities(self, logits: Tensor, plain: Callable[[Tensor], Tensor]) -> Tensor:
        """[..., classes] -> among siblings where there is a tree, else ``plain(logits)``."""
        return plain(logits) if self.tree is None else tree_softmax(logits, self.tree)


@dataclass(frozen=True, kw_only=True)
class HierarchyHead(Head):
    """A head with the option `tree`; such a head runs and is not trained."""

    untrained = frozenset({"tree"})

    tree: str = opt("", text)

    def hierarchy(self, classes: int) -> Tree | None:
        """The tree, None without one; raises CfgError where it is missing, broken or not of ``classes`` classes."""
        if not self.tree:
            return None
        path = resolve(self.tree, Path(self.section.path).parent)
        if not path.is_file():
            raise self.error(
                f"tree={self.tree}: no such file",
                "tree",
                "the layer table does without, running the network does not: looked for it in the working directory, "
                "beside the cfg and above it",
            )
        tree = _read(path, path.stat().st_mtime_ns)
        if len(tree.parents) != classes:
            raise CfgError(f"holds {len(tree.parents)} classes, the layer has {classes}", path=path)
        return tree


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Tree:
    return read_tree(path)
