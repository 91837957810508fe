"""``csptrain detector valid``: the detections of a list as files for VOC's or COCO's own evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments
from csptrain.cli.trained import (
    Trained,
    declare,
    declare_list,
    load_trained,
    pick_list,
    pick_workers,
    progress_bar,
    tell_bad,
)
from csptrain.errors import DataError

if TYPE_CHECKING:
    from csptrain.datasets.evaluation import EvalDataset
    from csptrain.ops.decode import Detections

    # Path of the image, its (width, height), and what was found on it.
    Found = tuple[str, tuple[int, int], Detections]

VERB = "detector valid"
STYLES = ("voc", "coco")
VOC_NAME = "comp4_det_test_"
COCO_NAME = "coco_results"


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Write the detections of a list: csptrain detector valid x.data net.cfg net.weights. With eval=coco "
        f"in the data file {COCO_NAME}.json, else {VOC_NAME}<class>.txt, in its results= folder.",
    )
    parser.positional("files", "[data] cfg weights", many=True)
    parser.option("out", str, None, f"start of the file names ({VOC_NAME} or {COCO_NAME})", metavar="NAME")
    declare_list(parser)
    declare(parser)
    parser.flag("dont_show", "accepted; nothing is ever shown in a window")
    return parser


def run(argv: list[str]) -> int:
    """Detect, write the files, print their names, and return the exit code; raises CspError."""
    options = arguments().parse(argv)
    trained = load_trained(options, VERB)

    from csptrain.datasets.lists import without_labels
    from csptrain.evaluate.detect import eval_dataset
    from csptrain.report.records import coco_image_id

    data = trained.data
    style = data.eval or STYLES[0]
    if style not in STYLES:
        raise DataError(f"eval={style} is not written", path=data.path, hint=f"legal: {', '.join(STYLES)}")
    images = eval_dataset(trained.graph, without_labels(pick_list(data, options.split)))
    if style == "coco":
        for image in images.samples.images:
            coco_image_id(image)  # an image without a number must not end a run of hours
    found = _detect(trained, images, options.batch, pick_workers(options.workers, len(images)))
    if style == "coco":
        written = _write_coco(found, trained, options.out or COCO_NAME)
    else:
        written = _write_voc(found, trained, options.out or VOC_NAME)
    tell_bad(images.bad, data.results)
    for path, count in written:
        print(f"{path}: {count} detections")
    return 0


def _detect(trained: Trained, images: EvalDataset, batch: int, workers: int) -> Iterator[Found]:
    from csptrain.evaluate.detect import finish, torch_detector
    from csptrain.evaluate.detection import MAP_NMS, MAP_THRESH

    detect = torch_detector(trained.network, trained.device)
    with progress_bar(len(images)) as progress:
        for part in images.batches(batch, workers):
            candidates = detect(part.images, MAP_THRESH) if len(part.images) else []
            for index, found, size in zip(part.indices, candidates, part.sizes, strict=True):
                yield images.samples.images[index], size, finish(trained.graph, found, size, MAP_NMS)
            progress(len(part.images) + len(part.bad))


def _write_voc(results: Iterable[Found], trained: Trained, base: str) -> list[tuple[Path, int]]:
    from csptrain.formats.files import write_atomically
    from csptrain.report.records import voc_lines

    lines: list[list[str]] = [[] for _ in trained.data.names]
    for image, size, found in results:
        for k, line in voc_lines(found, size, Path(image).stem):
            lines[k].append(line)
    written = []
    for name, own in zip(trained.data.names, lines, strict=True):
        path = trained.data.results / f"{base}{name}.txt"
        write_atomically(path, (f"{line}\n".encode() for line in own), DataError)
        written.append((path, len(own)))
    return written


def _write_coco(results: Iterable[Found], trained: Trained, base: str) -> list[tuple[Path, int]]:
    from csptrain.formats.files import write_atomically
    from csptrain.report.records import coco_categories, coco_image_id, coco_records

    categories = coco_categories(trained.data.classes)
    records: list[str] = []
    for image, size, found in results:
        records += coco_records(found, size, coco_image_id(image), categories)
    body = ",\n".join(records)
    path = trained.data.results / f"{base}.json"
    write_atomically(path, [f"[\n{body}\n]\n".encode()], DataError)
    return [(path, len(records))]
