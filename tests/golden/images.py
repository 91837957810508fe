"""Cases without a network that end in pixels: image, augment, classifier_image."""

from __future__ import annotations

import numpy as np

from csptrain.datasets.augment import Draw, apply_exact
from csptrain.datasets.colour import Distortion
from csptrain.datasets.geometry import Crop, crop_pixels, crop_truth
from csptrain.datasets.image import letterbox, load_image, resize, to_planes
from csptrain.datasets.lists import read_label
from csptrain.datasets.rotated_crop import RotatedCrop, take_exact
from csptrain.datasets.views import centre_crop, resize_shorter
from tests.golden.case import Case, Worst

PIXEL = 1e-6
COLOUR = 2e-6
JPEG = 2.01 / 255  # two decoders may differ by two grey levels


def image(case: Case, worst: Worst) -> None:
    """Decoding, resize and letterbox; the two last from Darknet's own decoded pixels."""
    decoded = to_planes(load_image(case.image))
    worst.array("image", decoded, case.arrays["image"], JPEG if case.image.suffix == ".jpg" else PIXEL, 1.0)
    source = case.arrays["image"]
    width, height = case.golden["net_wh"]
    worst.array("resize", resize(source, width, height), case.arrays["resize"], PIXEL, 1.0)
    worst.array("letterbox", letterbox(source, width, height), case.arrays["letterbox"], PIXEL, 1.0)


def augment(case: Case, worst: Worst) -> None:
    """Crop, resize, flip and colours with given parameters, and what becomes of the boxes."""
    given = case.golden["params"]
    net = (given["net_w"], given["net_h"])
    crop = Crop(given["pleft"], given["ptop"], given["swidth"], given["sheight"], bool(given["flip"]))
    colour = Distortion(given["hue"], given["saturation"], given["exposure"])
    pixels = load_image(case.image)
    cropped = crop_pixels(pixels, crop, "replicate").transpose(2, 0, 1) / np.float32(255)
    worst.array("cropped", cropped, case.arrays["cropped"], PIXEL, 1.0)
    sized = apply_exact(pixels, net, Draw(crop, Distortion()))
    worst.array("resized and flipped", sized, case.arrays["resized_flipped"], PIXEL, 1.0)
    worst.array("final", apply_exact(pixels, net, Draw(crop, colour)), case.arrays["final"], COLOUR, 1.0)

    truth = read_label(case.folder / "image.txt", given["classes"], [])
    truth = crop_truth(truth, (pixels.shape[1], pixels.shape[0]), net, crop)
    order = np.lexsort(truth.T[::-1])
    worst.array("truth", truth[order], np.asarray(case.golden["truth_sorted"]), PIXEL, 1.0)


def classifier_image(case: Case, worst: Worst) -> None:
    """What a classifier sees: the shorter side resized and the middle of it; a scaled and turned crop of training."""
    planes = to_planes(load_image(case.image))
    width, height = case.golden["net_wh"]
    resized = resize_shorter(planes, max(width, height))
    worst.equal("resized", list(resized.shape), case.golden["resized_chw"])
    (centre,) = centre_crop(planes, (width, height))
    worst.array("centre crop", centre, case.arrays["center_crop"], PIXEL, 1.0)
    given = case.golden["rotate"]
    crop = RotatedCrop(given["scale"], given["rad"], given["dx"], given["dy"], given["aspect"])
    turned = take_exact(planes, crop, (given["w"], given["h"]))
    worst.array("turned crop", turned, case.arrays["rotate_crop"], PIXEL, 1.0)
