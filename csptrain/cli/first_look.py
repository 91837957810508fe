"""The end of a run on the built-in set: export to OpenCV, compare both runtimes on the validation split, draw them."""

from __future__ import annotations

from pathlib import Path

from csptrain.cfg.dataset import DataSpec
from csptrain.cli.session import Say, need_list
from csptrain.datasets.image import load_image
from csptrain.datasets.lists import read_samples
from csptrain.errors import ExportError
from csptrain.evaluate.agreement import Agreement, agreement
from csptrain.evaluate.detect import eval_dataset, finish, torch_detector
from csptrain.evaluate.detection import MAP_NMS
from csptrain.formats.opencv import OpenCVBackend
from csptrain.formats.opencv_export import export_opencv
from csptrain.network import Network
from csptrain.report.compare import compare_detections

THRESH = 0.25
EXPORT_IMAGES = 4
BATCH = 8


def show(network: Network, data: DataSpec, backup: Path, base: str, say: Say) -> None:
    """Write ``backup/opencv`` and ``backup/<base>_opencv.png``; raises ExportError when the runtimes differ."""
    samples = read_samples(need_list(data.valid, "valid", data), data.classes)
    images = [Path(image) for image in samples.images]
    network.cpu().eval()
    report = export_opencv(network, backup / "opencv", base, images[:EXPORT_IMAGES], names=data.names)
    worst = report.worst
    say(f"exported: {report.cfg} and {report.weights.name}, heads within {worst.relative:.1e} of their range in OpenCV")
    dataset = eval_dataset(network.graph, samples)
    detect, opencv = torch_detector(network), OpenCVBackend(report.cfg, report.weights)
    found = Agreement()
    picture, most = backup / f"{base}_opencv.png", -1
    for part in dataset.batches(BATCH):
        pairs = zip(
            part.indices, part.sizes, detect(part.images, THRESH), opencv.detect(part.images, THRESH), strict=True
        )
        for index, size, ours, theirs in pairs:
            ours, theirs = (finish(network.graph, side, size, MAP_NMS) for side in (ours, theirs))
            found += agreement(ours, theirs, size, THRESH)
            count = int((ours.prob > THRESH).sum())
            if count > most:
                most = count
                compare_detections(load_image(images[index]), ours, theirs, data.names, THRESH, picture)
    say(f"OpenCV's detections {'equal' if found.equal else 'DIFFER FROM'} csptrain's: {found} ({len(samples)} images)")
    say(f"picture of both: {picture}")
    if not found.equal:
        raise ExportError("OpenCV's detections differ from csptrain's", path=report.cfg)
