"""Alarm rates of an intensity that is renewed every few windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp

from eqstat.counts._families import Marginal

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def crossings(marginal: Marginal, inside: Any, correlation_windows: float) -> Any:
    r"""Log rate of crossings per window if the intensity is renewed every few windows.

    Within a block of constant intensity the rate is that of `inside`. While the window straddles
    the boundary of two blocks, with a share x in the new one, the count is a sum of two
    independent counts of the family and crosses the level at rate
    :math:`\sum_b E[\lambda_2 | b] P(b) P(k - 1 - b)`, with b triggers in the new block.
    """
    k = inside.shape[-1]
    share = 0.5 * (_NODES + 1.0)
    parts = [
        np.log(0.5 * weight) + _at_boundary(marginal, float(x), k)
        for x, weight in zip(share, _WEIGHTS, strict=True)
    ]
    boundary = logsumexp(np.stack(parts), axis=0)
    with np.errstate(divide="ignore"):
        log_within = np.log(1.0 - 1.0 / correlation_windows)
    return np.logaddexp(log_within + inside, boundary - np.log(correlation_windows))


def _at_boundary(marginal: Marginal, x: float, top: int) -> Any:
    """Log crossing rate per window with a share x of the window in the new block."""
    family = marginal.family
    new = family.log_pmf_table(family.part(marginal, x), top)
    old = family.log_pmf_table(family.part(marginal, 1.0 - x), top)
    up_rate: Any = family.mean_given(marginal, x, np.arange(top + 1.0))  # b in the new block
    out = np.full((*marginal.mean.shape, top), -np.inf)
    for b in range(top):
        a = np.arange(top - b, dtype=float)  # in the old block, so that k - 1 = a + b
        up, down = up_rate[..., b : b + 1], a / (1.0 - x)
        with np.errstate(divide="ignore"):
            log_declumped = np.log(np.abs(up - down) / np.maximum(up, down))
        term = new[..., b : b + 1] + np.log(up) + old[..., : top - b] + log_declumped
        np.logaddexp(out[..., b:], term, out[..., b:])
    return out
