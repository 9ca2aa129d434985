"""Resample detections in blocks: those of one event, or of one region, stay together.

A network that claims an aftershock sequence claims it many times over, and noise comes where the
same people live: detections cluster, and intervals that take them as independent are too short.
Whole clusters are drawn with replacement; of two labels at once (event and region) both are drawn
and a detection comes as often as its event times its region (Owen's pigeonhole bootstrap), which
errs on the long side.

References
----------
Davison and Hinkley (1997), Bootstrap Methods and their Application, Cambridge, chapters 2 and 3.
Owen (2007), Annals of Applied Statistics 1, 386-411.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_probability, check_whole
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat.calibration import _support

# Share of replicates without a value (a class is missing) above which nothing is said.
MOST_LEFT_OUT = 0.1


@dataclass(frozen=True)
class Bootstrap:
    """A statistic and how it scatters from one resampled history to another.

    Attributes
    ----------
    estimate
        Of the history itself.
    low, high
        Ends of the percentile interval.
    probability
        Of the interval.
    replicates
        Values of the resampled histories.
    left_out
        Number of resampled histories without a value.
    clusters
        Number of clusters of each label; empty where detections were drawn one by one.
    """

    estimate: float
    low: float
    high: float
    probability: float
    replicates: np.ndarray
    left_out: int
    clusters: tuple[int, ...]

    @property
    def standard_error(self) -> float:
        """Standard deviation of the replicates."""
        return float(np.std(self.replicates, ddof=1))


def block_bootstrap(
    key: PRNGKeyArray,
    statistic: Callable[..., Any],
    *rows: Any,
    cluster: Any = None,
    replicates: int = 1000,
    probability: float = 0.9,
) -> Bootstrap:
    """Percentile interval of a statistic of detections that cluster.

    Parameters
    ----------
    key
        JAX random key.
    statistic
        Function of the rows, resampled alike, that gives one number; not-a-number where it has
        none, such as for one class only.
    rows
        Arrays, one entry for each detection.
    cluster
        Labels, one for each detection; or a list of two or more such rows, which are crossed.
        Without it detections are drawn one by one.
    replicates
        Number of resampled histories, from 20.
    probability
        Of the interval.

    Returns
    -------
    Bootstrap

    Raises
    ------
    eqstat.InputError
        When an argument cannot be used, there are fewer than two clusters, or more than a tenth
        of the resampled histories have no value.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> delay_s, event = np.array([1.0, 1.2, 5.0, 5.5, 2.0]), ["a", "a", "b", "b", "c"]
    >>> found = block_bootstrap(jax.random.key(0), np.mean, delay_s, cluster=event)
    >>> bool(found.low < found.estimate < found.high), found.clusters
    (True, (3,))
    """
    if not rows:
        raise InputError("block_bootstrap: give at least one row of values")
    arrays = [np.asarray(row) for row in rows]
    if len({array.shape[:1] for array in arrays}) > 1 or arrays[0].ndim < 1:
        raise InputError("block_bootstrap: every row needs one entry for each detection")
    check_probability("block_bootstrap", probability=probability)
    check_whole("block_bootstrap", 20, replicates=replicates)
    size = len(arrays[0])
    labels = cluster_codes("block_bootstrap", cluster, size)
    estimate = float(statistic(*arrays))
    values = np.array(
        [
            float(statistic(*(array[index] for array in arrays)))
            for index in resamples(generator(key), size, labels, replicates)
        ]
    )
    return summary("block_bootstrap", estimate, values, probability, labels)


def summary(
    name: str,
    estimate: float,
    values: np.ndarray,
    probability: float,
    labels: Sequence[np.ndarray],
) -> Bootstrap:
    """Percentile interval of the replicates that have a value."""
    known = values[~np.isnan(values)]
    left_out = values.size - known.size
    if left_out > MOST_LEFT_OUT * values.size:
        raise InputError(
            f"{name}: {left_out} of {values.size} resampled histories have no value (a class is "
            "missing); there are too few clusters for an interval"
        )
    # Order statistics, not means of two: a replicate may be infinite (a threshold of nothing).
    ends = [(1 - probability) / 2, (1 + probability) / 2]
    low = np.quantile(known, ends[0], method="lower")
    high = np.quantile(known, ends[1], method="higher")
    clusters = tuple(int(one.max()) + 1 for one in labels)
    return Bootstrap(estimate, float(low), float(high), probability, known, left_out, clusters)


def cluster_codes(name: str, cluster: Any, size: int) -> list[np.ndarray]:
    """Codes of one row of labels, of several, or of none."""
    if cluster is None:
        return []
    several = isinstance(cluster, list | tuple) and np.ndim(cluster[0]) == 1
    rows = cluster if several else [cluster]
    found = [_support.codes(name, row, size) for row in rows]
    if any(one.max() < 1 for one in found):
        raise InputError(f"{name}: there is one cluster only; at least two are needed")
    return found


def resamples(
    rng: np.random.Generator, size: int, labels: Sequence[np.ndarray], replicates: int
) -> Iterator[np.ndarray]:
    """Places of the detections of each resampled history."""
    places = np.arange(size)
    numbers = [int(one.max()) + 1 for one in labels]
    for _ in range(replicates):
        if not labels:
            yield rng.integers(0, size, size)
            continue
        times = np.ones(size, np.int64)
        for one, number in zip(labels, numbers, strict=True):
            times *= np.bincount(rng.integers(0, number, number), minlength=number)[one]
        yield np.repeat(places, times)
