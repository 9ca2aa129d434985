"""The background rate of a detector from the background model of trigger counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat.counts import Background, rate_per_device_h
from eqstat.detection._detector import BackgroundRate

HOURS = np.arange(24) + 0.5


def background_rate(
    background: Background,
    *,
    region: str | None = None,
    day: int | None = None,
    utc_offset_h: float = 0.0,
    least_relative_sd: float | int = 0.1,
    half_life_h: float = 24.0,
) -> BackgroundRate:
    r"""Hourly background rates of a detector from a fitted background of counts.

    The rate at the local hour h is the mean over the posterior draws and over the days of the
    week. Its relative standard deviation, one for all hours, is that of the mean over the hours
    of the day,

    .. math:: \text{relative sd}^2 = \operatorname{var}_{\theta, d}
        \Bigl[ \tfrac{1}{24} \sum_h \frac{\lambda(h, d; \theta)}{\bar\lambda(h)} \Bigr],

    at least `least_relative_sd`, because the rates of a network drift from those of its history.
    Without a region the rate is that of a new one: the spread of the regions,
    :math:`e^{\sigma_u^2} - 1`, is added. Bursts are not part of the rate; they are causes of the
    detector.

    Parameters
    ----------
    background
        Background of `eqstat.counts`: an estimate, or draws of its posterior.
    region
        Name of the region of the background; may be left out where there is only one.
    day
        Day of the week, Monday is 0; by default the mean over the days.
    utc_offset_h
        Local time minus UTC, hours: that with which the history was prepared.
    least_relative_sd
        Smallest relative standard deviation of the rate, in (0, 10).
    half_life_h
        See `BackgroundRate`.

    Returns
    -------
    BackgroundRate

    Raises
    ------
    eqstat.InputError
        When the region is unknown or an argument is out of range.

    Examples
    --------
    >>> background = Background("poisson", 0.6, daily=np.array([-0.4, 0.0, 0.0, 0.0]))
    >>> rate = background_rate(background, utc_offset_h=1.0)
    >>> rate.rate_per_device_h[[0, 12]].round(2).tolist(), rate.relative_sd
    ([0.4, 0.89], 0.1)
    """
    check_kind(
        "background_rate",
        Background,
        "give a `counts.Background`, such as `fit(...).background`",
        background=background,
    )
    check_range("background_rate", 0, 10, ends="()", least_relative_sd=least_relative_sd)
    if day is not None and day not in range(7):
        raise InputError(f"background_rate: day must be 0 (Monday) to 6, not {day!r}")
    single = len(background.regions) == 1
    index = background.index(region) if region is not None else 0 if single else None
    days = np.arange(7.0) if day is None else np.array([float(day)])
    sampled = np.ndim(background.rate_per_device_h) == 1

    def rates(one: Background) -> jax.Array:
        return rate_per_device_h(one, HOURS, days[:, None], index)

    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), background)
        each = np.asarray(jax.vmap(rates)(exact) if sampled else rates(exact)[None])
    mean = each.mean(axis=(0, 1))
    variance = float(np.var((each / mean).mean(axis=-1)))
    if index is None:
        between = float(np.mean(np.expm1(np.square(np.asarray(background.region_sd, float)))))
        variance = (1 + variance) * (1 + between) - 1
    return BackgroundRate(
        mean,
        relative_sd=float(np.clip(np.sqrt(variance), least_relative_sd, 9.9)),
        half_life_h=half_life_h,
        utc_offset_h=utc_offset_h,
    )
