"""Fits recover what made a history, and a few unmarked earthquakes do not move the tail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat.counts.data import History, combine
from eqstat.counts.fit import draws, fit, null_from
from eqstat.counts.null import FAMILIES, log_tail
from eqstat.counts.simulate import simulate

from . import cases


def errors(found, null):
    """Estimate minus truth in standard errors, for each parameter that the history tells."""
    truth = {
        "dispersion": null.dispersion,
        "dispersion_slope": null.dispersion_slope,
        **{f"daily[{i}]": value for i, value in enumerate(null.daily)},
        **{f"weekly[{i}]": value for i, value in enumerate(null.weekly)},
    }
    if null.shocks is not None:
        for name in ("probability", "share", "concentration"):
            truth[f"shock_{name}"] = getattr(null.shocks, name)
    out = {
        name: (found[name] - float(value)) / found.standard_error[name]
        for name, value in truth.items()
        if value is not None
    }
    # Of rate and effects the history tells the products.
    logs = np.log(found["rate_per_device_h"] / null.rate_per_device_h)
    for region, effect in zip(null.regions, null.region_effect, strict=True):
        assert abs(found[f"region_effect[{region}]"] + logs - effect) < 0.03
    return out


@pytest.mark.parametrize(
    "family",
    ["poisson", "negative_binomial", pytest.param("beta_binomial", marks=pytest.mark.slow)],
)
def test_the_truth_is_recovered(family):
    null = cases.truth(family)
    found = fit(simulate(jax.random.key(11), null, cases.design(days=20)), family=family)
    far = errors(found, null)
    assert max(map(abs, far.values())) < 4, far
    assert null_from(found).regions == null.regions
    many = draws(jax.random.key(0), found, 400)
    spread = np.std(np.asarray(many.daily)[:, 0])
    assert spread == pytest.approx(found.standard_error["daily[0]"], rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_shocks_are_recovered(family):
    null = cases.truth(family, shocks=True)
    found = fit(
        simulate(jax.random.key(12), null, cases.design(days=60)), family=family, shocks=True
    )
    far = errors(found, null)
    assert max(map(abs, far.values())) < 4, far


def earthquakes(history, shares):
    """The history with a few unmarked windows in which such shares of the devices trigger."""
    row = int(np.argmax(history.active))
    count = len(shares)
    active = np.full(count, history.active[row])
    more = History(
        np.full(count, history.region[row]),
        np.full(count, history.hour_of_week[row]),
        active,
        np.floor(np.asarray(shares) * active),
        np.ones(count),
        history.regions,
        history.window_s,
        1.0,
    )
    return combine([history, more])


@pytest.mark.slow
def test_unmarked_earthquakes_do_not_move_the_tail():
    null = cases.truth()
    clean = simulate(jax.random.key(13), null, cases.design(days=60))
    # Three earthquakes: their triggers are more than the million-th part of all.
    dirty = earthquakes(clean, [0.2, 0.4, 0.7])
    assert dirty.total_triggers - clean.total_triggers > 1e-6 * clean.total_triggers

    def tail(one):
        return log_tail(one, 16.0, 400.0, 1.0)

    found = fit(clean)
    with jax.enable_x64(True):
        before = float(tail(found.null))
        sd = float(jnp.std(jax.vmap(tail)(draws(jax.random.key(1), found, 400))))
        guarded = abs(float(tail(fit(dirty).null)) - before)
        bare = abs(float(tail(fit(dirty, earthquake_share=0.0).null)) - before)
    assert guarded < 0.3 * sd
    assert bare > sd
