"""`csptrain doctor`: text, JSON, page and exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from csptrain.cli.main import main
from csptrain.doctor.rules import RULES
from tests import tiny
from tests.doctor.planted import DataSet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def made(tmp_path: Path) -> DataSet:
    return DataSet(tmp_path / "set")


def test_a_sound_set_is_ok(made: DataSet, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(made.data), "--size", "64x48"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("\nverdict: ok (0 errors, 0 warnings, 0 notes)\n")
    assert "train: 12 images (12 decoded), 24 boxes, 0 images without labels" in out
    assert f"  labels found: {made.folder}/images -> {made.folder}/labels (12)\n" in out
    assert "red             12      12            4       4" in out


def test_labels_beside_their_images_are_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "doctor.html"
    main(["doctor", str(tiny.write_set(tmp_path)), "--html", str(page)])
    assert "\n  labels found: beside the image (6)\n" in capsys.readouterr().out
    assert "<td>beside the image (6)</td>" in page.read_text()


def test_an_error_is_told_with_place_and_remedy(made: DataSet, capsys: pytest.CaptureFixture[str]) -> None:
    made.append("train4", "7 0.5 0.5 0.2 0.2")
    page = made.folder / "doctor.html"
    assert main(["doctor", str(made.data), "--size", "64x48", "--html", str(page)]) == 1
    out, err = capsys.readouterr()
    rule = RULES["label-class"]
    assert f"error label-class (1): {rule.means}\n  remedy: {rule.remedy}\n" in out
    assert f"  {made.label_file('train4')}:3: class 7 is not one of 0..1" in out
    assert err == f"wrote {page}\n"
    assert "error: label-class (1)" in page.read_text()


def test_json_holds_all_with_a_cfg_and_both_trials(made: DataSet, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = made.folder / "x.cfg"
    cfg.write_text(tiny.cfg())
    words = ["doctor", str(made.data), str(cfg), "--json", "--dry-run", "--overfit", "--iterations", "12"]
    main([*words, "--device", "cpu", "--pictures", "5", "--tiny", "1", "--few", "3"])
    found = json.loads(capsys.readouterr().out)
    assert found["size"] == [32, 32]
    assert found["splits"]["train"]["decoded"] == 5
    assert found["classes"][1] == {
        "name": "blue", "boxes": {"train": 12, "valid": 4}, "images": {"train": 12, "valid": 4},
    }  # fmt: skip
    assert [head["boxes"] for head in found["anchors"]["heads"]] == [24]
    assert (found["dry_run"]["width"], found["dry_run"]["images"]) == (32, 2)
    assert found["overfit"]["images"] == 8
    assert found["verdict"] == "warnings"  # overfit-weak: 12 iterations


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "doctor needs a data file: none is given"),
        (["net.cfg"], "doctor needs a data file: found 'net.cfg'"),
        (["x.data", "net.cfg", "more"], "found 'more'"),
        (["x.data", "--dry-run"], "need a cfg"),
    ],
)
def test_a_command_line_that_cannot_be_understood(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *words]) == 2
    assert said in capsys.readouterr().err


def test_every_rule_is_told_in_the_documentation() -> None:
    text = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    told = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `") and "| `-" not in line}
    assert set(told) == set(RULES)
    assert [name for name, rule in RULES.items() if f"| {rule.severity} |" not in told[name]] == []
