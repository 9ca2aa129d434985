"""The simulation of Massoda Tchoussi and Finazzi (2023), section 5, as far as it is published.

Not published are the places of the phones (the true ones in Lima; here uniform over the box), the
threshold of the detection rule, and whether shares of devices are exact or expected (here devices
trigger independently with that probability).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from scipy import stats

from eqstat._core.checks import check_probability
from eqstat.geodesy import great_circle_distance
from eqstat.simulation._networks import Network, uniform_box
from eqstat.simulation._observe import observations
from eqstat.simulation._rule import Detections
from eqstat.simulation._streams import Streams
from eqstat.simulation.sources._base import Filled
from eqstat.simulation.sources._earthquakes import ConstantProbability, Earthquakes, NormalDelay
from eqstat.simulation.sources._noise import UniformTriggers
from eqstat.traveltime import Prior, both_waves, degrees_of_freedom

__all__ = ["false_detections", "lima", "test_detections", "true_detections"]

LATITUDE, LONGITUDE = (-12.39, -11.74), (-77.17, -76.66)
DEVICES = 1000
DEPTH_KM = (0.0, 100.0)
WINDOW_S = (0.0, 12.0)
ESTIMATED = 4
SHARE_OF_EARTHQUAKE, SHARE_OF_REST, SHARE_OF_FALSE = 0.7, 0.06, 0.3


def lima(key: PRNGKeyArray, *, devices: int = DEVICES) -> Network:
    """Phones uniformly distributed over the box around Lima.

    Parameters
    ----------
    key
        JAX random key.
    devices
        Number of phones.

    Returns
    -------
    Network

    Examples
    --------
    >>> import jax
    >>> len(lima(jax.random.key(0), devices=20))
    20
    """
    return uniform_box(key, devices, latitude=LATITUDE, longitude=LONGITUDE)


def true_detections(network: Network) -> Filled:
    """Earthquakes under the box that trigger by P only, with random triggers of other phones.

    Parameters
    ----------
    network
        From `lima`; its frame defines the position of the box.

    Returns
    -------
    Filled
        A source for `simulate`: 70 % of the phones trigger by P (7.8 km/s) with a normal error
        of 1.29 s, and 6 % of the others at a uniform time from 0 to 12 s.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate
    >>> box = lima(jax.random.key(0), devices=200)
    >>> streams = simulate(jax.random.key(1), box, true_detections(box), 2)
    >>> streams.event.tolist()
    ['earthquake', 'earthquake']
    """
    middle = [sum(ends) / 2 for ends in (LATITUDE, LONGITUDE)]
    east = [float(network.frame.to_local(middle[0], end)[0]) for end in LONGITUDE]
    north = [float(network.frame.to_local(end, middle[1])[1]) for end in LATITUDE]
    quakes = Earthquakes(
        east_km=(east[0], east[1]),
        north_km=(north[0], north[1]),
        depth_km=DEPTH_KM,
        probability=ConstantProbability(SHARE_OF_EARTHQUAKE),
        delay=NormalDelay(),
    )
    return Filled(quakes, UniformTriggers(SHARE_OF_REST, WINDOW_S))


def false_detections() -> UniformTriggers:
    """False detections of the paper: 30 % of the phones at uniform times from 0 to 12 s.

    Returns
    -------
    UniformTriggers
        A source for `simulate`.

    Examples
    --------
    >>> false_detections().window_s
    (0.0, 12.0)
    """
    return UniformTriggers(SHARE_OF_FALSE, WINDOW_S)


def test_detections(
    streams: Streams,
    detections: Detections,
    *,
    miss_probability: float | int = 0.01,
    estimated_parameters: int = ESTIMATED,
    region_km: float | int | None = None,
) -> pd.DataFrame:
    r"""Apply the test of the paper to detections, for all values of delta at once.

    A wavefront is accepted if $k \hat\sigma^2 / \delta^2 \le q_{1 - \alpha, k - m}$, that is, for
    all delta of at least

    .. math:: \delta^* = \sqrt{k\, \hat\sigma^2 / q_{1-\alpha,\, k-m}}.

    The detection is classified as an earthquake for delta of at least the smaller value of both
    waves. This value is therefore a score with the threshold delta, for use in
    `eqstat.calibration` with `larger="noise"`.

    Parameters
    ----------
    streams
        From `simulate`.
    detections
        From `first_detections` of the same streams; the test uses their members only.
    miss_probability
        Nominal miss probability alpha, in (0, 1).
    estimated_parameters
        Number m of estimated parameters, see `eqstat.traveltime.classify`.
    region_km
        Half-width of the search box of the epicentre; that of `traveltime.Prior` by default.

    Returns
    -------
    pandas.DataFrame
        One row per detection: `stream`, `is_earthquake` (the truth), `triggers`,
        `smallest_delta_s`, its `wave`, `sd_p_s` and `sd_s_s` (root of the mean
        squared residual); the hypocentre under that wave in `latitude`, `longitude`, `depth_km`
        and whether the optimiser `converged`; `epicentral_error_km` and `depth_error_km`, NaN if
        there is no true hypocentre. `attrs["left_out"]` is the number of detections with too few
        triggers or places.

    References
    ----------
    Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243, eqs. 12, 13, 17.

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import first_detections, ratio_rule, simulate
    >>> box = lima(jax.random.key(0), devices=200)
    >>> streams = simulate(jax.random.key(1), box, true_detections(box), 1)
    >>> table = test_detections(streams, first_detections(streams, ratio_rule(0.2)))
    >>> table["is_earthquake"].tolist()
    [True]
    """
    check_probability("false_alarms", miss_probability=miss_probability)
    region = float(Prior().region_km) if region_km is None else float(region_km)
    members = streams.only(detections.members)
    rows, left_out = [], 0
    for stream in np.flatnonzero(detections.detected):
        seen = observations(members, int(stream))
        count = len(seen.triggers)
        if not seen.enough or count <= estimated_parameters:
            left_out += 1
            continue
        waves = both_waves(seen, region)
        squares = np.asarray(waves.sum_of_squares, np.float64)
        places = np.asarray(waves.hypocentre, np.float64)
        freedom = [degrees_of_freedom(count, at, region, estimated_parameters) for at in places]
        critical = stats.chi2.isf(miss_probability, freedom)
        best = int(np.argmin(squares / critical))
        east, north, depth = places[best, :3]
        latitude, longitude = seen.frame.to_geographic(east, north)
        rows.append(
            {
                "stream": int(stream),
                "triggers": count,
                "smallest_delta_s": np.sqrt(squares[best] / critical[best]),
                "wave": "PS"[best],
                "sd_p_s": np.sqrt(squares[0] / count),
                "sd_s_s": np.sqrt(squares[1] / count),
                "latitude": float(latitude),
                "longitude": float(longitude),
                "depth_km": depth,
                "converged": bool(waves.converged[best]),
            }
        )
    table = pd.DataFrame(rows)
    if len(table):
        at = table["stream"].to_numpy()
        what = streams.truth
        table.insert(1, "is_earthquake", streams.event[at] == "earthquake")
        place = streams.network.frame.to_geographic(what.east_km[at], what.north_km[at])
        table["epicentral_error_km"] = great_circle_distance(
            *place, table["latitude"].to_numpy(), table["longitude"].to_numpy()
        )
        table["depth_error_km"] = table["depth_km"] - what.depth_km[at]
    table.attrs["left_out"] = left_out
    return table
