"""Table 2: ablation study of EFM on MS COCO; every row stands on CSPPeleeNet in an input of 416 x 416."""

from __future__ import annotations

from csptrain.zoo.rows.row import Row

_EXACT = "head exact (PRN's own costs are met on PeleeNet), backbone strong"
_CANDIDATE = "head a candidate: one wiring that meets the printed cost"
_EFM = "head a candidate: one wiring that meets all nine printed costs of EFM"
_GFM = "head a candidate, weak: one wiring that meets the one printed cost"


def _row(name: str, cfg: str, marks: tuple[str, ...], figures: str, evidence: str, note: str = "") -> Row:
    """``figures``: BFLOPs, FPS, AP, AP50, AP75."""
    bflops, fps, ap, ap50, ap75 = figures.split()
    return Row(
        2,
        name,
        cfg,
        size=416,
        backbone="CSPPeleeNet",
        marks=marks,
        bflops=bflops,
        fps=fps,
        ap=ap,
        ap50=ap50,
        ap75=ap75,
        evidence=evidence,
        note=note,
    )


_GLOBAL, _EXACT_FUSION, _ATTENTION = "global fusion", "exact fusion", "atten."

ROWS = (
    _row("PRN", "csppeleenet-prn", (), "3.590 169 23.1 44.5 22.0", _EXACT),
    _row("PRN (swish)", "csppeleenet-swish-prn", (), "3.590 161 24.1 45.8 23.3", _EXACT),
    _row("PRN-3l", "csppeleenet-prn-3l", (), "4.586 151 23.7 46.0 22.2", _EXACT),
    _row("CEM", "csppeleenet-cem", (_GLOBAL,), "4.049 148 23.8 45.4 22.6", _CANDIDATE),
    _row("CEM (SAM)", "csppeleenet-cem-sam", (_GLOBAL, _ATTENTION), "4.165 144 24.1 46.0 23.1", _CANDIDATE),
    _row("GFM", "csppeleenet-gfm", (_GLOBAL,), "4.605 134 24.3 46.2 23.3", _GFM),
    _row("EFM", "csppeleenet-efm", (_EXACT_FUSION,), "4.868 132 26.4 48.6 26.3", _EFM),
    _row("EFM (GIoU)", "csppeleenet-efm-giou", (_EXACT_FUSION,), "4.868 132 27.1 45.9 28.2", _EFM),
    _row("EFM (SAM)", "csppeleenet-efm-sam", (_EXACT_FUSION, _ATTENTION), "5.068 129 26.8 49.0 26.7", _EFM),
    _row("EFM (SPP)", "csppeleenet-efm-spp", (_EXACT_FUSION,), "4.863 128 26.2 48.5 25.7", _EFM),
)
