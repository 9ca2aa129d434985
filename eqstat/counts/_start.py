"""First estimates from sums: rates by a Poisson regression, dispersion by moments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eqstat.counts._data import History
from eqstat.counts._families import FAMILIES
from eqstat.counts._harmonics import HOURS_OF_WEEK, week_basis

NEWTON_STEPS = 30
# Windows so far above their mean are bursts or earthquakes, and not for moments.
FAR_SD, FAR_COUNT = 6.0, 6.0


class Start(NamedTuple):
    """First estimates.

    Attributes
    ----------
    log_rate
        Log rate per device and hour of each region and hour of the week, (regions, 168).
    effects
        Log rate of each region, (regions,).
    harmonics
        Coefficients, (6,).
    dispersion
        Of the negative binomial, the same for all numbers of devices.
    correlation
        Of the beta-binomial.
    burst_probability, burst_share
        From the windows far above their mean.
    window_h
        Length of a window, hours.
    """

    log_rate: np.ndarray
    effects: np.ndarray
    harmonics: np.ndarray
    dispersion: float
    correlation: float
    burst_probability: float
    burst_share: float
    window_h: float

    def excess(self, mean: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Variance over mean, less one: the largest of the families', with a margin."""
        return 1.5 * np.max([excess_at(self, name, mean, active) for name in FAMILIES], axis=0)


def excess_at(start: Start, family: str, mean: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Variance over mean, less one, of a family at its starting values."""
    own = FAMILIES[family].starting_values(start.dispersion, start.correlation)
    return FAMILIES[family].excess(mean, active, own.get("dispersion"))


def far_above(count: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Whether counts are so far above their mean that they are of bursts or earthquakes."""
    return count > mean + FAR_SD * np.sqrt(mean * (1 + mean)) + FAR_COUNT


def _regress(counts: np.ndarray, exposure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poisson regression of (regions, 168) sums: effects of regions, and harmonics.

    A little shrinkage keeps regions without a trigger finite.
    """
    regions = len(counts)
    basis = week_basis()
    middle = np.log((counts.sum() + 0.5) / exposure.sum())
    effects, harmonics = np.full(regions, middle), np.zeros(basis.shape[1])
    for _ in range(NEWTON_STEPS):
        mean = exposure * np.exp(np.clip(effects[:, None] + basis @ harmonics, -40.0, 20.0))
        rest = counts - mean
        # Blocks of the Newton equations: diagonal over the regions, full over the harmonics.
        diagonal = mean.sum(axis=1) + 0.5
        across = mean @ basis
        inner = basis.T @ (basis * mean.sum(axis=0)[:, None]) + 4.0 * np.eye(len(harmonics))
        g_effects = rest.sum(axis=1) - 0.5 * (effects - middle)
        g_harmonics = rest.sum(axis=0) @ basis - 4.0 * harmonics
        schur = inner - across.T @ (across / diagonal[:, None])
        step = np.linalg.solve(schur, g_harmonics - across.T @ (g_effects / diagonal))
        move = (g_effects - across @ step) / diagonal
        size = max(np.max(np.abs(step)), np.max(np.abs(move)))
        shrink = min(1.0, 1.0 / size) if size > 0 else 1.0
        harmonics, effects = harmonics + shrink * step, effects + shrink * move
        if size < 1e-8:
            break
    return effects, harmonics


def start_of(history: History) -> Start:
    """First estimates from a history."""
    regions, window_h = len(history.regions), history.window_s / 3600
    at = history.region * HOURS_OF_WEEK + history.hour_of_week
    size = regions * HOURS_OF_WEEK
    w, k, n = history.windows, history.triggers, history.active
    use = np.ones(len(k), bool)
    # Twice: the second time without the windows that the first found far above their mean.
    for _ in range(2):
        counts = np.bincount(at[use], (w * k)[use], size).reshape(regions, -1)
        exposure = np.bincount(at[use], (w * n)[use] * window_h, size).reshape(regions, -1)
        effects, harmonics = _regress(counts, exposure)
        log_rate = effects[:, None] + week_basis() @ harmonics
        mean = n * window_h * np.exp(log_rate[history.region, history.hour_of_week])
        use = ~far_above(k, mean)
    square = np.sum((w * mean**2)[use])
    surplus = np.sum((w * ((k - mean) ** 2 - mean))[use])
    dispersion = float(np.clip(surplus / max(square, 1e-300), 1e-3, 5.0))
    correlation = float(np.clip(surplus / np.sum((w * mean * n)[use]), 1e-6, 0.5))
    far = ~use
    share = float(np.average((k / n)[far], weights=w[far])) if far.any() else 0.1
    return Start(
        log_rate,
        effects,
        harmonics,
        dispersion,
        correlation,
        float((np.sum(w[far]) + 0.1) / np.sum(w)),
        float(np.clip(share, 0.01, 0.5)),
        window_h,
    )


def starting_sites(start: Start, family: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The model's sites at the first estimates."""
    middle = float(np.mean(start.effects))
    spread = start.effects - middle
    values = {
        "rate_per_device_h": np.exp(middle),
        "daily": start.harmonics[:4],
        "weekly": start.harmonics[4:],
        "region_sd": np.clip(np.std(spread), 0.05, 3.0),
        "region_effect": spread,
        "burst_probability": np.clip(start.burst_probability, 1e-8, 0.05),
        "burst_share": start.burst_share,
        "burst_concentration": 8.0,
        **FAMILIES[family].starting_values(start.dispersion, start.correlation),
    }
    return {name: np.asarray(values[name], np.float64) for name in names}


def region_information(history: History, start: Start, family: str) -> np.ndarray:
    """Fisher information about the log rate of each region, (regions,)."""
    mean = np.exp(start.log_rate[history.region, history.hour_of_week])
    mean = mean * history.active * start.window_h
    excess = excess_at(start, family, mean, history.active)
    return np.bincount(history.region, history.windows * mean / (1 + excess), len(history.regions))
