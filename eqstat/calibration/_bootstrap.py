"""Block bootstrap of clustered detections, such as those of one event or of one region.

An aftershock sequence causes many detections, and noise recurs where the same people live;
intervals that assume independent detections are then too short. Whole clusters are drawn with
replacement. With two crossed labels (event and region), both are resampled and a detection is
weighted by the product of its multiplicities (the pigeonhole bootstrap of Owen), which is
conservative.

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
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat.calibration import _support

# Largest accepted share of replicates without a value, because a class is missing.
MOST_LEFT_OUT = 0.1


@dataclass(frozen=True)
class Bootstrap(Explained):
    """A statistic with its bootstrap distribution.

    Attributes
    ----------
    estimate
        Value of the statistic for the history itself.
    low, high
        Limits of the percentile interval.
    probability
        Nominal coverage of the interval.
    replicates
        Values of the resampled histories.
    left_out
        Number of resampled histories without a value.
    clusters
        Number of clusters of each label; empty if detections were drawn individually.

    Examples
    --------
    >>> result = Bootstrap(0.5, 0.4, 0.6, 0.9, np.array([0.4, 0.5, 0.6]), 0, ())
    >>> round(result.standard_error, 3)
    0.1
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
    """Percentile interval of a statistic of clustered detections.

    Parameters
    ----------
    key
        JAX random key.
    statistic
        Function of the jointly resampled rows that returns one number, or NaN where it is
        undefined, for example if one class is missing.
    rows
        Arrays, one entry per detection.
    cluster
        Labels, one per detection, or a list of two or more such arrays, which are crossed.
        Without it detections are drawn individually.
    replicates
        Number of resampled histories, from 20.
    probability
        Nominal coverage of the interval.

    Returns
    -------
    Bootstrap

    Raises
    ------
    eqstat.InputError
        When an argument is invalid, there are fewer than two clusters, or more than a tenth
        of the resampled histories have no value.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> delay_s, event = np.array([1.0, 1.2, 5.0, 5.5, 2.0]), ["a", "a", "b", "b", "c"]
    >>> result = block_bootstrap(jax.random.key(0), np.mean, delay_s, cluster=event)
    >>> bool(result.low < result.estimate < result.high), result.clusters
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
    """Percentile interval of the replicates with a value."""
    known = values[~np.isnan(values)]
    left_out = values.size - known.size
    if left_out > MOST_LEFT_OUT * values.size:
        raise InputError(
            f"{name}: {left_out} of {values.size} resampled histories have no value (a class is "
            "missing); there are too few clusters for an interval"
        )
    # Order statistics without interpolation, because a replicate may be infinite.
    levels = [(1 - probability) / 2, (1 + probability) / 2]
    low = np.quantile(known, levels[0], method="lower")
    high = np.quantile(known, levels[1], method="higher")
    clusters = tuple(int(one.max()) + 1 for one in labels)
    return Bootstrap(estimate, float(low), float(high), probability, known, left_out, clusters)


def cluster_codes(name: str, cluster: Any, size: int) -> list[np.ndarray]:
    """Integer codes of no, one or several arrays of labels."""
    if cluster is None:
        return []
    several = isinstance(cluster, list | tuple) and np.ndim(cluster[0]) == 1
    rows = cluster if several else [cluster]
    codes = [_support.codes(name, row, size) for row in rows]
    if any(one.max() < 1 for one in codes):
        raise InputError(f"{name}: there is one cluster only; at least two are needed")
    return codes


def resamples(
    rng: np.random.Generator, size: int, labels: Sequence[np.ndarray], replicates: int
) -> Iterator[np.ndarray]:
    """Indices of the detections of each resampled history."""
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
