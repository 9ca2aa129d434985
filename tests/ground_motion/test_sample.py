"""NUTS agrees with the fit, and its posterior is the model's: simulation-based calibration."""

import jax
import numpy as np
import pytest
from arviz_stats.base import array_stats
from check_exceedance_sbc import KEPT, NAMES, ranks_of
from scipy.special import logsumexp

from eqstat.calibration import rank_uniformity
from eqstat.ground_motion import Design, GroundMotion, fit, posterior_from, sample, simulate
from eqstat.ground_motion.mixture import _mixture as mx

KEY = jax.random.key(0)


@pytest.mark.long
def test_nuts_agrees_with_the_fit_and_predicts():
    motions = simulate(jax.random.key(5), GroundMotion(), Design(events=50, stations=30))
    found = fit(motions)
    tree = sample(jax.random.key(6), motions, chains=2, warmup=250, draws=500, progress=False)
    assert tree.attrs["r_hat_max"] < 1.02
    assert tree.attrs["divergences"] == 0
    assert set(tree["posterior"].data_vars) == set(NAMES)
    for name in NAMES:
        values = tree["posterior"][name]
        assert values.attrs["units"] and values.attrs["long_name"]
        # The mode is not the mean: half a standard deviation is what skewness may do.
        estimate, error = found[name], found.standard_error[name]
        if name == "correlation_km":
            # Normal in its logarithm: too skewed to compare itself.
            values, estimate, error = np.log(values), np.log(estimate), error / estimate
        apart = abs(float(values.mean()) - estimate) / float(values.std())
        assert apart < 0.7, name
        assert float(values.std()) == pytest.approx(error, rel=0.35), name
    given = (6.0, np.array([15.0, 60.0]), 8.0, np.nan)
    by_nuts = posterior_from(tree, motions).predictor()(*given)
    by_fit = found.predictor(KEY)(*given)
    mean, sd = mx.mean_and_sd(by_nuts)
    mean_by_fit, sd_by_fit = mx.mean_and_sd(by_fit)
    # Near the source the saturation is skewed; a fifth of the scatter is nothing to a prediction.
    assert np.all(np.abs(np.asarray(mean - mean_by_fit)) < 0.2 * np.asarray(sd))
    np.testing.assert_allclose(sd, sd_by_fit, rtol=0.1)
    assert tree["observed_data"]["log10_pga"].size == len(motions.table)
    assert tree.attrs["magnitude_range"] == list(motions.ranges["magnitude"])


@pytest.mark.long
def test_a_run_has_all_groups_and_leaves_out_single_records():
    motions = simulate(jax.random.key(5), GroundMotion(), Design(events=12, stations=10))
    tree = sample(jax.random.key(6), motions, chains=2, warmup=250, draws=250, progress=False)
    groups = {"posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data"}
    assert groups == set(tree.children)
    assert tree["log_likelihood"]["log10_pga"].dims == ("chain", "draw", "record")
    assert tree["constant_data"]["distance_km"].attrs["units"] == "km"
    values = tree["log_likelihood"]["log10_pga"].transpose("record", "chain", "draw").to_numpy()
    assert len(values) == len(motions.table)
    elpd, k, *_ = array_stats.loo(values)
    effective = np.sum(logsumexp(values, axis=(1, 2)) - np.log(values[0].size)) - np.sum(elpd)
    # Sixteen parameters, some of them known from their priors only.
    assert 4 < effective < 25
    assert np.mean(k > 0.7) < 0.02


@pytest.mark.long
def test_ranks_of_the_truth_are_uniform():
    ranks = [ranks_of(number) for number in range(60)]
    for name in NAMES:
        own = np.array([each[name] for each in ranks])
        # Sixteen parameters are looked at: one in some hundred runs of a true sampler fails.
        found = rank_uniformity(own, KEPT, bins=5, probability=0.9995)
        assert found.inside, (name, np.sort(own))
        assert found.p_value > 5e-4, (name, np.sort(own))
