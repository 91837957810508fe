"""The pipeline of a table on small data: the same steps as on the real set, in minutes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.crops import cut_square, write_crops
from csptrain.datasets.made import Manifest, ensure_made
from csptrain.datasets.shapes import ensure_shapes
from csptrain.paper.runs import Course, Kind

SHAPES = Path("data/shapes")
#: Rows of each table that are trained, by cfg: for Table 1 the three ways to fuse.
ROWS = {
    1: ("csppeleenet-first", "csppeleenet-last", "csppeleenet"),
    2: ("csppeleenet-prn", "csppeleenet-efm", "csppeleenet-efm-sam"),
    3: ("peleenet", "csppeleenet", "cspdensenet-ref"),
    4: ("yolov3-tiny", "csppeleenet-ref-prn", "cspdensenetb-ref-prn"),
    5: ("yolov3-tiny-prn", "cspdensenet-ref-prn", "cspdensenetb-ref-prn"),
}
SIZES = {"classifier": 64, "detector": 128}
ITERATIONS = {"classifier": 120, "detector": 120}
_NET = {
    "classifier": {
        "batch": "32",
        "subdivisions": "1",
        "learning_rate": "0.05",
        "burn_in": "20",
        "min_crop": "64",
        "max_crop": "80",
    },
    "detector": {"batch": "16", "subdivisions": "1", "learning_rate": "0.003", "burn_in": "20"},
}
# Smaller boxes show nothing.
_CUT = partial(cut_square, side=96, margin=0.15, least=10)
_MOST_CROPS = {"train": 1600, "valid": 400, "test": 0}
_HEADS = {"random": "0", "iou_thresh": ".5"}


def smoke_course(kind: Kind, folder: Path, source: Path | None, iterations: int | None, device: str | None) -> Course:
    """A course of minutes: on ``source``, a data file of a set for detectors, or on the built-in one.

    Classifiers learn the class of crops of its boxes. Raises DataError.
    """
    data = source or ensure_shapes(SHAPES)
    if kind == "classifier":
        data = ensure_crops(data, folder / f"{data.stem}-squares")
    length = iterations or ITERATIONS[kind]
    return Course(
        kind,
        data,
        folder / f"smoke-{data.stem}-{length}",
        SIZES[kind],
        length,
        _NET[kind],
        _HEADS if kind == "detector" else {},
        device,
    )


def ensure_crops(source: Path, folder: Path) -> Path:
    """Cut the boxes of the data file ``source`` into ``folder``, unless that was done; gives the new data file.

    Raises:
        DataError: the data file or its lists cannot be used, or the folder cannot be written.
    """
    data = read_dataset(source)
    made: Manifest = {"source": str(source.resolve()), "changed": source.stat().st_mtime}
    made |= {"set": "crops", "cut": _CUT.keywords, "most": _MOST_CROPS}

    def write(fresh: Path) -> None:
        write_crops(data, fresh, _CUT, _MOST_CROPS)

    ensure_made(folder, made, write)
    return folder / f"{folder.name}.data"
