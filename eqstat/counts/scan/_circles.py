r"""False alarms of many overlapping circles: the rate at which any of them alarms by chance.

A network counts triggers within, say, 30 km of many places at once. The sum of the circles' rates
(the union bound) counts an alarm once for every circle that shares it. Each *clump* of alarms is
counted once if every start of a circle's alarm has the weight 1 / U, with U the number of starts
in its clump,

.. math:: \nu = \sum_c \kappa_c\, E[1 / U \mid \text{circle } c \text{ starts at } 0],
          \qquad \kappa_c = \frac{k_c}{w} P(N_c = k_c),

which is estimated by importance sampling: circles are drawn in proportion to :math:`\kappa_c`
and, for each, the triggers of all devices given that the count of this circle steps up to its
threshold at time 0. All alarms less than one window apart, of any circles, are one clump.

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
from eqstat._core.explain import explained
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.counts._families import FAMILIES, Marginal
from eqstat.counts._intensity._parameters import Intensity, nodes_of
from eqstat.counts.scan._clumps import clump_size
from eqstat.counts.scan._scan import log_alarms_per_hour, whole
from eqstat.geodesy import great_circle_distance

__all__ = ["CountryRate", "country_rate", "members_of_circles"]


@explained
class CountryRate(NamedTuple):
    """Rate of false alarms of all circles together, natural logs per hour.

    Attributes
    ----------
    log_union_per_hour
        Sum of the circles' own rates: an upper bound.
    log_per_hour
        With each clump of alarms counted once.
    standard_error
        Monte Carlo standard error of `log_per_hour`.
    mean_clump
        Mean number of circles' alarms in a clump.
    at_horizon
        Share of draws whose clump reached the end of the simulated time; where it is not small,
        `log_per_hour` is too large.

    Examples
    --------
    >>> rate = CountryRate(-3.0, -5.0, 0.1, 7.4, 0.0)
    >>> round(float(np.exp(rate.log_union_per_hour - rate.log_per_hour)), 1)  # circles in a clump
    7.4
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
    """Devices that lie within each circle.

    Parameters
    ----------
    latitude, longitude : array_like
        Coordinates of the devices, (devices,), degrees.
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
    eqstat.InputError
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
    intensity: Intensity | None = None,
    draws: int = 1000,
    horizon_windows: float = 6.0,
) -> CountryRate:
    r"""Rate at which any of many overlapping circles alarms by chance.

    .. math:: \nu = \sum_c \kappa_c\, E[1 / U \mid \text{circle } c \text{ starts at } 0],
              \qquad \kappa_c = \frac{k_c}{w} P(N_c = k_c),

    with U the number of circles' alarms in the clump. Devices trigger as independent Poisson
    processes; with a dispersion, all their rates are multiplied by one gamma variable of mean 1,
    and with a slow intensity by its factor, both the same for all devices and constant over a
    clump.

    Parameters
    ----------
    key : PRNGKeyArray
        JAX random key.
    members : array_like of bool
        Devices of each circle, (circles, devices), from `members_of_circles`.
    triggers : array_like of int
        Thresholds, one or (circles,). Circles with fewer devices than that cannot alarm.
    rate_per_device_h : array_like
        Triggers per hour, one or (devices,).
    window_s : float
        Length of the sliding window.
    dispersion : float
        Variance of the common factor.
    intensity : Intensity, optional
        Slow intensity of the devices, one without draws; the rate is the mean over its stationary
        distribution.
    draws : int
        Number of simulated streams.
    horizon_windows : float
        Simulated time before and after the start of the alarm, in windows.

    Returns
    -------
    CountryRate

    Raises
    ------
    eqstat.InputError
        When an argument is out of range or no circle can alarm.

    References
    ----------
    Naiman and Priebe (2001), doi:10.1198/10618600152628293.

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
    # Circles with the same devices and threshold alarm together and are counted as one.
    possible = inside.sum(axis=1) >= need
    rows = np.unique(np.column_stack([need[possible], inside[possible]]), axis=0)
    if not len(rows):
        raise InputError("no circle has as many devices as its threshold")
    need, inside = rows[:, 0].astype(np.int64), rows[:, 1:].astype(bool)
    log_factor, log_weight = _slow_factors(intensity)
    # Of each slow factor and circle, (factors, circles).
    mean = np.exp(log_factor)[:, None] * (inside @ per_s * window_s)
    family = "negative_binomial" if dispersion > 0.0 else "poisson"
    spread = np.full(mean.shape, float(dispersion))
    table = FAMILIES[family].log_pmf_table(
        Marginal(FAMILIES[family], mean, spread, spread), int(need.max())
    )
    log_begin = np.log(need) + table[:, np.arange(len(need)), need] + np.log(3600.0 / window_s)
    log_begin = log_begin + log_weight[:, None]
    alone = log_alarms_per_hour(need, mean, window_s=window_s, family=family, dispersion=spread)
    total = np.logaddexp.reduce(log_begin, axis=None)
    rng = generator(key)
    chosen = rng.choice(log_begin.size, draws, p=np.exp(log_begin - total).ravel())
    sizes = np.empty(draws)
    truncated = 0
    for i, both in enumerate(chosen):
        slow, circle = divmod(int(both), len(need))
        factor = np.exp(log_factor[slow])
        # Given k triggers in the window, the gamma factor is gamma by conjugacy.
        if dispersion > 0.0:
            shape = 1.0 / dispersion
            factor *= rng.gamma(shape + need[circle]) / (shape + mean[slow, circle])
        times, devices = _field(
            rng, inside[circle], int(need[circle]), factor * per_s, window_s, horizon_windows
        )
        sizes[i], reach_s = clump_size(times, devices, inside, need, window_s)
        truncated += reach_s > (horizon_windows - 1.0) * window_s
    weight = 1.0 / sizes
    return CountryRate(
        float(np.logaddexp.reduce(alone + log_weight[:, None], axis=None)),
        float(total + np.log(weight.mean())),
        float(weight.std(ddof=1) / np.sqrt(draws) / weight.mean()),
        float(1.0 / weight.mean()),
        truncated / draws,
    )


def _slow_factors(intensity: Intensity | None) -> tuple[np.ndarray, np.ndarray]:
    """Log factors of the slow intensity and logs of their weights."""
    if intensity is None:
        return np.zeros(1), np.zeros(1)
    if np.ndim(intensity.sd):
        raise InputError("country_rate: give one intensity, not the draws of a posterior")
    return nodes_of(intensity.sd, intensity.surge_share, intensity.surge_mean)


def _field(
    rng: np.random.Generator, circle: Any, need: int, per_s: Any, window_s: float, horizon: float
) -> tuple[Any, Any]:
    """Triggers of all devices given that the circle's count steps up to `need` at time 0.

    That count is a Poisson process outside the last window; inside it has need - 1 uniform times
    and the trigger at 0.
    """
    reach = horizon * window_s
    number = rng.poisson(2.0 * reach * per_s.sum())
    times = rng.uniform(-reach, reach, number)
    devices = rng.choice(per_s.size, number, p=per_s / per_s.sum())
    # The circle's own triggers of the last window are replaced by those that are given.
    kept = ~(circle[devices] & (times > -window_s) & (times <= 0.0))
    share = np.where(circle, per_s, 0.0)
    own = rng.choice(per_s.size, need, p=share / share.sum())
    own_times = np.append(rng.uniform(-window_s, 0.0, need - 1), 0.0)
    times = np.concatenate([times[kept], own_times])
    devices = np.concatenate([devices[kept], own])
    order = np.argsort(times, kind="stable")
    return times[order], devices[order]
