"""Ranks of the truth among draws of `sample` are uniform: the posterior is that of the model."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

from eqstat.calibration import rank_uniformity, sbc_ranks
from eqstat.counts import Design, Prior, sample, simulate
from eqstat.counts._model import background_of

NUMBER, BINS = 180, 5
REGIONS = ("small", "large")
PRIOR = Prior(
    rate_per_device_h=dist.LogNormal(np.log(0.5), 0.4),
    daily=dist.Normal(0.0, 0.3),
    weekly=dist.Normal(0.0, 0.2),
    region_sd=dist.LogNormal(np.log(0.3), 0.5),
    dispersion=dist.LogNormal(np.log(0.3), 0.5),
    dispersion_slope=dist.Normal(0.0, 0.3),
)


def truth(key):
    """Parameters from the prior."""
    keys = iter(jax.random.split(key, 8))
    values = {
        name: np.asarray(getattr(PRIOR, name).sample(next(keys), shape), np.float64)
        for name, shape in (
            ("rate_per_device_h", ()),
            ("daily", (4,)),
            ("weekly", (2,)),
            ("region_sd", ()),
            ("dispersion", ()),
            ("dispersion_slope", ()),
        )
    }
    noise = np.asarray(jax.random.normal(next(keys), (len(REGIONS),)), np.float64)
    return values | {"region_effect": noise * values["region_sd"]}


@pytest.mark.long
def test_ranks_are_uniform():
    design = Design(np.array([20, 120]), days=3, variation=0.0)
    ranks = []
    for number in range(NUMBER):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(41), number), 3)
        values = truth(keys[0])
        background = background_of(values, "negative_binomial", regions=REGIONS)
        history = simulate(keys[1], background, design)
        tree = sample(keys[2], history, prior=PRIOR, chains=2, draws=250, progress=False)
        # 2 x 27 thinned draws: 55 ranks, in five bins of eleven.
        own = []
        for name, true in values.items():
            draws = tree["posterior"][name].to_numpy()[:, 4:247:9]
            draws = draws.reshape(54, -1)
            own += sbc_ranks(np.ravel(true), draws.T).tolist()
        ranks.append(own)
    p = [rank_uniformity(column, 54, bins=BINS).p_value for column in np.array(ranks).T]
    assert np.min(p) > 0.001, p
