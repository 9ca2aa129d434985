"""Summary of a location with a regional error model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat._core.checks import check_kind
from eqstat.geodesy import LocalFrame
from eqstat.traveltime._hypocentre import statistics_of
from eqstat.traveltime._report import Location, located
from eqstat.traveltime.regional._core import explain
from eqstat.traveltime.regional._locate import pad_picks, target_of
from eqstat.traveltime.regional._location import CRUSTAL, RegionalLocation


def report(location: RegionalLocation, *, probability: float = 0.9) -> Location:
    """Summarise a regional location as `eqstat.traveltime.report` does the others.

    Parameters
    ----------
    location
        From `locate`.
    probability
        Content of intervals and region, in (0, 1).

    Returns
    -------
    Location
        With the method "grid" and the likelihood "regional". The class probabilities of a pick
        are those of its branches at the posterior medians: P and S of either branch, and
        background for a time that has nothing to do with the event. Residuals are to the most
        probable branch, without the shared errors.

    Raises
    ------
    eqstat.InputError
        When the probability is out of range.

    Examples
    --------
    >>> import jax
    >>> from eqstat.traveltime import regional
    >>> sites = pd.DataFrame({"latitude": [35.0, 36.0, 36.5, 35.6, 36.2],
    ...                       "longitude": [-98.0, -97.0, -98.5, -98.9, -97.7]})
    >>> error = regional.RegionalError()
    >>> picks = regional.simulate(jax.random.key(1), error, sites, latitude=35.5,
    ...                           longitude=-98.0, depth_km=6.0, s_probability=0.0)
    >>> summary = report(regional.locate(picks, error))
    >>> summary.likelihood, len(summary.triggers)
    ('regional', 5)
    """
    check_kind("report", RegionalLocation, "give what `regional.locate` returns", location=location)
    posterior, picks = location.hypocentre, location.picks
    point = statistics_of(posterior, probability)
    local = LocalFrame(posterior.attrs["frame_latitude"], posterior.attrs["frame_longitude"])
    east, north = local.to_local(point.latitude, point.longitude)
    with jax.enable_x64(True):
        # The prior of depth plays no part here.
        target = target_of(pad_picks(picks, local), location.error, CRUSTAL)
        at = (jnp.asarray(v) for v in (float(east), float(north), np.log(point.depth_km)))
        branch, travel = (np.asarray(v)[: len(picks)] for v in explain(*at, target))
    zero = pd.Timestamp(posterior.attrs["reference_time"])
    seconds = (picks["time"] - zero).dt.total_seconds().to_numpy()
    best = np.argmax(branch, axis=1)
    residual = seconds - point.origin_time_s - travel[np.arange(len(picks)), best]
    p, s = branch[:, :2].sum(axis=1), branch[:, 2:].sum(axis=1)
    return located(
        posterior,
        statistics=point,
        probability=probability,
        reference_time=zero,
        picks=picks.assign(residual_s=residual),
        chances=np.stack([p, s, np.clip(1 - p - s, 0.0, 1.0)], axis=1),
        method="grid",
        likelihood="regional",
        left_out=location.left_out,
        silent=0,
        result=location.result_text,
        diagnostics={"log_evidence": location.log_evidence, "edge_mass": location.edge_mass},
    )
