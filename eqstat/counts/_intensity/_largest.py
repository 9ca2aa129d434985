r"""Distribution of the largest count of a block whose log intensity is normal, with surges.

With N windows, tails $T_k(\mu) = P(K \ge k \mid \mu)$ and a log intensity x,

.. math:: P(M \ge k) = \int \bigl[1 - (1 - T_k(\mu e^x))^N\bigr]\, p(x)\, dx .

The bracket depends on the mean count alone, for one number of devices and of windows. It is
tabulated over the log of the mean, once for all blocks, of which each has its own weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqstat.counts._background import Background, log_tails
from eqstat.counts._intensity._parameters import nodes_of
from eqstat.counts._special import cubic_weights

# Beyond this (negative log of the tail probability) blocks only say that they exceed it.
FARTHEST = 25.0
# Over the log mean log tails are interpolated with this step, probabilities on finer nodes.
STEP, FINER = 0.2, 20
# Programs are compiled for few shapes: of so many means, and of doubled tables.
MEANS_AT_ONCE = 32
# Log of how far beyond the devices means are alike: nearly all devices trigger.
BEYOND_ALL = 2.0


def transforms(
    background: Background,
    log_mean: np.ndarray,
    variance: np.ndarray,
    active: float,
    windows: float,
) -> np.ndarray:
    """Negative log probabilities that a block's largest count is 0, 1, ... or more.

    Parameters
    ----------
    background
        The background.
    log_mean
        Log of the mean count of a window, at the mean of the log intensity, (groups,).
    variance
        Of the log intensity, (groups,).
    active, windows
        Active devices, and windows of the block, of all groups.

    Returns
    -------
    numpy.ndarray
        (groups, counts + 1); the last is infinite, the one before beyond `FARTHEST` in all groups.
    """
    most = int(np.floor(active))
    first, weights = _weights(background, log_mean, variance, np.log(active) + BEYOND_ALL)
    top = 32
    while True:
        tails = _log_tails_at(background, first, weights.shape[1], active, top)
        largest = -np.expm1(windows * np.log1p(-np.exp(np.minimum(tails, -1e-12))))
        e = -np.log(np.maximum(weights @ largest, 1e-300))
        if top >= most or np.all(e[:, -1] > FARTHEST):
            break
        top *= 2
    e[:, 0] = 0.0
    e = np.maximum.accumulate(np.maximum(e, 0.0), axis=1)
    far = np.all(e > FARTHEST, axis=0)
    keep = int(np.argmax(far)) if np.any(far) else min(top, most)
    return np.concatenate([e[:, : keep + 1], np.full((len(e), 1), np.inf)], axis=1)


def _weights(
    background: Background, log_mean: np.ndarray, variance: np.ndarray, farthest: float
) -> tuple[int, np.ndarray]:
    """First fine node, and weights of (groups, fine nodes) that average over the intensity."""
    slow, sd = background.intensity, np.sqrt(variance)
    surges = (None, None) if slow is None else (slow.surge_share, slow.surge_mean)
    factors, log_weights = nodes_of(sd, *surges)
    if not np.any(sd > 1e-6) and surges[0] is None:
        factors, log_weights = np.zeros((1, len(sd))), np.zeros((1, 1))
    # The mean of the log intensity is in that of the block.
    at = np.minimum(log_mean + factors + 0.5 * variance, farthest) * FINER / STEP
    # Whole coarse nodes at both ends, and one more for the cubic.
    first = int(np.floor(at.min() / FINER) - 1) * FINER
    size = (int(np.ceil(at.max() / FINER)) + 2) * FINER - first
    j = np.floor(at).astype(int)
    weights = np.zeros(len(log_mean) * size)
    share = np.broadcast_to(np.exp(log_weights), at.shape)
    for offset, weight in zip((-1, 0, 1, 2), cubic_weights(at - j), strict=True):
        place = np.arange(len(log_mean)) * size + j - first + offset
        weights += np.bincount(place.ravel(), (share * weight).ravel(), weights.size)
    return first, weights.reshape(len(log_mean), size)


def _log_tails_at(
    background: Background, first: int, size: int, active: float, top: int
) -> np.ndarray:
    """Log tails of 0, ..., top triggers at the fine nodes, (size, top + 1)."""
    alone = replace(background, intensity=None)
    low = first // FINER - 1
    count = size // FINER + 4
    means = np.exp(STEP * (low + np.arange(-(-count // MEANS_AT_ONCE) * MEANS_AT_ONCE)))
    with jax.enable_x64(True):
        coarse = [
            np.asarray(_log_tails(alone, top, jnp.asarray(active), jnp.asarray(part)))
            for part in means.reshape(-1, MEANS_AT_ONCE)
        ]
    logs = np.maximum(np.concatenate(coarse)[:count], -700.0)
    at = (first + np.arange(size)) / FINER - low
    j = np.clip(np.floor(at).astype(int), 1, count - 3)
    between = np.zeros((size, count))
    for offset, weight in zip((-1, 0, 1, 2), cubic_weights(at - j), strict=True):
        between[np.arange(size), j + offset] = weight
    return np.minimum(between @ logs, 0.0)


_log_tails: Any = jax.jit(log_tails, static_argnums=1)
