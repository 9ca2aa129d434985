"""Calibration of origin times and epicentres of regional locations, on events of the model itself.

Run: python validation/check_regional_origin.py [--events 100] [--stations 20] [--json FILE]. For
each event the rank of the true origin time among draws of the posterior, the credible level of the
true epicentre and the error of the posterior mean are recorded.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from records import Record, each, record, show

from eqstat import calibration, hypocentre
from eqstat.geodesy import LocalFrame
from eqstat.traveltime.regional import RegionalError, locate, simulate

DRAWS = 999


def stations(rng: np.random.Generator, count: int, centre: LocalFrame) -> pd.DataFrame:
    """Stations within 350 km of a centre."""
    angle, radius = rng.uniform(0, 2 * np.pi, count), 350 * np.sqrt(rng.uniform(0.002, 1, count))
    latitude, longitude = centre.to_geographic(radius * np.sin(angle), radius * np.cos(angle))
    return pd.DataFrame(
        {
            "device": [f"A.{i}" for i in range(count)],
            "latitude": latitude,
            "longitude": longitude,
            "elevation_m": rng.uniform(0, 900, count),
        }
    )


def one(number: int, error: RegionalError, count: int) -> dict[str, float]:
    """One simulated event, located with the numbers it was drawn from."""
    rng = np.random.default_rng(number)
    centre = LocalFrame(36.0, -98.0)
    east, north = rng.uniform(-100, 100, 2)
    latitude, longitude = (float(v) for v in centre.to_geographic(east, north))
    depth = 0.0
    while not 1.0 < depth < 40.0:
        depth = float(np.exp(rng.normal(np.log(8.0), 0.8)))
    zero = pd.Timestamp("2020-01-01T00:00:00Z")
    picks = simulate(
        jax.random.key(number),
        error,
        stations(rng, count, centre),
        latitude=latitude,
        longitude=longitude,
        depth_km=depth,
        origin_time=zero,
    )
    result = locate(picks, error)
    posterior = result.hypocentre
    truth = (zero - pd.Timestamp(posterior.attrs["reference_time"])).total_seconds()
    draws = hypocentre.resample(posterior, DRAWS)["origin_time_s"].to_numpy()
    return {
        "event": number,
        "picks": result.picks_used,
        "level": hypocentre.credible_level(posterior, latitude, longitude),
        "rank": int(np.sum(draws < truth)),
        "error_s": float(draws.mean() - truth),
        "sd_s": float(draws.std()),
    }


def check(
    events: int = 100, stations_count: int = 20, json_file: Path | None = None
) -> list[Record]:
    """Locate so many simulated events."""
    error = RegionalError()
    rows = each(range(events), lambda number: one(number, error, stations_count))
    table = pd.DataFrame(rows)
    if json_file:
        json_file.write_text(json.dumps(rows))
    uniform = calibration.rank_uniformity(table["rank"].to_numpy(), DRAWS, bins=10)
    records = [
        record("origin time: p of uniform ranks", uniform.p_value, bounds=(0.01, None),
               data_sets=events)
    ]  # fmt: skip
    place = table["rank"] / DRAWS
    for nominal in (0.5, 0.9):
        for text, inside in (
            (f"origin time in its {nominal:.0%} interval", np.abs(place - 0.5) < nominal / 2),
            (f"epicentre in its {nominal:.0%} region", table["level"] <= nominal),
        ):
            held = calibration.coverage(inside.to_numpy(bool), nominal, probability=0.95)
            records.append(
                record(
                    text,
                    held.rate,
                    interval=(held.low, held.high),
                    target=nominal,
                    unit="%",
                    data_sets=events,
                )
            )
    sd_s = table["sd_s"].median()
    records.append(record("median standard deviation of the origin time", sd_s, unit="s"))
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--stations", type=int, default=20, dest="stations_count")
    parser.add_argument("--json", type=Path, dest="json_file")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
