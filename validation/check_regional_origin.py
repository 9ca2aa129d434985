"""Whether origin times of regional locations are calibrated: events drawn from the model itself.

For each event the probability integral transform of the true origin time (its place in the
posterior), the credible level of the true epicentre and the error of the posterior mean are kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import numpy as np
import pandas as pd

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
    found = result.hypocentre
    truth = (zero - pd.Timestamp(found.attrs["reference_time"])).total_seconds()
    draws = hypocentre.resample(found, DRAWS)["origin_time_s"].to_numpy()
    return {
        "event": number,
        "picks": result.picks_used,
        "level": hypocentre.credible_level(found, latitude, longitude),
        "rank": int(np.sum(draws < truth)),
        "error_s": float(draws.mean() - truth),
        "sd_s": float(draws.std()),
    }


def main() -> None:
    """Locate events, print the calibration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [one(n, RegionalError(), options.stations) for n in range(options.events)]
    table = pd.DataFrame(rows)
    uniform = calibration.rank_uniformity(table["rank"].to_numpy(), DRAWS, bins=10)
    place = table["rank"] / DRAWS
    print(f"{len(table)} events: ranks of the origin time uniform with p {uniform.p_value:.3f}")
    for probability in (0.5, 0.9):
        inside = np.abs(place - 0.5) < probability / 2
        print(f"{100 * probability:g} % interval of the origin time holds {int(inside.sum())}")
        print(f"{100 * probability:g} % region holds {int((table['level'] <= probability).sum())}")
    ratio = table["error_s"] / table["sd_s"]
    print(f"median sd {table['sd_s'].median():.2f} s, error over sd: sd {ratio.std():.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
