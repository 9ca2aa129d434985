"""Thresholds against the smallest claims of the Earthquake Network, by active phones."""

from __future__ import annotations

import os

import numpy as np
import pytest

from eqstat.counts import Background
from eqstat.counts.alarm import threshold
from eqstat.datasets._loaders import load_eqn

PER_HOUR = 360.0
BINS = 15

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("EQSTAT_DATA"), reason="EQSTAT_DATA is not set"),
]


def curve(rate: float, active: np.ndarray) -> np.ndarray:
    found = threshold(
        Background("poisson", rate * PER_HOUR), active, 12.0, kind="plug-in", minimum=8
    )
    return found["triggers"].to_numpy().ravel()


@pytest.mark.long
def test_one_false_alarm_a_year_gives_the_outline_of_the_claims() -> None:
    claims = load_eqn()
    inside = claims[(claims["active"] >= 30) & (claims["active"] <= 3500)].sort_values("active")
    parts = np.array_split(np.arange(len(inside)), BINS)
    active, triggers = (inside[name].to_numpy(float) for name in ("active", "triggers"))
    phones = np.array([np.median(active[part]) for part in parts])
    smallest = np.array([triggers[part].min() for part in parts])
    # One number is fitted: triggers per phone and window of 10 s.
    rates = np.arange(0.010, 0.0201, 0.001)
    rate = rates[np.argmin([np.abs(curve(r, phones) - smallest).sum() for r in rates])]
    assert np.mean(np.abs(curve(rate, phones) - smallest) <= 2) >= 0.9
    # No window is so short that the curve is flat, none so long that claims lie below it.
    assert np.mean(triggers < curve(rate, active)) < 0.02
