"""Geometry and simulated detections in plain NumPy, independent of the package."""

import numpy as np
import pandas as pd

from eqstat import traveltime

RADIUS_KM = 6371.0
EPOCH = pd.Timestamp("2027-03-01T12:00:00Z")
P_KM_S, S_KM_S = 7.8, 4.5


def destination(latitude, longitude, east_km, north_km):
    """Point at azimuthal equidistant coordinates about a centre, by vectors; also at a pole."""
    east, north = np.asarray(east_km, float), np.asarray(north_km, float)
    angle = np.hypot(east, north) / RADIUS_KM
    azimuth = np.arctan2(east, north)
    phi, lam = np.radians(latitude), np.radians(longitude)
    to_east = np.array([-np.sin(lam), np.cos(lam), 0.0])
    to_north = np.array([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)])
    along = np.sin(azimuth)[..., None] * to_east + np.cos(azimuth)[..., None] * to_north
    centre = vector(latitude, longitude, 1.0)
    x, y, z = np.moveaxis(
        np.cos(angle)[..., None] * centre + np.sin(angle)[..., None] * along, -1, 0
    )
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def vector(latitude, longitude, radius_km=RADIUS_KM):
    """Geocentric position, km."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    unit = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], -1)
    return unit * np.asarray(radius_km)[..., None]


def straight(latitude, longitude, depth_km, table):
    """Straight-line distance from a hypocentre to the devices of a table, km."""
    elevation = table["elevation_m"].to_numpy() / 1000 if "elevation_m" in table else 0.0
    devices = vector(
        table["latitude"].to_numpy(), table["longitude"].to_numpy(), RADIUS_KM + elevation
    )
    source = vector(latitude, longitude, RADIUS_KM - depth_km)
    return np.linalg.norm(devices - source, axis=-1)


def network(count, seed=0, centre=(-12.0, -77.0), radius_km=40.0):
    """Devices scattered in a disc."""
    rng = np.random.default_rng(seed)
    radius = radius_km * np.sqrt(rng.uniform(size=count))
    turn = rng.uniform(0, 2 * np.pi, count)
    latitude, longitude = destination(*centre, radius * np.sin(turn), radius * np.cos(turn))
    return pd.DataFrame({"latitude": latitude, "longitude": longitude})


def stamp(table, seconds):
    """A table with times that many seconds after the epoch."""
    return table.assign(time=EPOCH + pd.to_timedelta(np.asarray(seconds), unit="s"))


def quake(
    count,
    seed=0,
    *,
    at=(8.0, -5.0),
    depth_km=15.0,
    sd_s=0.5,
    speed=P_KM_S,
    centre=(-12.0, -77.0),
    radius_km=40.0,
):
    """Triggers of one wave of an earthquake at local coordinates `at` about the centre."""
    devices = network(count, seed, centre, radius_km)
    rng = np.random.default_rng(1000 + seed)
    place = destination(*centre, *at)
    times = straight(*place, depth_km, devices) / speed + sd_s * rng.normal(size=count)
    return stamp(devices, times)


def phones(count, seed=0, *, at=(8.0, -5.0), depth_km=15.0, shares=(0.45, 0.35, 0.2), delay_s=2.0):
    """Triggers of P, S and background, as of phones, and their causes (0, 1, 2)."""
    devices = network(count, seed)
    rng = np.random.default_rng(2000 + seed)
    place = destination(-12.0, -77.0, *at)
    distance = straight(*place, depth_km, devices)
    cause = rng.choice(3, count, p=shares)
    travel = np.where(cause == 1, distance / S_KM_S, distance / P_KM_S)
    waves = travel + delay_s + 0.6 * rng.normal(size=count)
    times = np.where(cause == 2, rng.uniform(-10, 40, count), waves)
    return stamp(devices, times), cause


def front(count, seed=0, speed=0.34, radius_km=30.0):
    """A plane front that crosses a network slowly: no earthquake."""
    devices = network(count, seed, radius_km=radius_km / 2)
    rng = np.random.default_rng(3000 + seed)
    place = vector(devices["latitude"], devices["longitude"])
    along = (place - place.mean(0)) @ np.array([0.2, 0.3, 0.93])
    return stamp(devices, along / speed + 0.5 * rng.normal(size=count))


def noise(count, seed=0, span_s=30.0):
    """Triggers at uniform random times."""
    rng = np.random.default_rng(4000 + seed)
    return stamp(network(count, seed), rng.uniform(0, span_s, count))


def geographic(observations, east_km, north_km):
    """Local coordinates of some observations in degrees, by this file's own formula."""
    frame = observations.frame
    return destination(frame.latitude, frame.longitude, east_km, north_km)


def travel_times(observations, east_km, north_km, depth_km, speed=P_KM_S):
    """Constant-velocity travel times to the triggers in use, s."""
    place = geographic(observations, east_km, north_km)
    return straight(*place, depth_km, observations.triggers) / speed


def seconds(observations):
    """Trigger times after the reference time, from the table itself."""
    times = observations.triggers["time"] - observations.reference_time
    return times.dt.total_seconds().to_numpy()


def prepared(*args, **options):
    """Simulated triggers of an earthquake, prepared."""
    keep = {k: options.pop(k) for k in ("velocity", "wave", "start", "now") if k in options}
    return traveltime.prepare(quake(*args, **options), **keep)
