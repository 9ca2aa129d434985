"""Alarm rates when the intensity is renewed every few windows (the other limit of correlation)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp

from eqstat.counts.scan._tables import Marginal, log_pmf_table

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def crossings(marginal: Marginal, inside: Any, correlation_windows: float) -> Any:
    r"""Log rate per window of crossings, when a new intensity is drawn every so many windows.

    Within a block of one intensity the rate is that of `inside`. While the window lies over the
    seam, a share x of it over the new block, the count is a sum of two independent negative
    binomials and crosses the level at rate
    :math:`\sum_b E[\lambda_2 | b] P(b) P(k - 1 - b)`, b triggers being of the new block.
    """
    k = inside.shape[-1]
    share = 0.5 * (_NODES + 1.0)
    parts = [
        np.log(0.5 * weight) + _seam(marginal, float(x), k)
        for x, weight in zip(share, _WEIGHTS, strict=True)
    ]
    seam = logsumexp(np.stack(parts), axis=0)
    with np.errstate(divide="ignore"):
        rest = np.log(1.0 - 1.0 / correlation_windows)
    return np.logaddexp(rest + inside, seam - np.log(correlation_windows))


def _seam(marginal: Marginal, x: float, top: int) -> Any:
    """Log crossing rate per window with a share x of the window over the new block."""
    mean, spread = marginal.mean, marginal.dispersion
    new = log_pmf_table(marginal._replace(mean=mean * x), top)
    old = log_pmf_table(marginal._replace(mean=mean * (1.0 - x)), top)
    up_rate = mean[..., None] * (1.0 + spread[..., None] * np.arange(top + 1.0))
    up_rate = up_rate / (1.0 + spread * mean * x)[..., None]  # E[rate | b of the new block]
    out = np.full((*mean.shape, top), -np.inf)
    for b in range(top):
        a = np.arange(top - b, dtype=float)  # of the old block, so that k - 1 = a + b
        up, down = up_rate[..., b : b + 1], a / (1.0 - x)
        with np.errstate(divide="ignore"):
            first = np.log(np.abs(up - down) / np.maximum(up, down))
        term = new[..., b : b + 1] + np.log(up) + old[..., : top - b] + first
        np.logaddexp(out[..., b:], term, out[..., b:])
    return out
