"""The layer table: Darknet's words, its totals and the paper's; figures of whole networks are tests/corpus."""

from __future__ import annotations

import json

from csptrain.summary import summarize
from tests.plans import planned

TEXT = (
    "[convolutional]\nfilters=8\nsize=3\npad=1\nstride=2\nbatch_normalize=1\ngroups=1\n"
    "[convolutional]\nfilters=8\nsize=3\npad=1\ngroups=4\n"
    "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,-1\n[shortcut]\nfrom=2\n"
    "[avgpool]\n[connected]\noutput=5\n[softmax]\n"
)


def test_totals() -> None:
    summary = summarize(planned(TEXT, (3, 16, 16)))
    first, grouped, pool, shortcut, dense = 2 * 27 * 8 * 64, 2 * 9 * 2 * 8 * 64, 4 * 8 * 16, 16 * 16, 2 * 16 * 5
    assert [row.bflops for row in summary.rows] == [
        first / 1e9, grouped / 1e9, pool / 1e9, None, shortcut / 1e9, None, None, None,
    ]  # fmt: skip
    assert round(summary.total_bflops * 1e9) == first + grouped + pool + shortcut
    assert summary.operations == first + 4 * grouped + dense
    assert round(summary.paper_bflops * 1e9) == first + grouped + pool
    assert summary.weights == 27 * 8 + 9 * 2 * 8 + 16 * 5
    assert summary.all == summary.weights + 4 * 8 + 8 + 5
    assert [row.stored for row in summary.rows] == [27 * 8 + 32, 9 * 16 + 8, 0, 0, 0, 0, 85, 0]
    outputs = [8 * 64, 8 * 64, 8 * 16, 16 * 16, 16 * 16, 16]
    assert summary.avg_outputs == sum(outputs) // len(outputs)


def test_json_has_the_stated_names() -> None:
    found = json.loads(json.dumps(summarize(planned(TEXT, (3, 16, 16))).as_dict()))
    assert set(found) >= {"layers", "total_bflops", "operations", "parameters", "paper_bflops"}
    assert set(found["parameters"]) == {"weights", "all"}
    assert found["layers"][0].items() >= {"index": 0, "kind": "convolutional", "output": [8, 8, 8]}.items()
    assert found["layers"][3]["bflops"] is None


def test_lines_are_darknets() -> None:
    lines = summarize(planned(TEXT, (3, 16, 16))).lines()
    assert lines[1] == "    0 convolutional      8       3 x 3/ 2      16 x  16 x    3 ->    8 x   8 x    8 0.000 BF"
    assert "8/   4  3 x 3/ 1" in lines[2] and "from 2" in lines[5]
    assert lines[-3].startswith("Total BFLOPS 0.000") and lines[-2].startswith("avg_outputs = ")
