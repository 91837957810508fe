"""``csptrain detector valid``: the detections of a list as files for VOC's, COCO's or ImageNet's own evaluation."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from csptrain.cli.arguments import Arguments
from csptrain.cli.trained import (
    Trained,
    declare,
    declare_list,
    fraction,
    load_trained,
    pick_list,
    pick_workers,
    progress_bar,
    tell_bad,
)
from csptrain.cli.voice import say, show_object
from csptrain.errors import DataError

if TYPE_CHECKING:
    from csptrain.datasets.evaluation import EvalDataset
    from csptrain.datasets.lists import Samples
    from csptrain.ops.decode import Detections

VERB = "detector valid"
#: eval= of the data file -> start of the names of the files, unless -out gives another.
STYLES = {"voc": "comp4_det_test_", "coco": "coco_results", "imagenet": "imagenet-detection"}


class Found(NamedTuple):
    """What was found on one image of the list: its place there, its (width, height), its boxes."""

    place: int
    size: tuple[int, int]
    boxes: Detections


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Write the detections of a list: csptrain detector valid x.data net.cfg net.weights. eval= of the data file "
        f"says how: coco ({STYLES['coco']}.json, for a COCO json without eval= too), imagenet "
        f"({STYLES['imagenet']}.txt) or voc ({STYLES['voc']}<class>.txt, else), in its results= folder.",
    )
    parser.positional("files", "[data] cfg weights", many=True)
    parser.option("out", str, None, "start of the file names instead of those", metavar="NAME")
    parser.option("thresh", fraction, None, "least score (default Darknet's, 0.001)")
    parser.option("nms", fraction, None, "overlap above which the weaker of two boxes goes (default Darknet's, 0.6)")
    declare_list(parser)
    declare(parser)
    parser.json()
    return parser


def run(argv: list[str]) -> int:
    """Detect, write the files, print their names, and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    trained = load_trained(options, VERB)

    from csptrain.datasets.sources import read_split_images
    from csptrain.evaluate.detect import eval_dataset

    data = trained.data
    source = pick_list(data, options.split)
    style = data.eval or ("coco" if source.suffix.lower() == ".json" else "voc")
    if style not in STYLES:
        line, hint = data.lines.get("eval"), f"legal: {', '.join(STYLES)}"
        raise DataError(f"eval={style} is not written", path=data.path, line=line, hint=hint)
    samples = read_split_images(data, options.split)
    images = eval_dataset(trained.graph, samples)
    # Before the run: an image without a number must not end one of hours.
    numbers = _image_ids(samples) if style == "coco" else []
    found = _detect(trained, images, options)
    base = options.out or STYLES[style]
    if style == "coco":
        written = _write_coco(found, trained, base, samples, numbers)
    elif style == "imagenet":
        written = _write_imagenet(found, trained, base)
    else:
        written = _write_voc(found, trained, base, samples)
    tell_bad(images.bad, data.results)
    say(*(f"{path}: {count} detections" for path, count in written))
    files = [{"file": str(path), "detections": count} for path, count in written]
    show_object({"files": files, "images": len(samples) - len(images.bad), "bad_images": len(images.bad)})
    return 0


def _detect(trained: Trained, images: EvalDataset, options: argparse.Namespace) -> Iterator[Found]:
    from csptrain.evaluate.detect import finish, torch_detector
    from csptrain.evaluate.detection import VALID_NMS, VALID_THRESH

    thresh = VALID_THRESH if options.thresh is None else options.thresh
    nms = VALID_NMS if options.nms is None else options.nms
    detect = torch_detector(trained.fused, trained.device)
    with progress_bar(len(images)) as progress:
        for part in images.batches(options.batch, pick_workers(options.workers, len(images))):
            candidates = detect(part.images, thresh) if len(part.images) else []
            for index, found, size in zip(part.indices, candidates, part.sizes, strict=True):
                yield Found(index, size, finish(trained.graph, found, size, nms))
            progress(len(part.images) + len(part.bad))


def _write_voc(results: Iterable[Found], trained: Trained, base: str, samples: Samples) -> list[tuple[Path, int]]:
    from csptrain.report.records import voc_lines

    lines: list[list[str]] = [[] for _ in trained.data.names]
    for place, size, boxes in results:
        for k, line in voc_lines(boxes, size, Path(samples.images[place]).stem):
            lines[k].append(line)
    files = [trained.data.results / f"{base}{name}.txt" for name in trained.data.names]
    return [_write(path, own) for path, own in zip(files, lines, strict=True)]


def _write_coco(
    results: Iterable[Found], trained: Trained, base: str, samples: Samples, image_ids: list[int]
) -> list[tuple[Path, int]]:
    from csptrain.datasets.coco_numbers import coco_categories
    from csptrain.report.records import coco_records

    own = samples.objects.categories if samples.objects is not None else None
    categories = own or coco_categories(trained.data.classes)
    records: list[str] = []
    for place, size, boxes in results:
        records += coco_records(boxes, size, image_ids[place], categories)
    body = ",\n".join(records)
    path, _ = _write(trained.data.results / f"{base}.json", ["[", body, "]"])
    return [(path, len(records))]


def _write_imagenet(results: Iterable[Found], trained: Trained, base: str) -> list[tuple[Path, int]]:
    from csptrain.report.records import imagenet_lines

    lines: list[str] = []
    for place, size, boxes in results:
        lines += imagenet_lines(boxes, size, place + 1)
    return [_write(trained.data.results / f"{base}.txt", lines)]


def _write(path: Path, lines: list[str]) -> tuple[Path, int]:
    from csptrain.formats.files import utf8, write_atomically

    write_atomically(path, (utf8(f"{line}\n") for line in lines), DataError)
    return path, len(lines)


def _image_ids(samples: Samples) -> list[int]:
    """COCO's number of each image: the json's, else that in its file name."""
    from csptrain.datasets.coco_numbers import coco_image_id

    if samples.objects is not None:
        return [int(number) for number in samples.objects.image_ids]
    return [coco_image_id(image) for image in samples.images]
