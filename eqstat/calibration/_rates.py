r"""Miss and false-alarm probabilities of a threshold, with intervals.

A detection is accepted as an earthquake when its score reaches the threshold: `score >= threshold`
if larger scores mean earthquake, `score <= threshold` if they mean noise (such as the scatter of
trigger times). The miss probability $\alpha$ is the share of true earthquakes that are not
accepted, the false-alarm probability $\beta$ the share of noise that is.

References
----------
Clopper and Pearson (1934), Biometrika 26, 404-413. Brown, Cai and DasGupta (2001), Statistical
Science 16, 101-133. Korn and Graubard (1998), Survey Methodology 24, 193-201.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from eqstat._core.checks import check_probability
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._order import effective_number, exact_ends, posterior_ends

JEFFREYS = (0.5, 0.5)
KINDS = ("exact", "posterior")


def binomial_interval(
    count: ArrayLike,
    total: ArrayLike,
    *,
    probability: float = 0.9,
    kind: str = "exact",
    prior: tuple[float, float] = JEFFREYS,
) -> tuple[Any, Any]:
    r"""Interval of a binomial probability.

    The exact interval (Clopper and Pearson) covers with at least its nominal probability. The
    posterior interval is the equal-tailed one of $\mathrm{Beta}(a + k,\, b + n - k)$, extended to 0
    if $k = 0$ and to 1 if $k = n$, as Brown, Cai and DasGupta recommend.

    Parameters
    ----------
    count, total
        Numbers k and n, of shapes that broadcast; $0 \le k \le n$, n above 0.
    probability
        Nominal coverage, with equal tails.
    kind
        "exact" or "posterior".
    prior
        The two parameters a and b of the beta prior; Jeffreys' by default.

    Returns
    -------
    tuple of numpy.ndarray
        Lower and upper limit.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> low, high = binomial_interval(0, 100, probability=0.9)
    >>> round(float(high), 4)
    0.0295
    """
    check_probability("binomial_interval", probability=probability)
    k, n = np.broadcast_arrays(np.asarray(count, np.float64), np.asarray(total, np.float64))
    if not np.all((n > 0) & (k >= 0) & (k <= n)):
        raise InputError("binomial_interval: count must lie in [0, total], and total above 0")
    if kind not in KINDS:
        raise InputError(f'binomial_interval: kind is "exact" or "posterior", not {kind!r}')
    tail = (1 - probability) / 2
    if kind == "exact":
        return exact_ends(k, n, tail)
    return posterior_ends(k, n, tail, _check_prior("binomial_interval", prior))


def error_rates(
    score: ArrayLike,
    is_earthquake: ArrayLike,
    threshold: ArrayLike,
    *,
    larger: str,
    probability: float = 0.9,
    prior: tuple[float, float] = JEFFREYS,
    cluster: ArrayLike | None = None,
) -> xr.Dataset:
    r"""Miss and false-alarm probability at thresholds, with intervals.

    Detections of one `cluster` (an event with its aftershocks, a region) are dependent: intervals
    then use the effective number $n / \mathrm{deff}$, where deff is the ratio of the variance of
    the share between clusters to that of independent detections, and Student's t for few clusters.
    If the share is 0 or 1, it is the number of clusters.

    Parameters
    ----------
    score, is_earthquake
        A finite number and a boolean label per detection, (detections,).
    threshold
        One or several, chosen independently of these detections (else intervals are too short).
    larger
        What larger scores mean, "earthquake" or "noise".
    probability
        Nominal coverage of the intervals.
    prior
        Prior of the posterior intervals, see `binomial_interval`.
    cluster
        Labels; detections with the same label may be dependent.

    Returns
    -------
    xarray.Dataset
        Over `threshold`: `miss_probability`, `false_alarm_probability`, the counts `misses` and
        `false_alarms`, and over `interval` ("exact", "posterior") the limits `miss_low`,
        `miss_high`, `false_alarm_low`, `false_alarm_high`.

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument are invalid.

    References
    ----------
    Clopper and Pearson (1934); Korn and Graubard (1998), for clusters.

    Examples
    --------
    >>> rates = error_rates([0.2, 0.7, 0.9, 0.1], [False, True, True, False], 0.5,
    ...                     larger="earthquake")
    >>> rates["miss_probability"].item(), round(rates["miss_high"].sel(interval="exact").item(), 2)
    (0.0, 0.78)
    """
    values, labels, sign = _support.labelled("error_rates", score, is_earthquake, larger)
    check_probability("error_rates", probability=probability)
    prior = _check_prior("error_rates", prior)
    at = np.atleast_1d(np.asarray(threshold, np.float64))
    if at.ndim != 1 or np.any(np.isnan(at)):
        raise InputError("error_rates: threshold must be one number or one row of numbers")
    groups = None if cluster is None else _support.codes("error_rates", cluster, len(values))
    accepted = values[None, :] >= sign * at[:, None]
    miss = share_of(~accepted[:, labels], _part(groups, labels), probability, prior)
    alarm = share_of(accepted[:, ~labels], _part(groups, ~labels), probability, prior)
    result = xr.Dataset(coords={"threshold": at, "interval": list(KINDS)})
    result["threshold"].attrs["long_name"] = "threshold of the score"
    for name, plural, what, (count, share, ends) in (
        ("miss", "misses", "miss probability", miss),
        ("false_alarm", "false_alarms", "false-alarm probability", alarm),
    ):
        result[f"{name}_probability"] = ("threshold", share, {"long_name": what})
        result[plural] = ("threshold", count, {"long_name": f"number of {plural}"})
        for end, row in zip(("low", "high"), ends, strict=True):
            about = {"long_name": f"{end}er limit of the interval of the {what}"}
            result[f"{name}_{end}"] = (("interval", "threshold"), row, about)
    result.attrs = {
        "larger": larger,
        "earthquakes": int(labels.sum()),
        "noise": int((~labels).sum()),
        "interval_probability": probability,
        "interval_kind": "Clopper-Pearson (exact), equal-tailed beta posterior (posterior)",
        "prior": list(prior),
        "clusters": 0 if groups is None else int(groups.max()) + 1,
    }
    return result


def share_of(
    hit: np.ndarray,
    cluster: np.ndarray | None,
    probability: float,
    prior: tuple[float, float] = JEFFREYS,
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Counts, shares and limits (interval, row) of rows of flags, clustered or independent."""
    tail = (1 - probability) / 2
    count, share = hit.sum(axis=1), hit.mean(axis=1)
    total = np.array([effective_number(row, cluster, tail) for row in hit])
    exact = exact_ends(share * total, total, tail)
    posterior = posterior_ends(share * total, total, tail, prior)
    low, high = (np.stack(pair) for pair in zip(exact, posterior, strict=True))
    return count, share, (low, high)


def _part(cluster: np.ndarray | None, where: np.ndarray) -> np.ndarray | None:
    return None if cluster is None else cluster[where]


def _check_prior(name: str, prior: tuple[float, float]) -> tuple[float, float]:
    if len(prior) != 2 or not all(np.isfinite(one) and one > 0 for one in prior):
        raise InputError(f"{name}: prior must be two numbers above 0, not {prior!r}")
    return float(prior[0]), float(prior[1])
