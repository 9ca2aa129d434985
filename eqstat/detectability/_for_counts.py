"""Miss probabilities of a network as a function of counts, for thresholds that miss least."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.detectability._miss import miss_probability
from eqstat.detectability._network import DeviceNetwork, Rule


def miss_of_counts(
    networks: DeviceNetwork | Mapping[str, DeviceNetwork],
    latitude: ArrayLike | Mapping[str, ArrayLike],
    longitude: ArrayLike | Mapping[str, ArrayLike],
    *,
    magnitude: ArrayLike = (3.5, 4.0, 4.5, 5.0, 5.5, 6.0),
    b_value: float | int = 1.0,
    window_s: float | int = 10.0,
    radius_km: float | int = 30.0,
    **options: Any,
) -> Callable[[np.ndarray, np.ndarray, np.ndarray, str], np.ndarray]:
    r"""Miss probability of an earthquake as a function of threshold and active devices.

    Earthquakes are equally likely at the given places, and their magnitudes are those given with
    weights $10^{-b M}$. The network keeps its shape, and its devices are active in proportion.

    Parameters
    ----------
    networks
        The network, or one for each region.
    latitude, longitude
        Places of earthquakes, degrees, (places,), or rows of them for each region.
    magnitude
        Equally spaced magnitudes, (magnitudes,).
    b_value
        Slope b of the magnitudes' distribution, in [0, 10].
    window_s, radius_km
        Window and radius in which triggers are counted, as of `Rule`.
    **options
        As of `miss_probability`: `response`, `motion`, `depth_km`, `velocity`.

    Returns
    -------
    callable
        For `miss_probability` of `eqstat.counts.alarm.threshold(split="least_miss")`: a function
        of triggers, active devices, hours (arrays of one shape) and the region's name.

    Raises
    ------
    eqstat.InputError
        When a region has no network or no places.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detectability import prepare
    >>> town = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [400]})
    >>> miss = miss_of_counts(prepare(town, devices="phones"), [-12.2, -11.8], [-77.2, -77.0])
    >>> few, many = miss(np.array([10, 10]), np.array([50.0, 400.0]), np.array([3.0, 3.0]), "all")
    >>> bool(few > many)
    True
    """
    check_range("miss_of_counts", 0, 10, b_value=b_value)
    several = networks.values() if isinstance(networks, Mapping) else [networks]
    for network in several:
        check_kind("miss_of_counts", DeviceNetwork, "use `prepare`", network=network)
    size = np.atleast_1d(np.asarray(magnitude, np.float64))
    weight = 10 ** (-float(b_value) * (size - size.min()))
    weight /= weight.sum()

    def of_region(given: Any, region: str, what: str) -> Any:
        if not isinstance(given, Mapping):
            return given
        if region not in given:
            raise InputError(f"miss_of_counts: no {what} of region {region!r}")
        return given[region]

    def miss(triggers: np.ndarray, active: np.ndarray, hour: np.ndarray, region: str) -> np.ndarray:
        network: DeviceNetwork = of_region(networks, region, "network")
        north, east = (of_region(given, region, "places") for given in (latitude, longitude))
        pairs, back = np.unique(
            np.stack([np.ravel(triggers), np.ravel(active)]), axis=1, return_inverse=True
        )
        count, devices = pairs
        # The whole network with as many devices as are ever active; less of it for fewer.
        whole = DeviceNetwork(
            network.position, network.devices * devices.max() / network.devices.sum()
        )
        # Each pair is an hour of its own, in which the rule needs its count.
        hours = np.arange(len(count)) * 24.0 / len(count)
        rule = Rule(lambda n, at: count[np.searchsorted(hours, at)], window_s, radius_km)
        result = miss_probability(
            whole, rule, north, east, size, hour=hours, active_share=devices / devices.max(),
            **options,
        )  # fmt: skip
        mean = result["miss_probability"].mean("place").transpose("hour", "magnitude")
        return (mean.to_numpy() @ weight)[back.ravel()].reshape(np.shape(triggers))

    return miss
