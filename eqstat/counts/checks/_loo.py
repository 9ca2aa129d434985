"""Leave-one-out cross-validation of single windows by importance sampling over cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
from jaxtyping import Array

from eqstat._core.errors import InputError
from eqstat.counts._arrays import EARTHQUAKE_SHARE, count_data
from eqstat.counts._background import Background
from eqstat.counts._data import History
from eqstat.counts._fit import background_from
from eqstat.counts._likelihood import CountData, pointwise_log_likelihood
from eqstat.counts.checks._tables import check_background

MOST_DRAWS = 400
MERGE_ABOVE = 50_000
# Standard deviation of the log likelihood over the draws below which ratios need no smoothing.
STEADY = 0.02


@jax.jit
def _points(backgrounds: Background, data: CountData) -> Array:
    """Log likelihood of one window of each row, (draws, rows)."""
    return jax.lax.map(
        lambda background: jnp.concatenate(pointwise_log_likelihood(background, data)), backgrounds
    )


def _thinned(background: Background) -> Background:
    count = np.shape(background.rate_per_device_h)[0]
    kept = np.linspace(0, count - 1, min(count, MOST_DRAWS)).round().astype(int)
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64)[kept], background)


def loo(
    background: Background | xr.DataTree,
    history: History,
    *,
    earthquake_share: float | int = EARTHQUAKE_SHARE,
    relative_efficiency: float | int = 1.0,
) -> xr.Dataset:
    r"""Expected log predictive density of single windows, left out one at a time (PSIS-LOO).

    Leaving out one window divides each draw's weight by the likelihood of the window. The windows
    of a cell are identical and have the same importance ratios, so that one importance sampling
    serves the cell, for leaving out *one* of its windows, and counts as often as it has windows:

    .. math:: \text{elpd} = \sum_i w_i \log p(k_i \mid \text{history without one such window})

    Among millions of windows one hardly changes the posterior, and the ratios are nearly equal.
    They are Pareto-smoothed where the log likelihood of the cell varies by more than 0.02 over
    the draws (standard deviation); elsewhere plain ratios suffice and `pareto_k` is NaN. Only
    rare large counts matter: where their `pareto_k` is above 0.7 a single window influences the
    posterior, and the sum is unreliable.

    A weekly profile is taken at its mean over the draws, and each window is averaged over the slow
    intensity. Windows are independent given the parameters; leaving out single windows does not
    measure the prediction of another month or region. For that, leave out whole regions or weeks
    in `fit`.

    Parameters
    ----------
    background
        Draws of the posterior (`posterior` of a fit, `background_from`), or the result of
        `sample`. Draws of a fit are from the normal approximation, which is good for long
        histories. At most 400 are used.
    history
        The history to which the background was fitted.
    earthquake_share
        As in the fit; it is part of the likelihood.
    relative_efficiency
        Effective number of draws over their number.

    Returns
    -------
    xarray.Dataset
        `elpd_loo` with standard error `se`, `p_loo` (effective number of parameters), and
        `high_k_windows`, the number of windows in cells with `pareto_k` above 0.7. Over `cell`:
        `elpd_i` and `p_loo_i` of one window, `pareto_k`, `windows`, `triggers`, `active`.
        Histories of more than 50,000 cells are merged as in `fit`.

    Raises
    ------
    eqstat.InputError
        When the background has no draws or does not belong to the history.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413-1432,
    doi:10.1007/s11222-016-9696-4, section 2.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Background, Design, fit, simulate
    >>> background = Background("poisson", 1.0)
    >>> history = simulate(jax.random.key(0), background, Design(active=300, days=2))
    >>> posterior = fit(history, family="poisson").posterior(jax.random.key(1), 50)
    >>> bool(6 < loo(posterior, history)["p_loo"] < 9)  # rate and six harmonics
    True
    """
    if isinstance(background, xr.DataTree):
        background = background_from(background)
    check_background(background, history, "loo")
    if np.ndim(background.rate_per_device_h) != 1 or np.shape(background.rate_per_device_h)[0] < 25:
        raise InputError(
            "loo: needs 25 draws of the background or more (`posterior` of a fit, or `sample`)"
        )
    # With `bursts=True` the rows are the same for all backgrounds, so that they can be compared.
    # The profile, which hardly differs between draws, enters through the data.
    profile = background.profile
    data = count_data(
        history,
        bursts=True,
        earthquake_share=earthquake_share,
        merge_above=MERGE_ABOVE,
        profile=None if profile is None else np.asarray(profile, np.float64).mean(axis=0),
    )
    with jax.enable_x64(True):
        points = np.asarray(
            _points(jax.tree.map(jnp.asarray, _thinned(background)), _as_arrays(data))
        ).T
    windows = np.concatenate([rows.windows for rows in data.rows])
    triggers = np.concatenate([np.asarray(rows.triggers)[rows.pair] for rows in data.rows])
    active = np.concatenate([np.asarray(rows.active)[rows.pair] for rows in data.rows])
    use = windows > 0
    points, windows, triggers = points[use], windows[use], triggers[use]
    active = active[use]
    elpd, k = _left_out(points, float(relative_efficiency))
    whole = _log_mean(points)
    each = xr.Dataset(
        {
            "elpd_i": ("cell", elpd, _note("log predictive density of one window left out")),
            "p_loo_i": ("cell", whole - elpd, _note("effective parameters of one window")),
            "pareto_k": ("cell", k, _note("shape of the tail of the importance ratios")),
            "windows": ("cell", windows, _note("windows")),
            "triggers": ("cell", triggers, _note("triggers in a window")),
            "active": ("cell", active, _note("active devices")),
        }
    )
    total, error = _sum(elpd, windows)
    values = {
        "elpd_loo": (total, "expected log predictive density of all windows"),
        "se": (error, "its standard error over windows"),
        "p_loo": (float(np.sum(windows * (whole - elpd))), "effective number of parameters"),
        "high_k_windows": (float(np.sum(windows[k > 0.7])), "windows with a high pareto_k"),
    }
    each = each.assign({name: ((), value, _note(text)) for name, (value, text) in values.items()})
    each.attrs.update(
        family=background.family,
        bursts=str(background.bursts is not None),
        draws=points.shape[1],
        windows=history.total_windows,
        smoothed_cells=int(np.sum(np.isfinite(k))),
        merged=int(len(history.region) > MERGE_ABOVE),
    )
    return each


def compare(results: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Rank backgrounds by leave-one-out predictions of the same history.

    Parameters
    ----------
    results
        Results of `loo` by name, all of one history.

    Returns
    -------
    xarray.Dataset
        Over `model`, the best first: `elpd_loo`, `elpd_diff` (to the best, not positive) with
        the standard error `se_diff` of the difference, `p_loo`, `high_k_windows`. A difference of
        less than four, or of less than two standard errors, is inconclusive.

    Raises
    ------
    eqstat.InputError
        When there is no result, or the histories differ.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Background, Design, fit, simulate
    >>> background = Background("poisson", 1.0)
    >>> history = simulate(jax.random.key(0), background, Design(active=300, days=2))
    >>> posterior = fit(history, family="poisson").posterior(jax.random.key(1), 50)
    >>> result = loo(posterior, history)
    >>> compare({"one": result, "other": result})["elpd_diff"].values.tolist()
    [0.0, 0.0]
    """
    if not results:
        raise InputError("compare: there is nothing to compare")
    order = sorted(results, key=lambda name: -float(results[name]["elpd_loo"]))
    best = results[order[0]]
    windows = best["windows"].to_numpy()
    rows = []
    for name in order:
        one = results[name]
        if not np.array_equal(one["windows"].to_numpy(), windows) or not np.array_equal(
            one["triggers"].to_numpy(), best["triggers"].to_numpy()
        ):
            raise InputError(f"compare: {name!r} is of another history than {order[0]!r}")
        difference = one["elpd_i"].to_numpy() - best["elpd_i"].to_numpy()
        own = [float(one[key]) for key in ("elpd_loo", "p_loo", "high_k_windows")]
        rows.append([*own, *_sum(difference, windows)])
    columns = np.array(rows).T
    names = {
        "elpd_loo": "expected log predictive density of all windows",
        "p_loo": "effective number of parameters",
        "high_k_windows": "windows with a high pareto_k",
        "elpd_diff": "difference to the best",
        "se_diff": "standard error of the difference",
    }
    return xr.Dataset(
        {
            name: ("model", column, _note(text))
            for (name, text), column in zip(names.items(), columns, strict=True)
        },
        coords={"model": order},
    )


def _left_out(points: np.ndarray, relative_efficiency: float) -> tuple[np.ndarray, np.ndarray]:
    """Log predictive density of each row left out, and the Pareto shape of its ratios."""
    elpd = -_log_mean(-points)
    k = np.full(len(points), np.nan)
    rows = np.flatnonzero(np.std(points, axis=1) > STEADY)
    if rows.size:
        # As one chain: the draws are thinned from all chains.
        smoothed: Any = array_stats.loo(points[rows][:, None, :], r_eff=relative_efficiency)
        elpd[rows], k[rows] = np.asarray(smoothed[0]), np.asarray(smoothed[1])
    return elpd, k


def _log_mean(points: np.ndarray) -> np.ndarray:
    top = points.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.mean(np.exp(points - top), axis=1))


def _sum(each: np.ndarray, windows: np.ndarray) -> tuple[float, float]:
    """Sum over the windows, and its standard error."""
    number = float(np.sum(windows))
    total = float(np.sum(windows * each))
    variance = np.sum(windows * (each - total / number) ** 2) / max(number - 1, 1.0)
    return total, float(np.sqrt(number * variance))


def _as_arrays(data: CountData) -> CountData:
    return jax.tree.map(jnp.asarray, data)


def _note(text: str) -> dict[str, str]:
    return {"units": "1", "long_name": text}
