"""``csptrain bench``: how fast this machine is with csptrain, beside what else can do the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cfg.edit import parse_size
from csptrain.cli.arguments import Arguments, unknown
from csptrain.cli.bench_output import write
from csptrain.cli.session import Overrides, load_graph, pick_device
from csptrain.cli.trained import positive
from csptrain.cli.voice import show, show_object, tell

if TYPE_CHECKING:
    from csptrain.bench.infer import Subject
    from csptrain.bench.result import Comparison
    from csptrain.bench.suite import Settings

ROUNDS, QUICK_ROUNDS = 5, 2
MOST_IMAGES = 64  # they are held in memory by every side
_HOW = (
    "Each side runs in a process of its own. The sides take turns, so that what disturbs the machine meets all of "
    "them; a ratio is the median over the turns."
)


def infer(argv: list[str]) -> int:
    """Networks in several runtimes; raises CspError."""
    parser = _parser(
        "infer",
        "Time networks in several runtimes on the same images, one at a time, from the image to the arrays of the "
        "heads, whose error against csptrain is told. The baseline is OpenCV on what `export opencv` writes.",
    )
    parser.positional("cfg", "the networks", many=True)
    parser.option("weights", Path, None, "the network's weights (default: random ones)", metavar="FILE")
    parser.option("images", str, None, "an image, list or folder (default: random images)", metavar="PATH")
    _declare_runtimes(parser, "csptrain,opencv,onnxruntime,openvino")
    _declare_networks(parser)
    options = parser.parse(argv)
    if not options.cfg:
        raise parser.error("no cfg is given")
    if options.weights and len(options.cfg) > 1:
        raise parser.error("--weights is for one cfg")
    from csptrain.bench.suite import run_inference

    return _report("infer", options, run_inference(_subjects(options), _settings(options)))


def train(argv: list[str]) -> int:
    """Training steps; raises CspError."""
    parser = _parser(
        "train",
        "Time training steps, loss and update included, in float32 and bf16, against a plain PyTorch port of the same "
        "network (float32, channels first, all outputs kept, batch normalization and activation apart).",
    )
    parser.positional("cfg", "the networks", many=True)
    parser.option("batch", positive, 4, "images of a step (4)", metavar="N")
    _declare_networks(parser)
    options = parser.parse(argv)
    if not options.cfg:
        raise parser.error("no cfg is given")
    from csptrain.bench.suite import run_training

    return _report("train", options, run_training(_subjects(options), _settings(options)))


def table5(argv: list[str]) -> int:
    """Table 5 of the paper; raises CspError."""
    parser = _parser(
        "table5",
        "Time the networks of the CSPNet paper's Table 5 on this CPU, with random weights, and put them in relation to "
        "YOLOv3-tiny as the paper does. `csptrain paper table5 --speed` shows the whole table.",
    )
    _declare_runtimes(parser, "opencv")
    options = parser.parse(argv)
    from csptrain.bench.suite import run_table5

    return _report("table5", options, run_table5(_settings(options)))


def data(argv: list[str]) -> int:
    """The data pipeline."""
    parser = _parser(
        "data",
        "Time the making of training samples (640x480 JPEG to 416x416 with full augmentation and mosaic) on one core, "
        "against the bare decoding of the images that they consume.",
    )
    options = parser.parse(argv)
    from csptrain.bench.suite import run_pipeline

    return _report("data", options, run_pipeline(_settings(options)))


def evaluation(argv: list[str]) -> int:
    """Evaluation and suppression."""
    parser = _parser(
        "eval",
        "Time the evaluation of 5,000 images with 100 detections each and 80 classes against pycocotools alone, "
        "Darknet's mAP of the same, and suppression of 10,000 boxes against a loop over the classes in torch.",
    )
    options = parser.parse(argv)
    from csptrain.bench.suite import run_evaluation

    return _report("eval", options, run_evaluation(_settings(options)))


def load(argv: list[str]) -> int:
    """Reading a network."""
    parser = _parser(
        "load", "Time the reading of a cfg and weights of 64 million parameters against NumPy's read of the file."
    )
    options = parser.parse(argv)
    from csptrain.bench.suite import run_loading

    return _report("load", options, run_loading(_settings(options)))


def memory(argv: list[str]) -> int:
    """Peak memory."""
    parser = _parser(
        "memory",
        "Measure the peak memory of inference (yolov4 at 608x608) and of a training step (csppeleenet-efm at 416x416) "
        "against executors that keep all outputs.",
    )
    options = parser.parse(argv)
    from csptrain.bench.suite import run_memory

    return _report("memory", options, run_memory(_settings(options)))


def everything(argv: list[str]) -> int:
    """All that a goal is set for; raises CspError."""
    parser = _parser("all", "Measure everything that csptrain has set itself a goal for, and tell which are met.")
    options = parser.parse(argv)
    from csptrain.bench.suite import run_all

    return _report("all", options, run_all(_settings(options)))


def _parser(verb: str, purpose: str) -> Arguments:
    parser = Arguments(f"bench {verb}", f"{purpose} {_HOW}")
    parser.option("threads", positive, None, "threads of each side (default: one for each core)", metavar="N")
    parser.option(
        "repeats", positive, None, f"turns of each side (default {ROUNDS}, with --quick {QUICK_ROUNDS})", metavar="N"
    )
    parser.option(
        "amp", str, "auto", "bf16 beside float32: auto (default, where the hardware has it), on, off",
        choices=("auto", "on", "off"),
    )  # fmt: skip
    parser.flag("quick", "small work and few passes: a trial that everything works, whose figures mean nothing")
    parser.option("markdown", Path, None, "write the tables into this page, between its markers", metavar="FILE")
    parser.option("csv", Path, None, "write a line for each side", metavar="FILE")
    parser.option("png", Path, None, "draw the speeds", metavar="FILE")
    parser.json()
    return parser


def _declare_runtimes(parser: Arguments, default: str) -> None:
    parser.option(
        "runtimes", str, default,
        "any of csptrain, opencv, opencv-onnx, opencv5, opencv5-new (its new engine), onnxruntime, openvino "
        f"(default {default})",
        metavar="A,B",
    )  # fmt: skip
    parser.option("opencv5_python", Path, None, "a Python with OpenCV 5, for opencv5 and opencv5-new", metavar="PATH")


def _declare_networks(parser: Arguments) -> None:
    parser.option("size", parse_size, None, "input size instead of the cfg's", metavar="N[xM]")
    parser.option(
        "device", str, "cpu", "where csptrain and its baseline compute: cpu (default), cuda, cuda:1", metavar="NAME"
    )
    parser.flag("lenient", "read the cfg as Darknet does; mistakes become notes")


def _settings(options: argparse.Namespace) -> Settings:
    from csptrain.bench.infer import ALL, DEFAULT, Wanted
    from csptrain.bench.machine import cores
    from csptrain.bench.suite import BATCH, Settings
    from csptrain.train.precision import fast_bf16

    named = getattr(options, "runtimes", None)
    runtimes = tuple(named.split(",")) if named else DEFAULT
    for runtime in runtimes:
        if runtime not in ALL:
            raise unknown("runtime", runtime, ALL)
    device = pick_device(getattr(options, "device", "cpu"))
    bf16 = options.amp == "on" or (options.amp == "auto" and fast_bf16(device))
    python = getattr(options, "opencv5_python", None)
    wanted = Wanted(options.threads or cores(), runtimes, bf16, str(device), python)
    rounds = options.repeats or (QUICK_ROUNDS if options.quick else ROUNDS)
    return Settings(wanted, tell, rounds, options.quick, getattr(options, "batch", BATCH))


def _subjects(options: argparse.Namespace) -> list[Subject]:
    """The networks of the command line; raises CspError."""
    from csptrain.bench.infer import Subject
    from csptrain.bench.suite import QUICK_SIZE
    from csptrain.cli.exporting import find_images

    size = options.size or ((QUICK_SIZE, QUICK_SIZE) if options.quick else None)
    images = find_images(getattr(options, "images", None), sys.maxsize)
    if len(images) > MOST_IMAGES:
        tell(f"the first {MOST_IMAGES} of {len(images)} images are taken")
    found = []
    for path in map(Path, options.cfg):
        graph, content = load_graph(path, Overrides(size=size), tell, options.lenient)
        found.append(Subject(path.stem, content, graph, getattr(options, "weights", None), tuple(images[:MOST_IMAGES])))
    return found


def _report(verb: str, options: argparse.Namespace, comparisons: Iterator[Comparison]) -> int:
    from csptrain.bench.machine import describe
    from csptrain.bench.page import Report, lines

    today = datetime.now(timezone.utc).date().isoformat()
    report = Report(verb, describe(), tuple(comparisons), today, options.quick)
    show(*lines(report))
    show_object(report.as_dict())
    write(report, options.markdown, options.csv, options.png)
    return 0
