"""Tables over the number of triggers, in logs: tails, declumping, bursts and their convolution.

NumPy in float64; the last axis is the number of triggers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betaln, gammaln

from eqstat.counts._families import Marginal


def log_tail_table(marginal: Marginal, log_pmf: Any) -> Any:
    """Log P(K >= k) for k = 0, ..., top of a table and what lies beyond it."""
    beyond = marginal.family.log_beyond(marginal, log_pmf)
    reverse = np.concatenate([beyond, log_pmf[..., ::-1]], axis=-1)
    return np.minimum(np.logaddexp.accumulate(reverse, axis=-1)[..., :0:-1], 0.0)


def table_top(marginal: Marginal, triggers: int) -> int:
    """Length of a table of the tails of `triggers`: well beyond them and beyond the mean."""
    mean, spread = np.max(marginal.mean), float(np.max(marginal.dispersion))
    highest = max(triggers, int(mean + 10.0 * np.sqrt(mean * (1.0 + spread * mean)))) + 2
    return marginal.family.table_top(marginal, highest)


def log_declumped(marginal: Marginal, k: Any) -> Any:
    r"""Log of the share of up-crossings of k that begin a new alarm, shape (..., k).

    Far above the mean the count is a random walk with up rate :math:`u` and down rate
    :math:`d = k / w`; a clump of up-crossings has :math:`1 / (1 - u / d)` members on average. Near
    it the count falls by a whole window's noise: the share is :math:`E[(1 - N / k)_+]` with N the
    count of another window of the same intensity, given that k triggers are in the window.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        plain, mixed = marginal.family.new_alarm_share(marginal, k)
        share = np.where(marginal.dispersion[..., None] > 1e-9, mixed, plain)
        return np.where(share > 1e-12, np.log(np.clip(share, 1e-12, 1.0)), -np.inf)


def log_burst_table(share: Any, concentration: Any, active: Any, top: int) -> tuple[Any, Any]:
    """Log probabilities and log tails of the beta-binomial size of a burst, 0, ..., top."""
    n, a = np.rint(active)[..., None], (share * concentration)[..., None]
    b = ((1.0 - share) * concentration)[..., None]
    largest = int(np.max(n))
    size = np.arange(largest + 1, dtype=float)
    left = np.maximum(n - size, 0.0)
    choose = gammaln(n + 1.0) - gammaln(size + 1.0) - gammaln(left + 1.0)
    table = choose + betaln(a + size, b + left) - betaln(a, b)
    table = np.where(size <= n, table, -np.inf)
    tail = np.logaddexp.accumulate(table[..., ::-1], axis=-1)[..., ::-1]
    size_shape = np.shape(table)[:-1]
    if top > largest:
        beyond = np.full((*size_shape, top - largest), -np.inf)
        table, tail = (np.concatenate([part, beyond], axis=-1) for part in (table, tail))
    return table[..., : top + 1], np.minimum(tail[..., : top + 1], 0.0)


def log_convolve(first: Any, second: Any) -> Any:
    """Log of the convolution, sum over j of first_j second_{i-j}, for i = 0, ..., size - 1.

    Rows with the same `first` share one product of matrices in plain numbers, which is many times
    faster than sums of logs; only the columns that underflow there are summed in logs.
    """
    size = int(first.shape[-1])
    new = np.r_[True, np.any(first[1:] != first[:-1], axis=-1)]
    starts = np.flatnonzero(new)
    if 4 * starts.size <= first.shape[0]:
        lag = np.arange(size)[None, :] - np.arange(size)[:, None]
        plain, linear = np.empty(second.shape), np.exp(second)
        for start, stop in zip(starts, np.r_[starts[1:], first.shape[0]], strict=True):
            matrix = np.where(lag >= 0, np.exp(first[start])[np.maximum(lag, 0)], 0.0)
            plain[start:stop] = linear[start:stop] @ matrix
        with np.errstate(divide="ignore"):
            out = np.log(plain)
        for i in np.flatnonzero(np.any(plain < 1e-280, axis=0)):
            out[:, i] = np.logaddexp.reduce(first[:, : i + 1] + second[:, i::-1], axis=-1)
        return out
    out = np.full(np.broadcast_shapes(first.shape, second.shape), -np.inf)
    for j in range(size):
        np.logaddexp(out[..., j:], first[..., j : j + 1] + second[..., : size - j], out[..., j:])
    return out


_QUANTILES, _QUANTILE_WEIGHTS = np.polynomial.legendre.leggauss(20)


def log_reach_ratio(marginal: Marginal, top: int) -> Any:
    """Log of P(k or more in some window within two) / P(k or more in one), k = 1, ..., top.

    Exact for a Poisson process (1 - Naus' Q2); for the other families averaged over quantiles of
    the intensity, with Poisson counts given it. Valid for levels that are not rare, since the
    quantiles do not reach the far tail.
    """
    at, weight = 0.5 * (_QUANTILES + 1.0), 0.5 * _QUANTILE_WEIGHTS
    nodes, weight = marginal.family.intensity_nodes(marginal, at, weight)
    m = np.maximum(nodes, 1e-30)[..., None]
    k = np.arange(top + 1.0)
    f = np.exp(k * np.log(m) - m - gammaln(k + 1.0))
    below = np.minimum(np.cumsum(f, axis=-1), 1.0)  # P(N <= k)
    tail = np.maximum(1.0 - below[..., :-1], 0.0)
    back = np.concatenate([np.zeros((*f.shape[:-1], 2)), f], axis=-1)
    low = np.concatenate([np.zeros((*f.shape[:-1], 3)), below], axis=-1)
    k = k[1:]
    two = 2.0 * tail - tail**2 + (k - 1.0) * f[..., 1:] * back[..., 1:-2]
    two = two + (k - 1.0 - m) * f[..., 1:] * low[..., 1:-3]
    over = np.sum(weight[:, None] * two, axis=-2)
    one = np.sum(weight[:, None] * tail, axis=-2)
    valid = one > 1e-8
    return np.where(valid, np.log(np.where(valid, over, 1.0) / np.where(valid, one, 1.0)), 0.0)
