"""Which engines and runtimes this Python has."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import cv2

from csptrain.doctor.book import Book

PACKAGES = ("torch", "numpy", "onnx", "onnxruntime", "openvino", "pycocotools", "faster-coco-eval", "tensorboard")


def find_runtimes() -> dict[str, str | None]:
    """Versions by name, None for what is not installed."""
    return {"python": platform.python_version(), "opencv": cv2.__version__} | {
        name: _version(name) for name in PACKAGES
    }


def check_opencv(found: str, book: Book) -> None:
    """Note an OpenCV that does not read Darknet's files: 4 does."""
    if found.split(".")[0] != "4":
        book.add("opencv-version", f"version {found}", "opencv")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
