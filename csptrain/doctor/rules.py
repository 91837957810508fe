"""What the doctor looks for: each rule with its severity, what a violation means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from csptrain.cfg.text import ERROR, NOTE, WARNING


@dataclass(frozen=True)
class Rule:
    """A rule by its name."""

    name: str
    severity: str
    means: str
    remedy: str


_ALL = (
    Rule("data-file", ERROR, "the data file cannot be used", "correct the line; docs/training.md shows one"),
    Rule("split", ERROR, "a list or annotation file cannot be used", "correct it as the message says"),
    Rule("cfg", ERROR, "the cfg cannot train on this data", "correct it: `csptrain cfg check`, `csptrain cfg adapt`"),
    Rule(
        "image-missing",
        ERROR,
        "a list names an image that is not there, and training does not start",
        "correct the path or take the line out; paths count from the working directory, then from the list's folder",
    ),
    Rule(
        "image-broken",
        ERROR,
        "an image cannot be decoded; training takes the next one in its place",
        "fetch the file again, or take it out of the list",
    ),
    Rule(
        "image-shared",
        ERROR,
        "a picture is in train and in valid, so AP measures what was learnt by heart",
        "keep it in one of the two lists",
    ),
    Rule("labels-none", ERROR, "no image of a list has labels", "put the label files where they are looked for"),
    Rule(
        "label-unreadable",
        ERROR,
        "a label file is no text, and training does not start",
        "write it again as UTF-8 text, one box a line",
    ),
    Rule(
        "label-format",
        ERROR,
        "a label line is not `class x y w h`, and training does not start",
        "one box a line: a class number and four numbers in 0..1, with points as decimal signs",
    ),
    Rule(
        "label-class",
        ERROR,
        "a label's class is not one of the data file's, and training does not start",
        "class numbers begin with 0; raise classes= and add names, or correct the label",
    ),
    Rule(
        "label-pixels",
        ERROR,
        "a label seems to be in pixels, and is left out",
        "divide x and w by the image's width, y and h by its height; x y is the centre",
    ),
    Rule(
        "class-only-in-valid",
        ERROR,
        "valid has a class that train never shows, so its AP stays 0",
        "add examples to train, or take the class out",
    ),
    Rule(
        "step-fails",
        ERROR,
        "a training step at the largest size fails",
        "out of memory: double subdivisions, or lower width and height or random; not finite: lower learning_rate",
    ),
    Rule(
        "overfit-fails",
        ERROR,
        "the loss of a few pictures, trained on again and again, does not fall",
        "look at learning_rate first, then at the labels drawn on the page",
    ),
    Rule(
        "cfg-classes",
        WARNING,
        "the cfg is of another number of classes; training here changes that by itself, Darknet does not",
        "`csptrain cfg adapt net.cfg --classes N`",
    ),
    Rule(
        "overfit-weak",
        WARNING,
        "a few pictures, trained on again and again, are not found again",
        "more --iterations; if AP50 stays low, look at the labels drawn on the page and at the anchors",
    ),
    Rule("valid-is-train", WARNING, "AP is measured on the pictures trained on", "keep a tenth of them for valid="),
    Rule("image-twice", WARNING, "a list has a picture twice, so it counts twice", "take one out"),
    Rule(
        "image-turned",
        WARNING,
        "the EXIF of an image says it is to be turned; it is read as it is stored, and labels drawn on the turned "
        "picture do not fit",
        "turn the pixels and drop the tag, then look whether the labels fit",
    ),
    Rule("image-alpha", WARNING, "transparency is dropped, what lies below it shows", "save the image without alpha"),
    Rule("image-depth", WARNING, "more than 8 bits a channel are cut to 8", "save the image with 8 bits a channel"),
    Rule("image-cmyk", WARNING, "a CMYK image becomes RGB with other colours", "save the image as RGB"),
    Rule("image-grey", WARNING, "a grey image among coloured ones, its channel is repeated", "see that it is meant"),
    Rule("image-blank", WARNING, "an image is of one single colour", "fetch the file again, or take it out"),
    Rule(
        "label-missing",
        WARNING,
        "an image has no label file and counts as background",
        "add the file; an empty one says that nothing is to be found",
    ),
    Rule(
        "label-ambiguous",
        WARNING,
        "an image has several label files that differ, the first is read",
        "delete the one that is out of date",
    ),
    Rule("label-orphan", WARNING, "a label file has no image", "correct its name, or delete it"),
    Rule("label-empty", NOTE, "an empty label file: the image is background", "nothing, if that is so"),
    Rule("box-outside", WARNING, "a box has its centre outside the image and is left out", "draw it again"),
    Rule("box-empty", WARNING, "a box has no area and is left out", "draw it again, or delete the line"),
    Rule("box-over-edge", WARNING, "a box reaches over the edge of its image", "cut it there"),
    Rule(
        "box-tiny",
        WARNING,
        "a box has a side of few pixels at the network's size, too few to learn",
        "raise width and height of the cfg, cut the images into tiles, or leave the box out",
    ),
    Rule("box-huge", WARNING, "a box is the whole image", "see that no default box of the drawing tool was saved"),
    Rule("box-twice", WARNING, "an object has two boxes of its class", "delete one"),
    Rule("box-two-classes", WARNING, "an object has boxes of two classes", "decide for one"),
    Rule("class-none", WARNING, "a class has no box in train", "add examples, or take the class out of names"),
    Rule("class-few", WARNING, "a class has very few boxes in train", "add examples; ten are hardly ever enough"),
    Rule("class-unmeasured", WARNING, "a class of train has no box in valid: its AP is unknown", "move some there"),
    Rule("names-twice", WARNING, "two classes have one name", "see that the names file is in the labels' order"),
    Rule("names-none", NOTE, "the classes have no names, only numbers", "add names=FILE, one name a line"),
    Rule(
        "anchors-recall",
        WARNING,
        "for many boxes no anchor overlaps by more than a half, so they are learnt late and badly",
        "`csptrain detector calc_anchors x.data net.cfg --write`",
    ),
    Rule(
        "anchors-no-head",
        WARNING,
        "boxes whose best anchor is in no mask are trained by no head",
        "give every anchor to a head: `csptrain detector calc_anchors x.data net.cfg --write`",
    ),
    Rule(
        "anchors-idle-head",
        WARNING,
        "a head trains not a single box",
        "a cfg without it is faster; or other anchors: `csptrain detector calc_anchors x.data net.cfg --write`",
    ),
    Rule("memory-tight", WARNING, "a step takes nearly all memory", "double subdivisions"),
    Rule(
        "opencv-version",
        WARNING,
        "this OpenCV does not read Darknet's files, so the export cannot be proven here",
        "pip install 'opencv-python>=4.8,<5'; or use `csptrain export onnx`",
    ),
)

RULES = {rule.name: rule for rule in _ALL}
