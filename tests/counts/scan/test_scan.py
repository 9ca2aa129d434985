"""Scan statistics against exact decimals, Monte Carlo references and streams by brute force."""

import itertools
import math
import tracemalloc
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.stats import betabinom, chi2, nbinom, poisson

from eqstat.counts._families import FAMILIES, Marginal
from eqstat.counts.scan import (
    alm_log_rate,
    log_alarm_table_per_hour,
    log_alarms_per_hour,
    log_alarms_per_year,
    scan_tail,
)
from eqstat.counts.scan._clumps import alarms
from eqstat.counts.scan._tables import log_convolve, log_tail_table, table_top

from .. import streams

WINDOW_S = 10.0
# 20,000 runs each, standard error about 0.003.
REFERENCES = [
    (4, 0.3, 200, 0.168),
    (5, 0.5, 500, 0.298),
    (6, 1.0, 260, 0.484),
    (8, 1.5, 1000, 0.605),
    (10, 3.0, 500, 0.944),
]


def naus_by_decimals(k, mean, length):
    """Naus' formulas as they stand in the paper, with 300 digits."""
    with localcontext() as context:
        context.prec = 300
        m = Decimal(str(mean))
        pmf = [(-m).exp() * m**i / math.factorial(i) for i in range(2 * k + 1)]
        cdf = list(itertools.accumulate(pmf))

        def f(i):
            return pmf[i] if i >= 0 else Decimal(0)

        def c(i):
            return cdf[i] if i >= 0 else Decimal(0)

        q2 = c(k - 1) ** 2 - (k - 1) * f(k) * f(k - 2) - (k - 1 - m) * f(k) * c(k - 3)
        a1 = 2 * f(k) * c(k - 1) * ((k - 1) * c(k - 2) - m * c(k - 3))
        a2 = (k - 1) * (k - 2) * c(k - 3) - 2 * (k - 2) * m * c(k - 4) + m * m * c(k - 5)
        a3 = sum(f(2 * k - r) * c(r - 1) ** 2 for r in range(1, k))
        a4 = sum(f(2 * k - r) * f(r) * ((r - 1) * c(r - 2) - m * c(r - 3)) for r in range(2, k))
        q3 = c(k - 1) ** 3 - a1 + f(k) ** 2 * a2 / 2 + a3 - a4
        log_probability = (1 - q2 * (q3 / q2) ** (length - 2)).ln()
        return float(log_probability), float((-(q3 / q2).ln()).ln())


@pytest.mark.parametrize(("k", "mean", "length", "probability"), REFERENCES)
def test_references_within_three_per_cent(k, mean, length, probability):
    assert np.exp(scan_tail(k, mean, length).log_probability) == pytest.approx(
        probability, rel=0.03
    )


@pytest.mark.parametrize(
    ("k", "mean", "length"),
    [
        (1, 0.1, 5),
        (2, 0.1, 5),
        (3, 2.5, 5),
        (10, 3.0, 500),
        (60, 1.0, 10**6),
        (120, 60.0, 3 * 10**6),
    ],
)
def test_logs_keep_twelve_digits(k, mean, length):
    exact = naus_by_decimals(k, mean, length)
    assert np.asarray(scan_tail(k, mean, length)) == pytest.approx(exact, rel=1e-12, abs=1e-13)


def test_far_beyond_floating_point_it_is_alm():
    tail = scan_tail(400, 2.0, 1000.0)
    # Alm's is the limit up to terms of order 1 / k.
    assert tail.log_rate < -1700
    assert tail.log_rate == pytest.approx(float(alm_log_rate(400, 2.0)), abs=0.01)
    assert tail.log_probability == pytest.approx(tail.log_rate + np.log(1000.0), abs=0.01)


def random_settings(number):
    """Settings at random with a probability that a simulation can see."""
    rng = np.random.default_rng(20)
    while number:
        mean = float(np.exp(rng.uniform(np.log(0.1), np.log(8.0))))
        length, k = float(int(rng.uniform(20, 400))), int(rng.integers(3, 30))
        if 0.05 < np.exp(scan_tail(k, mean, length).log_probability) < 0.95:
            number -= 1
            yield k, mean, length


@pytest.mark.long
def test_twenty_random_settings_agree_with_brute_force():
    rng, runs, z = np.random.default_rng(4), 3000, []
    for k, mean, length in random_settings(20):
        p = float(np.exp(scan_tail(k, mean, length).log_probability))
        share = streams.share_in_alarm(rng, k, mean, length, runs)
        z.append((share - p) / np.sqrt(p * (1.0 - p) / runs))
    assert np.max(np.abs(z)) < 4.0
    assert np.sum(np.square(z)) < chi2(20).ppf(0.999)


@pytest.mark.parametrize(("mean", "spread"), [(3.0, 0.1), (50.0, 0.5), (0.01, 2.0), (5.0, 0.0)])
def test_negative_binomial_table(mean, spread):
    marginal = Marginal(
        FAMILIES["negative_binomial"], *(np.array([v]) for v in (mean, spread, 1e9))
    )
    pmf = marginal.family.log_pmf_table(marginal, table_top(marginal, 100))
    exact = nbinom(1 / spread, 1 / (1 + spread * mean)) if spread else poisson(mean)
    k = np.arange(101)
    np.testing.assert_allclose(pmf[0, :101], exact.logpmf(k), rtol=1e-11, atol=1e-11)
    tail = np.log(math.fsum(exact.pmf(np.arange(12, 5000))))
    assert log_tail_table(marginal, pmf)[0, 12] == pytest.approx(tail, abs=1e-9)


@pytest.mark.parametrize(
    ("mean", "devices", "rho"), [(3.0, 100, 0.01), (50.0, 5000, 0.3), (0.01, 20, 0.1)]
)
def test_beta_binomial_table(mean, devices, rho):
    marginal = Marginal(
        FAMILIES["beta_binomial"], *(np.array([v]) for v in (mean, rho, float(devices)))
    )
    pmf = marginal.family.log_pmf_table(marginal, table_top(marginal, 100))
    p, scale = -np.expm1(-mean / devices), (1 - rho) / rho
    exact = betabinom(devices, p * scale, (1 - p) * scale)
    k = np.arange(min(101, devices + 1))
    np.testing.assert_allclose(pmf[0, k], exact.logpmf(k), rtol=1e-9, atol=1e-9)
    tail = np.log(math.fsum(exact.pmf(np.arange(10, devices + 1))))
    assert log_tail_table(marginal, pmf)[0, 10] == pytest.approx(tail, abs=1e-8)


def test_convolution_in_logs_by_product_and_by_sum():
    rng = np.random.default_rng(3)
    first = np.repeat(-2.0 * (1.0 + rng.random((3, 30))) * np.arange(30) ** 2, 5, axis=0)
    second = -2.0 * (1.0 + rng.random((15, 30))) * np.arange(30) ** 2
    second[:, 0] = -np.inf
    fast = log_convolve(first, second)
    slow = np.concatenate([log_convolve(first[i : i + 1], second[i : i + 1]) for i in range(15)])
    assert np.min(slow[:, 1:]) < -750
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def per_window(k, mean, **model):
    return float(np.exp(log_alarms_per_hour(k, mean, window_s=WINDOW_S, **model)) * WINDOW_S / 3600)


def alarms_in(times, k):
    return alarms(times, k, WINDOW_S)[0]


def by_blocks(starts, block_windows, blocks):
    """Alarms per window and its standard error, blocks being independent."""
    counts = np.bincount((starts / (block_windows * WINDOW_S)).astype(int), minlength=blocks)
    rate = counts / block_windows
    return rate.mean(), rate.std() / np.sqrt(blocks)


def test_stretches_less_than_a_window_apart_are_one_alarm():
    times = np.array([0.0, 1.0, 12.0, 13.0, 40.0, 41.0])
    starts, ends = alarms(times, 2, WINDOW_S)
    assert (starts.tolist(), ends.tolist()) == ([1.0, 41.0], [22.0, 50.0])
    assert alarms(times, 2, WINDOW_S, merge_s=0.0)[0].tolist() == [1.0, 13.0, 41.0]
    assert alarms(np.zeros(3), 4, WINDOW_S)[0].size == 0


@pytest.mark.parametrize(("mean", "k"), [(1.0, 6), (3.0, 9), (10.0, 20)])
def test_poisson_rate_against_the_stream(mean, k):
    windows = 300_000
    times = streams.poisson_times(
        np.random.default_rng(8), np.full(windows // 100, mean / WINDOW_S), 100 * WINDOW_S
    )
    rate, error = by_blocks(alarms_in(times, k), 100, windows // 100)
    assert per_window(k, mean) == pytest.approx(rate, abs=4 * error + 0.02 * rate)
    # Alm's share 1 - m / k is the limit of rare alarms.
    assert np.log(per_window(k, mean)) == pytest.approx(float(alm_log_rate(k, mean)), abs=1e-3)
    naus = np.exp(scan_tail(k, mean, 10.0).log_rate)
    assert per_window(k, mean) == pytest.approx(naus, rel=0.03)


@pytest.mark.long
@pytest.mark.parametrize(
    ("mean", "spread", "k", "blocks"),
    [
        (3.0, 0.1, 12, 20),
        (3.0, 0.5, 16, 20),
        (20.0, 0.05, 45, 20),
        (3.0, 0.1, 12, 1),
        (3.0, 0.5, 16, 3),
    ],
)
def test_over_dispersed_rate_against_the_stream(mean, spread, k, blocks):
    """An intensity that stays for some windows; the formula for this and for ever."""
    rng, windows = np.random.default_rng(11), 900_000
    rate_s = rng.gamma(1 / spread, spread, windows // blocks) * mean / WINDOW_S
    times = streams.poisson_times(rng, rate_s, blocks * WINDOW_S)
    rate, error = by_blocks(alarms_in(times, k), 300, windows // 300)
    model = {"family": "negative_binomial", "dispersion": spread}
    exact = per_window(k, mean, **model, correlation_windows=float(blocks))
    assert exact == pytest.approx(rate, abs=4 * error + 0.08 * rate)
    # For ever is the greater rate: it errs to the safe side.
    assert per_window(k, mean, **model) > 0.99 * exact
    if blocks >= 20:
        assert per_window(k, mean, **model) == pytest.approx(exact, rel=0.05)


@pytest.mark.long
@pytest.mark.parametrize(("devices", "mean", "k"), [(50, 3.0, 10), (20, 3.0, 9)])
def test_resting_devices_against_the_stream(devices, mean, k):
    rng, windows = np.random.default_rng(12), 200_000
    p = -np.expm1(-mean / devices)
    times = streams.device_times(rng, devices, p / (1 - p) / WINDOW_S, WINDOW_S, windows * WINDOW_S)
    assert times.size / windows == pytest.approx(devices * p, rel=0.01)
    rate, error = by_blocks(alarms_in(times, k), 200, windows // 200)
    model = {"family": "beta_binomial", "active": devices}
    assert per_window(k, mean, **model) == pytest.approx(rate, abs=4 * error + 0.03 * rate)


def test_mixed_rate_is_the_mean_over_the_intensity():
    """The closed form of the beta mixture against a quadrature over resting devices."""
    devices, mean, rho, k = 60, 4.0, 0.05, 15
    p, scale = -np.expm1(-mean / devices), (1 - rho) / rho
    rng = np.random.default_rng(2)
    draws = rng.beta(p * scale, (1 - p) * scale, 50_000)
    each = np.exp(
        log_alarms_per_hour(k, -devices * np.log1p(-draws), window_s=WINDOW_S,
                            family="beta_binomial", active=devices)
    ) * WINDOW_S / 3600  # fmt: skip
    each = np.where(draws * devices < k, each, 0.0)
    error = each.std() / np.sqrt(draws.size)
    mixed = per_window(k, mean, family="beta_binomial", active=devices, dispersion=rho)
    assert mixed == pytest.approx(each.mean(), abs=4 * error)


SHOCKS = [
    (1.0, 100, 0.01, 0.1, 20.0, 10),
    (1.0, 100, 0.01, 0.1, 20.0, 20),
    (10.0, 100, 0.01, 0.1, 10.0, 25),
    (3.0, 40, 0.05, 0.2, 5.0, 22),
    (0.05, 20, 0.01, 0.3, 2.0, 8),
    (30.0, 300, 0.02, 0.05, 50.0, 55),
]


@pytest.mark.long
@pytest.mark.parametrize(("mean", "devices", "per", "share", "concentration", "k"), SHOCKS)
def test_bursts_against_the_stream(mean, devices, per, share, concentration, k):
    rng, windows = np.random.default_rng(13), int(min(600_000, 6e6 / mean))
    windows -= windows % 300
    times = streams.poisson_times(rng, np.full(windows // 300, mean / WINDOW_S), 300 * WINDOW_S)
    size = betabinom(devices, share * concentration, (1 - share) * concentration)
    pmf = size.pmf(np.arange(devices + 1))
    times = streams.with_bursts(rng, times, windows * WINDOW_S, per / WINDOW_S, pmf / pmf.sum())
    rate, error = by_blocks(alarms_in(times, k), 300, windows // 300)
    burst = {
        "active": devices,
        "burst_probability": per,
        "burst_share": share,
        "burst_concentration": concentration,
    }
    assert per_window(k, mean, **burst) == pytest.approx(rate, abs=4 * error + 0.05 * rate)


@pytest.mark.long
@pytest.mark.parametrize("k", [14, 24])
def test_bursts_on_an_over_dispersed_background(k):
    mean, spread, devices, blocks, windows = 4.0, 0.1, 200, 30, 900_000
    rng = np.random.default_rng(17)
    rate_s = rng.gamma(1 / spread, spread, windows // blocks) * mean / WINDOW_S
    times = streams.poisson_times(rng, rate_s, blocks * WINDOW_S)
    pmf = betabinom(devices, 0.5, 9.5).pmf(np.arange(devices + 1))
    times = streams.with_bursts(rng, times, windows * WINDOW_S, 0.002 / WINDOW_S, pmf / pmf.sum())
    rate, error = by_blocks(alarms_in(times, k), 300, windows // 300)
    expected = per_window(
        k, mean, family="negative_binomial", dispersion=spread, active=devices,
        burst_probability=0.002, burst_share=0.05, burst_concentration=10.0,
    )  # fmt: skip
    assert expected == pytest.approx(rate, abs=4 * error + 0.06 * rate)


@pytest.mark.long
def test_a_day_cycle_against_the_stream():
    """Rates by the hour, 150 days; alarms of the whole stream against the mean over the hours."""
    rng, days, k = np.random.default_rng(19), 150, 9
    mean = 1.5 * np.exp(0.8 * np.cos(2 * np.pi * (np.arange(24) - 14) / 24))
    times = streams.poisson_times(rng, np.tile(mean, days) / WINDOW_S, 3600.0)
    rate, error = by_blocks(alarms_in(times, k), 24 * 360, days)
    by_hour = log_alarms_per_hour(k, mean, window_s=WINDOW_S)
    expected = np.exp(log_alarms_per_year(by_hour)) / 8766 * WINDOW_S / 3600
    assert expected == pytest.approx(rate, abs=4 * error + 0.02 * rate)
    # The rate at the mean of the day would be far too small.
    assert per_window(k, float(mean.mean())) < 0.8 * expected


def test_far_tail_of_bursts_is_the_tail_of_the_burst():
    """With hardly any singles a level is reached by a burst alone."""
    k = np.array([5, 50, 90])
    rate = log_alarms_per_hour(
        k, 1e-6, window_s=WINDOW_S, active=100, burst_probability=1e-6, burst_share=0.1,
        burst_concentration=5.0,
    )  # fmt: skip
    size = betabinom(100, 0.5, 4.5)
    tail = [math.log(math.fsum(size.pmf(np.arange(one, 101)))) for one in k]
    np.testing.assert_allclose(rate, np.log(1e-6 * 360.0) + tail, atol=1e-3)


def test_rates_fall_with_the_count_and_stay_finite_in_the_far_tail():
    for model in (
        {},
        {"family": "negative_binomial", "dispersion": 0.05},
        {"family": "beta_binomial", "dispersion": 0.01},
        {"burst_probability": 1e-5, "burst_share": 0.05, "burst_concentration": 5.0},
    ):
        mean = np.linspace(0.2, 10.0, 24)[:, None]
        table = log_alarm_table_per_hour(mean, 300, window_s=WINDOW_S, active=1000, **model)
        assert table.shape == (24, 1, 300)
        assert np.all(np.isfinite(table))
        tail = table[:, 0, 25:]
        assert np.all(np.diff(tail, axis=-1) < 0.0)
    beyond = log_alarms_per_hour([10, 11], 1.0, window_s=1.0, family="beta_binomial", active=10)
    assert np.isfinite(beyond[0])
    assert beyond[1] == -np.inf


def test_hours_of_the_week_count_equally():
    rates = np.log(np.r_[np.full(84, 1e-3), np.full(84, 1e-5)])
    assert np.exp(log_alarms_per_year(rates)) == pytest.approx(8766 * (1e-3 + 1e-5) / 2)
    assert log_alarms_per_year(np.full((168, 3), -2000.0), axis=0) == pytest.approx(
        [np.log(8766) - 2000.0] * 3
    )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"family": "normal"}, "family must be .poisson"),
        ({"mean": 0.0}, "mean must be"),
        ({"triggers": 2.5}, "whole number"),
        ({"dispersion": 0.1}, "no dispersion"),
        ({"family": "beta_binomial"}, "active devices"),
        ({"burst_probability": 0.1, "burst_share": 0.1}, "bursts need the active devices"),
        ({"burst_probability": 0.1, "active": 5}, "burst_share"),
        ({"correlation_windows": 0.5}, "correlation_windows"),
        ({"family": "beta_binomial", "active": 5, "correlation_windows": 2.0}, "not available"),
    ],
)
def test_bad_arguments_get_one_clear_error(change, match):
    arguments = {"triggers": 5, "mean": 1.0, "window_s": 10.0, **change}
    with pytest.raises(ValueError, match=match):
        log_alarms_per_hour(arguments.pop("triggers"), arguments.pop("mean"), **arguments)
    with pytest.raises(ValueError, match="length"):
        scan_tail(5, 1.0, 1.0)


@pytest.mark.parametrize(
    ("mean", "spread", "k"), [(9.0, 0.5, 25), (4.5, 1.0, 20), (3.0, 1.5, 15), (15.0, 0.3, 30)]
)
def test_alarms_whose_likely_intensity_is_near_the_level(mean, spread, k):
    # Dispersion times mean 4.5, where the rate was a quarter too low.
    rng = np.random.default_rng(4)
    levels = mean * rng.gamma(1 / spread, spread, 3000) / WINDOW_S
    times = streams.poisson_times(rng, levels, 60 * WINDOW_S)
    rate, error = by_blocks(alarms_in(times, k), 60, 3000)
    own = per_window(k, mean, family="negative_binomial", dispersion=spread)
    assert own == pytest.approx(rate, abs=4 * error + 0.06 * rate)


@pytest.mark.parametrize(
    ("n", "p", "spread", "k"), [(60, 0.1, 0.05, 14), (30, 0.1, 0.1, 10), (100, 0.05, 0.1, 20)]
)
def test_alarms_of_devices_with_a_dead_time(n, p, spread, k):
    # Rates were 20 to 47 % too high. Each device rests for a window after a trigger.
    rng, length, repeats = np.random.default_rng(5), 60, 1500
    scale, starts = (1 - spread) / spread, []
    for own in rng.beta(p * scale, (1 - p) * scale, repeats):
        mean_wait = (1 - own) / max(own, 1e-9)
        most = int(length * own + 6 * np.sqrt(length * own) + 12)
        gaps = 1 + rng.exponential(mean_wait, (n, most))
        # Stationary: a device rests with probability p, for a uniform time.
        resting = np.where(rng.random(n) < own, rng.uniform(0, 1, n), 0.0)
        gaps[:, 0] = resting + rng.exponential(mean_wait, n)
        times = np.sort(np.cumsum(gaps, axis=1).ravel())
        times = times[(times > 1) & (times < length)] * WINDOW_S
        starts.append(len(alarms(times, k, WINDOW_S)[0]))
    rate = np.mean(starts) / (length - 1)
    error = np.std(starts) / np.sqrt(repeats) / (length - 1)
    own = per_window(k, -n * np.log1p(-p), family="beta_binomial", dispersion=spread, active=n)
    assert own == pytest.approx(rate, abs=4 * error + 0.1 * rate)


def test_means_beyond_a_table_are_alarms_in_every_window_and_need_no_memory():
    mean = np.geomspace(0.1, 1e7, 4000)
    common = {"window_s": 10.0, "active": 1e9, "dispersion": 1.0, "family": "negative_binomial"}
    tracemalloc.start()
    table = log_alarm_table_per_hour(mean, 50, **common)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(table[mean >= 50], np.log(360.0))
    alone = log_alarm_table_per_hour(mean[1000], 50, **common)
    np.testing.assert_allclose(table[1000], alone, rtol=1e-12)
    # A row for the largest mean would have 10 million entries.
    assert most < 500e6
