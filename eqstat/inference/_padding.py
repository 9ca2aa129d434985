"""Size buckets: data of another size within a bucket never recompile."""

from __future__ import annotations

import numpy as np

from eqstat._core.checks import check_whole
from eqstat._core.errors import InputError

SMALLEST_BUCKET = 16


def bucket_size(count: int, *, smallest: int = SMALLEST_BUCKET) -> int:
    """Return the size of the bucket that holds `count` rows: a power of two times `smallest`.

    Parameters
    ----------
    count
        Number of rows, at least 0. No row needs no bucket: 0 gives 0.
    smallest
        The smallest bucket.

    Returns
    -------
    int
        The padded number of rows.

    Examples
    --------
    >>> [bucket_size(n) for n in (0, 1, 16, 17, 100)]
    [0, 16, 16, 32, 128]
    """
    if not (0 <= count < np.inf and smallest >= 1):  # cheap: this stands in every step
        check_whole("bucket_size", count=count)
        check_whole("bucket_size", 1, smallest=smallest)
    size = smallest if count else 0
    while size < count:
        size *= 2
    return size


def pad_rows(values: np.ndarray, size: int, fill: float | int | bool = 0) -> np.ndarray:
    """Return `values` with rows of `fill` added at the end, `size` rows in all.

    Examples
    --------
    >>> pad_rows(np.array([1, 2]), 4, fill=9).tolist()
    [1, 2, 9, 9]
    """
    if len(values) > size:
        raise InputError(f"{len(values)} rows do not fit a bucket of {size}")
    padding = np.full((size - len(values), *values.shape[1:]), fill, dtype=values.dtype)
    return np.concatenate([values, padding])
