"""Blocks stay together, and intervals of clustered detections cover."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.calibration import block_bootstrap
from eqstat.calibration._bootstrap import resamples

from . import cases

KEY = jax.random.key(5)


def test_clusters_stay_whole():
    cluster = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 7])
    for index in resamples(np.random.default_rng(0), 28, [cluster], 50):
        times = np.bincount(index, minlength=28)
        assert sum(times[cluster == each][0] for each in range(7)) == 7
        assert all(np.ptp(times[cluster == each]) == 0 for each in range(7))


def test_two_labels_are_crossed():
    """Variance of a mean of row plus column effects: the sum of both, and a little more."""
    rng = np.random.default_rng(1)
    row, column = np.repeat(np.arange(30), 40), np.tile(np.arange(40), 30)
    a, b = rng.normal(size=30), rng.normal(size=40)
    values = a[row] + b[column]
    found = block_bootstrap(KEY, np.mean, values, cluster=[row, column], replicates=600)
    expected = np.sqrt(a.var() / 30 + b.var() / 40)
    assert found.standard_error == pytest.approx(expected, rel=0.15)
    assert found.clusters == (30, 40)
    alone = block_bootstrap(KEY, np.mean, values, replicates=600)
    assert alone.standard_error == pytest.approx(values.std() / np.sqrt(1200), rel=0.15)
    assert alone.clusters == ()


def coverage_of_mean(clustered, number=100):
    rng, hits = np.random.default_rng(2), 0
    for i in range(number):
        hit, cluster = cases.clustered(rng)
        found = block_bootstrap(
            jax.random.fold_in(KEY, i), np.mean, hit,
            cluster=cluster if clustered else None, replicates=200,
        )  # fmt: skip
        hits += found.low <= 0.3 <= found.high
    return hits / number


def test_intervals_of_clusters_cover():
    # Percentiles of 40 clusters fall a little short of 0.9, as is known of them.
    assert coverage_of_mean(True) > 0.87 - 3 * np.sqrt(0.09 / 100)
    assert coverage_of_mean(False) < 0.7


def test_histories_without_a_value_are_counted():
    label = np.arange(40) < 3

    def first(values, flags):
        return values[flags].mean() if flags.any() else np.nan

    found = block_bootstrap(KEY, first, np.arange(40.0), label, replicates=400)
    assert found.left_out == pytest.approx(400 * (1 - 3 / 40) ** 40, abs=20)
    assert found.replicates.size == 400 - found.left_out
    with pytest.raises(InputError, match="have no value"):
        block_bootstrap(KEY, first, np.arange(40.0), np.arange(40) < 1, replicates=400)


def test_the_key_decides():
    values = np.arange(30.0)
    one, two = (block_bootstrap(KEY, np.mean, values) for _ in range(2))
    assert np.array_equal(one.replicates, two.replicates)
    other = block_bootstrap(jax.random.key(6), np.mean, values)
    assert not np.array_equal(one.replicates, other.replicates)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [((), {}, "at least one row"), ((np.ones(3), np.ones(4)), {}, "one entry for each"),
     ((np.ones(3),), {"cluster": ["a", "a", "a"]}, "one cluster only"),
     ((np.ones(3),), {"cluster": [["a", "b", "c"], ["a", "b"]]}, "3 labels"),
     ((np.ones(3),), {"replicates": 3}, "whole number from 20")],
)  # fmt: skip
def test_bad_input_is_refused(rows, options, message):
    with pytest.raises(InputError, match=message):
        block_bootstrap(KEY, np.mean, *rows, **options)
