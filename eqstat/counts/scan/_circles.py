r"""Overlapping circles over a country: how often does any of them alarm by chance?

A network counts triggers within, say, 30 km of many places at once. The sum of the circles' rates
(the union bound) counts an alarm once for every circle that shares it. Each *clump* of alarms is
counted once if every begin of a circle's alarm gets the weight one over their number U in its
clump,

.. math:: \nu = \sum_c \kappa_c\, E[1 / U \mid \text{circle } c \text{ begins at } 0],
          \qquad \kappa_c = \frac{k_c}{w} P(N_c = k_c),

which is estimated by drawing circles in proportion to :math:`\kappa_c` and, for each, the triggers
of the country given that this circle's count steps up to its threshold at time 0. All alarms less
than one window apart, of any circles, are one clump. Nothing rare has to be waited for.

References
----------
Naiman and Priebe (2001), Journal of Computational and Graphical Statistics 10, 296-328,
doi:10.1198/10618600152628293.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.counts.scan._scan import log_alarms_per_hour, whole
from eqstat.counts.scan._stream import clump_size
from eqstat.counts.scan._tables import Marginal, log_pmf_table
from eqstat.geodesy import great_circle_distance

__all__ = ["CountryRate", "country_rate", "members_of_circles"]


class CountryRate(NamedTuple):
    """Alarms by chance of all circles together, natural logs of rates per hour.

    Attributes
    ----------
    log_union_per_hour
        Sum of the circles' own rates: an upper bound.
    log_per_hour
        Each clump counted once.
    standard_error
        Monte Carlo standard error of `log_per_hour`.
    mean_clump
        Begins of circles' alarms in a clump, on average over clumps.
    at_horizon
        Share of the draws whose clump reached the end of the time that was drawn; where it is
        not small, `log_per_hour` is too large.
    """

    log_union_per_hour: float
    log_per_hour: float
    standard_error: float
    mean_clump: float
    at_horizon: float


def members_of_circles(
    latitude: ArrayLike,
    longitude: ArrayLike,
    *,
    radius_km: float = 30.0,
    centre_latitude: ArrayLike | None = None,
    centre_longitude: ArrayLike | None = None,
) -> Any:
    """Which devices lie in which circle.

    Parameters
    ----------
    latitude, longitude : array_like
        Places of the devices, (devices,), degrees.
    radius_km : float
        Radius of the circles.
    centre_latitude, centre_longitude : array_like, optional
        Centres, (circles,), degrees; the devices themselves if not given.

    Returns
    -------
    numpy.ndarray
        Booleans, (circles, devices).

    Raises
    ------
    ValueError
        When only one coordinate of the centres is given.

    Examples
    --------
    >>> members_of_circles([0.0, 0.0, 0.0], [0.0, 0.2, 0.4]).astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    if (centre_latitude is None) != (centre_longitude is None):
        raise InputError("give both centre_latitude and centre_longitude, or neither")
    lat, lon = np.asarray(latitude, float), np.asarray(longitude, float)
    centre_lat = lat if centre_latitude is None else np.asarray(centre_latitude, float)
    centre_lon = lon if centre_longitude is None else np.asarray(centre_longitude, float)
    return great_circle_distance(centre_lat[:, None], centre_lon[:, None], lat, lon) <= radius_km


def country_rate(
    key: PRNGKeyArray,
    members: ArrayLike,
    triggers: ArrayLike,
    *,
    rate_per_device_h: ArrayLike,
    window_s: float,
    dispersion: float = 0.0,
    draws: int = 1000,
    horizon_windows: float = 6.0,
) -> CountryRate:
    """Rate at which any circle of a country alarms by chance.

    Devices trigger as independent Poisson streams; with a dispersion, all their rates are
    multiplied by one gamma variable of mean 1, the same in the whole country and for long.

    Parameters
    ----------
    key : PRNGKeyArray
        JAX random key.
    members : array_like of bool
        Devices of each circle, (circles, devices), from `members_of_circles`.
    triggers : array_like of int
        Thresholds, one or (circles,). Circles with fewer devices cannot alarm.
    rate_per_device_h : array_like
        Triggers per hour, one or (devices,).
    window_s : float
        Length of the sliding window.
    dispersion : float
        Variance of the common factor.
    draws : int
        Fields to draw.
    horizon_windows : float
        Time drawn before and after the begin, in windows.

    Returns
    -------
    CountryRate

    Raises
    ------
    ValueError
        When an argument is out of range or no circle can alarm.

    Examples
    --------
    >>> import jax, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> members = members_of_circles(rng.uniform(44, 45, 80), rng.uniform(7, 8, 80))
    >>> rate = country_rate(jax.random.key(0), members, 5, rate_per_device_h=1.0, window_s=10.0)
    >>> bool(rate.log_per_hour < rate.log_union_per_hour - 1)
    True
    """
    inside = np.asarray(members, bool)
    if inside.ndim != 2:
        raise InputError("members must be booleans of shape (circles, devices)")
    need = np.broadcast_to(whole(triggers), inside.shape[:1])
    per_s = np.broadcast_to(np.asarray(rate_per_device_h, float), inside.shape[1:]) / 3600.0
    if not (np.all(per_s > 0.0) and dispersion >= 0.0 and draws >= 2):
        raise InputError("rates must be above 0, the dispersion not below, and draws at least 2")
    # Circles with the same devices and threshold alarm together: one stands for all.
    can = inside.sum(axis=1) >= need
    rows = np.unique(np.column_stack([need[can], inside[can]]), axis=0)
    if not len(rows):
        raise InputError("no circle has as many devices as its threshold asks for")
    need, inside = rows[:, 0].astype(np.int64), rows[:, 1:].astype(bool)
    mean = inside @ per_s * window_s
    family = "negative_binomial" if dispersion > 0.0 else "poisson"
    spread = np.full(mean.shape, float(dispersion))
    table = log_pmf_table(Marginal(family, mean, spread, spread), int(need.max()))
    log_begin = np.log(need) + table[np.arange(len(need)), need] + np.log(3600.0 / window_s)
    alone = log_alarms_per_hour(need, mean, window_s=window_s, family=family, dispersion=spread)
    total = np.logaddexp.reduce(log_begin)
    rng = generator(key)
    chosen = rng.choice(len(need), draws, p=np.exp(log_begin - total))
    sizes = np.empty(draws)
    cut = 0
    for i, circle in enumerate(chosen):
        factor = 1.0
        if dispersion > 0.0:
            shape = 1.0 / dispersion
            factor = rng.gamma(shape + need[circle]) / (shape + mean[circle])
        times, devices = _field(
            rng, inside[circle], int(need[circle]), factor * per_s, window_s, horizon_windows
        )
        sizes[i], ends = clump_size(times, devices, inside, need, window_s)
        cut += ends > (horizon_windows - 1.0) * window_s
    weight = 1.0 / sizes
    return CountryRate(
        float(np.logaddexp.reduce(alone)),
        float(total + np.log(weight.mean())),
        float(weight.std(ddof=1) / np.sqrt(draws) / weight.mean()),
        float(1.0 / weight.mean()),
        cut / draws,
    )


def _field(
    rng: np.random.Generator, circle: Any, need: int, per_s: Any, window_s: float, horizon: float
) -> tuple[Any, Any]:
    """Triggers of a country, given that the circle's count steps up to `need` at time 0."""
    reach = horizon * window_s
    number = rng.poisson(2.0 * reach * per_s.sum())
    times = rng.uniform(-reach, reach, number)
    devices = rng.choice(per_s.size, number, p=per_s / per_s.sum())
    # The circle's own triggers of the last window are given instead.
    kept = ~(circle[devices] & (times > -window_s) & (times <= 0.0))
    share = np.where(circle, per_s, 0.0)
    own = rng.choice(per_s.size, need, p=share / share.sum())
    own_times = np.append(rng.uniform(-window_s, 0.0, need - 1), 0.0)
    times = np.concatenate([times[kept], own_times])
    devices = np.concatenate([devices[kept], own])
    order = np.argsort(times, kind="stable")
    return times[order], devices[order]
