"""Background of trigger counts: parameters, rates, log probabilities and tails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.arrays import Number
from eqstat._core.checks import check_choice, check_fields
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.counts import _tails
from eqstat.counts._bursts import Bursts
from eqstat.counts._families import FAMILIES, SHAPE_PARAMETERS, CountFamily, Family
from eqstat.counts._harmonics import DAILY, HOURS_OF_WEEK, WEEKLY, basis
from eqstat.counts._intensity._parameters import (
    Intensity,
    interpolate_profile,
    nodes_of,
)
from eqstat.counts._intensity._tail import Tails
from eqstat.counts._special import log1mexp

# What to give where something else is no background.
FROM_FIT = "give a `Background`, such as `fit(...).posterior(key, n)`"


class Background(Explained, eqx.Module):
    r"""Distribution of the number of triggers among active devices without an earthquake.

    With n active devices in region r the mean count of a window of w seconds is

    .. math:: \mu = n\, \frac{w}{3600}\, \lambda_0 \exp\bigl(h(\text{hour}) + d(\text{day})
        + u_r\bigr), \qquad u_r \sim N(0, \sigma_u^2),

    with two harmonics h of the day and one, d, of the week, to which a weekly profile may add what
    they leave. The count is Poisson; or negative binomial with variance
    $\mu + \mu^2 \delta(n)$; or beta-binomial with $p = 1 - e^{-\mu/n}$ and
    $a + b = 1/\delta(n)$ (intra-class correlation $\delta/(1+\delta)$);
    $\delta(n) = \text{dispersion} \cdot (n/100)^{-\text{slope}}$. With bursts, a beta-binomial
    count of all n devices is added in a small share of the windows. With an intensity, $\mu$
    varies slowly by a log-normal factor of mean 1, over which all probabilities of single windows
    are averages. No count exceeds n.

    A posterior is the same object with a leading axis of draws on every array; use `jax.vmap` to
    evaluate functions of it.

    Attributes
    ----------
    family
        "poisson", "negative_binomial" or "beta_binomial".
    rate_per_device_h
        Triggers per device and hour, $\lambda_0$: cycles and region effects are relative to it.
    daily
        Coefficients of the log rate: cosine and sine of one, then of two cycles a day, (4,).
    weekly
        Cosine and sine of one cycle a week, (2,).
    region_effect
        Effects of the regions on the log rate, (regions,).
    region_sd
        Standard deviation of the region effects, for known and new regions.
    dispersion, dispersion_slope
        Dispersion among 100 active devices, and the slope of its log in the negative log of their
        number; None for Poisson.
    bursts
        The bursts, or None.
    profile
        Addition to the log rate at the centre of each hour or half hour of the week, Monday first,
        common to all regions, (168,) or (336,); linear in between.
    intensity
        The slow intensity of each region, or None.
    window_s
        Length of a window, s.
    regions
        Names of the regions.
    tails
        How much heavier tails are than the rest of the model says, for thresholds and scores; None
        for as heavy.
    clock_shift_h
        Hours by which the clock of people may be shifted against that of the history, to either
        side, for thresholds and scores; 0 where local time is civil time.

    Examples
    --------
    >>> background = Background("negative_binomial", 0.6, dispersion=0.2, dispersion_slope=0.0)
    >>> mean = mean_count(background, 600.0, hour=14.5, day=2, region=0)
    >>> round(float(mean), 3)
    1.0
    >>> bool(log_tail(background, 12.0, 600.0, mean) < -14)
    True
    """

    family: Family = eqx.field(static=True)
    rate_per_device_h: Number
    daily: Number = eqx.field(default_factory=lambda: np.zeros(DAILY))
    weekly: Number = eqx.field(default_factory=lambda: np.zeros(WEEKLY))
    region_effect: Number = eqx.field(default_factory=lambda: np.zeros(1))
    region_sd: Number = 0.0
    dispersion: Number | None = None
    dispersion_slope: Number | None = None
    bursts: Bursts | None = None
    profile: Number | None = None
    intensity: Intensity | None = None
    window_s: float = eqx.field(static=True, default=10.0)
    regions: tuple[str, ...] = eqx.field(static=True, default=("all",))
    tails: Tails | None = eqx.field(static=True, default=None)
    clock_shift_h: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        check_choice("Background", FAMILIES, family=self.family)
        own = self.count_family.parameters
        given = {name for name in SHAPE_PARAMETERS if getattr(self, name) is not None}
        if given != set(own):
            needs = f"needs {' and '.join(own)}" if own else "has no dispersion"
            raise InputError(f"Background: the family {self.family} {needs}")
        check_fields(self, rate_per_device_h=(1e-12, 1e6), window_s=(1e-3, 1e6))
        check_fields(self, daily=(-20, 20), weekly=(-20, 20), region_effect=(-20, 20))
        check_fields(self, region_sd=(0, 20), dispersion=(0, 1e3), dispersion_slope=(-10, 10))
        check_fields(self, profile=(-20, 20))
        for name, size in (
            ("daily", DAILY),
            ("weekly", WEEKLY),
            ("region_effect", len(self.regions)),
            ("profile", HOURS_OF_WEEK),
        ):
            value = getattr(self, name)
            if name == "profile" and np.shape(value)[-1:] == (2 * HOURS_OF_WEEK,):
                continue
            if hasattr(value, "shape") and value.shape[-1:] != (size,):
                raise InputError(f"Background: {name} must have {size} entries, not {value.shape}")

    @property
    def count_family(self) -> CountFamily:
        """Definition of the family."""
        return FAMILIES[self.family]

    def index(self, region: str) -> int:
        """Index of a region.

        Parameters
        ----------
        region
            Its name.

        Examples
        --------
        >>> Background("poisson", 1.0).index("all")
        0
        """
        if region not in self.regions:
            known = ", ".join(self.regions[:10]) + (", ..." if len(self.regions) > 10 else "")
            raise InputError(f"no region {region!r} in the background; known are {known}")
        return self.regions.index(region)


def _float(*values: Number | None) -> list[Array]:
    """Broadcast numbers to arrays of one floating type."""
    arrays = [jnp.asarray(value) for value in values]
    kind = jnp.result_type(*arrays, float)
    return list(jnp.broadcast_arrays(*(array.astype(kind) for array in arrays)))


def dispersion_at(background: Background, active: Array) -> Array | None:
    """Dispersion among `active` devices; None for Poisson.

    Examples
    --------
    >>> background = Background("negative_binomial", 0.6, dispersion=0.2, dispersion_slope=0.5)
    >>> round(float(dispersion_at(background, jnp.asarray(400.0))), 3)
    0.1
    """
    family = background.count_family
    return family.dispersion(
        {name: getattr(background, name) for name in family.parameters}, active
    )


def _over_intensity(
    function: Callable[..., Array], background: Background, count: Any, active: Any, mean: Any
) -> Array:
    """Average a probability, given as its log, over the slow intensity."""
    slow = background.intensity
    assert slow is not None
    alone = replace(background, intensity=None)
    factors, weights = nodes_of(slow.sd, slow.surge_share, slow.surge_mean, jnp)
    logs = jax.lax.map(
        lambda factor: function(alone, count, active, factor * mean), jnp.exp(factors)
    )
    weights = weights.astype(logs.dtype).reshape(-1, *(1,) * (logs.ndim - 1))
    return jax.nn.logsumexp(logs + weights, axis=0)


def rate_per_device_h(
    background: Background, hour: Number, day: Number, region: Number | None = None
) -> Array:
    r"""Triggers per device and hour, $\lambda_0 \exp(h + d + u_r)$.

    Parameters
    ----------
    background
        One background (no axis of draws).
    hour
        Local time of day in hours, in [0, 24); the middle of the hour from 14 to 15 is 14.5.
    day
        Day of the week, Monday is 0.
    region
        Index of the region (`background.index(name)`); None for the average region, $u = 0$.

    Returns
    -------
    Array
        Of the broadcast shape of the arguments.

    Examples
    --------
    >>> background = Background("poisson", 2.0, daily=np.array([0.5, 0.0, 0.0, 0.0]))
    >>> rate_per_device_h(background, np.array([0.0, 12.0]), 0).round(3).tolist()
    [3.297, 1.213]
    """
    log_rate = basis(hour, day) @ jnp.concatenate(
        [jnp.asarray(background.daily), jnp.asarray(background.weekly)]
    )
    if background.profile is not None:
        log_rate = log_rate + interpolate_profile(background.profile, hour, day)
    if region is not None:
        log_rate = log_rate + jnp.asarray(background.region_effect)[jnp.asarray(region)]
    return background.rate_per_device_h * jnp.exp(log_rate)


def mean_count(
    background: Background, active: Number, hour: Number, day: Number, region: Number | None = None
) -> Array:
    """Mean number of triggers of a window without bursts.

    Parameters
    ----------
    background, hour, day, region
        As in `rate_per_device_h`.
    active
        Number of active devices.

    Returns
    -------
    Array
        Of the broadcast shape of the arguments.

    Examples
    --------
    >>> float(mean_count(Background("poisson", 0.6), 600.0, hour=14.5, day=2))
    1.0
    """
    return (
        jnp.asarray(active)
        * rate_per_device_h(background, hour, day, region)
        * background.window_s
        / 3600
    )


def log_pmf(background: Background, triggers: Number, active: Number, mean_count: Number) -> Array:
    r"""Log probability of a number of triggers in a window, $\log P(K = k)$.

    Parameters
    ----------
    background
        One background (no axis of draws).
    triggers, active
        Number of triggers, and of active devices, at least 1; their shapes broadcast.
    mean_count
        Mean count without bursts, from `mean_count`.

    Returns
    -------
    Array
        Log probability; minus infinity above `active`. The small probability with which Poisson
        and negative binomial counts, or sums with a burst, would exceed `active` is not added
        to that of `active` itself.

    Examples
    --------
    >>> round(float(log_pmf(Background("poisson", 1.0), 2.0, 500.0, 1.0)), 3)
    -1.693
    """
    if background.intensity is not None:
        return _over_intensity(log_pmf, background, triggers, active, mean_count)
    k, n, mean = _float(triggers, active, mean_count)
    dispersion = dispersion_at(background, n)
    alone = _tails.log_base(background.count_family, k, n, mean, dispersion)
    if background.bursts is None:
        return alone
    a, b = background.bursts.beta
    with_burst = _tails.log_in_burst(background.count_family, k, n, mean, dispersion, a, b)
    return _tails.mix(jnp.asarray(background.bursts.probability), alone, with_burst)


def log_tail(background: Background, triggers: Number, active: Number, mean_count: Number) -> Array:
    r"""Log tail probability of a number of triggers, $\log P(K \ge k)$.

    Computed as a sum of positive terms on the side of the smaller probability. The relative error
    of the logarithm is below 1e-8 in float64, down to probabilities of 1e-300 and for up to 1e5
    devices, and below 1e-4 (or 1e-3 absolute) in float32. Not differentiable in reverse mode.

    Parameters
    ----------
    background, triggers, active, mean_count
        As in `log_pmf`.

    Returns
    -------
    Array
        Log probability; 0 for no trigger, minus infinity above `active`.

    Examples
    --------
    >>> round(float(log_tail(Background("poisson", 1.0), 2.0, 500.0, 1.0)), 3)
    -1.331
    """
    if background.intensity is not None:
        return _over_intensity(log_tail, background, triggers, active, mean_count)
    k, n, mean = _float(triggers, active, mean_count)
    dispersion = dispersion_at(background, n)
    high, low = _tails.log_sides(background.count_family, k, n, mean, dispersion)
    if background.bursts is None:
        return high
    a, b = background.bursts.beta
    probability = jnp.asarray(background.bursts.probability)
    above, below = _tails.log_sides_in_burst(background.count_family, k, n, mean, dispersion, a, b)
    up = _tails.mix(probability, high, above)
    down = _tails.mix(probability, low, below)
    value = jnp.where(k <= mean, log1mexp(down), jnp.minimum(up, 0.0))
    return jnp.where(k <= 0, 0.0, value)


def log_tails(background: Background, count: int, active: Number, mean_count: Number) -> Array:
    r"""Log tail probabilities of 0, 1, ..., `count` triggers at once.

    One pass serves all counts, as tables of scorers need them.

    Parameters
    ----------
    background, active, mean_count
        As in `log_pmf`.
    count
        Largest number of triggers (static).

    Returns
    -------
    Array
        (..., count + 1), after the broadcast shape of `active` and `mean_count`.
    """
    n, mean = _float(active, mean_count)
    if background.intensity is not None:
        return _over_intensity(log_tails, background, count, n, mean)
    burst: Any = None
    if background.bursts is not None:
        values = (background.bursts.probability, *background.bursts.beta)
        burst = tuple(jnp.broadcast_to(jnp.asarray(v, n.dtype), n.shape) for v in values)
    return _tails.all_log_sides(
        background.count_family, count, n, mean, dispersion_at(background, n), burst
    )


def with_new_region(key: PRNGKeyArray, background: Background, name: str = "new") -> Background:
    r"""Add a region without a history, with an effect drawn from $N(0, \sigma_u^2)$.

    Parameters
    ----------
    key
        JAX random key.
    background
        A background or a posterior; each draw gets an effect of its own.
    name
        Name of the region.

    Returns
    -------
    Background

    Examples
    --------
    >>> background = Background("poisson", 1.0, region_sd=0.3)
    >>> with_new_region(jax.random.key(0), background, "Chile").regions
    ('all', 'Chile')
    """
    effect = jnp.asarray(background.region_effect)
    new = jax.random.normal(key, (*effect.shape[:-1], 1), effect.dtype)
    new = new * jnp.asarray(background.region_sd, effect.dtype)[..., None]
    return replace(
        background,
        region_effect=jnp.concatenate([effect, new], axis=-1),
        regions=(*background.regions, name),
    )
