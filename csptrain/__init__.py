"""Train Darknet cfg networks in PyTorch, as Darknet does, and run them in OpenCV.

``import csptrain`` is cheap: what needs torch is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from csptrain.errors import CfgError, CspError, DataError, ExportError, WeightsError

if TYPE_CHECKING:
    from csptrain.api.model import Model, load
    from csptrain.api.prediction import Found, Prediction
    from csptrain.formats.darknet import save_weights
    from csptrain.network import Network

__version__ = "0.1.0"

__all__ = [
    "CfgError",
    "CspError",
    "DataError",
    "ExportError",
    "Found",
    "Model",
    "Network",
    "Prediction",
    "WeightsError",
    "__version__",
    "load",
    "save_weights",
]

_HOME = {
    "Found": "csptrain.api.prediction",
    "Model": "csptrain.api.model",
    "Network": "csptrain.network",
    "Prediction": "csptrain.api.prediction",
    "load": "csptrain.api.model",
    "save_weights": "csptrain.formats.darknet",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'csptrain' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
