"""Table 5: inference rate of real-time detectors on mobile GPU and CPU."""

from __future__ import annotations

from csptrain.zoo.rows.row import Row


def _row(name: str, cfg: str, size: int, figures: str) -> Row:
    """``figures``: FPS on GPU, CPU and mobile GPU, AP50; - where the paper leaves the cell empty."""
    fps, cpu, mobile, ap50 = ("" if figure == "-" else figure for figure in figures.split())
    return Row(5, name, cfg, quoted=not cfg, size=size, fps=fps, cpu_fps=cpu, mobile_fps=mobile, ap50=ap50)


ROWS = (
    _row("SNet146-Thunder", "", 320, "248 32 - 40.2"),
    _row("SNet49-Thunder", "", 320, "267 47 - 33.7"),
    _row("YOLOv3-tiny", "yolov3-tiny", 416, "330 54 37 33.1"),
    _row("YOLOv3-tiny-PRN", "yolov3-tiny-prn", 416, "400 71 49 33.1"),
    _row("CSPPeleeNet Ref.-EFM (SAM)", "csppeleenet-ref-efm-sam", 320, "205 - 41 44.6"),
    _row("CSPDenseNet Ref.-EFM (SAM)", "cspdensenet-ref-efm-sam", 320, "235 - 49 42.2"),
    _row("CSPPeleeNet Ref.-PRN (3l)", "csppeleenet-ref-prn-3l", 320, "267 52 38 40.0"),
    _row("CSPPeleeNet Ref.-PRN", "csppeleenet-ref-prn", 320, "306 75 52 38.5"),
    _row("CSPDenseNet Ref.-PRN", "cspdensenet-ref-prn", 320, "387 95 64 35.4"),
    _row("CSPDenseNetb Ref.-PRN", "cspdensenetb-ref-prn", 320, "400 102 73 34.2"),
)
