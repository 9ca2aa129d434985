"""Shaking in time by envelopes, correlated record terms, dead stations, and what networks read."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.exceedance.alerts import (
    Design,
    Plum,
    StationConditioned,
    _growth,
    forecasts,
    records,
    simulate,
    snapshots,
)
from eqstat.exceedance.alerts import _shaking as shaking
from eqstat.ground_motion import PointSource

KEY = jax.random.key(4)
TIMES = [0.5, 4.0, 12.0, 25.0]


def design(**options):
    return Design(stations=12, growth="envelope", **options)


@pytest.fixture(scope="module")
def drawn():
    return simulate(KEY, 40, design(correlated_share=0.4, dead_share=0.3, noise_m_s2=2e-3))


def slow_envelope(scenarios, event, station, time):
    """Square root of the sum of squares of both waves, one sample at a time."""
    square = 0.0
    for wave, start in enumerate((scenarios.p_arrival_s, scenarios.s_arrival_s)):
        height, rise, lasts, tau, power = (
            float(leaf[event, station, wave]) for leaf in jax.tree.leaves(scenarios.shape)
        )
        since = time - start[event, station]
        if since <= 0:
            value = 0.0
        elif since < rise:
            value = height * since / rise
        elif since < rise + lasts:
            value = height
        else:
            value = height * (1 + (since - rise - lasts) / tau) ** -power
        square += value**2
    return np.sqrt(square)


def test_the_peak_of_the_envelope_is_the_pga(drawn):
    for event in range(3):
        for station in range(0, 12, 4):
            fine = np.arange(0.0, 200.0, 0.02)
            values = [slow_envelope(drawn, event, station, t) for t in fine]
            assert max(values) == pytest.approx(drawn.pga_m_s2[event, station], rel=0.03)
            for level in (0.3, 0.9):
                passed = drawn.exceedance_times(level * drawn.pga_m_s2[event, station])
                expected = fine[np.argmax(np.array(values) > level * max(values))]
                at = passed.reshape(drawn.pga_m_s2.shape)[event, station]
                assert at == pytest.approx(expected, abs=0.15)


def test_growth_ends_with_the_pga_and_does_not_change_it(drawn):
    share = shaking.share_at(drawn, 500.0)
    np.testing.assert_allclose(share, 1.0, rtol=1e-5)
    by_time = np.stack([shaking.share_at(drawn, t) for t in np.arange(0.0, 90.0, 3.0)])
    assert np.all(np.diff(by_time, axis=0) >= -1e-6)
    over = shaking.over_s(drawn)
    late = np.stack([shaking.share_at(drawn, over[k][None], k)[0] for k in range(40)])
    np.testing.assert_allclose(late, 1.0, rtol=1e-5)
    same = simulate(KEY, 40, dataclasses.replace(drawn.design, growth="ramp"))
    np.testing.assert_array_equal(same.pga_m_s2, drawn.pga_m_s2)
    assert same.shape is None
    u = 0.2
    np.testing.assert_array_equal(
        np.isfinite(drawn.exceedance_times(u)), drawn.pga_m_s2.ravel() > u
    )


def test_record_terms_of_neighbours_are_correlated_as_asked():
    rng = np.random.default_rng(0)
    places = np.zeros((3, 3))
    places[1, 0], places[2, 1] = 10.0, 60.0
    terms = shaking.correlated(rng.normal(size=(40000, 3)), places, 0.5, 30.0)
    measured = np.corrcoef(terms.T)
    np.testing.assert_allclose(terms.std(axis=0), 1.0, atol=0.02)
    assert measured[0, 1] == pytest.approx(0.5 * np.exp(-1.0), abs=0.02)
    assert measured[0, 2] == pytest.approx(0.5 * np.exp(-6.0), abs=0.02)
    alone = rng.normal(size=(5, 3))
    assert shaking.correlated(alone, places, 0.0, 30.0) is alone


def test_correlated_earthquakes_keep_the_scatter_of_the_model():
    region = Design(stations=30, correlated_share=0.8, correlation_km=60.0)
    drawn = simulate(KEY, 400, region)
    model = PointSource()
    nearest = _growth.segment_distance(drawn.station_km, drawn.rupture_km)
    mean = np.asarray(model.mean(drawn.magnitude[:, None], nearest))
    residual = np.log(drawn.pga_m_s2) - np.log(10) * mean
    # Differences between two stations have no event term, and their variance no station term.
    apart = np.linalg.norm(drawn.station_km[:, None] - drawn.station_km, axis=-1)
    one, two = np.triu_indices(30, 1)
    variance = np.var(residual[:, one] - residual[:, two], axis=0)
    expected = 2 * 0.552**2 * (1 - 0.8 * np.exp(-3 * apart[one, two] / 60.0))
    near = apart[one, two] < 30.0
    assert near.sum() >= 3
    assert np.mean(variance[near]) == pytest.approx(np.mean(expected[near]), rel=0.1)
    assert np.mean(variance[~near]) == pytest.approx(np.mean(expected[~near]), rel=0.1)


def test_dead_stations_send_nothing(drawn):
    assert 0.2 < np.mean(~drawn.working) < 0.4
    seen = snapshots(drawn, 0, np.array([10.0, 90.0]))
    silent = ~drawn.working[0]
    assert silent.any() and not np.any(np.asarray(seen.peak_m_s2)[:, silent])
    peaks = np.asarray(seen.peak_m_s2)
    assert np.all((peaks == 0) | (peaks > 2e-3))
    p_s = np.where(drawn.working, drawn.p_arrival_s, np.inf)
    np.testing.assert_array_equal(drawn.first_p_s, p_s.min(axis=1))
    cut = records(drawn, TIMES)
    assert not cut.reporting[~np.broadcast_to(cut.working[:, None], cut.reporting.shape)].any()
    assert not cut.envelope_m_s2[~cut.reporting].any()


def test_records_are_those_of_a_slow_loop(drawn):
    cut = records(drawn, TIMES, seconds=8)
    assert cut.envelope_m_s2.shape == (40, 4, 12, 8)
    for event, place in ((0, 1), (5, 2), (9, 3)):
        now = drawn.first_p_s[cut.event[event]] + TIMES[place]
        for station in np.flatnonzero(cut.reporting[event, place])[:3]:
            fine = np.arange(0.0, now, 0.01)
            values = np.array([slow_envelope(drawn, cut.event[event], station, t) for t in fine])
            assert cut.peak_m_s2[event, place, station] == pytest.approx(values.max(), rel=0.05)
            for second in range(8):
                inside = (fine >= now - 8 + second) & (fine <= now - 7 + second)
                expected = np.hypot(values[inside].max(initial=0.0), 2e-3)
                got = cut.envelope_m_s2[event, place, station, second]
                assert got == pytest.approx(expected, rel=0.05)
    since = drawn.first_p_s[cut.event][:, None, None] + np.array(TIMES)[:, None]
    np.testing.assert_allclose(
        cut.since_p_s, since - drawn.p_arrival_s[cut.event][:, None], atol=1e-3
    )
    np.testing.assert_allclose(10.0**cut.log10_pga, drawn.pga_m_s2[cut.event], rtol=1e-4)
    zero = np.linalg.norm(cut.station_km, axis=-1).argmin(axis=1)
    p_s = np.where(cut.working, drawn.p_arrival_s[cut.event], np.inf)
    np.testing.assert_array_equal(zero, p_s.argmin(axis=1))


def test_rules_take_them_and_times_count_from_the_first_p(drawn):
    few = drawn.chosen(slice(0, 2))
    u = [0.05]
    later = forecasts(few, Plum(), np.array(TIMES), u, after_first_p=True)
    for event in range(2):
        alone = forecasts(few.chosen([event]), Plum(), np.array(TIMES) + few.first_p_s[event], u)
        np.testing.assert_array_equal(later[:, few.event == event], alone)
    chance = forecasts(few, StationConditioned(PointSource()), np.array(TIMES), u)
    assert np.all((chance >= 0) & (chance <= 1)) and chance.any()


@pytest.mark.slow
def test_draws_of_the_source_never_centre_on_the_truth():
    """Half a second after the first P no station reports yet, and the errors are one station's."""
    many = simulate(KEY, 300, design())
    off, magnitude = [], []
    for number in range(300):
        seen = snapshots(many, number, many.first_p_s[number : number + 1] + 0.5)
        assert not seen.located[0]
        place = np.asarray(seen.drawn.place_km[0, :, :2]).mean(axis=0)
        off.append(place - many.hypocentre_km[number, :2])
        rank = np.mean(np.asarray(seen.drawn.magnitude[0]) < many.magnitude[number])
        magnitude.append(rank)
    assert np.std(off) == pytest.approx(many.design.place_error_km, rel=0.15)
    assert stats.kstest(magnitude, "uniform").pvalue > 1e-3


def test_learnt_growth_is_that_of_envelopes(drawn):
    """Over all times: at one time the stations of a stage are nearer or farther than usual."""
    other = simulate(jax.random.key(8), 200, drawn.design)
    scores = []
    for time in np.arange(1.0, 60.0):
        share = shaking.share_at(other, time)
        on = (share > 0) & (time < shaking.over_s(other))
        stage = shaking.stage_of(other, time)[on]
        known = np.isfinite(drawn.growth[stage, 1])
        centre, sd = drawn.growth[stage[known]].T
        scores.append((-np.log10(share[on][known]) - centre) / sd)
    score = np.concatenate(scores)
    assert abs(score.mean()) < 0.1
    assert score.std() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"growth": "step"}, "growth must be 'ramp' or 'envelope'"),
        ({"site": "sand"}, "site must be"),
        ({"correlated_share": 1.5}, "correlated_share must lie in"),
        ({"correlation_km": 0.0}, "correlation_km"),
        ({"dead_share": 1.0}, "dead_share"),
        ({"noise_m_s2": -1.0}, "noise_m_s2"),
    ],
)
def test_bad_designs_are_named(wrong, words):
    with pytest.raises(InputError, match=words):
        Design(**wrong)


def test_bad_records_are_named(drawn):
    with pytest.raises(InputError, match="ramp"):
        records(simulate(KEY, 1, Design(stations=4)), [1.0])
    with pytest.raises(InputError, match="time_s must be at least 0"):
        records(drawn, [-1.0])
    with pytest.raises(InputError, match="seconds"):
        records(drawn, [1.0], seconds=0)
    assert jnp.isfinite(records(drawn, 3.0).log10_pga).all()
