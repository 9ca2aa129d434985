"""Evidence of earthquakes and false detections: exact integrals, and the right choice."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat import hypocentre
from eqstat._core.errors import InputError
from eqstat.inference import InferenceError
from eqstat.traveltime import Prior, grid, prepare, report
from eqstat.traveltime.comparison import choose_likelihood, compare
from eqstat.traveltime.comparison._compare import (
    COMMON_SCATTER_S,
    SHORTEST_S,
    _log_background,
    _log_simultaneous,
    _log_triggered,
)

from .. import cases

KEY = jax.random.key(0)


@pytest.mark.parametrize("window", [(-20.0, 20.0), (1.0, 9.0), (2.9, 42.9), (0.0, 5.2)])
def test_background_is_the_integral_over_start_and_length(window):
    times = np.array([3.0, 4.2, 7.5, 8.1])
    rng = np.random.default_rng(3)
    span, count = window[1] - window[0], 1_000_000
    length = SHORTEST_S * (span / SHORTEST_S) ** rng.uniform(size=count)
    start = rng.uniform(*window, count)
    holds = (start <= times.min()) & (start + length >= times.max())
    density = np.where(holds, length ** -len(times), 0.0)
    error = density.std() / density.mean() / np.sqrt(count)
    found = _log_background(times, window)
    assert found == pytest.approx(np.log(density.mean()), abs=4 * error)


def test_background_is_impossible_beyond_the_window():
    assert _log_background(np.array([0.0, 12.0]), (-1.0, 9.0)) == -np.inf
    assert _log_background(np.array([-2.0, 3.0]), (-1.0, 9.0)) == -np.inf


@pytest.mark.parametrize(
    ("window", "scattered"), [((-10.0, 20.0), False), ((4.0, 34.0), False), ((-1.0, 39.0), True)]
)
def test_a_common_cause_is_the_integral_over_time_scatter_and_share(window, scattered):
    rng = np.random.default_rng(0)
    times = np.concatenate([5 + 0.3 * rng.normal(size=5), [4.2, 9.0]])
    if scattered:
        times = rng.uniform(*window, 9)
    own, span = np.full(len(times), 0.2), window[1] - window[0]
    # Monte Carlo over the prior.
    count = 400_000
    common = rng.uniform(*window, count)
    scatter = COMMON_SCATTER_S.rvs(count, random_state=rng)
    share = rng.uniform(size=count)
    log = np.zeros(count)
    for t, sd in zip(times, own, strict=True):
        normal = stats.norm.pdf(t, common, np.hypot(scatter, sd))
        log += np.log(share * normal + (1 - share) / span)
    weight = np.exp(log - log.max())
    exact = np.log(weight.mean()) + log.max()
    error = weight.std() / weight.mean() / np.sqrt(count)
    found = _log_simultaneous(times, own, window)
    assert found == pytest.approx(exact, abs=4 * error + 0.002)


def test_which_devices_triggered_is_a_beta_binomial():
    triggers = cases.quake(12, 3)
    silent = cases.network(20, 9)
    observations = prepare(
        triggers, network=pd.concat([triggers[["latitude", "longitude"]], silent]),
        now=triggers["time"].max() + pd.Timedelta(seconds=30),
    )  # fmt: skip
    found = _log_triggered(observations.data, Prior())
    exact = stats.betabinom(32, 2, 2).logpmf(12) - np.log(stats.binom(32, 0.5).pmf(12) * 2.0**32)
    assert found == pytest.approx(exact, rel=1e-6)


@pytest.fixture(scope="module")
def lima():
    return compare(KEY, prepare(cases.quake(24, 1)))


def test_an_earthquake_is_probable_and_of_one_wave(lima):
    assert lima.probability > 0.999
    assert lima.preferred.startswith("gaussian")
    assert set(lima.posteriors) == {"gaussian P", "gaussian S", "mixture"}
    assert sum(lima.model_probability.values()) == pytest.approx(1.0)


def test_false_detections_are_improbable():
    rng = np.random.default_rng(4)
    devices = cases.network(24, 5)
    uniform = cases.stamp(devices, rng.uniform(0, 40, 24))
    server = cases.stamp(devices, 0.2 * rng.normal(size=24))
    for table, name in ((uniform, "background"), (server, "simultaneous")):
        found = compare(KEY, prepare(table))
        assert found.probability < 0.05
        assert max(found.model_probability, key=found.model_probability.get) == name


def test_the_prior_probability_moves_the_odds(lima):
    rare = compare(KEY, prepare(cases.quake(24, 1)), prior_probability=1e-3)
    assert rare.log_evidence == lima.log_evidence
    false = ("background", "simultaneous")
    odds = [
        value.probability / sum(value.model_probability[name] for name in false)
        for value in (rare, lima)
    ]
    assert odds[0] == pytest.approx(1e-3 / 0.999 * odds[1], rel=1e-3)


@pytest.mark.long
def test_mixed_phases_choose_the_mixture_and_one_wave_the_gaussian():
    triggers, _ = cases.phones(40, 2)
    choice = choose_likelihood(KEY, prepare(triggers))
    assert (choice.likelihood, choice.wave) == ("mixture", None)
    assert choice.comparison.preferred == "mixture" and "mixture" in choice.reason
    plain = choose_likelihood(KEY, prepare(cases.quake(24, 1)))
    assert (plain.likelihood, plain.wave, plain.comparison) == ("gaussian", "P", None)
    labelled = choose_likelihood(KEY, prepare(cases.quake(24, 1).assign(phase="P")))
    assert (labelled.likelihood, labelled.wave) == ("gaussian", None)


def both_phases(seed):
    """Triggers of 30 devices, every other one of S, as exact as picks."""
    table = cases.quake(30, seed, sd_s=0.2)
    slow = cases.quake(30, seed, sd_s=0.2, speed=4.5)
    table.loc[1::2, "time"] = slow.loc[1::2, "time"]
    return table.assign(phase=["P", "S"] * 15)


@pytest.mark.slow
@pytest.mark.parametrize("away_km", [100.0, 150.0])
def test_one_trigger_at_a_wrong_place_takes_the_mixture(away_km):
    table = cases.quake(40, 3, depth_km=25.0, sd_s=0.3)
    table.loc[5, "latitude"] -= away_km / 111
    choice = choose_likelihood(KEY, prepare(table))
    assert choice.likelihood == "mixture" and "but for row 5" in choice.reason
    posterior = choice.comparison.posteriors["mixture"].hypocentre
    depth_km = hypocentre.summary(posterior)["depth_km"]
    assert abs(float(depth_km.sel(statistic="mean")) - 25.0) < 8.0


def later_again(table, seconds):
    """Each device reports again, from 1 s later to some seconds: no wave does that."""
    lag = np.random.default_rng(5).uniform(1.2, seconds, len(table))
    again = table.assign(time=table["time"] + pd.to_timedelta(lag, unit="s"))
    return pd.concat([table, again], ignore_index=True)


def early_clocks(table, seconds):
    """Clocks of three in ten devices are behind, by the leap seconds that GPS does not know."""
    behind = np.random.default_rng(5).random(len(table)) < 0.3
    return table.assign(time=table["time"] - pd.to_timedelta(seconds * behind, unit="s"))


@pytest.mark.slow
@pytest.mark.parametrize("change", [later_again, early_clocks])
def test_many_reports_of_no_wave_do_not_move_the_place(change):
    """Background of the longer window of the evidence would be dear: the source was at 100 km."""
    table = change(cases.quake(40, 3, depth_km=25.0, sd_s=0.3), 18.0)
    choice = choose_likelihood(KEY, prepare(table))
    assert choice.likelihood == "mixture"
    posterior = choice.comparison.posteriors["mixture"]
    low, high = posterior.quantile("depth_km", np.array([0.05, 0.95]))
    assert low < 25.0 < high
    alone = grid(prepare(table), likelihood="mixture", key=KEY)
    np.testing.assert_allclose(posterior.mass, alone.mass)


@pytest.mark.slow
def test_two_earthquakes_are_said():
    table = cases.quake(30, 3, sd_s=0.3)
    other = cases.quake(30, 3, sd_s=0.3, centre=(-11.0, -77.0))
    other["time"] += pd.Timedelta(seconds=90)
    both = prepare(pd.concat([table, other], ignore_index=True))
    posterior = grid(both, likelihood="mixture", key=KEY)
    assert "two earthquakes" in report(both, posterior).advice[0]
    one = prepare(table)
    only = report(one, grid(one, likelihood="mixture", key=KEY))
    assert not any("two earthquakes" in each for each in only.advice)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_exchanged_labels_are_refused(seed):
    table = both_phases(seed)
    assert choose_likelihood(KEY, prepare(table)).likelihood == "gaussian"
    exchanged = table.assign(phase=["S", "P"] * 15)
    with pytest.raises(InputError, match="labels P and S are exchanged"):
        choose_likelihood(KEY, prepare(exchanged))


def test_labels_of_bad_times_are_not_called_exchanged():
    table = cases.quake(30, 4, sd_s=8.0).assign(phase=["P", "S"] * 15)
    assert choose_likelihood(KEY, prepare(table)).likelihood == "gaussian"


def test_bad_arguments_are_refused():
    with pytest.raises(InferenceError):
        compare(KEY, prepare(cases.quake(3)))
    with pytest.raises(InputError, match="prior_probability"):
        compare(KEY, prepare(cases.quake(24, 1)), prior_probability=1.0)
