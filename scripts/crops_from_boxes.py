"""Cut the objects of a detection set out of its images, for a classifier to learn from.

usage: crops_from_boxes.py X.DATA FOLDER [--margin SHARE] [--least PIXELS]

For each of train=, valid= and test= of the data file, every box becomes a picture
FOLDER/train/<class>/<image>_<number>.png, FOLDER/val/... or FOLDER/test/...: so images, not boxes, are shared out among
the sets. Beside them stand FOLDER/<folder's name>.data and .names, ready for `csptrain classifier train`. A box is
extended by SHARE of its sides in each direction (0) and cut at the image's edge; one with a side below PIXELS (8) is
left out. FOLDER appears only when complete. Needs csptrain installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from csptrain.cfg.dataset import read_dataset
from csptrain.datasets.crops import cut_rectangle, write_crops
from csptrain.datasets.made import new_folder, refuse_used
from csptrain.errors import CspError


def main(argv: list[str]) -> int:
    """Cut as the command line says; 0 done, 1 a file cannot be used, 2 a wrong command line."""
    parser = argparse.ArgumentParser(prog="crops_from_boxes.py", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", type=Path, help="data file of a detection set")
    parser.add_argument("folder", type=Path, help="folder to make")
    parser.add_argument("--margin", type=float, default=0.0, help="share of a side added in each direction (0)")
    parser.add_argument("--least", type=int, default=8, help="smallest side of a crop in pixels (8)")
    options = parser.parse_args(argv)
    try:
        data = read_dataset(options.data)
        folder = Path(os.path.abspath(options.folder))
        refuse_used(folder)
        with new_folder(folder) as fresh:
            counts = write_crops(data, fresh, partial(cut_rectangle, margin=options.margin, least=options.least))
    except (CspError, OSError) as error:
        print(f"crops_from_boxes.py: {error}", file=sys.stderr)
        return 1
    for word, found in counts.items():
        print(f"{options.folder / word}: {found.total()} crops: " + ", ".join(f"{k} {n}" for k, n in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
