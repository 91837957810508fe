"""Table 1: ablation study of CSPNet on ImageNet."""

from __future__ import annotations

from csptrain.zoo import evidence
from csptrain.zoo.rows.row import Row


def _partial(name: str, cfg: str, marks: tuple[str, ...], figures: tuple[tuple[str, str, str, str], ...]) -> list[Row]:
    """The rows of one fusion strategy: (cfg's ending, gamma, top-1, BFLOPs)."""
    return [
        Row(
            1,
            name,
            cfg + ending,
            size=224,
            gamma=gamma,
            marks=marks,
            top1=top1,
            bflops=bflops,
            baseline="PeleeNet",
            evidence=evidence.CSP_PELEENET,
        )
        for ending, gamma, top1, bflops in figures
    ]


ROWS = (
    Row(
        1,
        "PeleeNet",
        "peleenet",
        size=224,
        marks=("two-way dense", "trans."),
        top1="70.7",
        bflops="1.017",
        evidence=evidence.PELEENET,
    ),
    Row(
        1,
        "SPeleeNet",
        "sparsepeleenet",
        size=224,
        marks=("two-way dense (sparse)", "trans."),
        top1="69.6",
        bflops="0.904",
        baseline="PeleeNet",
        evidence=evidence.SPARSE,
    ),
    Row(
        1,
        "PeleeNeXt",
        "peleenext",
        size=224,
        marks=("two-way dense (group)", "trans."),
        top1="68.9",
        bflops="0.837",
        baseline="PeleeNet",
        evidence=evidence.GROUPED,
    ),
    *_partial(
        "CSP (fusion first)",
        "csppeleenet-first",
        ("partial dense", "trans."),
        (("-75", "0.75", "68.4", "0.649"), ("", "0.5", "69.2", "0.755"), ("-25", "0.25", "70.0", "0.861")),
    ),
    *_partial(
        "CSP (fusion last)",
        "csppeleenet-last",
        ("partial dense", "partial trans."),
        (("-75", "0.75", "69.2", "0.716"), ("", "0.5", "70.6", "0.804"), ("-25", "0.25", "70.8", "0.902")),
    ),
    *_partial(
        "CSPPeleeNet",
        "csppeleenet",
        ("partial dense", "partial trans."),
        (("-75", "0.75", "70.4", "0.800"), ("", "0.5", "70.9", "0.888"), ("-25", "0.25", "71.5", "0.986")),
    ),
)
