"""What comes next: hypocentres drawn from where it was located, and the arrivals they expect."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_probability, check_whole
from eqstat._core.errors import InputError
from eqstat.detection._detector import Detector
from eqstat.detection._locate import AXES
from eqstat.velocity import surface_point

DRAWS = 1000


def draw_hypocentres(
    key: PRNGKeyArray, detector: Detector, located: xr.Dataset, count: int = DRAWS
) -> xr.Dataset:
    """Draw hypocentres from the posterior of `locate`, evenly within the cells of its grid.

    Parameters
    ----------
    key
        JAX random key.
    detector, located
        The detector, and what `locate` gave.
    count
        Number of draws.

    Returns
    -------
    xarray.Dataset
        Over `draw`: `latitude`, `longitude` (degrees), `east_km`, `north_km`, `depth_km`,
        `origin_time_s` (after the epoch) and `slowness` (travel times over those of the model).
    """
    check_whole("draw_hypocentres", 1, count=count)
    joint = located["probability"].transpose(*AXES).to_numpy().astype(np.float64)
    keys = jax.random.split(key)
    level = np.cumsum(joint.ravel())
    uniform = np.asarray(jax.random.uniform(keys[0], (count,)), np.float64)
    cell = np.minimum(np.searchsorted(level, uniform * level[-1], side="right"), len(level) - 1)
    within = np.asarray(jax.random.uniform(keys[1], (len(AXES), count)), np.float64) - 0.5
    drawn = {}
    for name, index, part in zip(AXES, np.unravel_index(cell, joint.shape), within, strict=True):
        axis = located[name].to_numpy()
        # The few cells of slowness are wide: spread over them it would be too uncertain.
        step = 0.0 if name == "slowness" else axis[1] - axis[0]
        drawn[name] = axis[index] + step * part
    latitude, longitude = detector.frame.to_geographic(drawn["east_km"], drawn["north_km"])
    columns = {
        "latitude": (np.asarray(latitude), "degrees"),
        "longitude": (np.asarray(longitude), "degrees"),
        "east_km": (drawn["east_km"], "km"),
        "north_km": (drawn["north_km"], "km"),
        "depth_km": (drawn["depth_km"], "km"),
        "origin_time_s": (float(located["now_s"]) + drawn["origin_s"], "s"),
        "slowness": (drawn["slowness"], "1"),
    }
    return xr.Dataset(
        {
            name: ("draw", values, {"units": unit, "long_name": name.replace("_", " ")})
            for name, (values, unit) in columns.items()
        }
    )


def expected_arrivals(
    detector: Detector,
    located: xr.Dataset,
    latitude: Sequence[float] | np.ndarray | float,
    longitude: Sequence[float] | np.ndarray | float,
    *,
    probability: float | int = 0.9,
) -> xr.Dataset:
    r"""When P and S reach places, *if* it is an earthquake.

    .. math:: t = t_0 + \kappa\, T_k(r, z)

    over 1,000 draws of hypocentre, origin time $t_0$ and factor $\kappa$ of the travel times
    from the posterior. What is not in it is the error of a single ray. The epicentre is as wide as
    waves that are slower to one side make it, the times are not turned with it: among devices that
    have triggered the intervals are somewhat too wide.

    Parameters
    ----------
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
    """
    check_probability("expected_arrivals", probability=probability)
    at = [np.atleast_1d(np.asarray(x, np.float64)) for x in (latitude, longitude)]
    if at[0].shape != at[1].shape or at[0].ndim != 1 or not np.all(np.isfinite(at)):
        raise InputError("expected_arrivals: latitude and longitude must be as many numbers")
    if np.any(np.abs(at[0]) > 90) or np.any(np.abs(at[1]) > 360):
        raise InputError("expected_arrivals: latitude must lie in -90 to 90 degrees")
    drawn = draw_hypocentres(jax.random.key(0), detector, located)
    value = {str(name): drawn[name].to_numpy() for name in drawn}
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
