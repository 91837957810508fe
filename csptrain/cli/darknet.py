"""The ``darknet`` command: command lines as they were written for Darknet, run by csptrain's verbs.

Flags may stand anywhere, also before the second word. One that Darknet knows and the verb has no use for is passed over
with a note, since Darknet passes over it too; one that nobody knows is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from csptrain.cli import main as front
from csptrain.cli.arguments import QUIET, Arguments
from csptrain.cli.voice import tell

#: Flags of Darknet and its successor that stand alone.
FLAGS = frozenset(
    "benchmark benchmark_layers clear cuda_debug_sync dont_show dontdraw_bbox dontuse_opencv ext_output heatmaps help "
    "letter_box map nogpu save_labels show show_imgs topk".split()
)
#: Flags that a value follows.
OPTIONS = frozenset(
    "avgframes c chart gpus height hier http_post_host i iou_thresh json_file_output json_port log mAP_epochs "
    "mjpeg_port num_of_clusters out out_filename points prefix s saveweights skipclasses t thresh time_limit_sec "
    "width".split()
)
#: What is told of a flag that the verb has no use for, where more can be said.
_INSTEAD = {
    "benchmark": "`csptrain speed net.cfg` times a network",
    "benchmark_layers": "`csptrain cost net.cfg` tells what each layer costs",
    "chart": "--resume goes on with the chart too",
    "heatmaps": "`csptrain detector test --heatmap` draws them",
    "hier": "a tree of classes is followed above 0.5",
    "http_post_host": "-json_port streams the detections",
    "json_port": "`csptrain detector demo` has it",
    "saveweights": "--save-every N is that",
}
# Darknet's short forms, whose data file is not on the command line: (verb, data files that may be meant).
_SHORT = {
    "detect": (("detector", "test"), ("cfg/coco.data", "data/coco.data")),
    "classify": (("classifier", "predict"), ("cfg/imagenet1k.data", "data/imagenet.data")),
}


class Translated(NamedTuple):
    """A command line for csptrain, and what is to be told of it."""

    words: list[str]
    notes: list[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line of Darknet; exit codes as those of csptrain."""
    words, notes = translate(list(sys.argv[1:] if argv is None else argv))
    if not QUIET & {*words}:
        for note in notes:
            tell(f"note: {note}")
    return front.main(words)


def translate(argv: Sequence[str]) -> Translated:
    """The same for csptrain; a verb that it does not have is left to it to answer."""
    words, flags = _split(argv)
    if words and words[0] in _SHORT:
        verb, places = _SHORT[words[0]]
        data = next((place for place in places if Path(place).exists()), places[-1])
        words = [*verb, data, *words[1:]]
    arguments = _arguments(words)
    if arguments is None:
        return Translated([*words, *(word for flag in flags for word in flag)], [])
    kept: list[str] = []
    notes: list[str] = []
    for flag in flags:
        flag = _on_device(flag, arguments, notes)
        name = flag[0].lstrip("-")  # the same with one dash or two
        if arguments.accepts(flag[0]):
            kept += flag
        elif name != "cuda_debug_sync":
            instead = f": {_INSTEAD[name]}" if name in _INSTEAD else ""
            notes.append(f"{flag[0]} has no effect on {' '.join(words[:2])}{instead}")
    return Translated([*words, *kept], notes)


def _split(argv: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The words, flags that are not Darknet's among them, and Darknet's flags with the values that belong to them."""
    words: list[str] = []
    flags: list[list[str]] = []
    rest = iter(argv)
    for word in rest:
        name = word.lstrip("-") if word.startswith("-") else ""
        if name in OPTIONS:
            value = next(rest, None)
            flags.append([word] if value is None else [word, value])
        elif name in FLAGS:
            flags.append([word])
        else:
            words.append(word)
    return words, flags


def _arguments(words: Sequence[str]) -> Arguments | None:
    """The declared flags of a verb of two words; None where csptrain has no such verb, or keeps them to itself."""
    second_words = front.VERBS.get(words[0], {}) if words else {}
    if len(words) < 2 or words[1] not in second_words:
        return None
    module = import_module(second_words[words[1]][0].partition(":")[0])
    declared = getattr(module, "arguments", None)
    return declared() if callable(declared) else None


def _on_device(flag: list[str], arguments: Arguments, notes: list[str]) -> list[str]:
    """Darknet's choice of GPUs as csptrain's of a device; where there is none the CPU does the work, and it is said."""
    if flag[0] not in ("-nogpu", "-i", "-gpus") or not arguments.accepts("--device"):
        return flag
    if flag[0] == "-nogpu":
        return ["--device", "cpu"]

    import torch

    if torch.cuda.is_available():
        return ["--device", f"cuda:{flag[-1]}"] if flag[0] == "-i" else flag
    notes.append(f"{' '.join(flag)}: torch {torch.__version__} finds no CUDA device here, so this runs on the CPU")
    return ["--device", "cpu"]
