"""Rates are counts, and their intervals cover."""

import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.calibration import binomial_interval, error_rates

from . import cases


@pytest.mark.parametrize("larger", ["earthquake", "noise"])
def test_rates_are_counts(larger):
    score, label = cases.tied(np.random.default_rng(1))
    score = score if larger == "earthquake" else -score
    at = np.unique(score)
    found = error_rates(score, label, at, larger=larger, probability=0.8)
    for i, threshold in enumerate(at):
        accepted = score >= threshold if larger == "earthquake" else score <= threshold
        assert found["misses"][i] == np.sum(label & ~accepted)
        assert found["false_alarms"][i] == np.sum(~label & accepted)
        exact = stats.binomtest(int(np.sum(label & ~accepted)), 40).proportion_ci(0.8, "exact")
        own = found.sel(interval="exact").isel(threshold=i)
        assert own["miss_low"] == pytest.approx(exact.low, abs=1e-12)
        assert own["miss_high"] == pytest.approx(exact.high, abs=1e-12)
    np.testing.assert_allclose(found["miss_probability"], found["misses"] / 40)
    np.testing.assert_allclose(found["false_alarm_probability"], found["false_alarms"] / 60)
    assert found.attrs["interval_probability"] == 0.8
    assert (found.attrs["earthquakes"], found.attrs["noise"]) == (40, 60)


def test_posterior_interval_is_that_of_the_beta():
    low, high = binomial_interval([3, 0, 9], 9, kind="posterior", prior=(2.0, 5.0), probability=0.5)
    posterior = stats.beta([5.0, 2.0, 11.0], [11.0, 14.0, 5.0])
    np.testing.assert_allclose(low, [posterior.ppf(0.25)[0], 0.0, posterior.ppf(0.25)[2]])
    np.testing.assert_allclose(high, [*posterior.ppf(0.75)[:2], 1.0])


@pytest.mark.parametrize("true", [0.003, 0.01, 0.1, 0.37])
@pytest.mark.parametrize("number", [11, 100, 1000])
def test_intervals_cover(true, number):
    """Exactly, by the sum over all counts."""
    count = np.arange(number + 1)
    weight = stats.binom.pmf(count, number, true)
    low, high = binomial_interval(count, number)
    assert np.sum(weight[(low <= true) & (true <= high)]) >= 0.9
    assert np.sum(weight[true < low]) <= 0.05
    low, high = binomial_interval(count, number, kind="posterior")
    # Jeffreys' interval covers about as often as it says, not at least.
    assert np.sum(weight[(low <= true) & (true <= high)]) >= 0.82


def test_clusters_that_are_copies_count_once():
    """Ten copies of each detection say as much as one, but for Student's t."""
    rng = np.random.default_rng(2)
    score, label = cases.normal(rng, 60, 60)
    one = error_rates(score, label, 0.7, larger="earthquake")
    many = error_rates(
        np.repeat(score, 10), np.repeat(label, 10), 0.7, larger="earthquake",
        cluster=np.repeat(np.arange(120), 10),
    )  # fmt: skip
    plain = error_rates(np.repeat(score, 10), np.repeat(label, 10), 0.7, larger="earthquake")
    for name in ("miss", "false_alarm"):
        assert many[f"{name}_probability"] == one[f"{name}_probability"]
        width = [
            (each[f"{name}_high"] - each[f"{name}_low"]).sel(interval="exact").item()
            for each in (one, many, plain)
        ]
        assert 1.0 <= width[1] / width[0] < 1.06
        assert width[2] < 0.5 * width[0]
    assert many.attrs["clusters"] == 120
    none = error_rates(
        np.repeat(score, 10), np.repeat(label, 10), -9.0, larger="earthquake",
        cluster=np.repeat(np.arange(120), 10),
    ).sel(interval="exact")  # fmt: skip
    assert none["miss_high"].item() == pytest.approx(1 - 0.05 ** (1 / 60))


def test_intervals_of_clusters_cover():
    rng = np.random.default_rng(3)
    number, hits, plain = 120, 0, 0
    for _ in range(number):
        hit, cluster = cases.clustered(rng)
        score = np.concatenate([np.where(hit, -1.0, 1.0), [-1.0, -1.0]])
        label = np.arange(score.size) < hit.size
        groups = [*cluster.tolist(), "x", "y"]
        for own in (groups, None):
            found = error_rates(score, label, 0.0, larger="earthquake", cluster=own)
            found = found.sel(interval="exact")
            inside = bool(found["miss_low"] <= 0.3 <= found["miss_high"])
            hits, plain = hits + inside * (own is not None), plain + inside * (own is None)
    assert cases.within(hits, number, 0.9)
    assert plain < 0.65 * number


@pytest.mark.parametrize(
    ("count", "total", "options", "message"),
    [(3, 2, {}, "count must lie"), (-1, 2, {}, "count must lie"), (0, 0, {}, "total above 0"),
     (1, 2, {"kind": "wald"}, 'kind is "exact"'),
     (1, 2, {"kind": "posterior", "prior": (0.0, 1.0)}, "prior must be two numbers above 0")],
)  # fmt: skip
def test_bad_counts_are_refused(count, total, options, message):
    with pytest.raises(InputError, match=message):
        binomial_interval(count, total, **options)
