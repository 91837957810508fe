"""docs/parity.md against the cases that the tests carry, and the known differences one by one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from math import inf, log10
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.golden import __main__ as runner
from tests.golden import parity
from tests.golden.darknet_rules import DIFFERENT, put_in
from tests.golden.proves import PROVES
from tests.golden.verdict import FAIL, OK, UNSUPPORTED, Verdict

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/parity.md"
CARRIED = ROOT / "tests/golden_cases"
DIFFER = ROOT / "tests/golden_different"
# Below this share of the tolerance an error is rounding alone, which every processor does in its own order.
ROUNDING = 0.05


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Row(NamedTuple):
    """What the page says of a case: as it is written."""

    error: str
    tolerance: str
    used: float


def rows(text: str) -> dict[str, Row]:
    """By case, those that agree (``error``, ``at``, ``tolerance``, ``used`` are columns 4 to 7)."""
    agree = text.split("## Knowing differences")[0]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in agree.splitlines() if "| `" in line[:3]]
    return {row[0].strip("`"): Row(row[3], row[5], float(row[6].rstrip(" %")) / 100) for row in cells}


def names(folders: Iterable[Path]) -> set[str]:
    return {folder.name for folder in folders}


def test_the_page_gives_what_the_cases_give() -> None:
    told = rows(PAGE.read_text(encoding="utf-8"))
    verdicts = [runner.run(folder) for folder in runner.find(CARRIED)]
    found = rows(parity.page(verdicts, {}))
    assert set(found) <= set(told)
    for name, row in found.items():
        page = told[name]
        assert (page.tolerance, page.error == "exact") == (row.tolerance, row.error == "exact"), name
        assert max(page.used, row.used) <= 1, name
        close = max(page.used, row.used) < ROUNDING or abs(log10(page.used / row.used)) < 1
        assert close, f"{name}: {page} on the page, {row} now"


def test_the_page_holds_all_cases_and_names_the_differences(shared: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    differences = set(re.findall(r"^\| `(\w+)` ", text.split("## Knowing differences")[1], re.MULTILINE))
    assert differences == set(DIFFERENT) and "## Not in agreement" not in text
    if not (shared / "golden").is_dir():
        pytest.skip("needs the golden cases in ../shared/golden")
    assert set(rows(text)) | differences == names(runner.find(shared / "golden"))
    assert f"{len(rows(text))} agree**, {len(differences)} differ" in text


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_one_rule_of_darknet(name: str) -> None:
    ours = runner.run(DIFFER / name)
    theirs = runner.run(DIFFER / name, amend=put_in)
    assert (ours.result, theirs.result) == (FAIL, OK)
    assert ours.worst > 100 and theirs.worst < ROUNDING, f"{ours}\n{theirs}"


@pytest.mark.parametrize("name", ["gl01_conv", "gl02_pool", "t06_prn_sam_maxout", "f14_classifier"])
def test_the_rules_leave_other_networks_alone(name: str) -> None:
    assert runner.run(CARRIED / name, amend=put_in) == runner.run(CARRIED / name)


def test_every_case_has_a_word_on_what_it_proves() -> None:
    assert names(runner.find(ROOT / "tests")) <= set(PROVES)
    assert all(claim and "|" not in claim for claim in PROVES.values())


A = Verdict("t01_a", "train", 0.5, "w10.0.weights", OK, 5e-5, 1e-4, 7, {"loss": 3e-6, "w": 5e-5})
B = dataclasses.replace(A, name="gl03_localavg", kind="grad", worst=3.0, result=FAIL, error=1.5e-3, tolerance=5e-4)


def test_a_failure_is_told_as_one() -> None:
    wrong = dataclasses.replace(B, name="g01_x", worst=inf, error=inf, where="CfgError: no")
    unread = Verdict("z01", "tarot", 0.0, "no check for kind tarot", UNSUPPORTED)
    text = parity.page([A, B, wrong, unread], {})
    assert "4 cases: **1 agree**, 1 differ knowingly, 1 fail, 1 are not read." in text
    assert "| `t01_a` | train | 7 | 5.0e-05 | w10.0.weights | 1.0e-04 | 50 % | 3.0e-06 |  | 5.0e-05 |  |" in text
    left = text.split("## Not in agreement")[1]
    assert "| `g01_x` | fail | CfgError: no |" in left and "| `z01` | unsupported |" in left
    assert "| 1.5e-03 | not run |" in text.split("## Knowing differences")[1]


def test_what_the_rule_gives_stands_beside_the_difference() -> None:
    by_rule = dataclasses.replace(B, worst=0.01, error=5e-6, result=OK)
    assert "| 1.5e-03 | 5.0e-06 | 5.0e-04 | 1 % |" in parity.page([A, B], {B.name: by_rule})


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, name in ((CARRIED, "lr_poly"), (CARRIED, "nms_a"), (DIFFER, "gl17_share")):
        (tmp_path / "cases").mkdir(exist_ok=True)
        (tmp_path / "cases" / name).symlink_to(place / name)
    page = tmp_path / "page.md"
    verdicts = [runner.run(tmp_path / "cases" / name) for name in ("lr_poly", "nms_a", "gl17_share")]
    runner.write_page(page, tmp_path / "cases", verdicts)
    found = rows(page.read_text())
    assert set(found) == {"lr_poly", "nms_a"} and found["nms_a"] == Row("exact", "exact", 0.0)
    assert 0 < float(found["lr_poly"].error) < 1e-5 == float(found["lr_poly"].tolerance)
    assert runner.main([str(CARRIED / "lr_poly"), "--markdown", str(page)]) == 0
    assert set(rows(page.read_text())) == {"lr_poly"} and "lr_poly" in capsys.readouterr().out
