"""The NumPyro model of a history, with its priors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from eqstat._core.explain import Explained
from eqstat.detectability.history._data import HistoryData
from eqstat.detectability.history._likelihood import log_likelihood
from eqstat.detectability.history._parameters import Sensitivity

ALWAYS = (
    "magnitude_50_km",
    "spreading",
    "anelastic_per_100_km",
    "trigger_sd",
    "event_sd",
    "station_share",
    "system_share",
    "coincidence_probability",
)
MASKING = ("masked_share", "masking_s")


def _normal(mean: float, sd: float) -> Any:
    return eqx.field(default_factory=lambda: dist.Normal(mean, sd))


def _positive(median: float, log_sd: float) -> Any:
    return eqx.field(default_factory=lambda: dist.LogNormal(float(np.log(median)), log_sd))


def _share(a: float, b: float) -> Any:
    return eqx.field(default_factory=lambda: dist.Beta(a, b))


class Prior(Explained, eqx.Module):
    """Priors of the parameters of `Sensitivity`; NumPyro distributions.

    Attributes
    ----------
    magnitude_50_km
        Normal, 2.5 and 1.
    spreading
        Log-normal with median 2 and a factor of 1.5: amplitudes fall about as R^-1.6, and a
        magnitude is worth about 0.8 decades of amplitude.
    anelastic_per_100_km
        Log-normal with median 0.4 and a factor of 2.
    trigger_sd, event_sd
        Log-normal with median 0.4 and a factor of 1.2, and with median 0.3 and a factor of 1.5.
        Peaks scatter between the stations of an earthquake by some 0.3 decades, which is 0.4
        magnitudes; hits and misses of the network alone tell the two apart poorly.
    station_share, system_share
        Beta with parameters 9 and 1.5, and 19 and 1.5.
    coincidence_probability
        Beta with parameters 1 and 300.
    masked_share, masking_s
        Uniform; log-normal with median 60 s and a factor of 2.
    group_shift
        Normal, 0 and 0.7, for each group but the reference.
    station_sd
        Log-normal with median 0.4 and a factor of 1.6.
    count_concentration
        Of the Dirichlet distribution of the shares of the counts, above 0.
    b_value
        Log-normal with median 1 and a factor of 1.16.

    Examples
    --------
    >>> Prior(magnitude_50_km=dist.Normal(4.0, 0.5)).magnitude_50_km.loc
    4.0
    """

    magnitude_50_km: dist.Distribution = _normal(2.5, 1.0)
    spreading: dist.Distribution = _positive(2.0, 0.4)
    anelastic_per_100_km: dist.Distribution = _positive(0.4, 0.7)
    trigger_sd: dist.Distribution = _positive(0.4, 0.2)
    event_sd: dist.Distribution = _positive(0.3, 0.4)
    station_share: dist.Distribution = _share(9.0, 1.5)
    system_share: dist.Distribution = _share(19.0, 1.5)
    coincidence_probability: dist.Distribution = _share(1.0, 300.0)
    masked_share: dist.Distribution = _share(1.0, 1.0)
    masking_s: dist.Distribution = _positive(60.0, 0.7)
    group_shift: dist.Distribution = _normal(0.0, 0.7)
    station_sd: dist.Distribution = _positive(0.4, 0.5)
    count_concentration: float | int = 1.0
    b_value: dist.Distribution = _positive(1.0, 0.15)


def site_names(data: HistoryData) -> tuple[str, ...]:
    """Sites of the model: what the history does not hold has none."""
    names: list[str] = list(ALWAYS)
    names += MASKING if data.masking else ()
    names += ["group_shift"] if data.groups > 1 else []
    names += ["count_share"] if len(data.counts) > 1 else []
    names += ["b_value"] if data.only_detected else []
    return (*names, "station_sd", "station_score") if data.station_effects else tuple(names)


def sensitivity_of(sites: Mapping[str, Any]) -> Sensitivity:
    """Build the parameters from the sites of one draw, or of many with a leading axis."""
    values = {name: jnp.asarray(value) for name, value in sites.items()}
    one = values["magnitude_50_km"]
    if "group_shift" in values:
        reference = jnp.zeros((*one.shape, 1), one.dtype)
        values["group_shift"] = jnp.concatenate([reference, values["group_shift"]], axis=-1)
    if "station_score" in values:
        score = values.pop("station_score")
        values["station_sd"] = jnp.broadcast_to(values["station_sd"], one.shape)
        values["station_shift"] = values["station_sd"][..., None] * score
    default = {
        name: jnp.broadcast_to(jnp.asarray(value, one.dtype), (*one.shape, *np.shape(value)))
        for name, value in vars(Sensitivity()).items()
    }
    return Sensitivity(**{**default, **values})


def model(data: HistoryData, prior: Prior | None = None, station_sd: Any = None) -> None:
    r"""NumPyro model of hits and misses, to condition, reparametrise and extend.

    Sites are fields of `Sensitivity`, where the history holds what they describe; `group_shift`
    without the reference, and for stations the `station_score`, $s_j$ in units of its standard
    deviation.

    Parameters
    ----------
    data
        From `prepare(...).data`.
    prior
        The priors; `Prior()` by default.
    station_sd
        Standard deviation of the stations' shifts where it is held fixed; a site by default.

    Examples
    --------
    >>> import jax
    >>> from numpyro import handlers
    >>> from eqstat.detectability.history import Design, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=16))
    >>> trace = handlers.trace(handlers.seed(model, 0)).get_trace(history.data)
    >>> "event_sd" in trace, "station_sd" in trace
    (True, False)
    """
    prior = Prior() if prior is None else prior
    sites: dict[str, Any] = {}
    for name in site_names(data):
        if name == "group_shift":
            wanted = prior.group_shift.expand([data.groups - 1]).to_event(1)
        elif name == "count_share":
            shares = jnp.full(len(data.counts), prior.count_concentration)
            wanted = dist.Dirichlet(shares)
        elif name == "station_score":
            wanted = dist.Normal(0.0, 1.0).expand([len(data.group)]).to_event(1)
        elif name == "station_sd" and station_sd is not None:
            sites[name] = station_sd
            continue
        else:
            wanted = getattr(prior, name)
        sites[name] = numpyro.sample(name, wanted)
    numpyro.factor("history", log_likelihood(sensitivity_of(sites), data))
