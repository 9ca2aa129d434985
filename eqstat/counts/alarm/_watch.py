r"""Running test, in service, of realised against promised exceedances: an e-process.

A window *exceeds* where its tail probability is at most a level $a$, which under the background
happens with probability at most a given the past. With W windows and n exceedances so far,

.. math:: M(\rho) = \frac{1}{J} \sum_{j=1}^{J} q_j^{\,n}\, e^{-(q_j - 1)\, \rho\, a\, W}

is a nonnegative supermartingale with mean at most 1 as long as exceedances are at most $\rho$ times
as frequent as promised, because $1 + (q - 1) p \le e^{(q - 1) \rho a}$ for $p \le \rho a$. By
Ville's inequality it ever reaches $1/\alpha$ with probability at most $\alpha$, however often one
looks; the largest $\rho$ that it refutes is a lower bound of the ratio that holds at all times.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.arrays import Number
from eqstat._core.checks import check_range
from eqstat._core.explain import explained
from eqstat.counts.alarm._present import State
from eqstat.counts.alarm._score import ANY_DAY, Scorer, score

LEVEL = 1e-4
# Ratios that the mixture bets on, and those that `excess` tries.
BETS = np.array([1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0])
RATIOS = np.exp(np.linspace(0.0, np.log(300.0), 115))


@explained
class Watch(NamedTuple):
    """Windows seen, and how many of them exceeded the level, by region.

    Attributes
    ----------
    windows, exceedances
        (regions,).

    Examples
    --------
    >>> watch = Watch(jnp.array([1e5]), jnp.array([40.0]))  # 10 were promised
    >>> bool(log_evidence(watch) > np.log(1e6)), bool(2 < excess(watch) < 4)
    (True, True)
    """

    windows: Float[Array, " regions"]
    exceedances: Float[Array, " regions"]


def watch_init(scorer: Scorer) -> Watch:
    """Begin to watch: nothing is seen.

    Parameters
    ----------
    scorer
        From `scorer`.

    Returns
    -------
    Watch

    Examples
    --------
    >>> from eqstat.counts import Background
    >>> from eqstat.counts.alarm import scorer
    >>> tables = scorer(Background("poisson", 5.76), most_active=100, most_triggers=16)
    >>> float(excess(watch_init(tables)))
    1.0
    """
    zero = jnp.zeros(scorer.log_rate.shape[0], jnp.float32)
    return Watch(zero, zero)


def watch_step(
    scorer: Scorer,
    watch: Watch,
    triggers: Number,
    active: Number,
    hour: Number,
    day: Number = ANY_DAY,
    state: State | None = None,
) -> Watch:
    """Take one more window of each region; pure and jit-safe.

    Parameters
    ----------
    scorer
        From `scorer`.
    watch
        Before the window.
    triggers, active, hour, day
        As in `score`, (regions,) or numbers; disjoint windows without known earthquakes. A region
        with invalid input or without devices is not counted.
    state
        What the windows *before* this one say (`init`, `step`). With a slow intensity it is needed:
        only given the past are exceedances as rare as promised.

    Returns
    -------
    Watch

    Examples
    --------
    >>> from eqstat.counts import Background
    >>> from eqstat.counts.alarm import scorer
    >>> tables = scorer(Background("poisson", 5.76), most_active=100, most_triggers=16)
    >>> watch_step(tables, watch_init(tables), 9, 100, 12.5).exceedances.tolist()
    [1.0]
    """
    regions = jnp.arange(scorer.log_rate.shape[0])
    result = score(scorer, triggers, active, hour, regions, day, state)
    known = jnp.isfinite(result.log_tail)
    exceeds = known & (result.log_tail <= np.log(LEVEL))
    return Watch(watch.windows + known, watch.exceedances + exceeds)


def log_evidence(watch: Watch, ratio: Number = 1.0, *, pooled: bool = False) -> Float[Array, "..."]:
    r"""Log of the e-value against "exceedances are at most `ratio` times as frequent as promised".

    .. math:: \log \frac{1}{R J} \sum_{r,j} q_j^{\,n_r} e^{-(q_j - 1)\, \rho\, a\, W_r}

    Parameters
    ----------
    watch
        From `watch_step`.
    ratio
        $\rho$, at least 1; any shape.
    pooled
        Sum windows and exceedances of the regions first. That is more powerful, but valid only
        where regions are independent given the past; the mean over regions does not need that.

    Returns
    -------
    Array
        Of the shape of `ratio`; above $\log(1/\alpha)$ the statement is refuted, at any time, with
        error probability $\alpha$.

    References
    ----------
    Ramdas, A., Grünwald, P., Vovk, V. and Shafer, G. (2023), Statistical Science 38, 576-601,
    doi:10.1214/23-STS894.

    Examples
    --------
    >>> watch = Watch(jnp.array([1e5]), jnp.array([10.0]))
    >>> bool(log_evidence(watch) < 0.0)
    True
    """
    windows, number = watch
    if pooled:
        windows, number = jnp.sum(windows, keepdims=True), jnp.sum(number, keepdims=True)
    bets = jnp.asarray(BETS, windows.dtype)[:, None]
    promised = jnp.asarray(ratio, windows.dtype)[..., None, None] * LEVEL * windows
    logs = number * jnp.log(bets) - (bets - 1) * promised
    return jax.nn.logsumexp(logs, axis=(-2, -1)) - np.log(BETS.size) - np.log(windows.size)


def excess(
    watch: Watch, *, error_probability: float | int = 0.01, pooled: bool = False
) -> Float[Array, ""]:
    """Lower bound of the ratio of realised to promised exceedances, for `score(..., excess=)`.

    1 as long as nothing speaks against the promise. The bound holds at all times together with
    probability `1 - error_probability`; beyond the level it assumes that tails are too thin by at
    least as much.

    Parameters
    ----------
    watch
        From `watch_step`.
    error_probability
        Probability of ever raising thresholds although the promise is kept, in (0, 1).
    pooled
        As in `log_evidence`.

    Returns
    -------
    Array
        At least 1.

    Raises
    ------
    eqstat.InputError
        When the error probability is out of range.

    Examples
    --------
    >>> float(excess(Watch(jnp.array([1e5]), jnp.array([12.0]))))
    1.0
    """
    check_range("excess", 0, 1, ends="()", error_probability=error_probability)
    refuted = log_evidence(watch, RATIOS, pooled=pooled) >= -np.log(error_probability)
    return jnp.max(jnp.where(refuted, jnp.asarray(RATIOS, watch.windows.dtype), 1.0))
