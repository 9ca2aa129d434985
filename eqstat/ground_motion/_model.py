"""The NumPyro model of ground motions: the likelihood with its priors in sight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from eqstat.ground_motion._data import MotionData
from eqstat.ground_motion._likelihood import log_likelihood
from eqstat.ground_motion._parameters import GroundMotion
from eqstat.ground_motion._prior import Prior

ALWAYS = (
    "level",
    "magnitude_slope",
    "magnitude_bend",
    "spreading",
    "spreading_slope",
    "anelastic_per_100_km",
    "saturation_km",
    "saturation_slope",
    "depth_slope",
    "vs30_slope",
    "vs30_log10_mean",
    "vs30_log10_sd",
    "event_sd",
    "record_sd",
    "record_sd_slope",
    "spreading_sd",
)


def site_names(data: MotionData) -> tuple[str, ...]:
    """Sites of the model: what the records do not name (stations, places, regions) has none."""
    names = list(ALWAYS)
    if data.stations:
        names += ["station_sd", "station_distance_slope"]
    if data.located:
        names += ["correlated_share", "correlation_km", "correlation_growth"]
    return (*names, "region_sd", "region_level") if data.regions > 1 else tuple(names)


def motion_of(sites: Mapping[str, Any], data: MotionData) -> GroundMotion:
    """Build the parameters from the sites of one draw (or of batched draws) and the records."""
    level = jnp.asarray(sites["level"])
    rest = {
        "station_distance_slope": jnp.zeros_like(level),
        "station_distance_km": jnp.broadcast_to(data.station_distance_km, level.shape),
        "station_distance_share": jnp.broadcast_to(data.station_distance_share, level.shape),
        "station_sd": jnp.zeros_like(level),
        "correlated_share": jnp.zeros_like(level),
        "correlation_km": jnp.broadcast_to(jnp.asarray(GroundMotion().correlation_km), level.shape),
        "correlation_growth": jnp.zeros_like(level),
        "region_sd": jnp.zeros_like(level),
        "region_level": jnp.zeros_like(level)[..., None],
    }
    return GroundMotion(**{**rest, **{name: jnp.asarray(v) for name, v in sites.items()}})


def model(data: MotionData, prior: Prior | None = None) -> None:
    r"""NumPyro model of recorded ground motions, to condition, reparametrise and extend.

    Sites are fields of `GroundMotion`: `station_sd` and `station_distance_slope` where the records
    name stations, `correlated_share`, `correlation_km` and
    `correlation_growth` where they have coordinates, and
    `region_sd` with the centred `region_level` (regions) where there are two regions or more.
    Event and station terms are marginalised over (see `log_likelihood`); `random_effects` gives
    their posterior.

    Parameters
    ----------
    data
        From `prepare(table).data`.
    prior
        The priors; `Prior()` by default.

    Examples
    --------
    >>> import jax
    >>> from numpyro import handlers
    >>> from eqstat.ground_motion import Design, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> trace = handlers.trace(handlers.seed(model, 0)).get_trace(motions.data)
    >>> "station_sd" in trace, "region_sd" in trace
    (True, False)
    """
    prior = Prior() if prior is None else prior
    sites = {}
    for name in site_names(data):
        if name != "region_level":
            sites[name] = numpyro.sample(name, getattr(prior, name))
    if data.regions > 1:
        level = dist.Normal(0.0, sites["region_sd"]).expand([data.regions]).to_event(1)
        sites["region_level"] = numpyro.sample("region_level", level)
    numpyro.factor("motions", log_likelihood(motion_of(sites, data), data))
