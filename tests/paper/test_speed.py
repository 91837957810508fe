"""Frames a second in OpenCV."""

from __future__ import annotations

import pytest

from csptrain.paper import speed


def test_networks_are_exported_checked_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "ROUNDS", 2)
    monkeypatch.setattr(speed, "PASSES", 2)
    said: list[str] = []
    keys = [("cspdensenetb-ref-prn", 64), ("cspdensenetb-ref-prn", 160), ("cspdensenetb-ref-prn", 64)]
    found, how = speed.frames_a_second(keys, said.append)
    assert list(found) == [("cspdensenetb-ref-prn", 64), ("cspdensenetb-ref-prn", 160)]
    # Six times the pixels.
    assert found["cspdensenetb-ref-prn", 64] > found["cspdensenetb-ref-prn", 160] > 0
    assert "up to 4 passes" in how
    assert sum("exported, largest error" in line for line in said) == 2
