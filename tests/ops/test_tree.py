"""Trees of classes: reading, softmax among siblings, the way down."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from csptrain.errors import CfgError
from csptrain.ops.tree import deepest, path_probabilities, read_tree, tree_softmax

ANIMALS = "animal -1\nthing -1\ncat 0\ndog 0\ncar 1\nterrier 3\nhound 3\n"


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    path = tmp_path / "animals.tree"
    path.write_text(ANIMALS)
    return path


def test_following_lines_of_one_parent_are_siblings(animals: Path) -> None:
    tree = read_tree(animals)
    assert tree.names[-1] == "hound" and tree.parents == (-1, -1, 0, 0, 1, 3, 3)
    assert tree.groups == (0, 0, 1, 1, 2, 3, 3)
    assert tree.levels == [[0, 1], [2, 3, 4], [5, 6]]


def test_softmax_and_paths(animals: Path) -> None:
    tree = read_tree(animals)
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(1)) * 20
    found = tree_softmax(logits, tree)
    parts = [logits[..., first:last].softmax(-1) for first, last in ((0, 2), (2, 4), (4, 5), (5, 7))]
    torch.testing.assert_close(found, torch.cat(parts, -1))
    absolute = path_probabilities(found, tree)
    torch.testing.assert_close(absolute[..., 6], found[..., 6] * found[..., 3] * found[..., 0])


@pytest.mark.parametrize(
    ("conditional", "expected"),
    [
        ((0.9, 0.1, 0.1, 0.9, 1, 0.8, 0.2), 5),  # .9 * .9 * .8 = .65
        ((0.9, 0.1, 0.1, 0.9, 1, 0.6, 0.4), 3),  # .49 is not enough
        ((0.7, 0.3, 0.5, 0.5, 1, 1.0, 0.0), 0),
        ((0.4, 0.6, 0.0, 1.0, 1, 1.0, 0.0), 4),
        ((0.5, 0.5, 0.0, 1.0, 1, 1.0, 0.0), 0),  # a root always
    ],
)
def test_the_way_down_ends_where_it_gets_unlikely(animals: Path, conditional: tuple[float, ...], expected: int) -> None:
    assert int(deepest(torch.tensor([conditional]), read_tree(animals), 0.5)) == expected


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("animal\n", 1, "is not 'name parent'"),
        ("animal -1\ncat 1\n", 2, "parent 1 of class 1"),
        ("cat 0\n", 1, "legal: -1"),
        ("cat -2\n", 1, "parent -2"),
        ("\n", None, "holds no class"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    path = tmp_path / "x.tree"
    path.write_text(text)
    with pytest.raises(CfgError, match=words) as caught:
        read_tree(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
