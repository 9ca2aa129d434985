"""The background of trigger counts: parameters, rate, log probabilities and tails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.arrays import Number
from eqstat._core.checks import check_choice, check_fields
from eqstat._core.errors import InputError
from eqstat.counts import _tails
from eqstat.counts._harmonics import DAILY, WEEKLY, basis

Family = Literal["poisson", "negative_binomial", "beta_binomial"]
FAMILIES: tuple[Family, ...] = ("poisson", "negative_binomial", "beta_binomial")
REFERENCE_ACTIVE = 100.0


class Bursts(eqx.Module):
    r"""Bursts in which people react together: thunder, a goal, a quarry blast.

    Attributes
    ----------
    probability
        Probability of a burst in a window, in [0, 1].
    share
        Mean share of all active devices that trigger in a burst, in (0, 1).
    concentration
        Of the Beta distribution of that share: $a = \text{share} \cdot \text{concentration}$,
        $b = (1 - \text{share}) \cdot \text{concentration}$; positive.
    """

    probability: Number
    share: Number
    concentration: Number

    def __check_init__(self) -> None:
        check_fields(self, probability=(0, 1), share=(1e-9, 1 - 1e-9), concentration=(1e-6, 1e9))

    @property
    def beta(self) -> tuple[Array, Array]:
        """Parameters a and b of the share's Beta distribution."""
        a = jnp.asarray(self.share * self.concentration)
        return a, jnp.asarray((1 - self.share) * self.concentration)


class Background(eqx.Module):
    r"""Distribution of the number of triggers among active devices when nothing happens.

    With n active devices in region r the mean count of a window of w seconds is

    .. math:: \mu = n\, \frac{w}{3600}\, \lambda_0 \exp\bigl(h(\text{hour}) + d(\text{day})
        + u_r\bigr), \qquad u_r \sim N(0, \sigma_u^2),

    with two harmonics h of the day and one, d, of the week. The count is Poisson; or negative
    binomial with variance $\mu + \mu^2 \delta(n)$; or beta-binomial with
    $p = 1 - e^{-\mu/n}$ and $a + b = 1/\delta(n)$ (intra-class correlation
    $\delta/(1+\delta)$); $\delta(n) = \text{dispersion} \cdot (n/100)^{-\text{slope}}$. With
    bursts, a beta-binomial count of all n devices is added in a small share of the windows. No
    count exceeds n.

    A posterior is the same object with a leading axis of draws on every array; map over it with
    `jax.vmap`.

    Attributes
    ----------
    family
        "poisson", "negative_binomial" or "beta_binomial".
    rate_per_device_h
        Triggers per device and hour at the middle of all harmonics and of the regions.
    daily
        Coefficients of the log rate: cosine and sine of one, then of two cycles a day, (4,).
    weekly
        Cosine and sine of one cycle a week, (2,).
    region_effect
        Effects of the regions on the log rate, (regions,).
    region_sd
        Their standard deviation over all regions, known or new.
    dispersion, dispersion_slope
        Dispersion among 100 active devices and how it falls with their number; None for Poisson.
    bursts
        The bursts, or None.
    window_s
        Length of a window, s.
    regions
        Names of the regions.

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
    window_s: float = eqx.field(static=True, default=10.0)
    regions: tuple[str, ...] = eqx.field(static=True, default=("all",))

    def __check_init__(self) -> None:
        check_choice("Background", FAMILIES, family=self.family)
        dispersed = self.family != "poisson"
        if dispersed != (self.dispersion is not None) or dispersed != (
            self.dispersion_slope is not None
        ):
            needs = "needs dispersion and dispersion_slope" if dispersed else "has no dispersion"
            raise InputError(f"Background: the family {self.family} {needs}")
        check_fields(self, rate_per_device_h=(1e-12, 1e6), window_s=(1e-3, 1e6))
        check_fields(self, daily=(-20, 20), weekly=(-20, 20), region_effect=(-20, 20))
        check_fields(self, region_sd=(0, 20), dispersion=(0, 1e3), dispersion_slope=(-10, 10))
        for name, size in (
            ("daily", DAILY),
            ("weekly", WEEKLY),
            ("region_effect", len(self.regions)),
        ):
            value = getattr(self, name)
            if hasattr(value, "shape") and value.shape[-1:] != (size,):
                raise InputError(f"Background: {name} must have {size} entries, not {value.shape}")

    def index(self, region: str) -> int:
        """Number of a region by its name."""
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
    """Dispersion among `active` devices; None for Poisson."""
    if background.dispersion is None or background.dispersion_slope is None:
        return None
    return background.dispersion * (active / REFERENCE_ACTIVE) ** (-background.dispersion_slope)


def rate_per_device_h(
    background: Background, hour: Number, day: Number, region: Number | None = None
) -> Array:
    """Triggers per device and hour.

    Parameters
    ----------
    background
        One background (no axis of draws).
    hour
        Local time of day in hours, in [0, 24); the middle of the hour from 14 to 15 is 14.5.
    day
        Day of the week, Monday is 0.
    region
        Number of the region (`background.index(name)`); None for the middle of all regions.

    Returns
    -------
    Array
        Of the shape that the arguments broadcast to.
    """
    log_rate = basis(hour, day) @ jnp.concatenate(
        [jnp.asarray(background.daily), jnp.asarray(background.weekly)]
    )
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
        Active devices.
    """
    return (
        jnp.asarray(active)
        * rate_per_device_h(background, hour, day, region)
        * background.window_s
        / 3600
    )


def log_pmf(background: Background, triggers: Number, active: Number, mean_count: Number) -> Array:
    """Log probability of a number of triggers in a window.

    Parameters
    ----------
    background
        One background (no axis of draws).
    triggers, active
        Numbers of triggers and of active devices, at least 1; shapes that broadcast.
    mean_count
        From `mean_count`: the mean without bursts.

    Returns
    -------
    Array
        Log probability; minus infinity above `active`. The small probability with which Poisson
        and negative binomial counts, or sums with a burst, would exceed `active` is not added
        to that of `active` itself.
    """
    k, n, mean = _float(triggers, active, mean_count)
    dispersion = dispersion_at(background, n)
    alone = _tails.log_base(background.family, k, n, mean, dispersion)
    if background.bursts is None:
        return alone
    a, b = background.bursts.beta
    shaken = _tails.log_in_burst(background.family, k, n, mean, dispersion, a, b)
    return _tails.mix(jnp.asarray(background.bursts.probability), alone, shaken)


def log_tail(background: Background, triggers: Number, active: Number, mean_count: Number) -> Array:
    r"""Log probability of so many triggers or more, $\log P(K \ge k)$.

    Sums of positive terms on the side of the smaller probability: in float64 within 1e-8 of
    the logarithm, down to 1e-300 and for up to 1e5 devices; in float32 within 1e-4 of the
    logarithm or 1e-3, whichever is larger. Not differentiable in reverse.

    Parameters
    ----------
    background, triggers, active, mean_count
        As in `log_pmf`.

    Returns
    -------
    Array
        Log probability; 0 for no trigger, minus infinity above `active`.
    """
    k, n, mean = _float(triggers, active, mean_count)
    dispersion = dispersion_at(background, n)
    high, low = _tails.log_sides(background.family, k, n, mean, dispersion)
    if background.bursts is None:
        return high
    a, b = background.bursts.beta
    probability = jnp.asarray(background.bursts.probability)
    above, below = _tails.log_sides_in_burst(background.family, k, n, mean, dispersion, a, b)
    up = _tails.mix(probability, high, above)
    down = _tails.mix(probability, low, below)
    value = jnp.where(k <= mean, _tails.log1mexp(down), jnp.minimum(up, 0.0))
    return jnp.where(k <= 0, 0.0, value)


def log_tails(background: Background, count: int, active: Number, mean_count: Number) -> Array:
    """Log tail probabilities of 0, 1, ... `count` triggers at once: a row of a table.

    One pass serves all counts, so this is the way to thresholds and to scorers' tables. The
    sums run in plain probabilities: in float64 good to 1e-300, in float32 to 1e-37 only.

    Parameters
    ----------
    background, active, mean_count
        As in `log_pmf`.
    count
        The largest number of triggers (known when compiled).

    Returns
    -------
    Array
        Of the broadcast shape of `active` and `mean_count`, and `count + 1` on a last axis.
    """
    n, mean = _float(active, mean_count)
    burst: Any = None
    if background.bursts is not None:
        values = (background.bursts.probability, *background.bursts.beta)
        burst = tuple(jnp.broadcast_to(jnp.asarray(v, n.dtype), n.shape) for v in values)
    return _tails.all_log_sides(
        background.family, count, n, mean, dispersion_at(background, n), burst
    )


def with_new_region(key: PRNGKeyArray, background: Background, name: str = "new") -> Background:
    """Add a region without a history: its effect is drawn from the spread of the others.

    Parameters
    ----------
    key
        JAX random key.
    background
        A background or a posterior; each draw gets an effect of its own.
    name
        Name of the region.
    """
    effect = jnp.asarray(background.region_effect)
    new = jax.random.normal(key, (*effect.shape[:-1], 1), effect.dtype)
    new = new * jnp.asarray(background.region_sd, effect.dtype)[..., None]
    return replace(
        background,
        region_effect=jnp.concatenate([effect, new], axis=-1),
        regions=(*background.regions, name),
    )
