"""Waves may be slower to one side of the epicentre: how far that moves it, to first order."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from scipy.signal import fftconvolve

from eqstat.detection._causes import Cause

# Distances over which travel times are differenced, km.
DISTANCE_STEP_KM = DEPTH_STEP_KM = 0.5
NEAR_KM = 0.1
# Standard deviations of place and depth before anything is seen, km: they only keep it solvable.
PLACE_KM, DEPTH_KM, ORIGIN_S = 300.0, 50.0, 300.0


def _travel(cause: Cause, distance_km: np.ndarray, depth_km: float) -> np.ndarray:
    """Travel times of both phases, (2, devices)."""
    times = cause.travel_s(jnp.asarray(distance_km), max(depth_km, 0.0))
    return np.stack([np.asarray(time, np.float64) for time in times])


def _information(
    cause: Cause, chance: np.ndarray, rest_s: np.ndarray, distance_km: np.ndarray, rate_s: float
) -> np.ndarray:
    """What each trigger tells of the arrival of each phase, (2, devices), 1/s2.

    That is the probability that this phase made it trigger over the variance, for each node of the
    unknowns, weighed by the belief in the node.
    """
    first, second, _, delay, sd, _, _ = (np.asarray(a, np.float64) for a in cause.nodes)
    after = rest_s[:, None, :] - delay[:, None]  # phases, nodes, devices
    density = np.exp(-0.5 * (after / sd[:, None]) ** 2) / (sd[:, None] * np.sqrt(2 * np.pi))
    density = density * cause.reached(distance_km).T * np.stack([first, second])[:, :, None]
    return np.einsum(
        "pnd,n->pd", density / (density.sum(axis=0) + rate_s) / sd[:, None] ** 2, chance
    )


def shift(
    cause: Cause,
    chance: np.ndarray,
    at: np.ndarray,
    device_km: np.ndarray,
    trigger_s: np.ndarray,
    rate_s: float,
) -> np.ndarray:
    r"""How far a lateral change of the slowness moves the epicentre, km.

    With the travel time $T_k (1 + g \cdot u)$, u the direction from the epicentre to the device,
    the arrivals are linear in hypocentre, origin time and log slowness x, and in g: with the
    slopes J and G of the arrivals, the triggers' information W and the precision P of the prior,

    .. math:: \hat x - x = (J^T W J + P)^{-1} J^T W G\, g

    is how far an estimate that takes g for 0 is off.

    Parameters
    ----------
    cause
        The earthquake.
    chance
        Belief in each of its nodes.
    at
        East, north, depth (km), origin time (s) and slowness about which it is linear, (5,).
    device_km
        East and north of the devices that triggered, (devices, 2).
    trigger_s
        When they did, on the clock of the origin time.
    rate_s
        Background, triggers per device and second.

    Returns
    -------
    numpy.ndarray
        Shift to east and north for a unit of g to east and to north, (2, 2): of the earthquake
        that is found without g, from where it is.
    """
    east, north, depth, origin, slow = (float(value) for value in at)
    apart = device_km - np.array([east, north])
    distance = np.maximum(np.hypot(*apart.T), NEAR_KM)
    unit = apart / distance[:, None]
    travel = slow * _travel(cause, distance, depth)
    step = DISTANCE_STEP_KM
    inner = np.maximum(distance - step, 0.0)
    over = slow * (_travel(cause, distance + step, depth) - _travel(cause, inner, depth))
    by_distance = over / (distance + step - inner)
    down = slow * (_travel(cause, distance, depth + DEPTH_STEP_KM) - travel) / DEPTH_STEP_KM
    weight = _information(cause, chance, trigger_s - origin - travel, distance, rate_s)
    ones = np.ones_like(travel)
    slopes = np.stack(
        [-unit[:, 0] * by_distance, -unit[:, 1] * by_distance, down, ones, travel], axis=-1
    )
    turned = travel[..., None] * unit
    known = np.array([PLACE_KM, PLACE_KM, DEPTH_KM, ORIGIN_S, max(cause.slowness_sd, 1e-6)])
    precision = np.einsum("pd,pdi,pdj->ij", weight, slopes, slopes) + np.diag(known**-2)
    return np.linalg.solve(precision, np.einsum("pd,pdi,pdj->ij", weight, slopes, turned))[:2]


def smear(joint: np.ndarray, steps: list[float], covariance: np.ndarray) -> np.ndarray:
    """Spread a grid along its first two axes by a normal distribution, km2."""
    # What is narrower than a cell stays in it.
    least = (0.05 * min(steps[:2])) ** 2
    inverse = np.linalg.inv(covariance + least * np.eye(2))
    # Beyond four standard deviations there is nothing to add.
    reach = np.ceil(4.0 * np.sqrt(np.diag(covariance) + least) / steps[:2]).astype(int)
    reach = np.minimum(reach, np.array(joint.shape[:2]) - 1)
    axes = [step * np.arange(-far, far + 1) for step, far in zip(steps[:2], reach, strict=True)]
    offset = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    kernel = np.exp(-0.5 * np.einsum("xyi,ij,xyj->xy", offset, inverse, offset))
    kernel = (kernel / kernel.sum()).reshape(*kernel.shape, *(1,) * (joint.ndim - 2))
    wide = np.maximum(fftconvolve(joint, kernel, mode="same", axes=(0, 1)), 0.0)
    return wide / wide.sum()
