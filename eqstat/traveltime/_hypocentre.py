"""The hypocentre of a travel-time location, in the form of `eqstat.hypocentre`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from eqstat import hypocentre
from eqstat.inference import Fit
from eqstat.traveltime._data import Observations
from eqstat.traveltime._grid_density import SPACE
from eqstat.traveltime._grid_posterior import GridPosterior

SITES = (*SPACE, "origin_time_s")


def to_hypocentre(
    observations: Observations, result: Fit | GridPosterior | xr.DataTree
) -> xr.Dataset:
    """Return the hypocentre of a location in the one form that `eqstat.hypocentre` works with.

    Parameters
    ----------
    observations
        What was located.
    result
        From `fit`: the normal distribution of its estimate and covariance (Wald's); from `grid`:
        the grid; from `sample`: the draws.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    eqstat.InputError
        When a fit has no covariance of the epicentre.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import hypocentre, traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> found = to_hypocentre(observations, traveltime.fit(observations, throw=False))
    >>> hypocentre.credible_region(found, 0.9).kind
    'normal ellipse'
    """
    if isinstance(result, GridPosterior):
        return result.hypocentre
    frame = observations.frame
    if isinstance(result, Fit):
        at = [result.names.index(name) for name in SITES]
        return hypocentre.from_normal(
            frame,
            result.estimate[at],
            result.covariance[np.ix_(at, at)],
            reference_time=observations.reference_time,
        )
    drawn = hypocentre.check(result)
    drawn.attrs.update(
        frame_latitude=frame.latitude,
        frame_longitude=frame.longitude,
        reference_time=observations.reference_time.isoformat(),
    )
    return drawn
