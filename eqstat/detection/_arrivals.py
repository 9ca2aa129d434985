"""Arrivals of P and S that a located hypocentre predicts."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat import hypocentre
from eqstat._core.checks import check_probability
from eqstat._core.errors import InputError
from eqstat.detection._detector import Detector
from eqstat.velocity import surface_point

DRAWS = 1000


def expected_arrivals(
    key: PRNGKeyArray,
    detector: Detector,
    located: xr.Dataset,
    latitude: Sequence[float] | np.ndarray | float,
    longitude: Sequence[float] | np.ndarray | float,
    *,
    probability: float | int = 0.9,
) -> xr.Dataset:
    r"""Predict when P and S reach places, given that it is an earthquake.

    .. math:: t = t_0 + \kappa\, T_k(r, z)

    over 1,000 draws of hypocentre, origin time $t_0$ and factor $\kappa$ of the travel times
    from the posterior. The error of a single ray is not included. The epicentre's uncertainty
    includes lateral changes of slowness but the travel times do not follow them, so that among
    devices that have triggered the intervals are somewhat too wide.

    Parameters
    ----------
    key
        JAX random key.
    detector, located
        The detector, and what `locate` gave.
    latitude, longitude
        Of the places, degrees, (sites,).
    probability
        Of the equal-tailed intervals, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Over `site` and `phase` ("P", "S"): `arrival_s` (median, after the epoch) with `low_s` and
        `high_s`, `from_now_s` (median less the present; negative where it has passed), and
        `passed_probability`; coordinates `latitude`, `longitude`.

    Raises
    ------
    eqstat.InputError
        When places are no places or the probability is out of range.

    Examples
    --------
    >>> import jax
    >>> import pandas as pd
    >>> from eqstat.detection import detector, init, locate, step
    >>> from eqstat.detection.causes import earthquake, network_burst
    >>> place = np.linspace(0.0, 0.3, 12)
    >>> network = pd.DataFrame({"latitude": place, "longitude": np.roll(place, 3)})
    >>> watch = detector(network, causes=(earthquake(cells=20, slots=8), network_burst()))
    >>> state, report = step(
    ...     watch, init(watch, now_s=0.0), 60.0, np.arange(6), np.linspace(55.0, 58.0, 6))
    >>> located = locate(watch, state, report)
    >>> arrivals = expected_arrivals(jax.random.key(0), watch, located, 0.5, 0.5)
    >>> dict(arrivals["low_s"].sizes)
    {'site': 1, 'phase': 2}
    """
    check_probability("expected_arrivals", probability=probability)
    at = [np.atleast_1d(np.asarray(x, np.float64)) for x in (latitude, longitude)]
    if at[0].shape != at[1].shape or at[0].ndim != 1 or not np.all(np.isfinite(at)):
        raise InputError("expected_arrivals: latitude and longitude must be as many numbers")
    if np.any(np.abs(at[0]) > 90) or np.any(np.abs(at[1]) > 360):
        raise InputError("expected_arrivals: latitude must lie in -90 to 90 degrees")
    drawn = hypocentre.draw(key, located, DRAWS)
    value = {str(name): drawn[name].to_numpy() for name in drawn.data_vars}
    sites = np.asarray(detector.frame.position(*at), np.float64)
    place = surface_point(jnp.asarray(value["east_km"]), jnp.asarray(value["north_km"]))
    points = np.stack([np.asarray(x, np.float64) for x in place], axis=-1)
    away = np.linalg.norm(sites[:, None, :] - points, axis=-1)
    depth = jnp.broadcast_to(jnp.asarray(value["depth_km"]), away.shape)
    travel = np.stack(
        [np.asarray(t, np.float64) for t in detector.causes[0].travel_s(jnp.asarray(away), depth)],
        axis=1,
    )
    after = value["origin_time_s"] - float(located["now_s"]) + value["slowness"] * travel
    tail = (1 - probability) / 2
    low, middle, high = np.quantile(after, (tail, 0.5, 1 - tail), axis=-1)
    now = float(located["now_s"])
    columns = {
        "arrival_s": now + middle,
        "low_s": now + low,
        "high_s": now + high,
        "from_now_s": middle,
        "passed_probability": np.mean(after <= 0, axis=-1),
    }
    result = xr.Dataset(
        {name: (("site", "phase"), values) for name, values in columns.items()},
        coords={
            "phase": ["P", "S"],
            "latitude": ("site", at[0], {"units": "degrees"}),
            "longitude": ("site", at[1], {"units": "degrees"}),
        },
        attrs={"interval_probability": float(probability), "interval_kind": "equal tails"},
    )
    for name in columns:
        result[name].attrs.update(
            units="1" if name == "passed_probability" else "s", long_name=name.replace("_", " ")
        )
    return result
