"""Darknet's verbs that csptrain has not: each is answered with what replaces it, or that it is not supported."""

from __future__ import annotations

from collections.abc import Sequence

from csptrain.cli.arguments import UsageError

_NOT = "is not supported"
_OTHER_WORK = f"{_NOT}: it belongs to one experiment of Darknet's author, not to detectors or classifiers"
_FEATURES = f"{_NOT}: it draws what a classifier's features see"
_PICTURES = f"{_NOT}: it tests Darknet's own image code; csptrain reads pictures with OpenCV"
_SEGMENTS = f"{_NOT}: it trains segmentation, of which csptrain has none"
_TEXT = f"{_NOT}: csptrain trains on pictures, not on text or other sequences"

#: "word" or "word word" of Darknet -> the rest of the sentence that begins with it.
ELSEWHERE: dict[str, str] = {
    "detect": "is `csptrain detector test [x.data] net.cfg net.weights image` here",
    "classify": "is `csptrain classifier predict x.data net.cfg net.weights image` here",
    "detector draw": f"{_NOT}: `csptrain detector test` draws the boxes it finds",
    "classifier validcrop": "is `csptrain classifier valid` here, which crops the centre of every image",
    "classifier validmulti": f"{_NOT}: `csptrain classifier valid10` takes ten crops, `--size` another scale",
    "classifier try": f"{_NOT}: `csptrain classifier predict` names what is on a picture",
    "classifier test": "is `csptrain classifier predict x.data net.cfg net.weights list.txt` here",
    "classifier label": f"{_NOT}: it sorts pictures into lists by a trained classifier",
    "classifier demo": f"{_NOT}: no video or camera",
    "classifier gun": _OTHER_WORK,
    "classifier threat": _OTHER_WORK,
    "yolo": f"{_NOT}: it runs YOLOv1 alone; `csptrain detector` runs every detector by its cfg",
    "coco": f"{_NOT}: it runs YOLOv1 on COCO; `csptrain detector` with a data file runs every detector",
    "oneoff": f"{_NOT}: it widens the last layer of one network to one fixed number of classes",
    "oneoff2": f"{_NOT}: it widens the last layer of one network to one fixed number of classes",
    "print": "is `csptrain statistics net.cfg net.weights` or `csptrain weights info net.cfg net.weights` here",
    "cfglayers": "is `csptrain cfg info net.cfg` here",
    "visualize": f"{_NOT}: it opens a window with the kernels; `csptrain statistics` tells about them in numbers",
    "3d": _PICTURES,
    "imtest": _PICTURES,
    "test": _PICTURES,
    "mkimg": _PICTURES,
    "nightmare": _FEATURES,
    "rnn": _TEXT,
    "vid": _TEXT,
    "writing": _SEGMENTS,
    "segmenter": _SEGMENTS,
    "isegmenter": _SEGMENTS,
    "instance": _SEGMENTS,
    "regressor": _OTHER_WORK,
    "cifar": f"{_NOT}: `csptrain classifier train` takes CIFAR as pictures, with a list or folders",
    "tag": _OTHER_WORK,
    "captcha": _OTHER_WORK,
    "go": _OTHER_WORK,
    "art": _OTHER_WORK,
    "dice": _OTHER_WORK,
    "voxel": _OTHER_WORK,
    "super": _OTHER_WORK,
    "compare": _OTHER_WORK,
    "lsd": _OTHER_WORK,
}


def elsewhere(words: Sequence[str]) -> UsageError | None:
    """The answer to Darknet's verb that a command line begins with; None where Darknet has none such either."""
    for verb in (" ".join(words[:2]), words[0]):
        if verb in ELSEWHERE:
            return UsageError(f"Darknet's '{verb}' {ELSEWHERE[verb]}")
    return None
