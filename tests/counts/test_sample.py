"""NUTS agrees with the fit where the history is long, and says how well it mixed."""

import jax
import numpy as np
import pytest

from eqstat.counts import background_from, fit, sample, simulate

from . import cases


@pytest.mark.long
def test_draws_agree_with_the_normal_approximation():
    background = cases.truth()
    history = simulate(jax.random.key(21), background, cases.design(days=5, variation=0.0))
    tree = sample(jax.random.key(1), history, draws=500, progress=False)
    assert tree.attrs["result"] == "CONVERGED", tree.attrs
    found = fit(history)
    posterior = tree["posterior"].to_dataset()
    for number in range(4):
        draws = posterior["daily"].to_numpy()[..., number]
        name = f"daily[{number}]"
        assert abs(draws.mean() - found[name]) < 0.25 * found.standard_error[name]
        assert draws.std() == pytest.approx(found.standard_error[name], rel=0.15)
    batched = background_from(tree)
    assert np.shape(batched.region_effect) == (2000, 4)
    assert batched.regions == background.regions
    assert posterior["region_effect"].dims == ("chain", "draw", "region")
