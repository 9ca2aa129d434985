"""Simulated sensors: their noise and statistics in blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_range, check_whole
from eqstat._core.explain import explained
from eqstat._core.random import generator
from eqstat.waveform.background._prior import BackgroundPrior


@explained
class SimulatedBackground(NamedTuple):
    """Blocks of simulated sensors, and the truth behind them.

    Attributes
    ----------
    noise, top
        Log noise and largest statistic of each block, (blocks, devices).
    mean, sd
        True mean and standard deviation of the log noise of each sensor, (devices,).
    per_hour
        True exceedances an hour of each level, (devices, levels).
    is_shaking
        Which blocks are shaking, (blocks, devices).

    Examples
    --------
    See `simulate`.
    """

    noise: np.ndarray
    top: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    per_hour: np.ndarray
    is_shaking: np.ndarray


def simulate(
    key: PRNGKeyArray,
    prior: BackgroundPrior,
    *,
    devices: int,
    blocks: int,
    hours: float | int = 30 / 3600,
) -> SimulatedBackground:
    r"""Draw sensors from a prior and blocks from the sensors.

    Noise and rates are as in `BackgroundPrior`. A block of length t is above level l with
    probability :math:`r_l t`; rates of a sensor that would be above 1 / t at the lowest level are
    lowered in proportion. Between two levels the fleet's rate falls exponentially, above the
    highest with a scale of 1; a block that is not above the lowest level lies 1 below it. Shaking
    has the prior's probability in each block, and is even in its range.

    Parameters
    ----------
    key
        JAX random key.
    prior
        What to draw from; nothing is forgotten.
    devices, blocks
        Their numbers, from 1.
    hours
        Length of a block, h.

    Returns
    -------
    SimulatedBackground

    Examples
    --------
    >>> import jax
    >>> from eqstat.waveform.background import weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13))
    >>> simulate(jax.random.key(0), prior, devices=4, blocks=100).top.shape
    (100, 4)
    """
    check_key("simulate", key)
    check_kind("simulate", BackgroundPrior, "see `weak_prior`", prior=prior)
    check_whole("simulate", 1, devices=devices, blocks=blocks)
    check_range("simulate", 0, ends="()", hours=hours)
    rng = generator(key)
    precision = rng.gamma(prior.noise_shape, 1 / prior.noise_scale, devices)
    mean = prior.noise_mean + rng.normal(size=devices) / np.sqrt(prior.noise_weight * precision)
    sd = 1 / np.sqrt(precision)
    noise = mean + sd * rng.normal(size=(blocks, devices))
    is_shaking = rng.uniform(size=(blocks, devices)) < prior.shaking
    noise = noise + is_shaking * rng.uniform(0, prior.shaking_range, (blocks, devices))
    levels, mean_rate = np.asarray(prior.levels, float), np.asarray(prior.mean_per_hour, float)
    factor = rng.choice(prior.factor, (devices, 1), p=np.asarray(prior.factor_weight))
    shape = prior.strength_h * -np.diff(mean_rate, append=0.0)
    part = rng.gamma(shape, 1.0, (devices, len(levels))) * factor / prior.strength_h
    rate = np.cumsum(part[:, ::-1], axis=1)[:, ::-1]
    rate = rate * np.minimum(1.0, 1 / (rate[:, :1] * hours))
    chance = rng.uniform(size=(blocks, devices)) / hours
    count = np.stack([(chance[:, d, None] < rate[d]).sum(axis=1) for d in range(devices)], axis=1)
    place = np.maximum(count - 1, 0)
    # The statistic in its interval, where the log of the fleet's rate is a line.
    logs, width = np.log(mean_rate), np.append(np.diff(levels), 1.0)
    fall = np.append(-np.diff(logs), 1.0)[place]
    last = np.where(count == len(levels), 0.0, np.exp(-fall))
    within = -np.log(last + (1 - last) * rng.uniform(size=count.shape)) / np.maximum(fall, 1e-9)
    top = levels[place] + np.maximum(width[place] * within, 1e-6)
    top = np.where(count == 0, levels[0] - 1.0, top)
    return SimulatedBackground(noise, top, mean, sd, rate, is_shaking)
