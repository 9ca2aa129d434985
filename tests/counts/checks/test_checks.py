"""Checks are exact on small cases, calibrated on simulated histories, and see wrong families."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.counts import Background, Bursts, Design, History, combine, fit, prepare, simulate
from eqstat.counts import checks as check
from eqstat.counts._families import FAMILIES
from eqstat.counts._simulate import week_means
from eqstat.counts.checks._tables import blocks, count_interval, places_of

from .. import cases

KEY = jax.random.key(11)


def flat(family="poisson", rate=1.0, dispersion=0.8, bursts=None):
    """A background without cycles or regions."""
    if family == "poisson":
        return Background(family, rate, bursts=bursts)
    return Background(family, rate, dispersion=dispersion, dispersion_slope=0.0, bursts=bursts)


def probabilities(family, mean, n, dispersion, bursts=None):
    """Probabilities of 0 ... n by SciPy, the rest beyond n added to n."""
    k = np.arange(n + 1)
    if family == "poisson":
        p = stats.poisson.pmf(k, mean)
    elif family == "negative_binomial":
        p = stats.nbinom.pmf(k, 1 / dispersion, 1 / (1 + mean * dispersion))
    else:
        chance = -np.expm1(-mean / n)
        p = stats.betabinom.pmf(k, n, chance / dispersion, (1 - chance) / dispersion)
    if bursts is not None:
        a = bursts.share * bursts.concentration
        both = np.convolve(p, stats.betabinom.pmf(k, n, a, bursts.concentration - a))[: n + 1]
        p = (1 - bursts.probability) * p + bursts.probability * both
    p[n] += 1 - p.sum()
    return p


@pytest.fixture(scope="module")
def dispersed():
    """Two weeks of an over-dispersed background with day cycle and regions."""
    return simulate(KEY, cases.truth("negative_binomial"), cases.design())


@pytest.fixture(scope="module")
def learned(dispersed):
    """Draws of two families fitted to it."""
    return {
        family: fit(dispersed, family=family).posterior(jax.random.key(1), 100)
        for family in ("poisson", "negative_binomial")
    }


@pytest.mark.slow
@pytest.mark.parametrize("with_bursts", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_tables_are_those_of_scipy(family, with_bursts):
    bursts = Bursts(3e-3, 0.2, 6.0) if with_bursts else None
    background = flat(family, bursts=bursts, dispersion=0.05)
    history = simulate(KEY, background, Design(active=30, days=3, variation=0.3))
    places = places_of(history)
    assert np.sum(places.windows) == history.total_windows
    seen = 0
    for block in blocks(background, history, places):
        for place, table in zip(block.places, block.probability[0], strict=True):
            n = int(places.active[place])
            exact = probabilities(family, n / 360, n, 0.05, bursts)
            np.testing.assert_allclose(table, exact[: len(table)], atol=1e-13, rtol=1e-9)
            assert exact[len(table) :].sum() < 1e-11
            seen += 1
    assert seen == len(places.windows)


def test_places_keep_means_of_their_cells(dispersed):
    places = places_of(dispersed)
    total = np.bincount(places.of_cell, dispersed.windows * dispersed.active)
    np.testing.assert_allclose(total, places.active * places.windows)
    np.testing.assert_allclose(places.active[places.of_cell], dispersed.active, rtol=0.02)


def test_intervals_of_one_draw_are_binomial():
    mean, size = np.array([[3.0, 40.0, 900.0]]), 1000
    chance = mean / size
    low, high = count_interval(mean, mean * (1 - chance), 0.9)
    np.testing.assert_array_equal(low, stats.binom.ppf(0.05, size, chance[0]))
    np.testing.assert_array_equal(high, stats.binom.ppf(0.95, size, chance[0]))


def test_intervals_hold_the_spread_of_the_draws():
    mean = np.array([[100.0], [200.0]])
    low, high = count_interval(mean, mean, 0.9)
    assert 80 < low[0] < 95
    assert 205 < high[0] < 225


def test_rootograms_count_every_window(dispersed):
    roots = check.rootogram(cases.truth("negative_binomial"), dispersed)
    assert roots["observed"].sum() == dispersed.total_windows
    assert float(roots["expected"].sum()) == pytest.approx(dispersed.total_windows, abs=2)
    mean = week_means(cases.truth(), dispersed.region, dispersed.hour_of_week, dispersed.active)
    triggers = float((roots["expected"] * roots["triggers"]).sum())
    assert triggers == pytest.approx(np.sum(dispersed.windows * mean), rel=1e-3)
    assert roots["hanging"].attrs["long_name"]


@pytest.mark.slow
def test_bands_hold_as_often_as_they_say():
    background = flat("negative_binomial")
    design = Design(active=200, days=2)
    roots, tail, pit = [], [], []
    for number in range(60):
        history = simulate(jax.random.fold_in(KEY, number), background, design)
        one = check.rootogram(background, history)
        at = one.sel(triggers=[0, 1, 3])
        roots.append((at["observed"] >= at["low"]) & (at["observed"] <= at["high"]))
        one = check.tail_calibration(background, history, tail_probability=[0.1, 0.01])
        tail.append((one["observed"] >= one["low"]) & (one["observed"] <= one["high"]))
        one = check.randomised_pit(
            jax.random.fold_in(KEY, 1000 + number), background, history, bins=4
        )
        for name, low, high in (
            ("density", "low", "high"),
            ("randomised", "randomised_low", "randomised_high"),
        ):
            pit.append((one[name] >= one[low]) & (one[name] <= one[high]))
    # Bins of a PIT depend on one another: count histories, not bins, for the error.
    for found in (roots, tail, pit):
        share = np.mean(found)
        assert 0.9 - 3 * np.sqrt(0.09 / 60) < share < 0.9 + 3 * np.sqrt(0.09 / 60)


def test_tail_counts_are_those_of_a_plain_loop(dispersed):
    background = cases.truth("negative_binomial")
    levels = [0.1, 1e-3, 1e-5]
    found = check.tail_calibration(background, dispersed, tail_probability=levels)
    mean = week_means(background, dispersed.region, dispersed.hour_of_week, dispersed.active)
    spread = 0.15 * (dispersed.active / 100) ** -0.2
    tail = stats.nbinom.sf(dispersed.triggers - 1, 1 / spread, 1 / (1 + mean * spread))
    plain = [np.sum(dispersed.windows[tail <= a]) for a in levels]
    # Cells within 2 % of active devices are taken together, which moves a few across a level.
    np.testing.assert_allclose(found["observed"], plain, rtol=0.01, atol=2)
    assert np.all(found["expected"] <= np.array(levels) * dispersed.total_windows)
    assert np.all(found["observed_low"] <= found["observed"])


@pytest.mark.long
def test_the_right_family_passes_and_the_wrong_one_does_not(dispersed, learned):
    right, wrong = (
        check.tail_calibration(learned[name], dispersed, probability=0.99)
        for name in ("negative_binomial", "poisson")
    )
    assert np.all((right["observed"] >= right["low"]) & (right["observed"] <= right["high"]))
    # Where the interval of what was seen and that of what was foretold lie apart.
    apart = wrong["observed_low"] > wrong["high"]
    assert apart.sel(tail_probability=[1e-2, 1e-3, 1e-4]).all()
    root = check.rootogram(learned["poisson"], dispersed)
    assert np.abs(root["hanging"]).max() > 5
    pits = [
        check.randomised_pit(KEY, learned[name], dispersed)
        for name in ("negative_binomial", "poisson")
    ]
    far = [float((np.abs(p["density"] - 1) / (p["high"] - 1)).max()) for p in pits]
    # In units of 1.64 standard deviations; the largest of twenty.
    assert far[0] < 2.2
    assert far[1] > 5
    # Counts that scatter more than the background says pile up at both ends.
    assert pits[1]["density"][-1] > 1 < pits[1]["density"][0]


def test_bursts_that_a_null_does_not_know_show_in_the_far_tail():
    shaken = cases.truth("negative_binomial", bursts=True)
    history = simulate(KEY, shaken, cases.design())
    quiet = cases.truth("negative_binomial")
    unknown, known = (
        check.tail_calibration(background, history, tail_probability=[1e-6], probability=0.99)
        for background in (quiet, shaken)
    )
    # About 97 bursts, of 12 % of the devices on average.
    assert unknown["observed"] > 30 > 3 > unknown["high"]
    assert known["low"] <= known["observed"] <= known["high"]


def test_leaving_out_agrees_with_a_conjugate_posterior():
    rng = np.random.default_rng(3)
    count, n, hours = 40, 360, 10 / 3600
    triggers = rng.poisson(1.5, count).astype(float)
    triggers[0] = 6.0
    one = np.ones(count)
    history = History(
        np.zeros(count, np.int64), np.zeros(count, np.int64), n * one, triggers, one,
        ("all",), 10.0, 1.0,
    )  # fmt: skip
    # With a Gamma(1/2, 0) prior the rate's posterior is gamma, and predictions are negative
    # binomial.
    shape, exposure = 0.5 + triggers.sum(), count * n * hours
    rates = rng.gamma(shape, 1 / exposure, 400)
    zeros = np.zeros((400, 1))
    background = Background(
        "poisson",
        rates,
        daily=np.zeros((400, 4)),
        weekly=np.zeros((400, 2)),
        region_effect=zeros,
        region_sd=zeros[:, 0],
    )
    found = check.loo(background, history, earthquake_share=0.0)
    rest = exposure - n * hours
    # Cells come in an order of their own.
    triggers = found["triggers"].to_numpy()
    exact = stats.nbinom.logpmf(triggers, shape - triggers, rest / exposure)
    # A log likelihood's slope in the log rate is k - m, whose posterior has the standard
    # deviation 1 / sqrt(triggers): the error of a mean over 400 draws.
    error = np.abs(triggers - triggers.mean()) / np.sqrt(triggers.sum()) / np.sqrt(400)
    apart = found["elpd_i"].to_numpy() - exact
    assert np.all(np.abs(apart) < 4 * error + 0.005)
    assert float(found["elpd_loo"]) == pytest.approx(exact.sum(), abs=0.3)
    assert 0.5 < float(found["p_loo"]) < 1.6
    spread = np.sqrt(count) * np.std(exact, ddof=1)
    assert float(found["se"]) == pytest.approx(spread, rel=0.02)


@pytest.mark.slow
def test_cells_count_as_often_as_they_have_windows(dispersed, learned):
    # The same windows, apart: cells of two histories that do not merge would give the same sum.
    found = check.loo(learned["negative_binomial"], dispersed)
    assert float(found["windows"].sum()) == dispersed.total_windows
    total = float((found["windows"] * found["elpd_i"]).sum())
    assert float(found["elpd_loo"]) == pytest.approx(total)
    doubled = check.loo(learned["negative_binomial"], combine([dispersed, dispersed]))
    assert float(doubled["elpd_loo"]) == pytest.approx(2 * total, rel=1e-4)
    # Rate, cycles, three free regions, dispersion and its slope.
    assert 7 < float(found["p_loo"]) < 18


@pytest.mark.slow
def test_the_family_of_the_truth_predicts_best(dispersed, learned):
    results = {name: check.loo(background, dispersed) for name, background in learned.items()}
    table = check.compare(results)
    assert list(table["model"].values) == ["negative_binomial", "poisson"]
    assert float(table["elpd_diff"][0]) == 0
    assert float(table["elpd_diff"][1]) < -4 * float(table["se_diff"][1])
    other = simulate(jax.random.key(99), cases.truth(), cases.design())
    with pytest.raises(InputError, match="another history"):
        check.compare(results | {"other": check.loo(learned["poisson"], other)})


def test_bad_input_is_refused(dispersed, learned):
    background = cases.truth("negative_binomial")
    with pytest.raises(InputError, match="regions"):
        check.rootogram(flat(), dispersed)
    with pytest.raises(InputError, match="draws"):
        check.loo(background, dispersed)
    with pytest.raises(InputError, match="tail_probability"):
        check.tail_calibration(background, dispersed, tail_probability=[0.0])
    with pytest.raises(InputError, match="probability"):
        check.rootogram(background, dispersed, probability=1.0)
    with pytest.raises(InputError, match="bins"):
        check.randomised_pit(KEY, background, dispersed, bins=1)
    with pytest.raises(InputError, match="nothing"):
        check.compare({})


@pytest.mark.long
def test_loo_knows_the_profile_and_the_slow_intensity() -> None:
    rng = np.random.default_rng(0)
    windows, hour = 14 * 1440, np.arange(14 * 1440) // 60 % 24
    slow = np.repeat(rng.normal(0.0, 0.4, windows // 120), 120)
    mean = 300 * 0.6 / 60 * np.exp(slow + 1.2 * (hour == 8))
    count = rng.poisson(mean * rng.gamma(1 / 0.1, 0.1, windows))
    time = pd.date_range("2026-01-05", periods=windows, freq="60s", tz="UTC")
    table = pd.DataFrame({"time": time, "triggers": count, "active": 300, "window_s": 60.0})
    history = prepare(table, time_zone="Etc/UTC")
    results = {
        name: check.loo(fit(history, slow=own).posterior(jax.random.key(1), 50), history)
        for name, own in (("slow", True), ("plain", False))
    }
    found = check.compare(results)
    assert found["model"].values.tolist() == ["slow", "plain"]
    assert float(found["elpd_diff"][1]) < -50
    # The devices are those of the history, whatever the profile.
    assert np.unique(results["slow"]["active"].to_numpy().round(3)).tolist() == [300.0]
