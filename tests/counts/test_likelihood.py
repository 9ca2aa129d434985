"""The likelihood of rows is the sum over windows; merging keeps its value, slope and bend."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat.counts import log_likelihood, log_pmf, simulate
from eqstat.counts._arrays import count_data, earthquake_weight
from eqstat.counts._families import FAMILIES
from eqstat.counts._simulate import week_means

from . import cases


@pytest.mark.slow
@pytest.mark.parametrize("bursts", [False, True], ids=["plain", "bursts"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_sum_over_windows(family, bursts):
    background = cases.truth(family, bursts)
    small = cases.design(days=1, active=(20, 30, 40, 50), variation=0.0)
    history = simulate(jax.random.key(1), background, small)
    mean = week_means(background, history.region, history.hour_of_week, history.active)
    weight = earthquake_weight(history)
    with jax.enable_x64(True):
        log_f = log_pmf(background, history.triggers, history.active, mean)
        guarded = (1 - weight) * jnp.exp(log_f) + weight / (history.active + 1)
        expected = float(jnp.sum(history.windows * jnp.log(guarded)))
        data = jax.tree.map(jnp.asarray, count_data(history, bursts=bursts))
        assert float(log_likelihood(background, data)) == pytest.approx(expected, rel=1e-10)


def test_a_guard_bounds_what_one_window_costs():
    background = cases.truth("poisson")
    history = simulate(jax.random.key(1), background, cases.design(days=1))
    row = int(np.argmax(history.active))
    triggers = history.triggers.copy()
    triggers[row] = np.floor(history.active[row] / 2)

    history = replace(history, triggers=triggers, windows=np.ones(len(triggers)))
    with jax.enable_x64(True):

        def slope(share):
            data = jax.tree.map(jnp.asarray, count_data(history, earthquake_share=share))
            gradient = jax.grad(lambda rate: log_likelihood(with_rate(background, rate), data))
            return float(gradient(jnp.asarray(0.8)))

        assert abs(slope(0.0)) > 100 + abs(slope(1e-6))


def with_rate(background, rate):
    return eqx.tree_at(lambda n: n.rate_per_device_h, background, rate)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_merging_keeps_differences_of_the_likelihood(family):
    background = cases.truth(family, bursts=True)
    history = simulate(jax.random.key(4), background, cases.design(days=60))
    changes = (
        lambda n: eqx.tree_at(lambda m: m.weekly, n, n.weekly + 0.01),
        lambda n: eqx.tree_at(lambda m: m.daily, n, n.daily - 0.01),
        lambda n: eqx.tree_at(lambda m: m.region_effect, n, n.region_effect + 0.01),
        lambda n: eqx.tree_at(lambda m: m.bursts.probability, n, 3e-4),
        lambda n: (
            n
            if n.dispersion is None
            else eqx.tree_at(lambda m: m.dispersion, n, 1.1 * n.dispersion)
        ),
    )
    with jax.enable_x64(True):
        start = jax.tree.map(jnp.asarray, background)
        exact, merged = (
            jax.tree.map(jnp.asarray, count_data(history, bursts=True, merge_above=above))
            for above in (10**9, 0)
        )
        size = [sum(int(jnp.sum(r.windows > 0)) for r in d.rows) for d in (exact, merged)]
        assert size[1] < size[0] / 2
        value = jax.jit(log_likelihood)
        for change in changes:
            differences = [
                float(value(change(start), data) - value(start, data)) for data in (exact, merged)
            ]
            assert differences[1] == pytest.approx(differences[0], rel=0.03, abs=0.5)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_slopes_are_those_of_differences(family):
    background = cases.truth(family, bursts=True)
    small = cases.design(days=1, active=(20, 30, 40, 50), variation=0.0)
    history = simulate(jax.random.key(2), background, small)
    # A few bursts of every size, so that the sums over the base count matter.
    count = np.arange(3.0, 20.0)
    shaken = np.minimum(count, history.active[: len(count)])
    history = replace(history, triggers=np.r_[shaken, history.triggers[len(count) :]])

    def places(n):
        return [n.rate_per_device_h, *vars(n.bursts).values()] + (
            [] if n.dispersion is None else [n.dispersion]
        )

    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, count_data(history, bursts=True))
        start = jax.tree.map(jnp.asarray, background)
        value = jax.jit(log_likelihood)
        slopes = places(jax.jit(jax.grad(log_likelihood))(start, data))
        for number, (slope, at) in enumerate(zip(slopes, places(start), strict=True)):

            def moved(share, number=number, at=at):
                where = eqx.tree_at(lambda n: places(n)[number], start, at * (1 + share))
                return float(value(where, data))

            difference = (moved(1e-5) - moved(-1e-5)) / (2e-5 * float(at))
            assert float(slope) == pytest.approx(difference, rel=1e-5, abs=1e-5)
