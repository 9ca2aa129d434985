"""Simulated earthquakes for alarms: from a key, as told, and judged by every rule."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.exceedance.alerts import (
    Design,
    MeanHypocentre,
    Never,
    Plum,
    PosteriorPredictive,
    StationConditioned,
    _growth,
    forecasts,
    simulate,
)
from eqstat.exceedance.alerts._scenarios import snapshots
from eqstat.ground_motion import PointSource

KEY = jax.random.key(4)
LOG_U = jnp.log10(jnp.array([0.05, 0.5]))


@pytest.fixture(scope="module")
def drawn():
    return simulate(KEY, 400, Design(stations=30))


def test_the_key_tells_all(drawn):
    again = simulate(KEY, 400, Design(stations=30))
    for name, values in vars(drawn).items():
        if isinstance(values, np.ndarray):
            np.testing.assert_array_equal(values, getattr(again, name))
    other = simulate(jax.random.key(5), 400, Design(stations=30))
    assert not np.array_equal(other.pga_m_s2, drawn.pga_m_s2)


def test_magnitudes_and_scatter_are_as_told(drawn):
    low, high = drawn.design.magnitude
    law = stats.truncexpon(b=(high - low) * np.log(10), loc=low, scale=1 / np.log(10))
    assert stats.kstest(drawn.magnitude, law.cdf).pvalue > 1e-3
    nearest = _growth.segment_distance(drawn.station_km, drawn.rupture_km)
    assert np.all(nearest <= np.linalg.norm(
        drawn.station_km - drawn.hypocentre_km[:, None], axis=-1) + 1e-9)  # fmt: skip
    mean = np.asarray(PointSource().mean(drawn.magnitude[:, None], nearest))
    residual = np.log(10) * (np.log10(drawn.pga_m_s2) - mean)
    # Means over stations keep the event term, means over events the station term.
    assert residual.mean(axis=1).std() == pytest.approx(0.39, abs=0.05)
    assert residual.mean(axis=0).std() == pytest.approx(0.39, abs=0.15)
    rest = residual - residual.mean(axis=1, keepdims=True) - residual.mean(axis=0)
    assert rest.std() == pytest.approx(0.552, abs=0.03)


def test_hypocentres_lie_on_their_ruptures(drawn):
    start, end = drawn.rupture_km[:, 0], drawn.rupture_km[:, 1]
    length = np.linalg.norm(end - start, axis=1)
    np.testing.assert_allclose(length, 10 ** (-2.44 + 0.59 * drawn.magnitude))
    via = np.linalg.norm(drawn.hypocentre_km - start, axis=1)
    via = via + np.linalg.norm(end - drawn.hypocentre_km, axis=1)
    np.testing.assert_allclose(via, length, rtol=1e-6)


def test_shaking_grows_and_passes_thresholds_when_told(drawn):
    rows = [drawn.p_arrival_s, drawn.s_arrival_s, drawn.rise_s, drawn.early_share]
    share = np.stack([_growth.share_at(t, *rows) for t in np.linspace(0, 120, 241)])
    assert np.all(np.diff(share, axis=0) >= -1e-12)
    assert np.all(share[0] == 0) and np.all(share <= 1 + 1e-12)
    for asked in (0.02, 0.1, 0.3, 0.9):
        at = _growth.passed_at(np.full(drawn.pga_m_s2.shape, asked), *rows)
        np.testing.assert_allclose(_growth.share_at(at, *rows), asked, atol=1e-9)
    passed = drawn.exceedance_times(0.5).reshape(drawn.pga_m_s2.shape)
    np.testing.assert_array_equal(np.isfinite(passed), drawn.pga_m_s2 > 0.5)


@pytest.mark.slow
def test_estimates_sharpen_and_their_posteriors_are_true(drawn):
    """Ranks of the true place and magnitude among the draws are uniform at every time."""
    ranks = {time: [] for time in (8.0, 20.0, 60.0)}
    spread = {time: [] for time in ranks}
    for number in range(300):
        seen = snapshots(drawn, number, np.array(list(ranks)))
        for place, time in enumerate(ranks):
            if not seen.located[place]:
                continue
            one = jax.tree.map(lambda x, place=place: np.asarray(x[place]), seen.drawn)
            truth = [*drawn.hypocentre_km[number, :2], drawn.magnitude[number]]
            own = [one.place_km[:, 0], one.place_km[:, 1], one.magnitude]
            ranks[time].append([np.mean(each < x) for each, x in zip(own, truth, strict=True)])
            spread[time].append([each.std() for each in own])
    assert np.all(np.mean(spread[60.0], axis=0) < np.mean(spread[8.0], axis=0))
    for each in ranks.values():
        for column in np.array(each).T:
            assert stats.kstest(column, "uniform").pvalue > 1e-4


def test_growth_is_learnt_from_other_earthquakes(drawn):
    rows = [drawn.p_arrival_s, drawn.s_arrival_s, drawn.rise_s, drawn.early_share]
    assert drawn.growth.shape == _growth.unknown().shape
    for time in (5.0, 15.0):
        share = _growth.share_at(time, *rows)
        on = (share > 0) & (time < drawn.s_arrival_s + drawn.rise_s + 2.0)
        told = drawn.growth[_growth.stage_of(time, drawn.p_arrival_s, drawn.s_arrival_s)][on]
        known = np.isfinite(told[:, 1])
        score = (-np.log10(share[on][known]) - told[known, 0]) / np.maximum(told[known, 1], 0.05)
        assert abs(score.mean()) < 0.15
        assert 0.6 < score.std() < 1.3


def test_great_earthquakes_begin_like_small_ones():
    shown = _growth.shown_magnitude(np.array([5.0, 7.5]), np.array([2.0]), 2.8)
    assert shown[0] == pytest.approx(5.0)
    assert 5.5 < shown[1] < 7.0
    assert _growth.shown_magnitude(np.array([7.5]), np.array([60.0]), 2.8)[0] == 7.5


def test_forecasts_have_the_order_of_rows():
    few = simulate(KEY, 3, Design(stations=12))
    time = np.array([5.0, 20.0, 60.0])
    found = forecasts(few, Plum(), time, [0.05, 0.5])
    assert found.shape == (2, 36, 3)
    for event in range(3):
        one = snapshots(few, event, time)
        alone = np.asarray(Plum()(jax.tree.map(lambda x: x[2], one), LOG_U))
        np.testing.assert_array_equal(found[:, few.event == event, 2], alone.T)
    assert few.chosen([1]).magnitude[0] == few.magnitude[1]
    assert not forecasts(few, Never(), time, [0.5]).any()


@pytest.mark.long
def test_probabilities_of_the_mixtures_are_true():
    """Without finite ruptures, rules that know the model give true probabilities at all times.

    With stations, at stations whose shaking is not over; intervals from a bootstrap of events.
    """
    region = Design(stations=40, magnitude=(5.0, 6.0), half_width_km=80.0)
    drawn = simulate(jax.random.key(7), 250, region)
    # Small ruptures only, and station terms drawn anew for each event.
    rng = np.random.default_rng(0)
    away = np.linalg.norm(drawn.station_km - drawn.hypocentre_km[:, None], axis=-1)
    mean = np.asarray(PointSource().mean(drawn.magnitude[:, None], away), float)
    within = np.hypot(0.39, 0.552) * rng.normal(size=away.shape)
    term = 0.39 * rng.normal(size=(250, 1))
    drawn = dataclasses.replace(drawn, pga_m_s2=10 ** (mean + (term + within) / np.log(10)))
    time = np.array([10.0, 20.0])
    threshold = 0.25
    above = drawn.pga_m_s2.ravel() > threshold
    for rule in (PosteriorPredictive(PointSource()), StationConditioned(PointSource())):
        chance = forecasts(drawn, rule, time, [threshold])[0].astype(float)
        for place in range(2):
            on = time[place] < (drawn.s_arrival_s + drawn.rise_s).ravel() + 2.0
            heard = chance[:, place] > 0
            kept = heard & (on if isinstance(rule, StationConditioned) else True)
            for low, high in ((0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 0.99)):
                own = kept & (chance[:, place] > low) & (chance[:, place] <= high)
                if own.sum() < 60:
                    continue
                apart = (above[own] - chance[own, place]).astype(float)
                sums = np.bincount(drawn.event[own], weights=apart, minlength=250)
                error = np.sqrt(np.sum(sums**2)) / own.sum()
                assert abs(apart.mean()) < 4 * error + 0.02, (rule, time[place], low)


@pytest.mark.long
def test_stations_raise_f1():
    """The claim of the benchmark, on fewer earthquakes: knowing what stations saw pays."""
    from eqstat.exceedance import alerts

    drawn = simulate(jax.random.key(3), 60, Design(stations=60))
    time, u = np.arange(1.0, 46.0), 0.49
    passed = drawn.exceedance_times(u)
    best = {}
    model = PointSource()
    rules = {
        "with": StationConditioned(model),
        "point": MeanHypocentre(model),
        "plum": Plum(scatter=0.3),
    }
    for name, rule in rules.items():
        chance = forecasts(drawn, rule, time, [u])[0]
        found = alerts.metrics_by_level(KEY, time, chance, passed, drawn.event, replicates=20)
        best[name] = float(found["f1"].max())
    assert best["with"] > best["point"] and best["with"] > best["plum"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"magnitude": (6.0, 5.0)}, "increasing"),
        ({"stations": 2}, "stations"),
        ({"s_velocity_km_s": 7.0}, "slower"),
    ],
)
def test_no_region_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        Design(**wrong)
    with pytest.raises(InputError, match="count"):
        simulate(KEY, 0)
