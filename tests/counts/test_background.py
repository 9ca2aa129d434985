"""Background distributions against decimal arithmetic of 400 digits, and their parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat.counts import (
    Background,
    Bursts,
    log_pmf,
    log_tail,
    mean_count,
    rate_per_device_h,
    with_new_region,
)
from eqstat.counts._background import log_tails
from eqstat.counts._families import FAMILIES

from . import exact

SHOCK = (3e-5, 0.07, 6.0)
# Active devices, mean, dispersion, counts; the last ones reach a probability near 1e-50.
CASES = (
    (12, 0.004, 0.3, (0, 1, 2, 5, 12)),
    (80, 0.5, 0.05, (1, 2, 6, 13, 40)),
    (700, 9.0, 0.002, (1, 5, 9, 10, 25, 60, 150)),
    (700, 9.0, 0.9, (1, 9, 40, 200)),
    (5000, 60.0, 1e-4, (20, 60, 61, 110, 230)),
)


def background_of(family, dispersion, burst):
    bursts = None if burst is None else Bursts(*burst)
    if family == "poisson":
        return Background(family, 1.0, bursts=bursts)
    # Among any number of devices.
    return Background(family, 1.0, dispersion=dispersion, dispersion_slope=0.0, bursts=bursts)


@pytest.mark.slow
@pytest.mark.parametrize("burst", [None, SHOCK], ids=["plain", "bursts"])
@pytest.mark.parametrize("family", FAMILIES)
def test_tails_agree_with_exact_sums(family, burst):
    # All cases at once, so that one program serves them: short lists repeat their last count.
    counts = [c[3] + c[3][-1:] * (7 - len(c[3])) for c in CASES]
    reference = np.array(
        [exact.log_tails(family, *c[:3], burst, k) for c, k in zip(CASES, counts, strict=True)]
    )

    def both(dispersion, k, n, mean):
        background = background_of(family, dispersion, burst)
        row = log_tails(background, 230, n, mean)
        return log_tail(background, k, n, mean), row[k.astype(int)]

    with jax.enable_x64(True):
        n, mean, dispersion = (jnp.array([float(c[i]) for c in CASES]) for i in range(3))
        arguments = dispersion, jnp.array(counts, float), n, mean
        one, row = (np.asarray(v) for v in jax.jit(jax.vmap(both))(*arguments))
    # A probability of 1e-50 is far enough for the decimal sums.
    seen = reference > -115
    assert seen.sum() > 20
    np.testing.assert_allclose(one[seen], reference[seen], rtol=1e-8, atol=0)
    # A table's row knows probabilities near 1 to rounding only.
    np.testing.assert_allclose(row[seen], reference[seen], rtol=1e-8, atol=1e-14)


def test_tails_hold_down_to_a_log_of_700():
    with jax.enable_x64(True):
        k = np.array([3.0, 40.0, 150.0, 231.0])
        got = np.asarray(log_tail(Background("poisson", 1.0), k, 1e5, 5.0))
        np.testing.assert_allclose(got, stats.poisson.logsf(k - 1, 5.0), rtol=1e-8)
        assert got[-1] < -640
        background = background_of("negative_binomial", 0.02, None)
        got = np.asarray(log_tail(background, np.array([10.0, 300.0, 600.0]), 1e5, 20.0))
        size = 1 / 0.02
        reference = stats.nbinom.logsf([9, 299, 599], size, size / (size + 20.0))
        np.testing.assert_allclose(got, reference, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision_is_as_good_as_stated(family):
    n, mean, dispersion, counts = CASES[2]
    for burst in (None, SHOCK):
        reference = np.array(exact.log_tails(family, n, mean, dispersion, burst, counts))
        got = log_tail(background_of(family, dispersion, burst), np.array(counts, float), n, mean)
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(np.asarray(got), reference, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("burst", [None, SHOCK], ids=["plain", "bursts"])
@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_sum_to_one_and_to_the_tail(family, burst):
    background = background_of(family, 0.1, burst)
    with jax.enable_x64(True):
        k = jnp.arange(61.0)
        p = np.exp(np.asarray(log_pmf(background, k, 60.0, 0.7)))
        tail = np.exp(np.asarray(log_tail(background, k, 60.0, 0.7)))
    # What a count and a burst would give above all devices is in no probability.
    assert abs(p.sum() - 1) < 1e-8
    np.testing.assert_allclose(np.cumsum(p[::-1])[::-1], tail, rtol=1e-9, atol=1e-9)


def test_log_pmf_agrees_with_scipy():
    with jax.enable_x64(True):
        k = np.arange(30.0)
        got = log_pmf(background_of("beta_binomial", 0.02, None), k, 300.0, 2.0)
        p = -np.expm1(-2.0 / 300)
        np.testing.assert_allclose(got, stats.betabinom.logpmf(k, 300, p * 50, (1 - p) * 50), 1e-9)


def test_small_dispersion_is_poisson():
    with jax.enable_x64(True):
        k = np.array([1.0, 5.0, 30.0])
        plain = log_tail(Background("poisson", 1.0), k, 1e5, 2.0)
        near = log_tail(background_of("negative_binomial", 1e-12, None), k, 1e5, 2.0)
        np.testing.assert_allclose(near, plain, rtol=1e-6)


@pytest.mark.long
def test_no_count_exceeds_the_active_devices():
    with jax.enable_x64(True):
        for family in FAMILIES:
            background = background_of(family, 0.1, SHOCK)
            assert float(log_tail(background, 21.0, 20.0, 0.3)) == -np.inf
            assert float(log_pmf(background, 21.0, 20.0, 0.3)) == -np.inf
            row = np.asarray(log_tails(background, 25, 20.0, 0.3))
            assert np.all(row[21:] == -np.inf)
            np.testing.assert_allclose(row[20], log_tail(background, 20.0, 20.0, 0.3), rtol=1e-8)
            assert row[0] == 0.0


@pytest.mark.slow
def test_a_posterior_maps_over_draws():
    rate = np.array([0.5, 0.6, 0.7])
    posterior = Background(
        "negative_binomial",
        rate,
        daily=np.zeros((3, 4)),
        weekly=np.zeros((3, 2)),
        region_effect=np.array([[0.1], [0.0], [-0.1]]),
        region_sd=np.full(3, 0.2),
        dispersion=np.array([0.1, 0.2, 0.3]),
        dispersion_slope=np.zeros(3),
        bursts=Bursts(np.full(3, 1e-5), np.full(3, 0.1), np.full(3, 5.0)),
    )

    def score(background):
        mean = mean_count(background, 300.0, 12.5, 2, 0)
        return log_tail(background, jnp.array([3.0, 9.0]), 300.0, mean)

    with jax.enable_x64(True):
        together = np.asarray(jax.jit(jax.vmap(score))(posterior))
        one = jax.tree.map(lambda leaf: leaf[1], posterior)
        np.testing.assert_allclose(together[1], score(one), rtol=1e-10)
    wider = with_new_region(jax.random.key(0), posterior)
    assert wider.regions == ("all", "new")
    assert np.asarray(wider.region_effect).shape == (3, 2)


def test_the_rate_follows_hour_day_and_region():
    background = Background(
        "poisson",
        2.0,
        daily=np.array([0.3, 0.0, 0.0, 0.0]),
        weekly=np.array([0.0, 0.1]),
        region_effect=np.array([0.0, 0.5]),
        window_s=30.0,
        regions=("a", "b"),
    )
    got = rate_per_device_h(background, np.array([0.0, 12.0]), 0, background.index("b"))
    np.testing.assert_allclose(got, 2 * np.exp([0.8, 0.2]), rtol=1e-6)
    middle = rate_per_device_h(background, 6.0, 7 / 4)
    np.testing.assert_allclose(middle, 2 * np.exp(0.1), rtol=1e-6)
    np.testing.assert_allclose(
        mean_count(background, 60, 0.0, 0, 1), 60 * 2 * np.exp(0.8) * 30 / 3600, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "normal"}, "family"),
        ({"dispersion": None}, "needs dispersion"),
        ({"dispersion": -0.1}, "dispersion must lie"),
        ({"rate_per_device_h": 0.0}, "rate_per_device_h"),
        ({"daily": np.zeros(3)}, "daily must have 4"),
        ({"region_effect": np.zeros(2)}, "region_effect must have 1"),
    ],
)
def test_bad_parameters_are_refused(change, message):
    good = {
        "family": "negative_binomial",
        "rate_per_device_h": 1.0,
        "dispersion": 0.1,
        "dispersion_slope": 0.0,
    }
    # A family that is no literal is refused by the type checks of the tests already.
    with pytest.raises(Exception, match=message):
        Background(**{**good, **change})
    with pytest.raises(ValueError, match="no dispersion"):
        Background("poisson", 1.0, dispersion=0.1)
    with pytest.raises(ValueError, match="share"):
        Bursts(1e-5, 0.0, 5.0)
    with pytest.raises(ValueError, match="known are all"):
        Background("poisson", 1.0).index("Chile")
