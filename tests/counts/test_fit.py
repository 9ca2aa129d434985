"""Fits recover what made a history, and a few unmarked earthquakes do not move the tail."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat.counts import History, background_from, combine, fit, log_tail, prepare, simulate
from eqstat.counts._families import FAMILIES
from eqstat.inference import InferenceError, Result

from . import cases


def errors(found, background):
    """Estimate minus truth in standard errors, for each parameter that the history tells."""
    truth = {
        "dispersion": background.dispersion,
        "dispersion_slope": background.dispersion_slope,
        **{f"daily[{i}]": value for i, value in enumerate(background.daily)},
        **{f"weekly[{i}]": value for i, value in enumerate(background.weekly)},
    }
    if background.bursts is not None:
        for name in ("probability", "share", "concentration"):
            truth[f"burst_{name}"] = getattr(background.bursts, name)
    out = {
        name: (found[name] - float(value)) / found.standard_error[name]
        for name, value in truth.items()
        if value is not None
    }
    # Of rate and effects the history tells the products.
    logs = np.log(found["rate_per_device_h"] / background.rate_per_device_h)
    for region, effect in zip(background.regions, background.region_effect, strict=True):
        assert abs(found[f"region_effect[{region}]"] + logs - effect) < 0.03
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        "poisson",
        pytest.param("negative_binomial", marks=pytest.mark.long),
        pytest.param("beta_binomial", marks=pytest.mark.long),
    ],
)
def test_the_truth_is_recovered(family):
    background = cases.truth(family)
    found = fit(simulate(jax.random.key(11), background, cases.design(days=20)), family=family)
    far = errors(found, background)
    assert max(map(abs, far.values())) < 4, far
    assert background_from(found).regions == background.regions
    many = found.posterior(jax.random.key(0), 400)
    spread = np.std(np.asarray(many.daily)[:, 0])
    assert spread == pytest.approx(found.standard_error["daily[0]"], rel=0.15)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_bursts_are_recovered(family):
    background = cases.truth(family, bursts=True)
    found = fit(
        simulate(jax.random.key(12), background, cases.design(days=60)), family=family, bursts=True
    )
    far = errors(found, background)
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


@pytest.mark.long
def test_unmarked_earthquakes_do_not_move_the_tail():
    background = cases.truth()
    clean = simulate(jax.random.key(13), background, cases.design(days=60))
    # Three earthquakes: their triggers are more than the million-th part of all.
    dirty = earthquakes(clean, [0.2, 0.4, 0.7])
    assert dirty.total_triggers - clean.total_triggers > 1e-6 * clean.total_triggers

    def tail(one):
        return log_tail(one, 16.0, 400.0, 1.0)

    found = fit(clean)
    with jax.enable_x64(True):
        before = float(tail(found.background))
        sd = float(jnp.std(jax.vmap(tail)(found.posterior(jax.random.key(1), 400))))
        guarded = abs(float(tail(fit(dirty).background)) - before)
        bare = abs(float(tail(fit(dirty, earthquake_share=0.0).background)) - before)
    assert guarded < 0.3 * sd
    assert bare > sd


@pytest.mark.slow
def test_without_throw_a_fit_answers_its_code():
    # One device that triggers in every window: the search does not end at a finite point.
    windows = pd.DataFrame(
        {
            "time": pd.date_range("2026-01-05", periods=2000, freq="10s", tz="UTC"),
            "triggers": 1,
            "active": 1,
            "region": "a",
            "window_s": 10.0,
        }
    )
    found = fit(prepare(windows), family="beta_binomial", throw=False)
    assert found.result is Result.NOT_FINITE and found.mode is None
    for use in (
        lambda: found.background,
        lambda: found.posterior(jax.random.key(0), 10),
        lambda: fit(prepare(windows), family="beta_binomial"),
    ):
        with pytest.raises(InferenceError, match="not finite"):
            use()


def region_in_order(number: int, rng: np.random.Generator, days: int) -> pd.DataFrame:
    """Windows of 10 s in their order, with bursts of some per cent of all devices."""
    windows = days * 8640
    active = round(60 * 20 ** (number / 19))
    mean = active * 0.6 * 10 / 3600
    count = rng.poisson(mean * rng.gamma(1 / 0.15, 0.15, windows))
    in_burst = rng.uniform(size=windows) < 2e-5
    count = count + in_burst * rng.binomial(active, rng.beta(0.6, 11.4, windows))
    start = pd.date_range("2026-01-05", periods=windows, freq="10s", tz="UTC")
    return pd.DataFrame(
        {
            "time": start,
            "triggers": np.minimum(count, active),
            "active": active,
            "region": pd.Categorical.from_codes(np.zeros(windows, np.int8), [f"r{number}"]),
            "window_s": 10.0,
        }
    )


@pytest.mark.long
def test_a_fit_with_bursts_of_many_regions_in_order_ends_soon():
    rng = np.random.default_rng(0)
    parts = [prepare(region_in_order(number, rng, 60), time_zone="UTC") for number in range(20)]
    before = time.process_time()
    found = fit(combine(parts), bursts=True)
    assert time.process_time() - before < 120
    for name, truth in (("probability", 2e-5), ("share", 0.05)):
        name = f"burst_{name}"
        assert abs(found[name] - truth) < 4 * found.standard_error[name]
