"""A hierarchy of classes (YOLO9000): softmax among siblings, probabilities along the path from a root.

Source: Darknet behaviour, read only: no golden case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from csptrain.cfg.text import read_text
from csptrain.errors import CfgError

MAX_BYTES = 16 * 1024 * 1024
_LINE = re.compile(r"(\S+)\s+(-?\d{1,9})\s*")


@dataclass(frozen=True)
class Tree:
    """Classes in file order: names, the parent of each (-1 of a root), its group of siblings, counted from 0."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    groups: tuple[int, ...]

    @property
    def levels(self) -> list[list[int]]:
        """The classes by depth, roots first."""
        depth: list[int] = []
        for parent in self.parents:
            depth.append(0 if parent < 0 else depth[parent] + 1)
        levels: list[list[int]] = [[] for _ in range(max(depth) + 1)]
        for index, level in enumerate(depth):
            levels[level].append(index)
        return levels


def read_tree(path: Path) -> Tree:
    """Read a file of lines ``name parent``; following lines of one parent are siblings.

    Raises:
        CfgError: an unreadable file, another kind of line, or a parent that does not stand before its children.
    """
    names: list[str] = []
    parents: list[int] = []
    groups: list[int] = []
    for number, line in enumerate(read_text(path, MAX_BYTES, "tree").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise CfgError(f"'{line[:60]}' is not 'name parent'", path=path, line=number)
        parent = int(match.group(2))
        if not -1 <= parent < len(names):
            legal = f"legal: -1 or 0..{len(names) - 1}" if names else "legal: -1"
            raise CfgError(f"parent {parent} of class {len(names)}", path=path, line=number, hint=legal)
        siblings = parents and parent == parents[-1]
        groups.append((groups[-1] + (0 if siblings else 1)) if groups else 0)
        names.append(match.group(1))
        parents.append(parent)
    if not names:
        raise CfgError("holds no class", path=path)
    return Tree(tuple(names), tuple(parents), tuple(groups))


def tree_softmax(logits: Tensor, tree: Tree) -> Tensor:
    """[..., classes] -> each class's probability given its parent: a softmax among siblings."""
    group = torch.tensor(tree.groups, device=logits.device)
    count = tree.groups[-1] + 1
    largest = logits.new_full((*logits.shape[:-1], count), float("-inf"))
    largest = largest.scatter_reduce(-1, group.expand_as(logits), logits, "amax")
    powers = (logits - largest[..., group]).exp()
    sums = logits.new_zeros(largest.shape).index_add_(logits.dim() - 1, group, powers)
    return powers / sums[..., group]


def path_probabilities(conditional: Tensor, tree: Tree) -> Tensor:
    """[..., classes] of probabilities given the parent -> products along the path from the root."""
    absolute = conditional.clone()
    parents = torch.tensor(tree.parents, device=absolute.device)
    for level in tree.levels[1:]:
        own = torch.tensor(level, device=absolute.device)
        absolute[..., own] *= absolute[..., parents[own]]
    return absolute


def deepest(conditional: Tensor, tree: Tree, thresh: float) -> Tensor:
    """[..., classes] -> [...] the class found by going down from the likeliest root to the likeliest child.

    The way ends before a class whose probability along the path is not above ``thresh``; a root is always given.
    """
    absolute = path_probabilities(conditional, tree)
    parents = torch.tensor(tree.parents, device=absolute.device)
    levels = tree.levels
    roots = torch.tensor(levels[0], device=absolute.device)
    found = roots[absolute[..., roots].argmax(-1)]
    for level in levels[1:]:
        own = torch.tensor(level, device=absolute.device)
        reachable = absolute[..., own].masked_fill(parents[own] != found[..., None], 0.0)
        best, place = reachable.max(-1)
        found = torch.where(best > thresh, own[place], found)
    return found
