"""`eqstat locate`."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import jax
import numpy as np
import xarray as xr

from eqstat import schema, traveltime
from eqstat.cli import _files
from eqstat.cli._errors import BadInputError
from eqstat.inference import Fit
from eqstat.traveltime import GridPosterior, Location, Observations

FIGURE_DRAWS = 4000


def locate(options: argparse.Namespace) -> None:
    """Locate the detection of a table and write what came out."""
    if options.posterior and options.method == "bfgs":
        raise BadInputError("--posterior: BFGS gives no posterior; use --method grid or nuts")
    if options.wave and options.likelihood == "mixture":
        raise BadInputError("--wave: the mixture takes every trigger for P, S or background")
    _files.check_outputs(json=options.json, posterior=options.posterior, figure=options.figure)
    velocity = _files.velocity_of(options.velocity, options.p_velocity, options.s_velocity)
    triggers = _files.read_table(options.triggers, options.columns, "triggers")
    network = options.network and _files.read_table(
        options.network, options.columns, "network", lenient=True
    )
    observations = prepare(
        triggers,
        network=network,
        velocity=velocity,
        start=options.start,
        now=options.now,
        truncated=options.truncated,
        wave=options.wave or "P",
    )
    prior = traveltime.Prior()
    if options.region_km is not None:
        prior = traveltime.Prior(region_km=options.region_km)
    common: dict[str, Any] = {"likelihood": options.likelihood, "prior": prior}
    if options.method == "bfgs":
        result: Any = traveltime.fit(observations, **common)
    elif options.method == "grid":
        result = traveltime.grid(observations, **common)
    else:
        progress = False if options.quiet else None
        key = jax.random.key(options.seed)
        result = traveltime.sample(key, observations, progress=progress, **common)
    location = traveltime.report(observations, result, probability=options.probability)

    if options.posterior:
        write_posterior(result, options.posterior)
    if options.figure:
        draws = draws_of(result)
        figure = _files.plots().location_figure(
            [location],
            velocity,
            draws={location.method: draws} if draws else None,
            reference_time=observations.reference_time,
            delay_s=delay_of(result, draws),
            silent=silent_of(network, observations),
            title=f"{location.method} location, {location.likelihood} likelihood",
        )
        figure.savefig(options.figure, dpi=150)
    if options.json:
        _files.write_json(options.json, location.to_dict())
    if not options.quiet:
        if options.json != "-":
            for line in summary(location):
                _files.say(line)
        _files.tell_notes(observations.notes)


def prepare(triggers: Any, **options: Any) -> Observations:
    """Prepare tables; that times were taken as UTC is in the notes, not a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", schema.NaiveTimeWarning)
        return traveltime.prepare(triggers, **options)


def write_posterior(result: GridPosterior | xr.DataTree, name: str) -> None:
    """Write the grid's Dataset or the draws' DataTree as NetCDF."""
    data = result.hypocentre if isinstance(result, GridPosterior) else result
    data.to_netcdf(name, engine="h5netcdf")


def draws_of(result: Fit | GridPosterior | xr.DataTree) -> dict[str, np.ndarray]:
    """Draws of a posterior for figures; empty for a fit."""
    if isinstance(result, Fit):
        return {}
    if isinstance(result, GridPosterior):
        return result.draws(0, FIGURE_DRAWS)
    posterior = result["posterior"].to_dataset()
    return {str(name): values.to_numpy() for name, values in posterior.data_vars.items()}


def delay_of(result: Any, draws: dict[str, np.ndarray]) -> float:
    """Mean delay after a phase: the mixture's estimate, else 0."""
    if "delay_s" in draws:
        return float(np.median(draws["delay_s"]))
    if isinstance(result, Fit) and "delay_s" in result.names:
        return result["delay_s"]
    return 0.0


def silent_of(network: Any, observations: Observations) -> Any:
    """Devices of a network that no trigger came from, for the map."""
    if network is None:
        return None
    keys = ["device"] if "device" in network and "device" in observations.triggers else None
    keys = keys or ["latitude", "longitude"]
    used = observations.triggers[keys].apply(tuple, axis=1)
    return network[~network[keys].apply(tuple, axis=1).isin(set(used))]


def place(latitude: float, longitude: float) -> str:
    """Write a place with its hemispheres."""
    north = "N" if latitude >= 0 else "S"
    east = "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.3f} {north}, {abs(longitude):.3f} {east}"


def summary(location: Location) -> list[str]:
    """Lines for a person."""
    errors = location.standard_error
    percent = f"{100 * location.region.probability:g} %"
    interval = location.interval

    def clock(moment: Any) -> str:
        return (
            "unknown" if moment is None else f"{moment:%H:%M:%S}.{moment.microsecond // 10**4:02d}"
        )

    def number(value: float | None, digits: int = 1) -> str:
        known = value is not None and np.isfinite(value)
        return f"{value:.{digits}f}" if known else "unknown"

    used, out = len(location.triggers), len(location.left_out)
    lines = [
        f"Hypocentre      {place(location.latitude, location.longitude)}, "
        f"depth {location.depth_km:.1f} km",
        f"Origin time     {location.origin_time:%Y-%m-%d} {clock(location.origin_time)} UTC",
        f"Standard error  {number(errors['latitude_km'])} km north-south, "
        f"{number(errors['longitude_km'])} km east-west, depth {number(errors['depth_km'])} km, "
        f"time {number(errors['origin_time_s'], 2)} s",
        f"{percent} region".ljust(16) + f"{number(location.region.area_km2, 0)} km2 "
        f"({location.region.kind})",
        f"{percent} interval".ljust(16)
        + f"depth {number(interval['depth_km'][0])} to {number(interval['depth_km'][1])} km, "
        f"origin {clock(interval['origin_time'][0])} to {clock(interval['origin_time'][1])} "
        f"({interval['kind']})",
        f"Triggers        {used + out} given, {used} used" + _classes(location),
    ]
    if out:
        reasons = location.left_out["reason"].value_counts()
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        lines.append(f"Left out        {told}")
    lines += [
        f"Geometry        azimuthal gap {location.azimuthal_gap_deg:.0f} degrees, "
        f"nearest device at {location.nearest_device_km:.1f} km",
        f"Result          {location.method}, {location.likelihood}: {location.result}",
    ]
    return lines


def _classes(location: Location) -> str:
    if location.likelihood != "mixture":
        return ""
    names = ("P", "S", "background")
    chances = location.triggers[[f"probability_{name.lower()}" for name in names]].sum()
    told = ", ".join(f"{chance:.0f} {name}" for chance, name in zip(chances, names, strict=True))
    return f" (expected: {told})"
