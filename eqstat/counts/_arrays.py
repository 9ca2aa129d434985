"""From a history's cells to the likelihood's rows, merged where they are too many."""

from __future__ import annotations

import numpy as np
from scipy import stats

from eqstat._core.errors import InputError
from eqstat.counts._data import History, active_bin
from eqstat.counts._harmonics import week_basis
from eqstat.counts._likelihood import CountData, Rows
from eqstat.counts._start import Start, start_of
from eqstat.inference import bucket_size, pad_rows

# Up to this many cells nothing is merged.
MERGE_ABOVE = 20_000
# Widths of merged bins: of active devices (relative), of the log mean, and of counts above 40,
# which are of bursts nearly always (relative).
WIDTHS = (0.10, 0.20, 0.0)
WIDEST = (2.0, 3.0, 0.10)
SMALL_COUNT = 40
# Base counts of smaller tail probability do not matter beside a burst.
LEAST = 1e-9
# Few classes of sums and few sizes of rows: every new combination costs half a minute to compile.
CLASSES = (8, 32, 256, 4096, 1 << 20)
EARTHQUAKE_SHARE = 1e-6


def earthquake_weight(history: History, share: float | int = EARTHQUAKE_SHARE) -> float:
    """Probability of an unmarked earthquake in a window.

    Such that earthquakes, which trigger half of the devices on average here, make `share` of all
    triggers; at most one window in a hundred.
    """
    if not 0 <= share < 0.1:
        raise InputError(f"earthquake_share must lie in [0, 0.1), not {share!r}")
    devices = float(np.sum(history.windows * history.active))
    return min(2 * share * max(history.total_triggers, 1.0) / devices, 0.01)


def _padded(count: int, terms: int, widths: tuple[float, float, float]) -> int:
    """Size of the bucket of rows: powers of four, above 16,384 of two; the sums are short there."""
    if terms > CLASSES[0] or widths == WIDEST:
        return bucket_size(count, smallest=512)
    size = bucket_size(count, smallest=1024)
    return size if size > 16384 or int(np.log2(size)) % 2 == 0 else 2 * size


def _group(*labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the distinct combinations of whole labels."""
    key = np.zeros(len(labels[0]), np.int64)
    for label in labels:
        label = label - label.min()
        key = key * (int(label.max()) + 1) + label.astype(np.int64)
    _, inverse = np.unique(key, return_inverse=True)
    return inverse, int(inverse.max()) + 1


def _merged(
    history: History, start: Start, widths: tuple[float, float, float]
) -> dict[str, np.ndarray]:
    r"""Cells of a region, a count and similar means as two rows at $\bar x \pm \sqrt{V}$.

    x is the log mean and V its variance within the group, which the likelihood takes from the
    covariance of log exposure and harmonics at the parameters at hand. So the sum over the
    group of a smooth function of x, its slopes and its curvatures are right to third order.
    """
    w, basis = history.windows, week_basis()[history.hour_of_week]
    log_active = np.log(history.active)
    x = log_active + start.log_rate[history.region, history.hour_of_week]
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
        "bin": near[first],
        "triggers": np.round(mean(history.triggers)),
        "windows": total / 2,
        "log_mean": mean(x),
        "spread": spread,
        "side": np.ones(groups),
    }
    # A cell that is alone in its group needs one row only; its two would be the same.
    alone = np.bincount(which, minlength=groups) == 1
    lower = {name: values[~alone] for name, values in half.items()}
    lower["side"] = -lower["side"]
    half["side"] = np.where(alone, 0.0, 1.0)
    half["windows"] = np.where(alone, total, total / 2)
    return {name: np.concatenate([half[name], lower[name]]) for name in half}


def _plain(history: History, start: Start) -> dict[str, np.ndarray]:
    """Each cell as it is."""
    log_active = np.log(history.active)
    return {
        "region": history.region,
        "basis": week_basis()[history.hour_of_week],
        "log_active": log_active,
        "bin": active_bin(history.active),
        "triggers": history.triggers,
        "windows": history.windows,
        "log_mean": log_active + start.log_rate[history.region, history.hour_of_week],
        "spread": np.zeros((0, 7, 7)),
        "side": np.zeros(0),
    }


def _pairs(cells: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the pairs of triggers and active devices; the mean of a bin serves all its cells."""
    bins, count = _group(cells["bin"])
    devices = np.exp(cells["log_active"]) * cells["windows"]
    active = np.bincount(bins, devices, count) / np.bincount(bins, cells["windows"], count)
    pair, size = _group(bins, cells["triggers"])
    triggers, of_pair = np.zeros(size), np.zeros(size)
    triggers[pair], of_pair[pair] = cells["triggers"], active[bins]
    return pair, triggers, np.maximum(of_pair, triggers)


def _terms(cells: dict[str, np.ndarray], start: Start) -> np.ndarray:
    """Base counts that matter beside a burst, by a negative binomial of like variance."""
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
) -> CountData:
    """Turn a history into the likelihood's padded arrays.

    Parameters
    ----------
    history
        From `prepare`, `combine` or `simulate`.
    bursts
        Whether the background has bursts: their sums need rows in classes of like length.
    earthquake_share
        Share of all triggers that unmarked earthquakes may have caused: the guard's weight
        follows from it. 0 leaves the guard off.
    merge_above
        Histories with more cells are merged: within a region, cells of one count whose active
        devices agree to 10 % and log means to 0.2 become two rows that keep the mean and the
        variance of the log mean.

    Returns
    -------
    CountData
    """
    start = start_of(history)
    merge = len(history.region) > merge_above
    cells = _merged(history, start, widths) if merge else _plain(history, start)
    terms = _terms(cells, start) if bursts else np.ones(len(cells["region"]))
    pair, triggers, active = _pairs(cells)
    classes = []
    lowest = 0
    for most in CLASSES:
        use = (terms > lowest) & (terms <= most)
        lowest = most
        if not use.any():
            continue
        # Rows need only the pairs of their own class.
        own, renumbered = np.unique(pair[use], return_inverse=True)
        size, pairs = _padded(int(use.sum()), most, widths), bucket_size(len(own), smallest=512)

        def rows(values: np.ndarray, use: np.ndarray = use, size: int = size) -> np.ndarray:
            return pad_rows(values[use], size)

        classes.append(
            Rows(
                region=rows(cells["region"]).astype(np.int32),
                basis=rows(cells["basis"]),
                log_exposure=rows(cells["log_active"] + np.log(start.window_h)),
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
