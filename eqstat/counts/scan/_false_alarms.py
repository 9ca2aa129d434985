"""Rates of false alarms of a sliding window under a `Background`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.checks import check_kind
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.counts._background import FROM_FIT, Background, dispersion_at, mean_count
from eqstat.counts.scan._scan import log_alarm_table_per_hour, log_alarms_per_year, whole

__all__ = ["false_alarm_table", "log_false_alarms_per_hour", "log_false_alarms_per_year"]


def false_alarm_table(
    background: Background,
    active: ArrayLike,
    max_triggers: int,
    *,
    hour: ArrayLike,
    day: ArrayLike,
    region: ArrayLike | None = None,
    correlation_windows: float = np.inf,
) -> Any:
    """Log rate of false alarms per hour of a background, for thresholds from 1 to `max_triggers`.

    Parameters
    ----------
    background : Background
        One background, or a posterior with an axis of draws.
    active : array_like
        Active devices.
    max_triggers : int
        Length of the table.
    hour, day : array_like
        Local hour of the day in [0, 24) and day of the week from 0 (Monday).
    region : array_like of int, optional
        Numbers of the regions (`background.index(name)`); the average region if not given.
    correlation_windows : float
        See `log_alarm_table_per_hour`.

    Returns
    -------
    numpy.ndarray
        Natural logs; (draws, ..., max_triggers) for a posterior, else (..., max_triggers). For
        the posterior predictive rate, average the rates of the draws, not their logs.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> table = false_alarm_table(Background("poisson", 0.6), 600.0, 3, hour=14.5, day=2)
    >>> table.round(1).tolist()
    [5.9, 4.2, 3.8]
    """
    check_kind("false_alarm_table", Background, FROM_FIT, background=background)
    n, hours, days, numbers = np.broadcast_arrays(
        *(np.asarray(v, float) for v in (active, hour, day, 0.0 if region is None else region))
    )
    known = len(background.regions)
    if not np.all((numbers == np.round(numbers)) & (numbers >= 0) & (numbers < known)):
        raise InputError(
            f"region must be whole numbers from 0 to {known - 1}, see `background.index`"
        )
    if not np.all((hours >= 0) & (hours < 24) & (days >= 0) & (days < 7)):
        raise InputError("hour must lie in [0, 24) and day in [0, 7)")
    regions = None if region is None else numbers.astype(int)
    draws = np.ndim(background.rate_per_device_h) == 1

    def values(one: Background) -> Any:
        mean = mean_count(one, n, hours, days, regions)
        spread = dispersion_at(one, jnp.asarray(n))
        return mean, jnp.zeros_like(mean) if spread is None else spread

    with jax.enable_x64(True):
        one = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), background)
        mean, spread = (np.asarray(v) for v in (jax.vmap(values)(one) if draws else values(one)))
    spread = background.count_family.sliding_dispersion(spread)
    bursts = {}
    if background.bursts is not None:
        after = (...,) + (None,) * n.ndim if draws else (...,)
        bursts = {
            f"burst_{name}": np.asarray(getattr(background.bursts, name), float)[after]
            for name in ("probability", "share", "concentration")
        }
    return log_alarm_table_per_hour(
        mean,
        max_triggers,
        window_s=background.window_s,
        family=background.family,
        active=n,
        dispersion=spread,
        correlation_windows=correlation_windows,
        **bursts,
    )


def log_false_alarms_per_hour(
    background: Background,
    triggers: ArrayLike,
    active: ArrayLike,
    *,
    hour: ArrayLike,
    day: ArrayLike,
    region: ArrayLike | None = None,
    correlation_windows: float = np.inf,
) -> Any:
    """Log rate of false alarms per hour of a background at the given thresholds.

    Parameters
    ----------
    triggers : array_like of int
        Threshold k, at least 1; broadcast against the other arguments.
    background, active, hour, day, region, correlation_windows
        As in `false_alarm_table`.

    Returns
    -------
    numpy.ndarray
        Natural logs, of the broadcast shape, with the draws of a posterior first.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> background = Background("negative_binomial", 0.6, dispersion=0.2, dispersion_slope=0.0)
    >>> rate = log_false_alarms_per_hour(background, 12, 600.0, hour=14.5, day=2)
    >>> round(float(rate), 2)
    -6.8
    """
    check_kind("log_false_alarms_per_hour", Background, FROM_FIT, background=background)
    arguments = np.broadcast_arrays(
        *(
            np.asarray(v, float)
            for v in (triggers, active, hour, day, 0 if region is None else region)
        )
    )
    k = whole(arguments[0])
    table = false_alarm_table(
        background,
        arguments[1],
        int(np.max(k)),
        hour=arguments[2],
        day=arguments[3],
        region=None if region is None else arguments[4],
        correlation_windows=correlation_windows,
    )
    at = np.broadcast_to(k, table.shape[:-1])[..., None] - 1
    return np.take_along_axis(table, at, axis=-1)[..., 0]


def log_false_alarms_per_year(
    background: Background,
    triggers: ArrayLike,
    active: ArrayLike,
    *,
    region: ArrayLike | None = None,
    correlation_windows: float = np.inf,
) -> Any:
    """Log rate of false alarms per year of a background, averaged over the hours of the week.

    Parameters
    ----------
    background, triggers, active, region, correlation_windows
        As in `log_false_alarms_per_hour`; the same devices are active at all hours.

    Returns
    -------
    numpy.ndarray
        Natural logs, of the broadcast shape, with the draws of a posterior first.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> rate = log_false_alarms_per_year(Background("poisson", 0.6), 9, 600.0)
    >>> round(float(rate), 2)
    3.24
    """
    check_kind("log_false_alarms_per_year", Background, FROM_FIT, background=background)
    hours = np.arange(168)
    values = [np.asarray(v, float)[..., None] for v in (triggers, active)]
    log_rate = log_false_alarms_per_hour(
        background,
        *values,
        hour=hours % 24 + 0.5,
        day=hours // 24,
        region=None if region is None else np.asarray(region)[..., None],
        correlation_windows=correlation_windows,
    )
    return log_alarms_per_year(log_rate)
