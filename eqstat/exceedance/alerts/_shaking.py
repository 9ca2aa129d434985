r"""Shaking of simulated earthquakes in time: record terms of neighbours, and two forms of growth.

Record terms of neighbours are correlated as in `eqstat.ground_motion.GroundMotion`. The growth is
a ramp after P and after S, or an envelope (`eqstat.ground_motion.envelope`) whose final peak is the
PGA: the ground-motion model says how strong the shaking is, the envelope when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat.exceedance.alerts import _growth
from eqstat.ground_motion import GroundMotion, envelope, field_correlation
from eqstat.ground_motion.network.multistation import View

# Seconds of envelopes that networks read.
HISTORY_S = 30

if TYPE_CHECKING:
    from eqstat.exceedance.alerts._scenarios import Scenarios

# Ends of the classes of S less P, s: far records grow more slowly, and stations know S less P about
# as well as the place of the source.
LAG_S = (4.0, 8.0, 14.0)
# Strong shaking is taken as over so many seconds after the peak, or the plateau of S.
AFTER_S = 2.0


def correlated(
    normal: np.ndarray, station_km: np.ndarray, share: float, range_km: float
) -> np.ndarray:
    """Correlate independent standard normal terms (events, n) of neighbouring stations."""
    if share == 0:
        return normal
    field = GroundMotion(correlated_share=share, correlation_km=range_km)
    apart = np.linalg.norm(station_km[:, None, :2] - station_km[None, :, :2], axis=-1)
    # The range is the same everywhere: the distances from the source do not matter.
    design = jnp.zeros((len(station_km), 2))
    correlation = np.array(field_correlation(field, jnp.asarray(apart), design, design), float)
    np.fill_diagonal(correlation, 1.0)
    return normal @ np.linalg.cholesky(correlation).T


def envelopes(
    key: PRNGKeyArray,
    magnitude: np.ndarray,
    surface_km: np.ndarray,
    arrival_s: np.ndarray,
    pga_m_s2: np.ndarray,
    site: str,
) -> envelope.Shape:
    """Draw shapes of envelopes whose final peaks are given, (events, n, 2).

    Times scatter as published. The ratio of P to S scatters by the published standard deviation of
    P alone, because both have the terms of event and station in common.
    """
    where = (np.broadcast_to(magnitude[:, None], surface_km.shape), surface_km)
    drawn = envelope.draw_shape(key, *where, site=site)
    middle = envelope.median_shape(*where, site=site).amplitude_m_s2
    both = jnp.stack([drawn.amplitude_m_s2[..., 0], middle[..., 1]], axis=-1)
    drawn = eqx.tree_at(lambda shape: shape.amplitude_m_s2, drawn, both)
    late = jnp.asarray(arrival_s).max(axis=-1) + 1e4
    factor = jnp.asarray(pga_m_s2) / envelope.running_peak(late, drawn, arrival_s)
    drawn = eqx.tree_at(
        lambda shape: shape.amplitude_m_s2, drawn, both * factor[..., None].astype(both.dtype)
    )
    return jax.tree.map(np.asarray, drawn)


_shares = jax.jit(envelope.share_of_peak)
_passed = jax.jit(envelope.first_passed)
_windows = jax.jit(envelope.window_peak)


def arrivals(scenarios: Scenarios, rows: Any = slice(None)) -> np.ndarray:
    """Arrivals of P and S on the last axis."""
    both = (scenarios.p_arrival_s[rows], scenarios.s_arrival_s[rows])
    return np.stack(both, axis=-1).astype(np.float32)


def ramp(scenarios: Scenarios, rows: Any = slice(None)) -> tuple[np.ndarray, ...]:
    """Arguments of the ramp."""
    names = ("p_arrival_s", "s_arrival_s", "rise_s", "early_share")
    p_s, s_s, rise_s, early = (getattr(scenarios, name)[rows] for name in names)
    return p_s, s_s, rise_s, early


def share_at(
    scenarios: Scenarios, time_s: np.ndarray | float, rows: Any = slice(None)
) -> np.ndarray:
    """Share of the PGA reached by a time; times broadcast against (events, n)."""
    if scenarios.shape is None:
        return _growth.share_at(time_s, *ramp(scenarios, rows))
    shape = jax.tree.map(lambda leaf: leaf[rows], scenarios.shape)
    time = np.asarray(time_s, np.float32)
    return np.minimum(np.asarray(_shares(time, shape, arrivals(scenarios, rows)), float), 1.0)


def passed_at(scenarios: Scenarios, share: np.ndarray) -> np.ndarray:
    """When a share of the PGA is passed, (events, n); infinite from 1 on."""
    if scenarios.shape is None:
        return _growth.passed_at(share, *ramp(scenarios))
    at = _passed(share.astype(np.float32), scenarios.shape, arrivals(scenarios))
    return np.where(share >= 1.0, np.inf, np.asarray(at, np.float64))


def stage_of(
    scenarios: Scenarios, time_s: np.ndarray | float, rows: Any = slice(None)
) -> np.ndarray:
    """Stage of each record, a row of the table of growth."""
    p_s, s_s = scenarios.p_arrival_s[rows], scenarios.s_arrival_s[rows]
    stage = _growth.stage_of(time_s, p_s, s_s)
    if scenarios.shape is None:
        return stage
    return stage + len(_growth.unknown()) * np.digitize(s_s - p_s, LAG_S)


def learn(scenarios: Scenarios) -> np.ndarray:
    """Mean and standard deviation of the remaining growth of log10 peak, at each stage."""
    classes = 1 if scenarios.shape is None else len(LAG_S) + 1
    return _growth.learn_from(
        lambda time: share_at(scenarios, time),
        lambda time: stage_of(scenarios, time),
        over_s(scenarios),
        np.tile(_growth.unknown(), (classes, 1)),
    )


def over_s(scenarios: Scenarios, rows: Any = slice(None)) -> np.ndarray:
    """When the strong shaking is over, so that the peak so far is the PGA."""
    s_s = scenarios.s_arrival_s[rows]
    if scenarios.shape is None:
        return (s_s + scenarios.rise_s[rows]) + AFTER_S
    shape = scenarios.shape
    ends = arrivals(scenarios, rows) + shape.rise_s[rows] + shape.duration_s[rows]
    return np.max(ends, axis=-1) + AFTER_S


def seconds(scenarios: Scenarios, number: int, end_s: np.ndarray, count: int) -> np.ndarray:
    """Largest values of the envelope in the seconds before each time, with noise, (t, n, count)."""
    shape = jax.tree.map(lambda leaf: leaf[number][:, None, :], scenarios.shape)
    end = np.asarray(end_s)[:, None, None] + np.arange(1 - count, 1.0)
    end = end.astype(np.float32)
    arrival = arrivals(scenarios, number)[:, None, :]
    noise = np.float32(scenarios.design.noise_m_s2)
    return np.asarray(_windows(end - 1.0, end, shape, arrival, noise))


def view(scenarios: Scenarios, number: int, time_s: np.ndarray, reporting: np.ndarray) -> View:
    """What a multistation network knows of one earthquake at each time (t,) after the origin."""
    first = scenarios.first_p_s[number]
    history = seconds(scenarios, number, time_s, HISTORY_S)
    working = scenarios.working[number]
    heard = np.where(working, scenarios.p_arrival_s[number], np.inf)
    place = scenarios.station_km - scenarios.station_km[np.argmin(heard)]
    rows, n = reporting.shape
    single = jnp.float32
    return View.of_stations(
        jnp.broadcast_to(jnp.asarray(place, single), (rows, n, 3)),
        jnp.broadcast_to(jnp.arange(n), (rows, n)),
        jnp.broadcast_to(jnp.asarray(working), (rows, n)),
        jnp.asarray(reporting),
        jnp.asarray(np.where(reporting[..., None], history, 0.0)[..., None], single),
        jnp.asarray(np.maximum(time_s - first, 0.0), single),
    )
