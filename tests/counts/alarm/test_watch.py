"""The running test of promised exceedances: its error probability, its power, raised thresholds."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat import InputError
from eqstat.counts import Background
from eqstat.counts.alarm import (
    Scorer,
    Watch,
    excess,
    log_evidence,
    score,
    scorer,
    watch_init,
    watch_step,
)
from eqstat.counts.alarm._watch import LEVEL

DAY = 8640


@pytest.fixture(scope="module")
def tables() -> Scorer:
    background = Background("poisson", 5.76, region_effect=np.zeros(2), regions=("a", "b"))
    return scorer(background, most_active=600, most_triggers=48)


def days_of(ratio: float, days: int, streams: int, regions: int = 3) -> Watch:
    """Watches at the end of each day, (streams, days, regions)."""
    rng = np.random.default_rng(1)
    number = rng.binomial(DAY, ratio * LEVEL, (streams, days, regions)).cumsum(axis=1)
    windows = DAY * np.arange(1.0, days + 1)[:, None] * np.ones(regions)
    return Watch(
        jnp.asarray(np.broadcast_to(windows, number.shape), jnp.float32),
        jnp.asarray(number, jnp.float32),
    )


@pytest.mark.slow
@pytest.mark.parametrize("pooled", [False, True])
def test_a_kept_promise_is_refuted_as_rarely_as_stated(pooled: bool) -> None:
    watches = days_of(1.0, 200, 2000)
    logs = jax.vmap(jax.vmap(lambda w: log_evidence(w, pooled=pooled)))(watches)
    ever = np.asarray(logs).max(axis=1) >= np.log(20)
    assert ever.mean() < 0.05
    # Its mean is 1 or less at any time.
    assert np.exp(np.asarray(logs)[:, 60]).mean() < 1.1


@pytest.mark.slow
def test_a_broken_promise_is_found_and_bounded_from_below() -> None:
    watches = days_of(4.0, 40, 200)
    found = np.asarray(
        jax.vmap(lambda w: excess(w, pooled=True))(jax.tree.map(lambda v: v[:, -1], watches))
    )
    assert np.all(found > 1.5)
    assert np.mean(found > 4.0) <= 0.01
    alone = np.asarray(jax.vmap(excess)(jax.tree.map(lambda v: v[:, -1], watches)))
    assert np.mean(alone > 4.0) <= 0.01
    assert np.median(alone) < np.median(found)
    with pytest.raises(InputError):
        excess(Watch(jnp.ones(1), jnp.ones(1)), error_probability=0.0)


@pytest.mark.slow
def test_windows_count_only_where_something_is_known(tables: Scorer) -> None:
    watch = jax.jit(watch_step)(
        tables, watch_init(tables), jnp.array([30, 2]), jnp.array([500, 0]), 12.5
    )
    assert watch.windows.tolist() == [1.0, 0.0]
    assert watch.exceedances.tolist() == [1.0, 0.0]
    again = watch_step(tables, watch, jnp.array([8, 8]), 500.0, 12.5)
    assert again.windows.tolist() == [2.0, 1.0]
    assert again.exceedances.tolist() == [1.0, 0.0]


@pytest.mark.long
def test_an_excess_raises_the_threshold(tables: Scorer) -> None:
    k = np.arange(20, 40)
    plain = score(tables, k, 500, 12.5)
    raised = score(tables, k, 500, 12.5, excess=100.0)
    first = [int(k[np.argmax(np.asarray(s.margin) >= 0)]) for s in (plain, raised)]
    assert first[1] >= first[0] + 2
    rate = float(raised.false_alarm_rate_per_year[first[1] - 20])
    assert rate <= 0.5 < float(raised.false_alarm_rate_per_year[first[1] - 21])
    np.testing.assert_array_equal(score(tables, k, 500, 12.5, excess=1.0).margin, plain.margin)
