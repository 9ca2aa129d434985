"""Alarm rates of a background: those of `scan` at its means, by draw, hour and region."""

import jax
import numpy as np
import pytest

from eqstat.counts import Background, Bursts, log_tail, mean_count
from eqstat.counts.scan import log_false_alarms_per_hour, log_false_alarms_per_year


def stacked(backgrounds):
    return jax.tree.map(
        lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *backgrounds
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "bursts"),
    [
        ("poisson", None),
        ("negative_binomial", Bursts(1e-3, 0.1, 5.0)),
        ("beta_binomial", None),
    ],
)
def test_rates_of_a_background(family, bursts):
    spread = {} if family == "poisson" else {"dispersion": 0.02, "dispersion_slope": 0.5}
    backgrounds = [
        Background(
            family,
            rate,
            daily=np.array([0.5, 0.2, 0.0, 0.1]),
            region_effect=np.array([0.0, 0.4]),
            regions=("a", "b"),
            bursts=bursts,
            **spread,
        )
        for rate in (0.5, 0.7)
    ]
    hour, day, active = np.array([2.5, 14.5]), 3.0, np.array([400.0, 900.0])
    with jax.enable_x64(True):
        mean = mean_count(backgrounds[0], active, hour, day, 1)
        tail = np.array([log_tail(backgrounds[0], k, active, mean) for k in (40, 41)])
    # P(N = k) k is the rate of up-crossings, and all but a few of them are alarms of their own.
    rate = log_false_alarms_per_hour(backgrounds[0], 40, active, hour=hour, day=day, region=1)
    if bursts is None:
        point = tail[0] + np.log(-np.expm1(tail[1] - tail[0]))
        ratio = np.exp(rate - np.log(360.0) - np.log(40.0) - point)
        assert np.all((ratio > 0.1) & (ratio < 1.0))
    else:
        ratio = np.exp(rate - np.log(360.0) - tail[0])
        assert np.all((ratio > 0.9) & (ratio < 40.0))
    both = log_false_alarms_per_hour(stacked(backgrounds), 40, active, hour=hour, day=day, region=1)
    assert both.shape == (2, 2)
    np.testing.assert_allclose(both[0], rate, rtol=1e-9)
    assert np.all(both[1] > both[0])
    year = log_false_alarms_per_year(backgrounds[0], [30, 40], 900.0, region=1)
    week = np.arange(168)
    rates = log_false_alarms_per_hour(
        backgrounds[0], 40, 900.0, hour=week % 24 + 0.5, day=week // 24, region=1
    )
    assert np.exp(year[1]) == pytest.approx(8766 * np.exp(rates).mean())


def test_no_count_above_the_active_devices():
    rate = log_false_alarms_per_hour(Background("poisson", 1.0), [5, 6], 5.0, hour=0.5, day=0)
    assert np.isfinite(rate).tolist() == [True, False]
