"""`eqstat demo`: one simulated detection, classified and located three ways."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from eqstat import geodesy, traveltime
from eqstat.cli import _files
from eqstat.cli._classify import draw
from eqstat.cli._classify import summary as verdict_summary
from eqstat.cli._errors import BadInputError
from eqstat.cli._locate import draws_of, place, write_posterior
from eqstat.traveltime import Design, GaussianParameters, Location

PHONES = 100
TOWN = (-12.06, -77.0)
TOWN_KM = 17.0
# Epicentre relative to the centre of the phones.
EAST_KM, NORTH_KM, DEPTH_KM = -22.0, 12.0, 20.0
METHODS = {"bfgs": "BFGS", "grid": "grid", "nuts": "NUTS"}


def simulated(seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Triggers of one earthquake on a town's phones, and the truth."""
    rng = np.random.default_rng(seed)
    frame = geodesy.LocalFrame(*TOWN)
    latitude, longitude = frame.to_geographic(*(TOWN_KM * rng.normal(size=(2, PHONES))))
    design = Design(latitude=latitude, longitude=longitude)
    truth = GaussianParameters(EAST_KM, NORTH_KM, DEPTH_KM, 0.0)
    triggers = traveltime.simulate(jax.random.key(seed), truth, design)
    at = design.frame.to_geographic(EAST_KM, NORTH_KM)
    return triggers, {
        "latitude": float(at[0]),
        "longitude": float(at[1]),
        "depth_km": DEPTH_KM,
        "origin_time": pd.Timestamp(design.reference_time),
    }


@contextmanager
def _step(text: str) -> Iterator[None]:
    """Say what is done, and in how many seconds."""
    begin = time.perf_counter()
    yield
    _files.say(f"   ({text}: {time.perf_counter() - begin:.1f} s, compilation included)")


def demo(options: argparse.Namespace) -> None:
    """Run the demonstration and write its files."""
    plots = _files.plots()
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"--out: cannot make the folder {options.out!r}") from error
    begin = time.perf_counter()
    say = _files.say

    triggers, truth = simulated(options.seed)
    origin = truth["origin_time"]
    triggers.drop(columns="cause").to_csv(out / "triggers.csv", index=False)
    say(f"1. An earthquake near a town with {PHONES} phones, simulated (seed {options.seed})")
    say(
        f"   {place(truth['latitude'], truth['longitude'])}, depth {DEPTH_KM:g} km, "
        f"origin {origin:%Y-%m-%d %H:%M:%S} UTC; trigger times scatter by 1.29 s"
    )

    observations = traveltime.prepare(triggers)
    velocity = observations.data.velocity
    say()
    say("2. Was it an earthquake? Do the times fit a P or an S wave?")
    with _step("classified"):
        verdict = traveltime.classify(observations)
    for line in verdict_summary(verdict):
        say("   " + line)
    _files.write_json(str(out / "classification.json"), verdict.to_dict())
    draw(verdict, observations, velocity).savefig(out / "classification.png", dpi=130)

    say()
    say("3. Where and when did it start? Three methods, one likelihood (of P waves)")
    locations: list[Location] = []
    draws: dict[str, dict[str, np.ndarray]] = {}
    for method, name in METHODS.items():
        with _step(name):
            result = _locate(method, observations, options.seed)
            location = traveltime.report(observations, result)
        _files.write_json(str(out / f"location_{method}.json"), location.to_dict())
        if method != "bfgs":
            draws[method] = draws_of(result)
            write_posterior(result, str(out / f"posterior_{method}.nc"))
        locations.append(location)
    say()
    for line in _table(locations, truth):
        say("   " + line)

    # The grid's answer first: its section and residuals are the ones drawn.
    ordered = [locations[1], locations[2], locations[0]]
    grid = ordered[0]
    source = (origin, DEPTH_KM)
    epicentre = (truth["latitude"], truth["longitude"])
    reference = observations.reference_time
    section = plots.section(grid.triggers, grid.origin_time, grid.depth_km, velocity)
    drawn = {
        "map": plots.map_triggers(grid.triggers, ordered, truth=epicentre),
        "section": section,
        "residuals": plots.residuals(grid.triggers),
        "depth_time": plots.depth_time(draws, reference, ordered, truth=source),
    }
    for name, axes in drawn.items():
        axes.figure.savefig(out / f"{name}.png", dpi=150)
    plots.location_figure(
        ordered,
        velocity,
        draws=draws,
        reference_time=reference,
        truth=truth,
        title="A simulated detection, located by grid, NUTS and BFGS",
    ).savefig(out / "location.png", dpi=130)
    say()
    say(f"Figures, JSON and NetCDF are in {out.resolve()}")
    for path in sorted(out.iterdir()):
        say(f"   {path.name}")
    say(f"Done in {time.perf_counter() - begin:.0f} s")


def _locate(method: str, observations: Any, seed: int) -> Any:
    if method == "bfgs":
        return traveltime.fit(observations, throw=False)
    if method == "grid":
        return traveltime.grid(observations)
    key = jax.random.key(seed)
    return traveltime.sample(key, observations, progress=False)


def _table(locations: list[Location], truth: dict[str, Any]) -> list[str]:
    """Estimates beside the truth."""
    head = f"{'':8}{'epicentre':>20}{'error':>8}{'90 % region':>14}{'truth in it':>13}"
    lines = [f"{head}{'depth':>17}{'origin':>16}"]
    for location in locations:
        error = geodesy.great_circle_distance(
            location.latitude, location.longitude, truth["latitude"], truth["longitude"]
        )
        inside = location.region.contains(truth["latitude"], truth["longitude"])
        after = (location.origin_time - truth["origin_time"]) / pd.Timedelta(seconds=1)
        spread = location.standard_error
        lines.append(
            f"{METHODS[location.method]:8}{place(location.latitude, location.longitude):>20}"
            f"{float(error):>5.1f} km{location.region.area_km2:>10.0f} km2"
            f"{'yes' if inside else 'no':>13}"
            f"{location.depth_km:>8.1f} ± {spread['depth_km']:<3.0f} km"
            f"{after:>+8.1f} ± {spread['origin_time_s']:.1f} s"
        )
    lines.append(
        f"{'truth':8}{place(truth['latitude'], truth['longitude']):>20}{'':>35}"
        f"{truth['depth_km']:>8.1f}{'':>9}{0.0:>+8.1f} s"
    )
    return lines
