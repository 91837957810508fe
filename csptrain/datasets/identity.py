"""What tells one training set from another, to notice one that moved or changed between two runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt


def identity(source: Path, images: Sequence[str], truths: Sequence[npt.NDArray[Any]]) -> dict[str, Any]:
    """The place of a list, its number of images, and short names of the images' names and of their truths."""
    names = "\n".join(map(os.path.basename, images))
    values = hashlib.sha256()
    for truth in truths:
        values.update(truth.tobytes())
    return {
        "source": os.path.abspath(source),
        "images": len(images),
        "names": hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:16],
        "truths": values.hexdigest()[:16],
    }


def identity_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what a set differs from the one of an earlier run; nothing where that one is not known."""
    if not then or not now:
        return []
    changes = []
    if then.get("images") != now["images"]:
        changes.append(f"it has {now['images']} images and had {then.get('images')}")
    elif then.get("names") != now["names"]:
        changes.append("it lists other images, or in another order")
    if then.get("truths") != now["truths"]:
        changes.append("its labels are others")
    if then.get("source") != now["source"]:
        same = "" if changes else ", with the same images and labels"
        changes.insert(0, f"it was {then.get('source')} before{same}")
    return changes
