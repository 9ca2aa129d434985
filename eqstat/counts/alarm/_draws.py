"""Draws of a background as arrays, and the rates and shapes that they give."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from eqstat.counts._background import Background
from eqstat.counts._families import SHAPE_PARAMETERS
from eqstat.counts._harmonics import HOURS_OF_WEEK, basis


def draws_of(background: Background, most: int | None = None) -> dict[str, np.ndarray]:
    """Arrays of a background with a leading axis of draws, evenly thinned to `most`."""
    lead = np.ndim(background.rate_per_device_h)
    parts = {
        "rate_per_device_h": background.rate_per_device_h,
        "daily": background.daily,
        "weekly": background.weekly,
        "region_effect": background.region_effect,
        "profile": np.zeros(HOURS_OF_WEEK) if background.profile is None else background.profile,
        **_slow(background),
        **{
            name: 0.0 if getattr(background, name) is None else getattr(background, name)
            for name in SHAPE_PARAMETERS
        },
        "probability": 0.0 if background.bursts is None else background.bursts.probability,
        "share": 0.01 if background.bursts is None else background.bursts.share,
        "concentration": 1.0 if background.bursts is None else background.bursts.concentration,
    }
    arrays = {name: np.asarray(value, np.float64) for name, value in parts.items()}
    count = np.shape(background.rate_per_device_h)[0] if lead else 1
    vectors = ("daily", "weekly", "region_effect", "profile")
    for name, value in arrays.items():
        own = value.shape[-1:] if name in vectors else ()
        arrays[name] = np.broadcast_to(value, (count, *own))
    if most is not None and count > most:
        kept = np.linspace(0, count - 1, most).round().astype(int)
        arrays = {name: value[kept] for name, value in arrays.items()}
    return arrays


def _slow(background: Background) -> dict[str, Any]:
    slow = background.intensity
    values = {"intensity_sd": 0.0 if slow is None else slow.sd}
    if slow is None or slow.surge_share is None:
        return values | {"surge_share": 0.0, "surge_mean": 0.1}
    return values | {"surge_share": slow.surge_share, "surge_mean": slow.surge_mean}


def surges_of(draws: dict[str, np.ndarray]) -> tuple[Any, Any]:
    """Share and mean of the surges of each draw; None without surges."""
    if not np.any(draws["surge_share"] > 0):
        return None, None
    return draws["surge_share"], draws["surge_mean"]


def log_device_rates(
    draws: dict[str, np.ndarray], hour: np.ndarray, day: np.ndarray, region: np.ndarray
) -> Float[np.ndarray, "draws regions hours days"]:
    """Log rate per device and hour of every region, hour of the day and day of the week."""
    with jax.enable_x64(True):
        columns = np.asarray(basis(hour[:, None], day[None, :]))
    weights = np.concatenate([draws["daily"], draws["weekly"]], axis=-1)
    cycle = np.einsum("hgb,db->dhg", columns, weights)
    profile = draws["profile"]
    size = profile.shape[-1]
    position = ((day * 24 + hour[:, None]) * (size // HOURS_OF_WEEK) - 0.5) % size
    low = np.floor(position).astype(int)
    part, low = position - low, low % size
    cycle = cycle + (1 - part) * profile[:, low] + part * profile[:, (low + 1) % size]
    base = np.log(draws["rate_per_device_h"])[:, None] + draws["region_effect"][:, region]
    return base[:, :, None, None] + cycle[:, None]


def shape_at(
    draws: dict[str, np.ndarray], background: Background, active: np.ndarray
) -> np.ndarray:
    """Dispersion among `active` devices as `scan` defines it, (draws, nodes)."""
    family = background.count_family
    value = family.dispersion({name: draws[name][:, None] for name in family.parameters}, active)
    if value is None:
        return np.zeros((len(draws["intensity_sd"]), len(active)))
    return family.sliding_dispersion(value)
