"""Scores of forecasts of PGA in time that are known only where it passes a floor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat.ground_motion.mixture import (
    Mixture,
    censored_log_density,
    exceedance,
    randomised_pit,
)

# Spacing of the thresholds by which the CRPS is integrated, log10 units, and their number.
STEP, COUNT = 0.025, 121
REPLICATES = 1000
# Views that are evaluated at a time.
BLOCK = 128


@dataclass(frozen=True)
class Scored:
    """Scores of one forecaster at sites: (rows, sites); NaN where they are not defined.

    Attributes
    ----------
    crps
        Above the floor, log10 units.
    log_score
        Negative log density above the floor, negative log probability below it.
    pit
        Probability integral transform, at random between its ends below the floor.
    chance
        Probability of each of the thresholds, (rows, sites, thresholds).
    """

    crps: np.ndarray
    log_score: np.ndarray
    pit: np.ndarray
    chance: np.ndarray


@jax.jit
def _of_mixture(key: Any, mixture: Mixture, value: Any, floor: Any, thresholds: Any) -> tuple:
    grid = floor + STEP * jnp.arange(COUNT)
    over = jnp.moveaxis(jax.lax.map(lambda u: exceedance(mixture, u), grid), 0, -1)
    score = -censored_log_density(mixture, value, floor)
    pit = randomised_pit(key, mixture, value, floor)
    wanted = jnp.moveaxis(jax.vmap(lambda u: exceedance(mixture, u))(thresholds), 0, -1)
    return over, score, pit, wanted


def scored(
    key: PRNGKeyArray, parts: Iterator[Mixture], value: np.ndarray, floor: float, thresholds: Any
) -> Scored:
    """Score mixtures, given in blocks of rows; values up to the floor are known to be below it.

    The CRPS is `censored_crps` by trapezoids: its closed form takes the square of the components,
    of which a posterior has as many as draws.
    """
    outs: list[tuple[np.ndarray, ...]] = []
    first = 0
    for mixture in parts:
        rows = value[first : first + len(mixture.mean)]
        first += len(rows)
        own = jax.random.fold_in(key, first)
        over, score, pit, wanted = map(
            np.asarray, _of_mixture(own, mixture, jnp.asarray(rows), floor, jnp.asarray(thresholds))
        )
        outs.append((_integral(over, rows, floor), score, pit, wanted))
    return Scored(*(np.concatenate(each) for each in zip(*outs, strict=True)))


def _integral(over: np.ndarray, value: np.ndarray, floor: float) -> np.ndarray:
    """Integral of the squared distance of tail and outcome from the floor on, by trapezoids."""
    grid = floor + STEP * np.arange(COUNT)
    # The outcome counts by the share of each interval that it passes.
    square_before, square_after = (1.0 - over) ** 2, over**2
    part = np.clip((value[..., None] - grid[:-1]) / STEP, 0.0, 1.0)
    before = 0.5 * (square_before[..., 1:] + square_before[..., :-1])
    after = 0.5 * (square_after[..., 1:] + square_after[..., :-1])
    return STEP * np.sum(part * before + (1.0 - part) * after, axis=-1)


def scored_classes(
    chance: np.ndarray, value: np.ndarray, floor: float, own: Any, thresholds: Any
) -> Scored:
    """Score probabilities of thresholds (rows, sites, own), joined by lines; no density."""
    grid = floor + STEP * np.arange(COUNT)
    knots = np.concatenate([own, [own[-1] + 0.5]])
    full = np.concatenate([chance, np.zeros((*chance.shape[:-1], 1))], axis=-1)
    flat = full.reshape(-1, full.shape[-1])
    over = np.stack([_between(knots, flat, u) for u in grid], axis=-1)
    over = over.reshape(*chance.shape[:-1], COUNT)
    wanted = np.stack([_between(knots, flat, u) for u in thresholds], axis=-1)
    empty = np.full(value.shape, np.nan)
    return Scored(
        _integral(over, value, floor), empty, empty, wanted.reshape(*value.shape, len(thresholds))
    )


def _between(knots: np.ndarray, values: np.ndarray, at: float) -> np.ndarray:
    place = np.clip(np.searchsorted(knots, at) - 1, 0, len(knots) - 2)
    share = np.clip((at - knots[place]) / (knots[place + 1] - knots[place]), 0.0, 1.0)
    return (1 - share) * values[:, place] + share * values[:, place + 1]


def by_event(values: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the finite values of each event, of rows (rows, sites)."""
    _, code = np.unique(event, return_inverse=True)
    good = np.isfinite(values)
    total = np.bincount(code, np.where(good, values, 0.0).sum(axis=1))
    return total, np.bincount(code, good.sum(axis=1))


def mean_interval(
    values: np.ndarray, event: np.ndarray, *, seed: int = 0, level: float = 0.95
) -> tuple[float, tuple[float, float]]:
    """Mean over sites, and its interval by a bootstrap of whole events."""
    total, number = by_event(values, event)
    times = np.random.default_rng(seed).multinomial(
        len(total), np.full(len(total), 1 / len(total)), size=REPLICATES
    )
    drawn = (times @ total) / np.maximum(times @ number, 1)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(total.sum() / number.sum()), (float(low), float(high))


def effective_band(inside: np.ndarray, event: np.ndarray, nominal: float) -> tuple[float, float]:
    """Band of a share of sites that a calibrated forecast keeps, of events that depend within."""
    share, (low, high) = mean_interval(inside, event)
    half = (high - low) / 2
    assert 0 <= share <= 1
    return nominal - half, nominal + half
