"""First-order effect of a lateral gradient of the slowness on the epicentre."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from scipy.signal import fftconvolve

from eqstat.detection.causes._cause import Cause

# Steps of the finite differences of the travel times, km.
DISTANCE_STEP_KM = DEPTH_STEP_KM = 0.5
NEAR_KM = 0.1
# Prior standard deviations of place, depth (km) and origin time (s), wide: they regularise the
# normal equations where the triggers do not constrain all of them.
PLACE_KM, DEPTH_KM, ORIGIN_S = 300.0, 50.0, 300.0


def _travel(cause: Cause, distance_km: np.ndarray, depth_km: float) -> np.ndarray:
    """Travel times of both phases, (2, devices)."""
    times = cause.travel_s(jnp.asarray(distance_km), max(depth_km, 0.0))
    return np.stack([np.asarray(time, np.float64) for time in times])


def _information(
    cause: Cause,
    node_probability: np.ndarray,
    residual_s: np.ndarray,
    distance_km: np.ndarray,
    rate_s: float,
    depth_km: float,
) -> np.ndarray:
    """Information of each trigger about the arrival of each phase, (2, devices), 1/s2.

    It is the posterior probability that the trigger is due to this phase, divided by the variance,
    averaged over the nuisance nodes.
    """
    _, _, _, delay, sd, _, _ = (np.asarray(a, np.float64) for a in cause.nodes)
    share = cause.trigger_shares(distance_km, np.array([max(depth_km, 0.0)]))[:, :, 0, :]
    after = residual_s[:, None, :] - delay[:, None]  # phases, nodes, devices
    density = np.exp(-0.5 * (after / sd[:, None]) ** 2) / (sd[:, None] * np.sqrt(2 * np.pi))
    density = density * np.swapaxes(share, 1, 2)
    information = density / (density.sum(axis=0) + rate_s) / sd[:, None] ** 2
    return np.einsum("pnd,n->pd", information, node_probability)


def shift(
    cause: Cause,
    node_probability: np.ndarray,
    centre: np.ndarray,
    device_km: np.ndarray,
    trigger_s: np.ndarray,
    rate_s: float,
) -> np.ndarray:
    r"""Shift of the epicentre per unit of a lateral slowness gradient, km.

    With travel times $T_k (1 + g \cdot u)$, where $u$ is the direction from the epicentre to the
    device, the arrivals are linearised in hypocentre, origin time and log slowness $x$ and in $g$.
    With their Jacobians $J$ and $G$, the information $W$ of the triggers and the prior precision
    $P$, an estimate that ignores $g$ is in error by

    .. math:: \hat x - x = (J^\top W J + P)^{-1} J^\top W G\, g.

    Parameters
    ----------
    cause
        The earthquake.
    node_probability
        Posterior probability of each of its nodes, (nodes,).
    centre
        East, north, depth (km), origin time (s) and slowness of the linearisation, (5,).
    device_km
        East and north of the devices that triggered, (devices, 2).
    trigger_s
        Their trigger times, on the clock of the origin time.
    rate_s
        Background rate, triggers per device and second.

    Returns
    -------
    numpy.ndarray
        Error of the estimate towards east and north (rows) for a unit of g towards east and north
        (columns), (2, 2).
    """
    east, north, depth, origin, slow = (float(value) for value in centre)
    offset = device_km - np.array([east, north])
    distance = np.maximum(np.hypot(*offset.T), NEAR_KM)
    unit = offset / distance[:, None]
    travel = slow * _travel(cause, distance, depth)
    step = DISTANCE_STEP_KM
    inner = np.maximum(distance - step, 0.0)
    difference = slow * (_travel(cause, distance + step, depth) - _travel(cause, inner, depth))
    by_distance = difference / (distance + step - inner)
    by_depth = slow * (_travel(cause, distance, depth + DEPTH_STEP_KM) - travel) / DEPTH_STEP_KM
    residual = trigger_s - origin - travel
    weight = _information(cause, node_probability, residual, distance, rate_s, depth)
    ones = np.ones_like(travel)
    jacobian = np.stack(
        [-unit[:, 0] * by_distance, -unit[:, 1] * by_distance, by_depth, ones, travel], axis=-1
    )
    lateral_jacobian = travel[..., None] * unit
    prior_sd = np.array([PLACE_KM, PLACE_KM, DEPTH_KM, ORIGIN_S, max(cause.slowness_sd, 1e-6)])
    precision = np.einsum("pd,pdi,pdj->ij", weight, jacobian, jacobian) + np.diag(prior_sd**-2)
    right = np.einsum("pd,pdi,pdj->ij", weight, jacobian, lateral_jacobian)
    return np.linalg.solve(precision, right)[:2]


def smear(joint: np.ndarray, steps: list[float], covariance: np.ndarray) -> np.ndarray:
    """Convolve a grid along its first two axes with a normal distribution; covariance in km2."""
    # A kernel much narrower than a cell would be singular: it stays within the cell.
    smallest = (0.05 * min(steps[:2])) ** 2
    inverse = np.linalg.inv(covariance + smallest * np.eye(2))
    # The kernel is cut at four standard deviations.
    reach = np.ceil(4.0 * np.sqrt(np.diag(covariance) + smallest) / steps[:2]).astype(int)
    reach = np.minimum(reach, np.array(joint.shape[:2]) - 1)
    axes = [step * np.arange(-n, n + 1) for step, n in zip(steps[:2], reach, strict=True)]
    offset = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    kernel = np.exp(-0.5 * np.einsum("xyi,ij,xyj->xy", offset, inverse, offset))
    kernel = (kernel / kernel.sum()).reshape(*kernel.shape, *(1,) * (joint.ndim - 2))
    widened = np.maximum(fftconvolve(joint, kernel, mode="same", axes=(0, 1)), 0.0)
    return widened / widened.sum()
