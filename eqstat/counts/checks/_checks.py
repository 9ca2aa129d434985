r"""Rootogram, tail calibration and probability integral transform of a background.

References
----------
Kleiber and Zeileis (2016), The American Statistician 70, 296-303,
doi:10.1080/00031305.2016.1173590. Czado, Gneiting and Held (2009), Biometrics 65, 1254-1261,
doi:10.1111/j.1541-0420.2009.01191.x.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray
from scipy import stats

from eqstat._core.checks import check_probability, check_whole
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat.counts._background import Background
from eqstat.counts._data import History
from eqstat.counts.checks._tables import blocks, check_background, count_interval, places_of, tails

LEVELS = tuple(10.0**-power for power in range(1, 9))


def rootogram(
    background: Background, history: History, *, probability: float | int = 0.9
) -> xr.Dataset:
    r"""Observed and expected number of windows of each count (rootogram).

    In a hanging rootogram bars of height $\sqrt{O_k}$ hang from the curve $\sqrt{E_k}$, so that
    misfits of rare and frequent counts are on one scale; the distance of their foot from zero is
    the misfit.

    .. math:: E_k = \sum_i w_i\, P(K = k \mid n_i, \mu_i)

    Parameters
    ----------
    background
        One background, or draws of it (at most 100 are used), with the regions of the history.
    history
        The history.
    probability
        Probability content of the predictive interval of the number of windows.

    Returns
    -------
    xarray.Dataset
        Over `triggers`: numbers of windows `observed`, `expected` and its predictive interval
        `low`, `high`; and the foot of the hanging bar, `hanging` $= \sqrt{E_k} - \sqrt{O_k}$.

    Raises
    ------
    eqstat.InputError
        When background and history do not match or an argument is out of range.

    References
    ----------
    Kleiber and Zeileis (2016), doi:10.1080/00031305.2016.1173590, section 2.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Background, Design, simulate
    >>> background = Background("poisson", 1.0)
    >>> history = simulate(jax.random.key(0), background, Design(active=300, days=7))
    >>> roots = rootogram(background, history)
    >>> bool(abs(roots["hanging"].sel(triggers=0)) < 2)
    True
    """
    check_probability("rootogram", probability=probability)
    check_background(background, history, "rootogram")
    places = places_of(history)
    sums: list[np.ndarray] = []
    for block in blocks(background, history, places):
        weight = places.windows[block.places]
        each = np.einsum("p,dpk->dk", weight, block.probability)
        squares = np.einsum("p,dpk->dk", weight, block.probability**2)
        sums.append(np.stack([each, squares]))
    size = max(part.shape[-1] for part in sums)
    total = np.zeros((*sums[0].shape[:2], size))
    for part in sums:
        total[..., : part.shape[-1]] += part
    observed = np.bincount(history.triggers.astype(np.int64), history.windows, size)
    expected = total[0].mean(axis=0)
    last = int(np.flatnonzero((observed > 0) | (expected >= 0.5)).max()) + 1
    low, high = count_interval(total[0, :, :last], (total[0] - total[1])[:, :last], probability)
    observed, expected = observed[:last], expected[:last]
    hanging = np.sqrt(expected) - np.sqrt(observed)
    return _dataset(
        "triggers",
        np.arange(last),
        "number of triggers in a window",
        {
            "observed": (observed, "observed windows"),
            "expected": (expected, "expected windows"),
            "low": (low, "lower end of the predictive interval"),
            "high": (high, "upper end of the predictive interval"),
            "hanging": (hanging, "square root of expected less that of observed windows"),
        },
        _attributes(background, history, probability),
    )


def tail_calibration(
    background: Background,
    history: History,
    *,
    tail_probability: Sequence[float | int] | np.ndarray = LEVELS,
    probability: float | int = 0.9,
) -> xr.Dataset:
    r"""Observed and expected number of windows whose tail probability is at most a.

    The tail probability of each window is that for its region, hour and devices. The number with
    $P(K \ge k_i) \le a$ is expected to be

    .. math:: \sum_i w_i\, P\bigl(K \ge k^*_i(a)\bigr) \le a \sum_i w_i, \qquad
        k^*_i(a) = \min\{k: P(K \ge k \mid n_i, \mu_i) \le a\},

    less than a times the number of windows because counts are discrete. With draws the tail
    probabilities are posterior predictive. An excess at small a indicates a tail that is too
    thin: false alarms will be more frequent than a threshold promises. Unmarked earthquakes
    have the same effect.

    Parameters
    ----------
    background, history, probability
        As in `rootogram`.
    tail_probability
        The levels a, in [1e-10, 1).

    Returns
    -------
    xarray.Dataset
        Over `tail_probability`: numbers of windows `observed`, `expected`, with its predictive
        interval `low`, `high`; and the confidence interval `observed_low`, `observed_high` of a
        Poisson mean given the observed number (Garwood).

    Raises
    ------
    eqstat.InputError
        When background and history do not match or an argument is out of range.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Background, Design, simulate
    >>> heavy = Background("negative_binomial", 1.0, dispersion=1.0, dispersion_slope=0.0)
    >>> history = simulate(jax.random.key(0), heavy, Design(active=300, days=7))
    >>> tail = tail_calibration(Background("poisson", 1.0), history).sel(tail_probability=1e-4)
    >>> bool(tail["observed"] > 10 * tail["high"])
    True
    """
    check_probability("tail_calibration", probability=probability)
    check_background(background, history, "tail_calibration")
    levels = np.asarray(tail_probability, np.float64)
    if levels.ndim != 1 or not levels.size or not np.all((levels >= 1e-10) & (levels < 1)):
        raise InputError("tail_calibration: tail_probability must lie in [1e-10, 1)")
    places = places_of(history)
    critical = np.zeros((len(places.windows), len(levels)))
    mean, squares = 0.0, 0.0
    for block in blocks(background, history, places):
        above = tails(block.probability)
        predictive = above.mean(axis=0)
        first = np.stack([np.sum(predictive > a, axis=-1) for a in levels], axis=-1)
        critical[block.places] = first
        first = np.minimum(first, predictive.shape[-1] - 1)
        each = np.take_along_axis(above, np.broadcast_to(first, (len(above), *first.shape)), -1)
        mean = mean + np.einsum("p,dpa->da", places.windows[block.places], each)
        squares = squares + np.einsum("p,dpa->da", places.windows[block.places], each**2)
    beyond = history.triggers[:, None] >= critical[places.of_cell]
    observed = np.sum(history.windows[:, None] * beyond, axis=0)
    low, high = count_interval(np.asarray(mean), np.asarray(mean - squares), probability)
    rest = (1 - probability) / 2
    garwood = stats.chi2.ppf([[rest], [1 - rest]], [2 * observed, 2 * observed + 2]) / 2
    garwood[0, observed == 0] = 0.0
    return _dataset(
        "tail_probability",
        levels,
        "tail probability of the window's count",
        {
            "observed": (observed, "observed windows at most as likely"),
            "expected": (np.asarray(mean).mean(axis=0), "expected windows"),
            "low": (low, "lower end of the predictive interval"),
            "high": (high, "upper end of the predictive interval"),
            "observed_low": (garwood[0], "lower end of the observed number's mean"),
            "observed_high": (garwood[1], "upper end of the observed number's mean"),
        },
        _attributes(background, history, probability),
    )


def randomised_pit(
    key: PRNGKeyArray,
    background: Background,
    history: History,
    *,
    bins: int = 20,
    probability: float | int = 0.9,
) -> xr.Dataset:
    r"""Histogram of the probability integral transform, without and with randomisation.

    The transform of a discrete count is an interval: with $F_i$ the distribution function of
    window i it is uniform on $[F_i(k_i - 1), F_i(k_i)]$. The mean of these uniform densities is
    the non-randomised histogram, whose variance is known exactly; one uniform draw per window
    gives the randomised histogram, whose bins are binomial. Both are uniform if the background
    is right. A U shape indicates more dispersion than that of the background.

    Parameters
    ----------
    key
        JAX random key, for the randomised form.
    background, history
        As in `rootogram`; draws are averaged to the posterior predictive distribution.
    bins
        Number of bins of equal width, from 2.
    probability
        Probability content of the bands of a bin if the background is right.

    Returns
    -------
    xarray.Dataset
        Over `pit` (centre of the bin): `density` of the non-randomised form with band `low`,
        `high`; `randomised` with band `randomised_low`, `randomised_high`; 1 is uniform.

    Raises
    ------
    eqstat.InputError
        When background and history do not match or an argument is out of range.

    References
    ----------
    Czado, Gneiting and Held (2009), doi:10.1111/j.1541-0420.2009.01191.x, equation 2.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Background, Design, simulate
    >>> background = Background("poisson", 1.0)
    >>> history = simulate(jax.random.key(0), background, Design(active=300, days=7))
    >>> pit = randomised_pit(jax.random.key(1), background, history, bins=10)
    >>> bool(abs(pit["density"] - 1).max() < 0.05)
    True
    """
    check_probability("randomised_pit", probability=probability)
    check_background(background, history, "randomised_pit")
    check_whole("randomised_pit", 2, bins=bins)
    places = places_of(history)
    edges = np.linspace(0, 1, bins + 1)
    at = history.triggers.astype(np.int64)
    order = np.argsort(places.of_cell, kind="stable")
    starts = np.searchsorted(places.of_cell[order], np.arange(len(places.windows) + 1))
    rng = generator(key)
    total, drawn, variance = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for block in blocks(background, history, places, wide=3 * bins):
        p = block.probability.mean(axis=0)
        upper = np.minimum(np.cumsum(p, axis=-1), 1.0)
        lower = np.concatenate([np.zeros((len(p), 1)), upper[:, :-1]], axis=-1)
        # Share of each count's interval [F(k - 1), F(k)] in each bin, (places, counts, bins). Given
        # the background, a window's contribution to a bin has mean 1 / bins and the variance
        # sum_k P(k) share_k^2 - 1 / bins^2.
        reach = np.clip(edges, lower[..., None], upper[..., None])
        width = upper - lower
        share = np.diff(reach, axis=-1) / np.where(width > 0, width, 1.0)[..., None]
        spread = np.einsum("pk,pkj->pj", width, share**2) - bins**-2.0
        variance += places.windows[block.places] @ np.maximum(spread, 0.0)
        rows = [order[starts[place] : starts[place + 1]] for place in block.places]
        cell = np.concatenate(rows)
        own = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        observed = share[own, at[cell]]
        # A count whose probability underflows belongs to the last bin.
        observed[observed.sum(axis=-1) < 0.5] = np.eye(bins)[-1]
        observed = observed / observed.sum(axis=-1, keepdims=True)
        total += history.windows[cell] @ observed
        drawn += rng.multinomial(history.windows[cell].astype(np.int64), observed).sum(axis=0)
    windows = float(np.sum(history.windows))
    z = stats.norm.isf((1 - probability) / 2)
    half = z * np.sqrt(variance) * bins / windows
    rest = (1 - probability) / 2
    ends = stats.binom.ppf([[rest], [1 - rest]], round(windows), 1 / bins) * bins / windows
    one = np.ones(bins)
    return _dataset(
        "pit",
        (edges[1:] + edges[:-1]) / 2,
        "probability integral transform",
        {
            "density": (total * bins / windows, "density without randomisation"),
            "low": (1 - half, "lower end of its band"),
            "high": (1 + half, "upper end of its band"),
            "randomised": (drawn * bins / windows, "density with randomisation"),
            "randomised_low": (ends[0] * one, "lower end of its band"),
            "randomised_high": (ends[1] * one, "upper end of its band"),
        },
        _attributes(background, history, probability) | {"bins": bins},
    )


def _attributes(
    background: Background, history: History, probability: float | int
) -> dict[str, object]:
    return {
        "family": background.family,
        "bursts": str(background.bursts is not None),
        "draws": int(np.size(background.rate_per_device_h)),
        "windows": history.total_windows,
        "window_s": history.window_s,
        "interval_probability": probability,
        "interval_kind": "central",
    }


def _dataset(
    dimension: str,
    points: np.ndarray,
    name: str,
    values: dict[str, tuple[np.ndarray, str]],
    attributes: dict[str, object],
) -> xr.Dataset:
    return xr.Dataset(
        {
            key: (dimension, value, {"units": "1", "long_name": text})
            for key, (value, text) in values.items()
        },
        coords={dimension: (dimension, points, {"units": "1", "long_name": name})},
        attrs=attributes,
    )
