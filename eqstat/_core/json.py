"""Values as JSON knows them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """Turn a value into dictionaries, lists, texts, numbers and None.

    Parameters
    ----------
    value
        A mapping, sequence, array, number, text or time, nested as it may be.

    Returns
    -------
    Any
        The same content: keys as texts, times as ISO 8601 to the millisecond (UTC as `Z`), arrays
        as lists, numbers that are not finite and missing times as None. What is none of these is
        returned as it is.

    Examples
    --------
    >>> to_plain({"sd_s": np.float64(0.5), "depth_km": [np.inf, 10]})
    {'sd_s': 0.5, 'depth_km': [None, 10]}
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    if isinstance(value, dt.datetime):
        if value != value:  # pandas' missing time
            return None
        moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "mM":
        return to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
