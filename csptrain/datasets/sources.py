"""From a data file's train=, valid= or test= to images and truths, whatever kind of set it names."""

from __future__ import annotations

from csptrain.cfg.dataset import DataSpec
from csptrain.datasets.coco import read_coco
from csptrain.datasets.lists import (
    Samples,
    label_candidates,
    label_images,
    read_images,
    with_difficult,
    without_labels,
)
from csptrain.datasets.shards import exists
from csptrain.datasets.voc import annotation_of, is_voc, label_voc, voc_images


def read_split(data: DataSpec, split: str) -> Samples:
    """The images of ``train``, ``valid`` or ``test`` with their truths.

    A ``.json`` is COCO's; a folder with Annotations and JPEGImages, or a list within ImageSets/Main, is VOC's; else it
    is Darknet's list, shards or a folder of images, with label files or with VOC's annotations in place of them.

    Raises:
        DataError: the data file names no such split or one that is not there, or what `read_coco`, `label_voc` and
            `read_samples` raise.
    """
    source = data.split(split)
    if source.suffix.lower() == ".json":
        return read_coco(source, data.names, data.images)
    if is_voc(source):
        images = voc_images(source, data.images)
        root = source if source.is_dir() else source.parent.parent.parent
        return label_voc(source, images, data.names, root / "Annotations")
    images = read_images(source)
    if _has_annotations(images[0]):
        return label_voc(source, images, data.names)
    samples = label_images(source, images, data.classes)
    if split == "valid" and data.difficult is not None:
        return with_difficult(samples, data.difficult, data.classes)
    return samples


def read_split_images(data: DataSpec, split: str) -> Samples:
    """The images of a split whose truths nobody asks for; of COCO's jsons with the images' numbers.

    Raises:
        DataError: the data file names no such split or one that is not there, or an image is missing.
    """
    source = data.split(split)
    if source.suffix.lower() == ".json":
        return read_coco(source, data.names, data.images)
    if is_voc(source):
        return without_labels(source, voc_images(source, data.images))
    return without_labels(source, read_images(source))


def _has_annotations(image: str) -> bool:
    return not any(map(exists, label_candidates(image))) and annotation_of(image).is_file()
