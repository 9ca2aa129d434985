"""The NumPyro models of the travel-time room: the likelihoods with their priors in sight."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array

from eqstat.traveltime._data import S, TriggerData
from eqstat.traveltime._likelihood import GaussianParameters, MixtureParameters, log_likelihood
from eqstat.traveltime._prior import Prior
from eqstat.velocity import squared_chord

LikelihoodName = Literal["gaussian", "mixture"]


def mean_travel_time(data: TriggerData, east_km: Array, north_km: Array, depth_km: Array) -> Array:
    """Mean travel time to the triggered devices, of S where `wave` is S, else of P."""
    p, s = data.velocity.times(
        squared_chord(east_km, north_km, data.position_km), depth_km, data.elevation_km
    )
    times = jnp.where(data.mask, jnp.where(data.wave == S, s, p), 0.0)
    return jnp.sum(times) / jnp.maximum(jnp.sum(data.mask), 1)


def arrival_bounds(data: TriggerData, prior: Prior) -> tuple[Array | float, Array | float]:
    """Range of the mean arrival: the window, `lead_s` longer at both ends."""
    return data.window_s[0] - prior.lead_s, data.window_s[1] + prior.lead_s


def _sample(name: str, prior: dist.Distribution) -> Array:
    return jnp.asarray(numpyro.sample(name, prior))


def _hypocentre(
    data: TriggerData, prior: Prior, delay_s: Array | float, ratio: Array | float = 1.0
) -> dict[str, Array]:
    """Sites of the hypocentre; the origin time is sampled as a mean arrival.

    The mean arrival at the triggered devices (plus the delay) is what the triggers tell, so
    it hardly depends on where the hypocentre is; the origin time, which does, follows from
    it. The Jacobian is 1.
    """
    half = prior.region_km
    east = _sample("east_km", dist.Uniform(-half, half))
    north = _sample("north_km", dist.Uniform(-half, half))
    depth = _sample("depth_km", prior.depth)
    if prior.epicentre is not None:
        uniform = -2 * jnp.log(2 * half)
        numpyro.factor("seismicity", prior.log_epicentre(east, north) - uniform)
    arrival = _sample("arrival_s", dist.Uniform(*arrival_bounds(data, prior)))
    origin = arrival - delay_s - ratio * mean_travel_time(data, east, north, depth)
    origin = jnp.asarray(numpyro.deterministic("origin_time_s", origin))
    return {"east_km": east, "north_km": north, "depth_km": depth, "origin_time_s": origin}


def _trigger_probability(data: TriggerData, prior: Prior) -> Array | float:
    """Sampled only where silent devices tell about it."""
    if not data.has_silent:
        return 0.5
    return _sample("trigger_probability", prior.trigger_probability)


def gaussian_model(data: TriggerData, prior: Prior) -> None:
    """Priors and the Gaussian likelihood: every trigger is of one wave."""
    hypocentre = _hypocentre(data, prior, 0.0)
    sd = _sample("sd_s", prior.sd_s)
    probability = _trigger_probability(data, prior)
    params = GaussianParameters(**hypocentre, sd_s=sd, trigger_probability=probability)
    numpyro.factor("triggers", log_likelihood(params, data))


def mixture_model(data: TriggerData, prior: Prior) -> None:
    """Priors and the mixture likelihood: a trigger is of P, of S, or background."""
    delay = _sample("delay_s", prior.delay_s)
    ratios = [_sample(f"{w}_slowness_ratio", prior.slowness_ratio) for w in ("p", "s")]
    hypocentre = _hypocentre(data, prior, delay, jnp.where(data.wave == S, ratios[1], ratios[0]))
    scatter = _sample("scatter_s", prior.scatter_s)
    shares = _sample("shares", prior.shares)
    probability = _trigger_probability(data, prior)
    params = MixtureParameters(
        **hypocentre,
        delay_s=delay,
        scatter_s=scatter,
        p_share=shares[..., 0],
        s_share=shares[..., 1],
        trigger_probability=probability,
        p_slowness_ratio=ratios[0],
        s_slowness_ratio=ratios[1],
        slowness_east=_sample("slowness_east", prior.slowness_lateral),
        slowness_north=_sample("slowness_north", prior.slowness_lateral),
    )
    numpyro.factor("triggers", log_likelihood(params, data))


MODELS = {"gaussian": gaussian_model, "mixture": mixture_model}


def model(
    data: TriggerData, prior: Prior | None = None, *, likelihood: LikelihoodName = "gaussian"
) -> None:
    r"""NumPyro model of trigger times, to condition, reparametrise and extend.

    Sites: `east_km`, `north_km` (epicentre in the local frame, uniform in the region),
    `depth_km`, `arrival_s` (mean arrival at the triggered devices, delay included), the
    deterministic `origin_time_s`, then `sd_s` (Gaussian) or `delay_s`, `scatter_s`, `shares` (P, S,
    background), `p_slowness_ratio`, `s_slowness_ratio`, `slowness_east`, `slowness_north`
    (mixture), and `trigger_probability` where the data hold silent devices.

    Parameters
    ----------
    data
        The arrays of `prepare(...)`.
    prior
        The priors; `Prior()` by default.
    likelihood
        "gaussian" or "mixture".

    References
    ----------
    Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243.
    """
    MODELS[likelihood](data, Prior() if prior is None else prior)
