"""The ``csptrain`` command: finds the verb, imports its module alone, and turns errors into one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from csptrain import __version__
from csptrain.cli import voice
from csptrain.cli.arguments import UsageError, unknown
from csptrain.cli.elsewhere import elsewhere
from csptrain.errors import CfgError, CspError
from csptrain.machine import settle

#: First word -> second word -> (module, or module:function where it is not ``run``; help in one line).
VERBS: dict[str, dict[str, tuple[str, str]]] = {
    "detector": {
        "train": ("csptrain.cli.detector_train", "train a detector from a cfg"),
        "test": ("csptrain.cli.detector_test", "find objects in pictures and draw them"),
        "demo": ("csptrain.cli.detector_demo", "find objects on a video, a camera or a stream"),
        "valid": ("csptrain.cli.detector_valid", "write the detections of a validation list to files"),
        "map": ("csptrain.cli.detector_map", "measure mean average precision on a validation list"),
        "recall": ("csptrain.cli.detector_recall", "measure how many objects of a validation list are covered"),
        "calc_anchors": ("csptrain.cli.detector_anchors", "find anchors for the boxes of a training list"),
    },
    "classifier": {
        "train": ("csptrain.cli.classifier_train", "train a classifier from a cfg"),
        "valid": ("csptrain.cli.classifier_valid", "measure top-1 and top-k on the centres of a list's images"),
        "valid10": ("csptrain.cli.classifier_valid:ten", "the same with ten crops of each image"),
        "validfull": ("csptrain.cli.classifier_valid:full", "the same with all of each image"),
        "predict": ("csptrain.cli.classifier_predict", "name what is on pictures"),
    },
    "cfg": {
        "info": ("csptrain.cli.cfg_info", "print the layers of a cfg, their shapes and their cost"),
        "check": ("csptrain.cli.cfg_check", "report every mistake of cfgs, or repair them"),
        "adapt": ("csptrain.cli.cfg_adapt", "change classes, anchors or input size of a cfg"),
        "new": ("csptrain.cli.cfg_new", "compose a network of your own: backbone, partial form, head"),
        "format": ("csptrain.cli.cfg_format", "write a cfg in canonical layout"),
        "diff": ("csptrain.cli.cfg_diff", "compare two networks layer by layer"),
        "graph": ("csptrain.cli.cfg_graph", "draw the network as SVG or PNG"),
    },
    "weights": {
        "info": ("csptrain.cli.weights_info", "print what each layer of a cfg takes from a weights file"),
    },
    "export": {
        "opencv": ("csptrain.cli.export_opencv", "write a cfg and weights that OpenCV 4 computes equally"),
        "onnx": ("csptrain.cli.export_onnx", "write an ONNX model for onnxruntime, OpenVINO and OpenCV 5"),
    },
    "bench": {
        "infer": ("csptrain.cli.bench:infer", "time networks in several runtimes, in turn"),
        "train": ("csptrain.cli.bench:train", "time training steps against a plain PyTorch port"),
        "table5": ("csptrain.cli.bench:table5", "time the networks of the paper's Table 5 on this CPU"),
        "data": ("csptrain.cli.bench:data", "time the making of training samples against bare decoding"),
        "eval": ("csptrain.cli.bench:evaluation", "time evaluation against pycocotools, and suppression"),
        "load": ("csptrain.cli.bench:load", "time the reading of a network against reading its file"),
        "memory": ("csptrain.cli.bench:memory", "measure peak memory against executors that keep all"),
        "all": ("csptrain.cli.bench:everything", "measure all that there is a goal for, and tell which are met"),
    },
}

#: Verbs of one word, most of them Darknet's -> (module, or module:function where it is not ``run``; help in one line).
WORDS: dict[str, tuple[str, str]] = {
    "new": ("csptrain.cli.new", "make a project of a folder of labelled pictures"),
    "partial": ("csptrain.cli.weights_rewrite:partial", "write the first layers of a weights file"),
    "average": ("csptrain.cli.weights_rewrite:average", "write the mean of several weights files"),
    "reset": ("csptrain.cli.weights_rewrite:reset", "move batch statistics into the weights"),
    "rescale": ("csptrain.cli.weights_rewrite:rescale", "change weights for images in -1..1 to images in 0..1"),
    "rgbgr": ("csptrain.cli.weights_rewrite:rgbgr", "swap red and blue in the first convolution"),
    "normalize": ("csptrain.cli.weights_rewrite:normalize", "add neutral batch normalization to weights"),
    "denormalize": ("csptrain.cli.weights_rewrite:denormalize", "fold batch normalization into the weights"),
    "statistics": ("csptrain.cli.weights_statistics", "print every tensor of a weights file in numbers"),
    "ops": ("csptrain.cli.ops", "print the floating point operations of a cfg"),
    "speed": ("csptrain.cli.speed", "time forward passes of a cfg"),
    "cost": ("csptrain.cli.cost", "print what each layer of cfgs costs, and draw it"),
    "verify": ("csptrain.cli.verify", "compare other runtimes with csptrain, head by head"),
    "doctor": ("csptrain.cli.doctor", "look at a data set, and a cfg with it, before training"),
    "paper": ("csptrain.cli.paper", "compute a table or figure of the CSPNet paper"),
}

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_HELP = ("help", "-h", "-help", "--help")
_VERSION = ("version", "-version", "--version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done; 1 a mistake in what the user gave (`CspError`, or a file that cannot be read or written);
    2 a command line that cannot be understood; 130 interrupted; 141 nobody reads the output any more.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    settle(trains=words[1:2] == ["train"])
    voice.escape()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except UsageError as error:
        return _complain(error, EXIT_USAGE)
    except CspError as error:
        return _complain(_with_source(error), EXIT_ERROR)
    except KeyboardInterrupt:
        print("\ncsptrain: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        return _complain(f"{where}{error.strerror or error}", EXIT_ERROR)
    finally:
        voice.adopt()
    return code


def _dispatch(words: list[str]) -> int:
    if not words:
        print(_overview(VERBS), file=sys.stderr)
        return EXIT_USAGE
    first, rest = words[0], words[1:]
    if first in _VERSION:
        print(f"csptrain {__version__}")
        return 0
    if first in _HELP:
        # `csptrain help detector train` is `csptrain detector train --help`.
        return _dispatch([*rest, "--help"]) if rest else _show(_overview(VERBS))
    if first in WORDS:
        return _run(WORDS[first][0], rest)
    if first not in VERBS:
        raise elsewhere(words) or unknown("command", first, [*VERBS, *WORDS, "help", "version"])
    second_words = VERBS[first]
    if not rest:
        raise UsageError(f"'{first}' needs one more word", hint=f"legal: {', '.join(second_words)}")
    if rest[0] in _HELP:
        return _show(_overview({first: second_words}))
    if rest[0] not in second_words:
        raise elsewhere(words) or unknown(f"{first} command", rest[0], second_words)
    module, _ = second_words[rest[0]]
    return _run(module, rest[1:])


def _run(place: str, argv: list[str]) -> int:
    module, _, function = place.partition(":")
    try:
        return int(getattr(import_module(module), function or "run")(argv))
    except SystemExit as stop:  # argparse stops so after --help
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else EXIT_ERROR


def _overview(verbs: dict[str, dict[str, tuple[str, str]]]) -> str:
    lines = ["usage: csptrain COMMAND [arguments]", ""]
    for first, second_words in verbs.items():
        lines.extend(f"  {f'{first} {second}':<23}{text}" for second, (_, text) in second_words.items())
    if verbs is VERBS:
        lines.extend(f"  {word:<23}{text}" for word, (_, text) in WORDS.items())
        lines.append(f"  {'version':<23}print the version")
    lines += ["", "csptrain COMMAND --help tells all about one of them; every one takes --quiet."]
    return "\n".join(lines)


def _show(text: str) -> int:
    print(text)
    return 0


def _with_source(error: CspError) -> CspError:
    """The error, with a hint where a cfg that is missing is one of the networks that csptrain brings."""
    if isinstance(error, CfgError) and error.path is not None and not os.path.exists(error.path):
        from csptrain.zoo.contents import RECIPES

        folder, file = os.path.split(error.path)
        name = file.removesuffix(".cfg")
        if name in RECIPES and folder in ("", "cfg"):  # elsewhere it is a trained one, of other classes
            hint = f"csptrain cfg new {name} -o {error.path} writes that network"
            return CfgError(error.message, path=error.path, hint=hint)
    return error


def _complain(error: CspError | str, code: int) -> int:
    print(f"csptrain: error: {error}", file=sys.stderr)
    return code
