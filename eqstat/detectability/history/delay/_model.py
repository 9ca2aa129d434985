"""Parameters, likelihood and NumPyro model of alert delays."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float, Int

from eqstat._core.arrays import as_leaf
from eqstat._core.checks import check_range
from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.explain import Explained
from eqstat._core.normal import log_ndtr

REFERENCE_S = 5.0
# Scatter of outliers in units of that of the others.
WIDER = 3.0
SITES = (
    "overall_log_s",
    "system_log_sd",
    "system_score",
    "scatter_log_sd",
    "outlier_share",
    "travel_slope",
    "alert_share",
)
# Sites with an element for each system.
OF_SYSTEMS = ("system_score", "scatter_log_sd", "outlier_share", "alert_share")


class DelayData(Explained, eqx.Module):
    """Arrays of earthquakes and their alerts, the input of the likelihood; made by `prepare`.

    Attributes
    ----------
    delay_s
        First alert after the origin; NaN where there was none, (events,).
    travel_s
        Travel time to the station that completes the rule, (events,).
    system
        Number of the system, (events,).
    window_s
        How long an alert was waited for, (events,).
    resolution_s
        Step of the delays, 0 for continuous ones.
    systems
        Number of systems.

    Examples
    --------
    See `prepare`.
    """

    delay_s: Float[Array, " events"] | np.ndarray
    travel_s: Float[Array, " events"] | np.ndarray
    system: Int[Array, " events"] | np.ndarray
    window_s: Float[Array, " events"] | np.ndarray
    resolution_s: float = eqx.field(static=True)
    systems: int = eqx.field(static=True)


class AlertDelay(Explained, eqx.Module):
    r"""Parameters of the delay of first alerts.

    An earthquake of system s is alerted with probability $a_s$, after

    $$ D_i = T_i + X_i, \qquad \log X_i \sim (1 - \varepsilon_s)\, \mathcal N(\ell_i,
    \varsigma_s^2) + \varepsilon_s\, \mathcal N(\ell_i, 9 \varsigma_s^2), \qquad
    \ell_i = \log m_s + \gamma \log \frac{T_i}{5\,\text{s}}, \qquad
    \log m_s \sim \mathcal N(\mu, \sigma_m^2), $$

    where $T_i$ is the travel time to the station that completes the rule and $X_i$ the rest: the
    device's delay, communication and processing, of which only the sum is identified.

    Attributes
    ----------
    processing_s
        $m_s$, above 0, (..., systems).
    scatter_log_sd
        $\varsigma_s$, above 0, (..., systems).
    outlier_share
        $\varepsilon_s$ in [0, 1]: share of alerts whose scatter is three times as large,
        (..., systems).
    travel_slope
        $\gamma$: how the rest grows with the travel time.
    alert_share
        $a_s$ in [0, 1], (..., systems).

    Raises
    ------
    eqstat.InputError
        When a value is not finite or out of its range.

    Examples
    --------
    >>> float(AlertDelay(processing_s=[8.0]).scatter_log_sd[0]) > 0
    True
    """

    processing_s: Float[Array, "... systems"] = eqx.field(converter=as_leaf, default=(8.0,))
    scatter_log_sd: Float[Array, "... systems"] = eqx.field(converter=as_leaf, default=(0.3,))
    outlier_share: Float[Array, "... systems"] = eqx.field(converter=as_leaf, default=(0.0,))
    travel_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    alert_share: Float[Array, "... systems"] = eqx.field(converter=as_leaf, default=(0.9,))

    def __check_init__(self) -> None:
        """Check the ranges of concrete values; traced ones pass."""
        check_range(
            "AlertDelay",
            0,
            ends="()",
            processing_s=self.processing_s,
            scatter_log_sd=self.scatter_log_sd,
        )
        check_range("AlertDelay", travel_slope=self.travel_slope)
        shares = {"alert_share": self.alert_share, "outlier_share": self.outlier_share}
        check_range("AlertDelay", 0, 1, ends="[]", finite=True, **shares)


def log_centre(delay: AlertDelay, travel_s: Any, system: Any) -> Float[Array, "..."]:
    """Mean log of what is lost after the wave's arrival."""
    return jnp.log(delay.processing_s)[system] + delay.travel_slope * jnp.log(
        travel_s / REFERENCE_S
    )


def _mixed(share: Array, usual: Array, outlier: Array) -> Array:
    """Logarithm of the mixture of usual alerts and outliers."""
    share = jnp.clip(share, 1e-12, 1 - 1e-12)
    return jnp.logaddexp(jnp.log1p(-share) + usual, jnp.log(share) + outlier)


def _log_cumulative(outliers: Array, z: Array) -> Array:
    return _mixed(outliers, log_ndtr(z), log_ndtr(z / WIDER))


def _log_density(outliers: Array, z: Array) -> Array:
    usual, outlier = (-0.5 * each**2 - HALF_LOG_2PI for each in (z, z / WIDER))
    return _mixed(outliers, usual, outlier - np.log(WIDER))


def pointwise_log_likelihood(delay: AlertDelay, data: DelayData) -> Float[Array, " events"]:
    r"""Log-likelihood of each earthquake.

    With delays in steps of $\delta$, $\log a_s \{F(d + \delta/2) - F(d - \delta/2)\}$ of an
    alert; $\log\{1 - a_s F(w)\}$ where none came within the window w.

    Parameters
    ----------
    delay
        Parameters without an axis of draws.
    data
        From `prepare(...).data`.

    Returns
    -------
    jax.Array
        (events,).

    Examples
    --------
    >>> import jax
    >>> from eqstat.detectability.history.delay import simulate
    >>> alerts = simulate(jax.random.key(0), AlertDelay(), travel_s=np.full(20, 5.0))
    >>> pointwise_log_likelihood(AlertDelay(), alerts.data).shape
    (20,)
    """
    centre = log_centre(delay, data.travel_s, data.system)
    share, scatter = delay.alert_share[data.system], delay.scatter_log_sd[data.system]
    outliers = delay.outlier_share[data.system]
    alerted = jnp.isfinite(data.delay_s)
    given = jnp.where(alerted, data.delay_s, data.travel_s + 10.0)

    def log_below(delay_s: Any) -> Array:
        rest = jnp.maximum(delay_s - data.travel_s, 1e-6)
        return _log_cumulative(outliers, (jnp.log(rest) - centre) / scatter)

    if data.resolution_s:
        # The difference of two logarithms of probabilities, the larger first.
        high, low = (log_below(given + sign * data.resolution_s / 2) for sign in (1, -1))
        value = high + jnp.log(jnp.maximum(-jnp.expm1(low - high), 1e-12))
    else:
        rest = jnp.maximum(given - data.travel_s, 1e-6)
        z = (jnp.log(rest) - centre) / scatter
        value = _log_density(outliers, z) - jnp.log(scatter) - jnp.log(rest)
    none = jnp.log1p(-share * jnp.exp(log_below(data.window_s)) * (1 - 1e-12))
    return jnp.where(alerted, jnp.log(share) + value, none)


def log_likelihood(delay: AlertDelay, data: DelayData) -> Float[Array, ""]:
    """Log-likelihood of all earthquakes: the sum of `pointwise_log_likelihood`.

    Parameters
    ----------
    delay
        Parameters without an axis of draws.
    data
        From `prepare(...).data`.

    Returns
    -------
    jax.Array

    Examples
    --------
    >>> import jax
    >>> from eqstat.detectability.history.delay import simulate
    >>> alerts = simulate(jax.random.key(0), AlertDelay(), travel_s=np.full(50, 5.0))
    >>> slow = AlertDelay(processing_s=[40.0])
    >>> bool(log_likelihood(AlertDelay(), alerts.data) > log_likelihood(slow, alerts.data))
    True
    """
    return jnp.sum(pointwise_log_likelihood(delay, data))


class Prior(Explained, eqx.Module):
    """Priors of alert delays; NumPyro distributions.

    Attributes
    ----------
    overall_log_s
        Normal about log 8 s, sd 0.7.
    system_log_sd, scatter_log_sd
        Log-normal with medians 0.4 and 0.3 and a factor of 1.6.
    travel_slope
        Normal, 0 and 0.5.
    outlier_share
        Beta with parameters 1 and 9.
    alert_share
        Uniform.

    Examples
    --------
    >>> Prior(travel_slope=dist.Normal(0.0, 0.1)).travel_slope.scale
    0.1
    """

    overall_log_s: dist.Distribution = eqx.field(
        default_factory=lambda: dist.Normal(float(np.log(8.0)), 0.7)
    )
    system_log_sd: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(float(np.log(0.4)), 0.5)
    )
    scatter_log_sd: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(float(np.log(0.3)), 0.5)
    )
    travel_slope: dist.Distribution = eqx.field(default_factory=lambda: dist.Normal(0.0, 0.5))
    outlier_share: dist.Distribution = eqx.field(default_factory=lambda: dist.Beta(1.0, 9.0))
    alert_share: dist.Distribution = eqx.field(default_factory=lambda: dist.Beta(1.0, 1.0))


def delay_of(sites: Any) -> AlertDelay:
    """Build the parameters from the sites of one draw, or of many with a leading axis."""
    sd = jnp.asarray(sites["system_log_sd"])[..., None]
    log_s = jnp.asarray(sites["overall_log_s"])[..., None] + sd * jnp.asarray(sites["system_score"])
    return AlertDelay(
        processing_s=jnp.exp(log_s),
        scatter_log_sd=jnp.asarray(sites["scatter_log_sd"]),
        outlier_share=jnp.asarray(sites["outlier_share"]),
        travel_slope=jnp.asarray(sites["travel_slope"]),
        alert_share=jnp.asarray(sites["alert_share"]),
    )


def model(data: DelayData, prior: Prior | None = None) -> None:
    """NumPyro model of alert delays, to condition, reparametrise and extend.

    Parameters
    ----------
    data
        From `prepare(...).data`.
    prior
        The priors; `Prior()` by default.

    Examples
    --------
    >>> from numpyro import handlers
    >>> import jax
    >>> from eqstat.detectability.history.delay import simulate
    >>> alerts = simulate(jax.random.key(0), AlertDelay(), travel_s=np.full(20, 5.0))
    >>> trace = handlers.trace(handlers.seed(model, 0)).get_trace(alerts.data)
    >>> trace["system_score"]["value"].shape
    (1,)
    """
    prior = Prior() if prior is None else prior
    sites = {}
    for name in SITES:
        wanted = dist.Normal(0.0, 1.0) if name == "system_score" else getattr(prior, name)
        if name in OF_SYSTEMS:
            wanted = wanted.expand([data.systems]).to_event(1)
        sites[name] = numpyro.sample(name, wanted)
    delay = delay_of(sites)
    numpyro.deterministic("processing_s", delay.processing_s)
    numpyro.factor("delays", log_likelihood(delay, data))
