"""Growth in time of the shaking at a station and of the apparent magnitude, simulated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

# Length of the P wave's rise, s.
EARLY_S = 1.0
NODES = 121
# Ends of the stages of a record, s after P and after S.
P_STAGES_S = (0.5, 1.0, 2.0, 4.0)
S_STAGES_S = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0)
# Smallest standard deviation of the growth; log10 units.
LEAST_GROWTH = 0.01
# Multiples modulo 1 fill the unit cube evenly (the generalised golden ratios of Roberts).
EVEN = np.array([0.8191725134, 0.6710436067, 0.5497004779])
GOLDEN = 0.6180339887


def rupture_length_km(magnitude: np.ndarray | np.floating) -> np.ndarray:
    """Subsurface length of a rupture of this magnitude."""
    return np.asarray(10.0 ** (-2.44 + 0.59 * magnitude))


def rupture_ends(
    hypocentre_km: np.ndarray, length_km: np.ndarray, strike: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Both ends of a horizontal line through each hypocentre, at a fraction of its length."""
    along = np.stack([np.sin(strike), np.cos(strike), np.zeros_like(strike)], axis=-1)
    back = hypocentre_km - (share * length_km)[:, None] * along
    return np.stack([back, back + length_km[:, None] * along], axis=1)


def segment_distance(point: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distance of points (n, 3) to line segments (e, 2, 3): (e, n)."""
    start, along = ends[:, 0], ends[:, 1] - ends[:, 0]
    offset = point[None] - start[:, None]
    share = np.einsum("enk,ek->en", offset, along) / np.sum(along**2, axis=-1)[:, None]
    nearest = start[:, None] + np.clip(share, 0.0, 1.0)[..., None] * along[:, None]
    return np.linalg.norm(point[None] - nearest, axis=-1)


def share_at(
    time_s: np.ndarray | float,
    p_s: np.ndarray,
    s_s: np.ndarray,
    rise_s: np.ndarray,
    early: np.ndarray,
) -> np.ndarray:
    """Fraction of the PGA reached by a time: part of it with P, the remainder after S."""
    since = np.maximum(np.minimum(time_s, s_s) - p_s, 0.0)
    first = -early * np.expm1(-since / EARLY_S)
    later = np.clip((time_s - s_s) / rise_s, 0.0, 1.0)
    return first + (1.0 - first) * later


def passed_at(
    share: np.ndarray, p_s: np.ndarray, s_s: np.ndarray, rise_s: np.ndarray, early: np.ndarray
) -> np.ndarray:
    """When a share of the PGA is passed: the inverse of `share_at`; infinite from 1 on."""
    by_s = -early * np.expm1(-(s_s - p_s) / EARLY_S)
    with np.errstate(divide="ignore", invalid="ignore"):
        with_p = p_s - EARLY_S * np.log1p(-share / early)
        after_s = s_s + rise_s * (share - by_s) / (1.0 - by_s)
    return np.where(share >= 1.0, np.inf, np.where(share < by_s, with_p, after_s))


def stage_of(time_s: np.ndarray | float, p_s: np.ndarray, s_s: np.ndarray) -> np.ndarray:
    """Stage of a record: seconds since P, and then since S, in classes."""
    since_p = np.digitize(time_s - p_s, P_STAGES_S)
    since_s = len(P_STAGES_S) + np.digitize(time_s - s_s, S_STAGES_S)
    return np.where(time_s < s_s, since_p, since_s)


def unknown() -> np.ndarray:
    """Table of growth without information: infinite standard deviations."""
    return np.tile([0.0, np.inf], (len(P_STAGES_S) + len(S_STAGES_S) + 1, 1))


def learn(p_s: np.ndarray, s_s: np.ndarray, rise_s: np.ndarray, early: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of the remaining growth of log10 peak, at each stage."""
    return learn_from(
        lambda time: share_at(time, p_s, s_s, rise_s, early),
        lambda time: stage_of(time, p_s, s_s),
        s_s + rise_s + 2.0,
        unknown(),
    )


def learn_from(
    share_of: Callable[[float], np.ndarray],
    stage_at: Callable[[float], np.ndarray],
    over_s: np.ndarray,
    table: np.ndarray,
) -> np.ndarray:
    """As `learn`, with any share of the PGA and stage by time, and end of the strong shaking."""
    table = table.copy()
    total = np.zeros((len(table), 3))
    for time in np.arange(1.0, 90.0):
        share = share_of(time)
        going_on = (share > 0) & (time < over_s)
        stage = stage_at(time)[going_on]
        left = -np.log10(share[going_on])
        for place, power in enumerate((left**0, left, left**2)):
            total[:, place] += np.bincount(stage, weights=power, minlength=len(table))
    enough = total[:, 0] >= 20
    mean = total[enough, 1] / total[enough, 0]
    spread = np.sqrt(np.maximum(total[enough, 2] / total[enough, 0] - mean**2, 0.0))
    table[enough] = np.column_stack([mean, np.maximum(spread, LEAST_GROWTH)])
    return table


def shown_magnitude(
    magnitude: np.ndarray | np.floating, seen_s: np.ndarray, velocity_km_s: float
) -> np.ndarray:
    """Apparent magnitude in the first seconds of an earthquake with a bilateral rupture."""
    lasts = rupture_length_km(magnitude) / (2.0 * velocity_km_s)
    return magnitude + 4.0 / 3.0 * np.log10(np.minimum(seen_s / lasts, 1.0))


def normal_scores(count: int) -> np.ndarray:
    """Points of a standard normal in three dimensions, evenly spread, (count, 3)."""
    unit = ((np.arange(count)[:, None] + 0.5) * EVEN) % 1.0
    return special.ndtri(unit)


def magnitude_draws(
    estimate: np.ndarray,
    sd: np.ndarray,
    seen_s: np.ndarray,
    ends: tuple[float, float],
    b_value: float,
    velocity_km_s: float,
    count: int,
) -> np.ndarray:
    """Evenly spread draws of the posterior of the magnitude at each time, (t, count).

    The prior is Gutenberg-Richter; the likelihood is that of the apparent magnitude.
    """
    node = np.linspace(*ends, NODES)
    log_prior = -b_value * np.log(10) * node
    return posterior_draws(node, log_prior, estimate, sd, seen_s, velocity_km_s, count)


def posterior_draws(
    node: np.ndarray,
    log_prior: np.ndarray,
    estimate: np.ndarray,
    sd: np.ndarray,
    seen_s: np.ndarray,
    velocity_km_s: float,
    count: int,
) -> np.ndarray:
    """As `magnitude_draws`, with any prior, as its log density at equidistant nodes."""
    shown = shown_magnitude(node, seen_s[:, None], velocity_km_s)
    log = log_prior - 0.5 * ((estimate[:, None] - shown) / sd[:, None]) ** 2
    mass = np.exp(log - log.max(axis=1, keepdims=True))
    reached = np.concatenate(
        [np.zeros((len(mass), 1)), np.cumsum(0.5 * (mass[:, 1:] + mass[:, :-1]), axis=1)], axis=1
    )
    # A different low-discrepancy order than that of the places keeps the two independent.
    at = ((np.arange(count) + 0.5) * GOLDEN) % 1.0
    return np.stack([np.interp(at, row / row[-1], node) for row in reached])
