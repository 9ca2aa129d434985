"""Draw picks of one event from the regional error model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array

from eqstat import schema
from eqstat._core.checks import check_key
from eqstat._core.errors import InputError
from eqstat.geodesy import LocalFrame
from eqstat.traveltime.regional._core import BRANCHES, OUTLIER_DENSITY, Picks, effects, moveout
from eqstat.traveltime.regional._parameters import RegionalError


def simulate(
    key: Array,
    error: RegionalError,
    stations: pd.DataFrame,
    *,
    latitude: float,
    longitude: float,
    depth_km: float,
    origin_time: pd.Timestamp | str = "2020-01-01T00:00:00Z",
    p_probability: float = 1.0,
    s_probability: float = 0.6,
    max_distance_km: float = 400.0,
) -> pd.DataFrame:
    """Draw the picks of one event at given stations, from the model that `locate` inverts.

    Parameters
    ----------
    key
        JAX random key.
    error
        The error model.
    stations
        Table of the network contract; `elevation_m` is used where it is given.
    latitude, longitude, depth_km, origin_time
        The hypocentre: degrees, km, UTC.
    p_probability, s_probability
        Probability that a station within `max_distance_km` gives a pick with this label.
    max_distance_km
        Farther stations give none.

    Returns
    -------
    pandas.DataFrame
        Table of the triggers contract with `device`, `phase`, `elevation_m`, and `branch`: 0
        crust P, 1 mantle P, 2 crust S, 3 mantle S, 4 outlier. Ordered by time.

    Examples
    --------
    >>> sites = pd.DataFrame({"latitude": [35.0, 36.0], "longitude": [-98.0, -97.0]})
    >>> table = simulate(jax.random.key(1), RegionalError(), sites, latitude=35.5,
    ...                  longitude=-98.0, depth_km=6.0, s_probability=0.0)
    >>> len(table)
    2
    """
    check_key("simulate", key)
    sites = schema.check_network(stations).reset_index(drop=True)
    if "device" not in sites:
        sites["device"] = [f"S{i}" for i in range(len(sites))]
    frame = LocalFrame(latitude, longitude)
    east, north = frame.to_local(sites["latitude"].to_numpy(), sites["longitude"].to_numpy())
    sites = sites[np.hypot(east, north) <= max_distance_km].reset_index(drop=True)
    count = len(sites)
    keys = jax.random.split(key, 7)
    with jax.enable_x64(True):
        chosen = np.asarray(jax.random.uniform(keys[0], (2, count)))
    which = np.concatenate(
        [np.flatnonzero(chosen[0] < p_probability), np.flatnonzero(chosen[1] < s_probability)]
    )
    is_p = np.arange(len(which)) < np.sum(chosen[0] < p_probability)
    table = sites.iloc[which].reset_index(drop=True)
    if table.empty:
        raise InputError("simulate: no station within max_distance_km gives a pick")
    elevation = table.get("elevation_m", pd.Series(0.0, table.index)).to_numpy(float)
    position = frame.position(table["latitude"].to_numpy(), table["longitude"].to_numpy())
    with jax.enable_x64(True):
        picks = Picks(
            jnp.asarray(position),
            jnp.asarray(elevation) / 1000,
            jnp.zeros(len(table)),
            jnp.asarray(is_p),
            jnp.ones(len(table), bool),
        )
        numbers = jax.tree.map(lambda v: jnp.asarray(v, float), error.without_tails())
        seconds, branch = _draw(keys, numbers, jnp.asarray(depth_km, float), picks)
        seconds, branch = np.asarray(seconds), np.asarray(branch)
    moment = pd.Timestamp(origin_time)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
    out = table.assign(
        time=moment + pd.to_timedelta(seconds, unit="s"),
        phase=np.where(is_p, "P", "S"),
        branch=branch,
    )
    return out.sort_values("time", kind="stable").reset_index(drop=True)


@jax.jit
def _draw(keys: Array, error: RegionalError, depth: Array, picks: Picks) -> tuple[Array, Array]:
    """Seconds after the origin time, and the branch of each pick."""
    zero = jnp.zeros(())
    count = len(picks.time_s)
    move = moveout(error, zero, zero, depth, picks)
    poor = jax.random.bernoulli(keys[1], error.poor_event_probability)
    scale = jnp.where(poor, 1 + jnp.asarray(error.poor_event_excess), 1.0)
    design = effects(error, move, picks, scale)[:, 1:]
    shared = design @ jax.random.normal(keys[2], (design.shape[1],))
    branch = jax.random.categorical(keys[3], move.log_weight, axis=1)
    rows = jnp.arange(count)
    student = jax.random.t(keys[4], error.student_degrees_of_freedom, (count,))
    own = jnp.sqrt(scale) * move.scatter_s[rows, branch] * student
    seconds = move.time_s[rows, branch] + shared + own
    far = jax.random.bernoulli(keys[5], error.outlier_probability, (count,))
    middle = jnp.median(seconds)
    wild = middle + (jax.random.uniform(keys[6], (count,)) - 0.5) / OUTLIER_DENSITY
    return jnp.where(far, wild, seconds), jnp.where(far, BRANCHES, branch)
