"""Top-1 and top-k accuracy of a classifier, for each class too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from csptrain.datasets.class_images import ClassImages
from csptrain.datasets.turns import ALL, Turns
from csptrain.layers.hierarchy import HierarchyModule
from csptrain.network import Network
from csptrain.ops.tree import path_probabilities

IntArray = npt.NDArray[np.int64]
Classifier = Callable[[Tensor], Tensor]
"""Takes images [N, C, H, W] in 0..1; gives float32 [N, classes], a probability for each class."""

# A table of more classes is for files, not for a terminal.
MOST_LINES = 20


@dataclass(frozen=True)
class ClassAccuracy:
    """One class: its images, those called by its name first, and all images called so."""

    index: int
    name: str
    images: int
    right: int
    called: int

    @property
    def recall(self) -> float:
        """Share of its images that are called by its name; 0 without images."""
        return self.right / self.images if self.images else 0.0

    @property
    def precision(self) -> float:
        """Share of the images called by its name that are of it; 0 without any."""
        return self.right / self.called if self.called else 0.0


@dataclass(frozen=True)
class ClassificationResult:
    """Accuracies as fractions: the class is the first guess (``top1``), or one of the first ``top`` (``topk``)."""

    classes: tuple[ClassAccuracy, ...]
    images: int
    top: int
    top1: float
    topk: float

    @property
    def balanced(self) -> float:
        """Mean recall of the classes that have images: each counts the same, however many it has."""
        recalls = [one.recall for one in self.classes if one.images]
        return sum(recalls) / len(recalls) if recalls else 0.0

    @property
    def score(self) -> float:
        """What the best weights of a training are chosen by: top-1."""
        return self.top1

    @property
    def headline(self) -> str:
        """The accuracies in a few words."""
        beside = f", top-{self.top} = {self.topk:.4f}" if self.top > 1 else ""
        return f"top-1 = {self.top1:.4f}{beside}"

    def columns(self) -> dict[str, float]:
        """The figures of results.csv and of the chart."""
        return {"top1": self.top1, "topk": self.topk} if self.top > 1 else {"top1": self.top1}

    def lines(self) -> list[str]:
        """The report; its last line is Darknet's."""
        several = [
            f"class_id = {one.index}, name = {one.name}, accuracy = {one.recall * 100:.2f}% "
            f"({one.right} of {one.images}), precision = {one.precision * 100:.2f}%"
            for one in self.classes
        ]
        return [
            *(several if len(several) <= MOST_LINES else []),
            f"balanced accuracy = {self.balanced * 100:.2f}%, the mean over {len(self.classes)} classes",
            f"{self.images}: top 1: {self.top1:f}, top {self.top}: {self.topk:f}",
        ]

    def as_dict(self) -> dict[str, object]:
        """Everything above, ready for JSON; rates are fractions."""
        return {
            "images": self.images,
            "top1": self.top1,
            f"top{self.top}": self.topk,
            "top": self.top,
            "balanced": self.balanced,
            "classes": [
                {
                    "id": one.index,
                    "name": one.name,
                    "images": one.images,
                    "right": one.right,
                    "called": one.called,
                    "recall": one.recall,
                    "precision": one.precision,
                }
                for one in self.classes
            ],
        }


@dataclass(frozen=True)
class Guesses:
    """What a classifier says of images: int64 [N, k] classes, the likeliest first, and float32 [N, k] how likely.

    ``indices`` are the images' numbers in the list, int64 [N].
    """

    indices: IntArray
    classes: IntArray
    probabilities: npt.NDArray[np.float32]


def torch_classifier(network: Network, device: torch.device | None = None) -> Classifier:
    """A classifier that runs ``network`` (put in evaluation mode) in torch; its last head gives the classes."""
    last = network.layers[network.graph.heads[-1]]
    tree = last.tree if isinstance(last, HierarchyModule) else None

    def classify(images: Tensor) -> Tensor:
        network.eval()
        with torch.inference_mode():
            output: Tensor = network(images.to(device, memory_format=torch.channels_last))[-1].flatten(1).float()
            return output if tree is None else path_probabilities(output, tree)

    return classify


def guess(
    classify: Classifier,
    images: ClassImages,
    top: int,
    *,
    batch: int = 32,
    workers: int = 0,
    progress: Callable[[int], None] | None = None,
    turns: Turns = ALL,
) -> Guesses:
    """The ``top`` likeliest classes of every image that can be decoded; the probabilities are means over its views.

    Of several processes each has its ``turns``; `shares` joins what they say.
    """
    indices: list[int] = []
    classes: list[Tensor] = [torch.empty((0, top), dtype=torch.int64)]
    probabilities: list[Tensor] = [torch.empty((0, top))]
    for part in images.batches(batch, workers, turns):
        count, views = part.views.shape[:2]
        mean = classify(part.views.flatten(0, 1)).unflatten(0, (count, views)).mean(1)
        likely = mean.topk(top, dim=1)
        indices += part.indices
        classes.append(likely.indices.cpu())
        probabilities.append(likely.values.cpu())
        if progress is not None:
            progress(count)
    order = np.argsort(indices)
    return Guesses(
        np.array(indices, np.int64)[order],
        torch.cat(classes).numpy()[order],
        torch.cat(probabilities).numpy()[order],
    )


def accuracy(guesses: Guesses, truth: IntArray, names: Sequence[str]) -> ClassificationResult:
    """How often the guesses are right; ``truth`` int64 [images of the list] is the class of each."""
    truth = truth[guesses.indices]
    first = guesses.classes[:, 0]
    among = (guesses.classes == truth[:, None]).any(1)
    count = len(names)
    images, called = (np.bincount(values, minlength=count).tolist() for values in (truth, first))
    right = np.bincount(truth[first == truth], minlength=count).tolist()
    return ClassificationResult(
        tuple(ClassAccuracy(k, name, images[k], right[k], called[k]) for k, name in enumerate(names)),
        images=len(truth),
        top=guesses.classes.shape[1],
        top1=float((first == truth).mean()),
        topk=float(among.mean()),
    )
