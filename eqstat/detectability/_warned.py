"""Share of people who are warned before strong shaking."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtr, ndtri

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.detectability._network import arc_km, numbers_of, unit_vectors
from eqstat.detectability._response import shaking
from eqstat.detectability._results import QUANTILES
from eqstat.ground_motion import GroundMotion
from eqstat.schema import check_network
from eqstat.velocity import VelocityLike, as_velocity

# Scores of the quantiles of the delay, of which the middle one is 0.
SCORE = float(ndtri(QUANTILES[-1]))
# Correlation of the delay's score with the earthquake's strength, and values of the latter.
DEPENDENCE, NODES = 0.9, np.linspace(-3.5, 3.5, 15)


def warned_share(
    result: xr.Dataset,
    places: pd.DataFrame,
    pga_m_s2: ArrayLike,
    *,
    people: str,
    processing_s: float | int = 0.0,
    motion: GroundMotion | None = None,
    velocity: VelocityLike = None,
) -> xr.DataArray:
    r"""Share of the people in strong shaking who are warned before S comes, by its strength.

    With people $w_j$ at place j, T the delay of the detection, $\Delta$ the processing and
    $t_j$ the travel time of S,

    .. math:: \frac{\sum_j w_j\, P(A_j \ge u)\, P(\text{detected},\, T + \Delta < t_j)}
        {\sum_j w_j\, P(A_j \ge u)} .

    Between and beyond its quantiles the delay is taken as normal, with a scatter of its own on
    either side. An earthquake that shakes strongly for its magnitude is detected early, and by
    more networks: with the strength z of the earthquake, and $p_j$ the probability of a
    detection in time,

    .. math:: P(A_j \ge u,\ T + \Delta < t_j) = \operatorname{E}_z P(A_j \ge u \mid z)\,
        \Phi\Big(\frac{\Phi^{-1}(p_j) + \kappa z}{\sqrt{1 - \kappa^2}}\Big) ,

    where $\kappa = 0.9$: what decides on the delay is mostly the earthquake's strength.

    Parameters
    ----------
    result
        From `miss_probability` with `delays`: earthquakes at its places.
    places
        Table with `latitude` and `longitude` of the people.
    pga_m_s2
        Thresholds u of the peak ground acceleration, m/s2, above 0, (thresholds,).
    people
        Column of `places` with the number of people, at least 0.
    processing_s
        From the detection to the warning on a phone, s, in [0, 3600].
    motion, velocity
        As of the result; `motion` without an axis of draws.

    Returns
    -------
    xarray.DataArray
        Over `pga_m_s2` and `place`, `magnitude`, `hour` of the result.

    Raises
    ------
    eqstat.InputError
        When the result has no delays, or an argument is out of its range.

    Examples
    --------
    >>> from eqstat.detectability import Rule, miss_probability, prepare
    >>> towns = pd.DataFrame(
    ...     {"latitude": [-12.0, -12.4], "longitude": [-77.0, -76.5], "phones": [400, 300],
    ...      "people": [1e6, 2e5]})
    >>> network = prepare(towns, devices="phones")
    >>> result = miss_probability(network, Rule(12), -12.1, -77.3, [6.5], delays=True)
    >>> share = warned_share(result, towns, [0.1, 1.0], people="people", processing_s=5).squeeze()
    >>> bool(1 > share[0] > share[1] > 0)
    True
    """
    if not isinstance(result, xr.Dataset) or not {"delay_s", "place"} <= {*result, *result.dims}:
        raise InputError(
            "warned_share: result must be from miss_probability with delays=True, over places"
        )
    check_range("warned_share", 0, 3600, processing_s=processing_s)
    level = np.atleast_1d(np.asarray(pga_m_s2, np.float64))
    check_range("warned_share", 0, ends="()", pga_m_s2=level)
    weight = numbers_of(places, people, "places")
    where = check_network(places[["latitude", "longitude"]])
    if not weight.sum() > 0:
        raise InputError(f"warned_share: column {people!r} of places holds no people")
    motion = GroundMotion() if motion is None else motion
    depth = float(result.attrs["depth_km"])
    epicentre, town = (
        unit_vectors(np.asarray(x["latitude"], float), np.asarray(x["longitude"], float))
        for x in (result, where)
    )
    apart = arc_km(np.linalg.norm(epicentre[:, None] - town, axis=-1))
    arrival = np.asarray(as_velocity(velocity).travel_time(apart, depth)[1], np.float64)
    size = result["magnitude"].to_numpy()
    distance = np.hypot(apart, max(depth, 0.1))
    of = shaking(
        motion,
        jnp.asarray(size)[None, :, None],
        jnp.asarray(distance)[:, None],
        jnp.asarray(depth),
        0.0,
    )
    # Without a field of residuals what is shared is the earthquake's.
    of_event, own = np.asarray(of.shared_sd), np.asarray(of.own_sd)
    above = np.asarray(of.log10_pga) - np.log10(level)[:, None, None, None]
    mass = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
    # By the earthquake's strength along the last axis.
    strong = weight[:, None] * ndtr(
        (above[..., None] + of_event[..., None] * NODES) / own[..., None]
    )
    strong *= mass
    delay = result["delay_s"].transpose("place", "magnitude", "hour", "quantile").to_numpy()
    detected = 1 - result["miss_probability"].transpose("place", "magnitude", "hour").to_numpy()
    low, middle, high = (delay[..., i, None] + float(processing_s) for i in range(len(QUANTILES)))
    late = arrival[:, None, None] - middle
    spread = np.where(late < 0, middle - low, high - middle) / SCORE
    in_time = ndtr(late / np.maximum(spread, 1e-3)) * detected[..., None]
    # Where there is no detection there is no delay.
    in_time = ndtri(np.clip(np.nan_to_num(in_time), 1e-12, 1 - 1e-12))
    total = strong.sum(axis=(-2, -1))[..., None]
    share = np.zeros((*total.shape[:-1], detected.shape[-1]))
    for node, strength in enumerate(NODES):
        given = ndtr((in_time + DEPENDENCE * strength) / np.sqrt(1 - DEPENDENCE**2))
        share += np.einsum("upmt,pmht->upmh", strong[..., node], given)
    share /= total
    coords = {name: c for name, c in result.coords.items() if "quantile" not in c.dims}
    return xr.DataArray(
        share,
        coords={**coords, "pga_m_s2": ("pga_m_s2", level, {"units": "m/s2"})},
        dims=("pga_m_s2", "place", "magnitude", "hour"),
        name="warned_share",
        attrs={"long_name": "share of the people in strong shaking who are warned before S"},
    )
