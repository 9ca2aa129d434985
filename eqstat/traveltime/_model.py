"""NumPyro models of trigger times: the likelihoods with their priors."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array

from eqstat._core.checks import check_kind
from eqstat.traveltime._data import S, TriggerData
from eqstat.traveltime._likelihood import log_likelihood
from eqstat.traveltime._parameters import LikelihoodName, Prior, parameters_of, sites_of
from eqstat.velocity import squared_chord


def as_prior(owner: str, prior: Prior | None) -> Prior:
    """Return a prior; that of the defaults for None."""
    if prior is None:
        return Prior()
    check_kind(owner, Prior, "use `Prior(...)`", prior=prior)
    return prior


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


def delay_and_ratio(
    values: Mapping[str, Array], data: TriggerData
) -> tuple[Array | float, Array | float]:
    """What a mean arrival adds to and multiplies the mean travel time by: delay and slowness."""
    if "p_slowness_ratio" not in values:
        return 0.0, 1.0
    ratio = jnp.where(data.wave == S, values["s_slowness_ratio"], values["p_slowness_ratio"])
    return values.get("delay_s", jnp.zeros_like(ratio)), ratio


def _sample(name: str, prior: dist.Distribution) -> Array:
    return jnp.asarray(numpyro.sample(name, prior))


def _hypocentre(
    data: TriggerData, prior: Prior, delay_s: Array | float, ratio: Array | float = 1.0
) -> dict[str, Array]:
    """Sites of the hypocentre; the origin time is sampled as a mean arrival.

    The mean arrival at the triggered devices (plus the delay) is what the triggers determine, so
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


def _model(
    likelihood: LikelihoodName, data: TriggerData, prior: Prior, every_site: bool = True
) -> None:
    values = {
        site.name: _sample(site.name, getattr(prior, site.prior))
        if every_site or site.identified
        else jnp.asarray(getattr(prior, site.prior).mean)
        for site in sites_of(likelihood, data.has_silent)
    }
    hypocentre = _hypocentre(data, prior, *delay_and_ratio(values, data))
    numpyro.factor("triggers", log_likelihood(parameters_of({**hypocentre, **values}), data))


def gaussian_model(data: TriggerData, prior: Prior) -> None:
    """Priors and the Gaussian likelihood: every trigger is of one wave."""
    _model("gaussian", data, prior)


def mixture_model(data: TriggerData, prior: Prior) -> None:
    """Priors and the mixture likelihood: a trigger is of P, of S, or background."""
    _model("mixture", data, prior)


def identified_mixture_model(data: TriggerData, prior: Prior) -> None:
    """The mixture with the delay at its prior mean.

    Given the mean arrival, which includes it, neither the likelihood nor the other priors depend
    on the delay: its posterior is its prior, from which it can be drawn afterwards.
    """
    _model("mixture", data, prior, every_site=False)


MODELS = {"gaussian": gaussian_model, "mixture": mixture_model}
# What the samplers work on.
IDENTIFIED_MODELS = {"gaussian": gaussian_model, "mixture": identified_mixture_model}


def model(
    data: TriggerData, prior: Prior | None = None, *, likelihood: LikelihoodName = "gaussian"
) -> None:
    r"""NumPyro model of trigger times, to condition, reparametrise and extend.

    Sites: `east_km`, `north_km` (epicentre in the local frame, uniform in the region),
    `depth_km`, `arrival_s` (mean arrival at the triggered devices, delay included), the
    deterministic `origin_time_s`, then the other fields of `GaussianParameters` or
    `MixtureParameters` (`p_share` and `s_share` with the background's as one site, `shares`);
    `trigger_probability` only where the data hold silent devices.

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

    Examples
    --------
    >>> import numpy as np
    >>> from eqstat import geodesy, traveltime
    >>> phones = traveltime.Devices(np.array([46.0, 46.1]), np.array([7.0, 7.2]), np.zeros(2))
    >>> frame = geodesy.LocalFrame(46.0, 7.0)
    >>> data = traveltime.padded(frame, phones, np.array([5.0, 7.6]), window_s=(0.0, 20.0))
    >>> from jax import random
    >>> from numpyro import handlers
    >>> trace = handlers.trace(handlers.seed(traveltime.model, random.key(0))).get_trace(data)
    >>> [name for name, site in trace.items() if site["type"] == "sample"]
    ['sd_s', 'east_km', 'north_km', 'depth_km', 'arrival_s', 'triggers']
    """
    MODELS[likelihood](data, Prior() if prior is None else prior)
