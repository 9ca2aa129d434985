"""The cells of a history as rows of the likelihood, merged where they are many."""

from __future__ import annotations

import numpy as np
from scipy import stats

from eqstat._core.errors import InputError
from eqstat.counts._data import History, active_bin
from eqstat.counts._harmonics import HOURS_OF_WEEK, week_basis
from eqstat.counts._likelihood import CountData, Rows
from eqstat.counts._start import Start, start_of
from eqstat.inference import bucket_size, pad_rows

# Up to this many cells nothing is merged.
MERGE_ABOVE = 20_000
# Widths of merged bins: of active devices (relative), of the log mean, and of counts above 40
# (relative), nearly all of which are bursts.
WIDTHS = (0.10, 0.20, 0.0)
WIDEST = (2.0, 3.0, 0.10)
SMALL_COUNT = 40
# Base counts with a smaller tail probability are negligible in sums with a burst.
LEAST = 1e-9
# Few classes of sums and few sizes of arrays: each new combination takes half a minute to compile.
CLASSES = (8, 32, 256, 4096, 1 << 20)
EARTHQUAKE_SHARE = 1e-6


def earthquake_weight(history: History, share: float | int = EARTHQUAKE_SHARE) -> float:
    """Probability of an unmarked earthquake in a window.

    Chosen so that earthquakes, in which half of the devices trigger on average, cause the share
    `share` of all triggers; at most one window in a hundred.
    """
    if not 0 <= share < 0.1:
        raise InputError(f"earthquake_share must lie in [0, 0.1), not {share!r}")
    devices = float(np.sum(history.windows * history.active))
    return min(2 * share * max(history.total_triggers, 1.0) / devices, 0.01)


def _padded(count: int, terms: int, widths: tuple[float, float, float]) -> int:
    """Padded number of rows: powers of four, above 16,384 of two, for few compiled programs."""
    if terms > CLASSES[0] or widths == WIDEST:
        return bucket_size(count, smallest=512)
    size = bucket_size(count, smallest=1024)
    return size if size > 16384 or int(np.log2(size)) % 2 == 0 else 2 * size


def _group(*labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Group number of each combination of whole-number labels, and the number of groups."""
    key = np.zeros(len(labels[0]), np.int64)
    for label in labels:
        label = label - label.min()
        key = key * (int(label.max()) + 1) + label.astype(np.int64)
    _, inverse = np.unique(key, return_inverse=True)
    return inverse, int(inverse.max()) + 1


def _merged(
    history: History, start: Start, widths: tuple[float, float, float], offset: np.ndarray
) -> dict[str, np.ndarray]:
    r"""Replace cells of one region and count and similar means by two rows, $\bar x \pm \sqrt V$.

    x is the log mean and V its variance within the group, which the likelihood computes from the
    covariance of log exposure and harmonics at the current parameters. Two points with the mean
    and variance of the group integrate a smooth function of x, its gradient and its Hessian
    correctly to third order.
    """
    w, basis = history.windows, week_basis()[history.hour_of_week]
    log_active = np.log(history.active)
    x = log_active + start.log_rate[history.region, history.hour_of_week] + offset
    coarse = np.floor(np.log(np.maximum(history.active, 1)) / np.log1p(widths[0]) + 1e-9)
    near = np.where(history.active <= 10, history.active, 1000 + coarse).astype(np.int64)
    similar = np.floor(x / widths[1]).astype(np.int64)
    count = history.triggers.astype(np.int64)
    if widths[2]:
        far = np.log(np.maximum(count, SMALL_COUNT) / SMALL_COUNT) / np.log1p(widths[2])
        count = np.where(count > SMALL_COUNT, SMALL_COUNT + 1 + far.astype(np.int64), count)
    which, groups = _group(history.region, count, near, similar)
    total = np.bincount(which, w, groups)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(which, w * values, groups) / total

    columns = np.column_stack([log_active, basis])
    middle = np.stack([mean(column) for column in columns.T], axis=-1)
    apart = columns - middle[which]
    size = columns.shape[1]
    spread = np.zeros((groups, size, size))
    for i in range(size):
        for j in range(i + 1):
            spread[:, i, j] = spread[:, j, i] = mean(apart[:, i] * apart[:, j])
    first = np.zeros(groups, np.int64)
    first[which] = np.arange(len(which))
    half = {
        "region": history.region[first],
        "basis": middle[:, 1:],
        "log_active": middle[:, 0],
        "offset": mean(offset),
        "bin": near[first],
        "triggers": np.round(mean(history.triggers)),
        "windows": total / 2,
        "log_mean": mean(x),
        "spread": spread,
        "side": np.ones(groups),
    }
    # A group of one cell needs one row; its two would be identical.
    alone = np.bincount(which, minlength=groups) == 1
    lower = {name: values[~alone] for name, values in half.items()}
    lower["side"] = -lower["side"]
    half["side"] = np.where(alone, 0.0, 1.0)
    half["windows"] = np.where(alone, total, total / 2)
    return {name: np.concatenate([half[name], lower[name]]) for name in half}


def _plain(history: History, start: Start, offset: np.ndarray) -> dict[str, np.ndarray]:
    """One row for each cell."""
    log_active = np.log(history.active)
    return {
        "region": history.region,
        "basis": week_basis()[history.hour_of_week],
        "log_active": log_active,
        "offset": offset,
        "bin": active_bin(history.active),
        "triggers": history.triggers,
        "windows": history.windows,
        "log_mean": log_active + start.log_rate[history.region, history.hour_of_week] + offset,
        "spread": np.zeros((0, 7, 7)),
        "side": np.zeros(0),
    }


def _pairs(cells: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the pairs of triggers and active devices; cells of a bin share its mean."""
    bins, count = _group(cells["bin"])
    devices = np.exp(cells["log_active"]) * cells["windows"]
    active = np.bincount(bins, devices, count) / np.bincount(bins, cells["windows"], count)
    pair, size = _group(bins, cells["triggers"])
    triggers, of_pair = np.zeros(size), np.zeros(size)
    triggers[pair], of_pair[pair] = cells["triggers"], active[bins]
    return pair, triggers, np.maximum(of_pair, triggers)


def _terms(cells: dict[str, np.ndarray], start: Start) -> np.ndarray:
    """Base counts that matter in sums with a burst, by a negative binomial of similar variance."""
    mean = np.exp(np.minimum(cells["log_mean"] + np.log(start.window_h), 15.0))
    excess = np.maximum(start.excess(mean, np.exp(cells["log_active"])), 1e-2)
    most = stats.nbinom.isf(LEAST, mean / excess, 1 / (1 + excess))
    return np.minimum(cells["triggers"], most) + 1


def count_data(
    history: History,
    *,
    bursts: bool = False,
    earthquake_share: float | int = EARTHQUAKE_SHARE,
    merge_above: int = MERGE_ABOVE,
    widths: tuple[float, float, float] = WIDTHS,
    profile: np.ndarray | None = None,
) -> CountData:
    """Padded arrays of a history, as `log_likelihood` and `model` take them.

    Parameters
    ----------
    history
        From `prepare`, `combine` or `simulate`.
    bursts
        Whether the background has bursts: their sums need rows in classes of similar length.
    earthquake_share
        Share of all triggers that unmarked earthquakes may have caused, which determines the
        weight of the outlier component of the likelihood; 0 switches it off.
    merge_above
        Histories with more cells are merged: within a region, cells of one count whose active
        devices agree to 10 % and log means to 0.2 become two rows that preserve the mean and the
        variance of the log mean.
    widths
        Widths of these bins: active devices (relative), log mean, and counts above 40 (relative).
    profile
        Known addition to the log rate of each hour or half hour of the week, (168,) or (336,); by
        default none.

    Returns
    -------
    CountData

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Background, Design, simulate
    >>> history = simulate(jax.random.key(0), Background("poisson", 1.0), Design(active=9, days=1))
    >>> count_data(history).regions
    1
    """
    start = start_of(history)
    merge = len(history.region) > merge_above
    offset = np.zeros(len(history.region))
    if profile is not None:
        of_hour = np.exp(np.asarray(profile, np.float64)).reshape(HOURS_OF_WEEK, -1).mean(axis=1)
        offset = np.log(of_hour)[history.hour_of_week]
    cells = _merged(history, start, widths, offset) if merge else _plain(history, start, offset)
    terms = _terms(cells, start) if bursts else np.ones(len(cells["region"]))
    pair, triggers, active = _pairs(cells)
    classes = []
    lowest = 0
    for most in CLASSES:
        use = (terms > lowest) & (terms <= most)
        lowest = most
        if not use.any():
            continue
        # Each class has only the pairs that its rows refer to.
        own, renumbered = np.unique(pair[use], return_inverse=True)
        size, pairs = _padded(int(use.sum()), most, widths), bucket_size(len(own), smallest=512)

        def rows(values: np.ndarray, use: np.ndarray = use, size: int = size) -> np.ndarray:
            return pad_rows(values[use], size)

        classes.append(
            Rows(
                region=rows(cells["region"]).astype(np.int32),
                basis=rows(cells["basis"]),
                log_exposure=rows(cells["log_active"] + cells["offset"] + np.log(start.window_h)),
                pair=pad_rows(renumbered, size).astype(np.int32),
                windows=rows(cells["windows"]),
                side=rows(cells["side"]) if len(cells["side"]) else cells["side"],
                spread=rows(cells["spread"]) if len(cells["side"]) else cells["spread"],
                triggers=pad_rows(triggers[own], pairs),
                active=pad_rows(active[own], pairs, 1.0),
                terms=min(
                    most, 1 if not bursts else bucket_size(int(terms[use].max()), smallest=8)
                ),
            )
        )
    weight = np.asarray(earthquake_weight(history, earthquake_share))
    return CountData(tuple(classes), weight, len(history.regions))
