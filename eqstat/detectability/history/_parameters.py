"""Parameters of the history model, and the trigger probability of a station."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from eqstat._core.arrays import as_leaf
from eqstat._core.checks import check_range
from eqstat._core.explain import Explained

REFERENCE_KM = 50.0
# Distances below this have the loss of this one.
NEAREST_KM = 1.0
# No trigger is less probable, so that logarithms and their slopes stay finite.
LEAST = 1e-30

POSITIVE = ("trigger_sd", "event_sd", "masking_s", "b_value")
MAY_VANISH = ("anelastic_per_100_km", "station_sd")
SHARES = (
    "station_share",
    "system_share",
    "coincidence_probability",
    "masked_share",
    "count_share",
)


class Sensitivity(Explained, eqx.Module):
    r"""What earthquakes a network detects: parameters of the history model.

    Station j triggers in earthquake i, of magnitude $M$ at hypocentral distance $R$, with
    probability

    $$ p_{ij} = c\, \Phi\!\left(\frac{M_i + \eta_i - m(R_{ij}) - g_{(j)} - s_j}{\sigma}\right),
    \qquad m(R) = m_{50} + d \log_{10} \frac{R}{50\,\text{km}} + q\, \frac{R - 50\,\text{km}}
    {100\,\text{km}}, $$

    where $\eta_i \sim \mathcal N(0, \tau^2)$ is shared by all stations: given it they are
    independent, and without it they are not. $m(R)$ is the magnitude at which half of the working
    stations at distance R trigger. Everything is in units of magnitude, since hits and misses
    tell amplitudes only in units of the magnitude's effect on them. The network detects if at
    least k stations trigger, unless it is down or busy with an earlier earthquake, $\Delta t_i$
    before:

    $$ P_i = f + (1 - f)\, u\, (1 - b\, e^{-\Delta t_i / T})
    \int P(N_i \ge k \mid \eta)\, \mathcal N(\eta; 0, \tau^2)\, d\eta. $$

    All parameters may carry leading axes of draws.

    Attributes
    ----------
    magnitude_50_km
        $m_{50}$.
    spreading
        $d$, magnitudes per decade of distance.
    anelastic_per_100_km
        $q$, at least 0.
    trigger_sd, event_sd
        $\sigma$ and $\tau$, above 0.
    station_share, system_share
        $c$ and $u$ in [0, 1]: shares of stations, and of time, that work.
    coincidence_probability
        $f$ in [0, 1]: probability that a detection for another reason is taken for the earthquake.
    masked_share, masking_s
        $b$ in [0, 1] and $T$, above 0: share of earthquakes lost right after another one, and
        the time in which this fades.
    group_shift
        $g$ of each group of stations, 0 for the first one, (..., groups).
    station_sd, station_shift
        Standard deviation of $s_j$, at least 0, and $s_j$ of each station, (..., stations).
    count_share
        Probability of each k that may be in force, (..., counts).
    b_value
        b of the Gutenberg-Richter relation, above 0; used only where misses are unknown.

    Raises
    ------
    eqstat.InputError
        When a value is not finite or out of its range.

    References
    ----------
    Ringdal, F. (1975), On the estimation of seismic detection thresholds, Bulletin of the
    Seismological Society of America 65, 1631-1642: a normal distribution of the magnitude at which
    a station detects.

    Schorlemmer, D. and Woessner, J. (2008), Probability of detecting an earthquake, Bulletin of
    the Seismological Society of America 98, 2103-2117, doi:10.1785/0120070105.

    Examples
    --------
    >>> sensitivity = Sensitivity(magnitude_50_km=2.5)
    >>> round(float(trigger_probability(sensitivity, 2.5, 50.0)), 2)
    0.45
    """

    magnitude_50_km: Float[Array, "..."] = eqx.field(converter=as_leaf, default=2.0)
    spreading: Float[Array, "..."] = eqx.field(converter=as_leaf, default=2.0)
    anelastic_per_100_km: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.3)
    trigger_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.4)
    event_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.3)
    station_share: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.9)
    system_share: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.95)
    coincidence_probability: Float[Array, "..."] = eqx.field(converter=as_leaf, default=1e-3)
    masked_share: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    masking_s: Float[Array, "..."] = eqx.field(converter=as_leaf, default=60.0)
    group_shift: Float[Array, "... groups"] = eqx.field(converter=as_leaf, default=(0.0,))
    station_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    station_shift: Float[Array, "... stations"] = eqx.field(converter=as_leaf, default=(0.0,))
    count_share: Float[Array, "... counts"] = eqx.field(converter=as_leaf, default=(1.0,))
    b_value: Float[Array, "..."] = eqx.field(converter=as_leaf, default=1.0)

    def __check_init__(self) -> None:
        """Check the ranges of concrete values; traced ones pass."""
        for name in (field.name for field in dataclasses.fields(self)):
            low = 0.0 if name in POSITIVE + MAY_VANISH + SHARES else -np.inf
            high = 1.0 if name in SHARES else np.inf
            ends = "(]" if name in POSITIVE else "[]"
            check_range("Sensitivity", low, high, ends=ends, **{name: getattr(self, name)})


def station_magnitude(sensitivity: Sensitivity, distance_km: Any) -> Float[Array, "..."]:
    """Magnitude at which half of the working stations at a hypocentral distance trigger.

    Parameters
    ----------
    sensitivity
        Parameters without an axis of draws.
    distance_km
        Hypocentral distances.

    Returns
    -------
    jax.Array

    Examples
    --------
    >>> float(station_magnitude(Sensitivity(magnitude_50_km=2.5), 50.0))
    2.5
    """
    distance_km = jnp.maximum(distance_km, NEAREST_KM)
    return (
        sensitivity.magnitude_50_km
        + sensitivity.spreading * jnp.log(distance_km / REFERENCE_KM) / np.log(10.0)
        + sensitivity.anelastic_per_100_km * (distance_km - REFERENCE_KM) / 100.0
    )


def trigger_probability(
    sensitivity: Sensitivity,
    magnitude: Any,
    distance_km: Any,
    shift: Any = 0.0,
    event_term: Any = 0.0,
) -> Float[Array, "..."]:
    """Probability that a station triggers, given the event's own strength.

    Parameters
    ----------
    sensitivity
        Parameters without an axis of draws.
    magnitude, distance_km
        Magnitudes and hypocentral distances.
    shift
        Of the station: that of its group and its own.
    event_term
        The event's strength beyond its magnitude.

    Returns
    -------
    jax.Array

    Examples
    --------
    >>> bool(trigger_probability(Sensitivity(), 5.0, 50.0) > 0.89)
    True
    """
    excess = magnitude + event_term - station_magnitude(sensitivity, distance_km) - shift
    chance = sensitivity.station_share * ndtr(excess / sensitivity.trigger_sd)
    return jnp.maximum(chance, LEAST)
