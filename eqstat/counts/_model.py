"""NumPyro model of a history of counts: the likelihood and its priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array
from numpyro import handlers

from eqstat.counts._background import Background
from eqstat.counts._bursts import Bursts
from eqstat.counts._families import FAMILIES, SHAPE_PARAMETERS, Family
from eqstat.counts._harmonics import DAILY, WEEKLY
from eqstat.counts._likelihood import CountData, log_likelihood
from eqstat.counts._prior import Prior

BURST_SITES = ("burst_probability", "burst_share", "burst_concentration")


def _sample(name: str, prior: dist.Distribution) -> Array:
    return jnp.asarray(numpyro.sample(name, prior))


def site_names(family: Family, bursts: bool, regions: int) -> tuple[str, ...]:
    """Sites that the data speak about; a single region has no effect of its own."""
    names = ["rate_per_device_h", "daily", "weekly"]
    names += ["region_sd", "region_effect"] if regions > 1 else []
    names += FAMILIES[family].parameters
    return tuple([*names, *BURST_SITES] if bursts else names)


def background_of(
    sites: Mapping[str, Array | np.ndarray], family: Family, **known: Any
) -> Background:
    """Build the background from the sites of one draw (or of batched draws)."""
    bursts: Any = None
    if BURST_SITES[0] in sites:
        bursts = Bursts(*(sites[name] for name in BURST_SITES))
    rate: Any = sites["rate_per_device_h"]
    effect: Any = sites.get("region_effect", jnp.zeros((*jnp.shape(rate), 1)))
    shape: dict[str, Any] = {name: sites.get(name) for name in SHAPE_PARAMETERS}
    return Background(
        family=family,
        rate_per_device_h=rate,
        daily=sites["daily"],
        weekly=sites["weekly"],
        region_effect=effect,
        region_sd=sites.get("region_sd", jnp.zeros_like(rate)),
        bursts=bursts,
        **shape,
        **known,
    )


def model(
    data: CountData,
    prior: Prior | None = None,
    *,
    family: Family = "negative_binomial",
    bursts: bool = False,
) -> None:
    r"""NumPyro model of a history of counts, to condition, reparametrise and extend.

    Sites: `rate_per_device_h`, `daily` (4), `weekly` (2); `region_sd` and the centred
    `region_effect` (regions) where there are two regions or more; `dispersion`,
    `dispersion_slope` unless Poisson; `burst_probability`, `burst_share`,
    `burst_concentration` with bursts.

    Parameters
    ----------
    data
        The arrays of `count_data(history)`.
    prior
        The priors; `Prior()` by default.
    family
        "poisson", "negative_binomial" or "beta_binomial".
    bursts
        Whether windows with bursts are in the model.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Design, count_data, simulate
    >>> history = simulate(
    ...     jax.random.key(0), Background("poisson", 1.0), Design(active=50, days=7))
    >>> trace = handlers.trace(handlers.seed(model, 0)).get_trace(count_data(history))
    >>> sorted(name for name, site in trace.items() if not site.get("is_observed"))
    ['daily', 'dispersion', 'dispersion_slope', 'rate_per_device_h', 'weekly']
    """
    prior = Prior() if prior is None else prior
    sites = {
        "rate_per_device_h": _sample("rate_per_device_h", prior.rate_per_device_h),
        "daily": _sample("daily", prior.daily.expand([DAILY]).to_event(1)),
        "weekly": _sample("weekly", prior.weekly.expand([WEEKLY]).to_event(1)),
    }
    if data.regions > 1:
        sd = sites["region_sd"] = _sample("region_sd", prior.region_sd)
        effect = dist.Normal(0.0, sd).expand([data.regions]).to_event(1)
        sites["region_effect"] = _sample("region_effect", effect)
    for name in (*FAMILIES[family].parameters, *(BURST_SITES if bursts else ())):
        sites[name] = _sample(name, getattr(prior, name))
    names = tuple(f"region {number}" for number in range(data.regions))
    background = background_of(sites, family, regions=names)
    numpyro.factor("counts", log_likelihood(background, data))


class Correction(NamedTuple):
    """What a merged history's log density lacks at a point, to second order.

    Attributes
    ----------
    centre
        The point in the unconstrained space, sites in the order of their names, (p,).
    slope, curvature
        Gradient and Hessian of the difference there, (p,) and (p, p).
    """

    centre: Array
    slope: Array
    curvature: Array


@cache
def model_of(family: Family, bursts: bool) -> Callable[[CountData, Prior], None]:
    """One function for each background, so that its compiled programs are found again."""

    def counts(data: CountData, prior: Prior) -> None:
        model(data, prior, family=family, bursts=bursts)

    return counts


@cache
def corrected_model_of(
    family: Family, bursts: bool
) -> Callable[[CountData, Prior, Correction], None]:
    """As `model_of`, with the correction of a merged history."""

    def counts(data: CountData, prior: Prior, correction: Correction) -> None:
        with handlers.trace() as trace:
            model(data, prior, family=family, bursts=bursts)
        free = [
            jnp.ravel(dist.biject_to(trace[name]["fn"].support).inv(trace[name]["value"]))
            for name in sorted(site_names(family, bursts, data.regions))
        ]
        apart = jnp.concatenate(free) - correction.centre
        bend = 0.5 * apart @ (correction.curvature @ apart)
        numpyro.factor("correction", correction.slope @ apart + bend)

    return counts
