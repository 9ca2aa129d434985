"""The simulation of Massoda Tchoussi and Finazzi (2023), section 5, as far as the paper tells it.

Not told are the places of the phones (their true ones in Lima; here even over the box), the
threshold of the detection rule, and whether shares of devices are exact or expected (here each
device triggers with that probability, on its own).
"""

from __future__ import annotations

from jaxtyping import PRNGKeyArray

from eqstat.simulation._base import Filled
from eqstat.simulation.earthquakes import ConstantProbability, Earthquakes, NormalDelay
from eqstat.simulation.networks import Network, uniform_box
from eqstat.simulation.noise import UniformTriggers

__all__ = ["false_detections", "lima", "true_detections"]

LATITUDE, LONGITUDE = (-12.39, -11.74), (-77.17, -76.66)
DEVICES = 1000
DEPTH_KM = (0.0, 100.0)
WINDOW_S = (0.0, 12.0)
SHARE_OF_EARTHQUAKE, SHARE_OF_REST, SHARE_OF_FALSE = 0.7, 0.06, 0.3


def lima(key: PRNGKeyArray, *, devices: int = DEVICES) -> Network:
    """Phones even over the box round Lima.

    Parameters
    ----------
    key
        JAX random key.
    devices
        Their number.

    Returns
    -------
    Network
    """
    return uniform_box(key, devices, latitude=LATITUDE, longitude=LONGITUDE)


def true_detections(network: Network) -> Filled:
    """Earthquakes under the box, P only, with random triggers among the rest of the phones.

    Parameters
    ----------
    network
        From `lima`; its frame places the box.

    Returns
    -------
    Filled
        A source for `simulate`: 70 % of the phones trigger by P (7.8 km/s) with a normal error
        of 1.29 s, of the others 6 % at a random time from 0 to 12 s.

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
    """The paper's false detections: 30 % of the phones at random times from 0 to 12 s.

    Returns
    -------
    UniformTriggers
        A source for `simulate`.
    """
    return UniformTriggers(SHARE_OF_FALSE, WINDOW_S)
