"""Two runtimes on the same images: do they find the same objects, and a picture of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.voice import say
from csptrain.errors import ExportError

if TYPE_CHECKING:
    from csptrain.formats.opencv import OpenCVBackend
    from csptrain.network import Network
    from csptrain.ops.decode import Detections
    from csptrain.report.draw import Pixels

NMS = 0.45


class SideBySide:
    """Asks OpenCV for the detections of real images before the export is kept, and draws those of one afterwards."""

    def __init__(self, network: Network, images: Sequence[Path], names: Sequence[str], thresh: float) -> None:
        from csptrain.evaluate.agreement import Agreement

        self.network, self.images, self.names, self.thresh = network, images, names, thresh
        self.agreement = Agreement()
        self.most = -1
        self.shown: tuple[Pixels, Detections, Detections] | None = None

    def __call__(self, backend: OpenCVBackend) -> None:
        """Compare all images; raises ExportError where the two find different objects."""
        for path in self.images:
            self._compare(backend, path)
        # OpenCV suppresses what a [region] finds once more, with an overlap of its own.
        if not self.agreement.equal and not self._has_region():
            raise ExportError(
                f"OpenCV finds other objects above {self.thresh:g}: {self.agreement}", path=self.network.graph.path
            )

    def tell(self, picture: Path) -> None:
        """Print the agreement, and save the picture of the image with the most objects."""
        from csptrain.report.compare import compare_detections

        verdict = "equal" if self.agreement.equal else "differ, by OpenCV's own suppression behind [region], from"
        say(f"OpenCV's detections {verdict} csptrain's: {self.agreement} in {len(self.images)} images")
        if self.shown is not None:
            compare_detections(*self.shown, self.names, self.thresh, picture)
            say(f"wrote {picture}")

    def _compare(self, backend: OpenCVBackend, path: Path) -> None:
        from csptrain.datasets.image import load_image
        from csptrain.evaluate.agreement import agreement
        from csptrain.evaluate.detect import finish, torch_detector
        from csptrain.formats.opencv_export import network_input

        pixels = load_image(path)
        size = (pixels.shape[1], pixels.shape[0])
        planes = network_input(self.network, path)
        ours, theirs = (
            finish(self.network.graph, detect(planes, self.thresh)[0], size, NMS)
            for detect in (torch_detector(self.network), backend.detect)
        )
        found = agreement(ours, theirs, size, self.thresh)
        self.agreement += found
        if found.objects > self.most:
            self.most, self.shown = found.objects, (pixels, ours, theirs)

    def _has_region(self) -> bool:
        return any(head.kind == "region" for head in self.network.graph.box_heads)
