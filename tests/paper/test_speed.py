"""Frames a second in OpenCV."""

from __future__ import annotations

import pytest

from csptrain.bench.alternate import Turns
from csptrain.paper import speed


def test_networks_are_exported_checked_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "TURNS", Turns(2, 2, 0.5, 0))
    said: list[str] = []
    keys = [("cspdensenetb-ref-prn", 64), ("cspdensenetb-ref-prn", 160), ("cspdensenetb-ref-prn", 64)]
    found, how = speed.frames_a_second(keys, said.append)
    assert list(found) == [("cspdensenetb-ref-prn", 64), ("cspdensenetb-ref-prn", 160)]
    assert all(frames > 0 for frames in found.values())
    assert "up to 4 passes" in how
    assert sum("largest error in OpenCV" in line for line in said) == 2
