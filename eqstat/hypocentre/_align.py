"""Values that are matched by the names of their dims."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from eqstat._core.errors import InputError


def aligned(name: str, values: Any, like: Any) -> np.ndarray:
    """Return values in the order of the dims, and of the labels along them, of `like`.

    What has no named dims is taken as it is. Dims that the values lack are broadcast.

    Raises
    ------
    eqstat.InputError
        When the values have a dim that `like` lacks, or other labels along one.

    Examples
    --------
    >>> place = xr.DataArray([[1.0, 2.0, 3.0]] * 2, dims=("chain", "draw"))
    >>> aligned("magnitude", xr.DataArray([[5.0, 6.0]] * 3, dims=("draw", "chain")), place).shape
    (2, 3)
    """
    named = isinstance(values, xr.DataArray) and isinstance(like, xr.DataArray)
    if not named or not values.ndim:
        return np.asarray(values, np.float64)
    lost = [str(dim) for dim in values.dims if dim not in like.dims]
    if lost:
        has = ", ".join(map(str, like.dims))
        raise InputError(f"hypocentre: {name} has a dim {', '.join(lost)}; latitude has {has}")
    bare = values.reset_coords(drop=True)
    frame = like.reset_coords(drop=True)
    try:
        labels = {dim: frame[dim] for dim in bare.dims if dim in bare.coords and dim in like.coords}
        for dim, label in labels.items():
            same = set(label.to_numpy().tolist()) == set(bare[dim].to_numpy().tolist())
            if not same or label.size != bare[dim].size:
                raise ValueError(f"other labels along {dim}")
        bare = bare.reindex(labels).broadcast_like(frame).transpose(*frame.dims)
    except ValueError as error:
        raise InputError(f"hypocentre: {name} does not fit latitude: {error}") from None
    if bare.shape != frame.shape:
        raise InputError(f"hypocentre: {name} has the shape {bare.shape}, latitude {frame.shape}")
    return bare.to_numpy().astype(np.float64)
