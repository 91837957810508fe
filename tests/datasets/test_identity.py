"""What is noticed of a training set between two runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from csptrain.datasets.identity import identity, identity_changes

ROWS = np.arange(10, dtype=np.float32).reshape(2, 5)


def test_changes_are_named() -> None:
    then = identity(Path("/a/list.txt"), ["/a/1.jpg", "/a/2.jpg"], [ROWS])
    assert identity_changes(then, identity(Path("/a/list.txt"), ["/a/1.jpg", "/a/2.jpg"], [ROWS])) == []
    moved = identity_changes(then, identity(Path("/b/list.txt"), ["/b/1.jpg", "/b/2.jpg"], [ROWS]))
    assert moved == ["it was /a/list.txt before, with the same images and labels"]
    more = identity_changes(then, identity(Path("/a/list.txt"), ["/a/1.jpg", "/a/2.jpg", "/a/3.jpg"], [ROWS]))
    assert more == ["it has 3 images and had 2"]
    turned = identity_changes(then, identity(Path("/a/list.txt"), ["/a/2.jpg", "/a/1.jpg"], [ROWS]))
    assert turned == ["it lists other images, or in another order"]
    taught = identity_changes(then, identity(Path("/a/list.txt"), ["/a/1.jpg", "/a/2.jpg"], [ROWS + 1]))
    assert taught == ["its labels are others"]


def test_a_state_without_it_says_nothing() -> None:
    assert identity_changes({}, identity(Path("x"), ["a.jpg"], [ROWS])) == []
