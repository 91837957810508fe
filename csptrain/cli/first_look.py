"""The end of a run on the built-in set: export to OpenCV, compare both runtimes on the validation split, draw them."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.dataset import DataSpec
from csptrain.cli.side_by_side import SideBySide
from csptrain.cli.voice import say
from csptrain.datasets.lists import read_images
from csptrain.formats.opencv_export import export_opencv
from csptrain.network import Network

THRESH = 0.25
HEAD_IMAGES = 4


def show(network: Network, data: DataSpec, backup: Path, base: str) -> None:
    """Write ``backup/opencv`` and ``backup/<base>_opencv.png``; raises ExportError when the runtimes differ."""
    images = [Path(image) for image in read_images(data.split("valid"))]
    network.cpu().eval()
    both = SideBySide(network, images, data.names, THRESH)
    report = export_opencv(network, backup / "opencv", base, images[:HEAD_IMAGES], names=data.names, check=both)
    say(f"wrote {report.cfg} and {report.weights.name}: OpenCV's heads within {report.worst.relative:.1e} of range")
    both.tell(backup / f"{base}_opencv.png")
