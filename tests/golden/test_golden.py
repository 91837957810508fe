"""Every golden case that the tests carry, the complete set where it is at hand, and the runner's own word."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden import __main__ as runner
from tests.golden.case import Worst
from tests.golden.darknet_rules import DIFFERENT

CARRIED = sorted(path.parent for path in (Path(__file__).parents[1] / "golden_cases").glob("*/golden.json"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_cases_are_carried() -> None:
    assert len(CARRIED) >= 100


@pytest.mark.parametrize("folder", CARRIED, ids=lambda folder: folder.name)
def test_golden(folder: Path) -> None:
    verdict = runner.run(folder)
    assert verdict.result == "ok", str(verdict)


def test_the_complete_set(shared: Path) -> None:
    if not (shared / "golden").is_dir():
        pytest.skip("needs the golden cases in ../shared/golden")
    started = time.perf_counter()
    verdicts = [runner.run(folder) for folder in runner.find(shared / "golden")]
    result = {verdict.name: verdict.result for verdict in verdicts}
    assert {name for name, word in result.items() if word == "fail"} == set(DIFFERENT), "\n".join(
        str(verdict) for verdict in verdicts if verdict.result == "fail"
    )
    assert "unsupported" not in result.values()
    assert len(verdicts) >= 135
    assert time.perf_counter() - started < 60


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The runner as a user starts it."""
    words = [sys.executable, "-m", "tests.golden", *arguments]
    return subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)


def test_the_program_tells_one_line_a_case(golden_cases: Path, tmp_path: Path) -> None:
    shutil.copytree(golden_cases / "lr_poly", tmp_path / "a" / "lr_poly")
    shutil.copytree(golden_cases / "lr_step", tmp_path / "b" / "lr_step")
    stated = json.loads((golden_cases / "lr_step" / "golden.json").read_text())
    (tmp_path / "b" / "lr_step" / "golden.json").write_text(json.dumps({**stated, "kind": "tarot"}))
    done = program(str(tmp_path))
    first, second, totals = done.stdout.splitlines()
    assert (done.returncode, first.split()[:2], first.split()[3]) == (0, ["lr_poly", "lr"], "ok")
    assert second.split()[:4] == ["lr_step", "tarot", "0", "unsupported"]
    assert totals == "1 ok, 0 fail, 1 unsupported, 2 cases"


def test_json_of_a_failure(golden_cases: Path, tmp_path: Path) -> None:
    shutil.copytree(golden_cases / "f14_classifier", tmp_path / "fine")
    shutil.copytree(golden_cases / "f14_classifier", tmp_path / "wrong")
    stated = json.loads((golden_cases / "f14_classifier" / "golden.json").read_text())
    stated["recipe"]["seed"] += 1
    (tmp_path / "wrong" / "golden.json").write_text(json.dumps(stated))
    done = program(str(tmp_path), "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert answer["totals"] == {"ok": 1, "fail": 1, "unsupported": 0}
    fine, wrong = answer["cases"]
    assert (fine["name"], fine["kind"], fine["result"]) == ("fine", "forward", "ok") and 0 < fine["worst"] <= 1
    assert (wrong["name"], wrong["result"]) == ("wrong", "fail") and wrong["worst"] > 1 and wrong["where"]


@pytest.mark.parametrize("factor", [1.05, float("nan")], ids=["five per cent", "NaN"])
@pytest.mark.parametrize("name", ["f02_conv_groups", "g06_yolo_ciou", "t13_stopbackward"])
def test_a_perturbed_weight_fails(
    name: str, factor: float, golden_cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = runner.networks.build

    def spoiled(case: runner.Case) -> runner.networks.Network:
        network = build(case)
        with torch.no_grad():
            network.stored()[0][-1].tensor.view(-1)[0] *= factor
        return network

    monkeypatch.setattr(runner.networks, "build", spoiled)
    assert runner.run(golden_cases / name).result == "fail"


def test_a_broken_case_fails_and_does_not_stop_the_others(golden_cases: Path, tmp_path: Path) -> None:
    shutil.copytree(golden_cases / "f01_conv_basic", tmp_path / "a")
    (tmp_path / "a" / "net.cfg").write_text("[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=0\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "golden.json").write_text("{")
    shutil.copytree(golden_cases / "f01_conv_basic", tmp_path / "c")
    stated = json.loads((golden_cases / "f01_conv_basic" / "golden.json").read_text())
    (tmp_path / "c" / "golden.json").write_text(json.dumps({**stated, "recipe": "none"}))
    shutil.copytree(golden_cases / "f01_conv_basic", tmp_path / "d")
    (tmp_path / "d" / "golden.npz").write_bytes(b"PK is all that is left")
    shutil.copytree(golden_cases / "lr_exp", tmp_path / "e")
    assert [runner.run(folder).result for folder in runner.find(tmp_path)] == ["fail"] * 4 + ["ok"]


def test_nothing_below_a_folder_is_no_success(tmp_path: Path) -> None:
    assert runner.main([str(tmp_path)]) == 1


def test_nan_is_infinitely_wrong() -> None:
    flat = np.ones(100)
    stated = {"n": 100, "mean": 1.0, "l2": 10.0, "absmax": 1.0, "idx": [0, 99], "val": [1.0, 1.0]}
    good = Worst()
    good.summary("x", flat, stated, 1e-4)
    assert good.passed and good.ratio < 1e-9
    flat[50] = np.nan  # between the samples
    for compare in (
        lambda worst: worst.summary("x", flat, stated, 1e-4),
        lambda worst: worst.summary("x", flat, {**stated, "absmax": 1e-5}, 1e-4, noise=1e-3),
        lambda worst: worst.array("x", flat, np.ones(100), 1e-4),
        lambda worst: worst.close("x", flat, np.ones(100), 1e-5, 1e-6),
        lambda worst: worst.number("x", float("nan"), 1.0, 1e-4),
        lambda worst: worst.equal("x", float("nan"), 1.0),
    ):
        worst = Worst()
        worst.add("before", 0.0, 1.0)
        compare(worst)
        assert worst.ratio == float("inf") and not worst.passed


def test_sizes_must_agree_and_something_must_be_compared() -> None:
    worst = Worst()
    assert not worst.passed
    worst.array("x", np.ones(3), np.ones(4), 1.0)
    assert not worst.passed and "3 values, not 4" in worst.where
