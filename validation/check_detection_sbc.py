"""Simulation-based calibration of `detection.locate`: hypocentre, origin time and magnitude.

Run: python validation/check_detection_sbc.py [--number N] [--skewed].

N streams of a simulator of its own (`shaken_phones`), written from the documentation with nothing
of `eqstat.simulation` or `eqstat.detection.simulate`: 150 phones, the depths down to 300 km, an
unknown common delay, a scatter, magnitudes by Gutenberg and Richter, shaking with event terms and a
field that neighbours share (which the detector does not know), velocities with a common and a
lateral error, an excess and a background whose rates are unknown. With --peaks phones report their
peaks. The stream is seen at a moment within 36 s of the first arrival at the epicentre; those with
at least six triggers are located and each true value is ranked among 999 draws. With --skewed
phones delay by a gamma distribution (its mean from the prior, its relative standard deviation 0.5)
instead of a normal one: a world that the detector does not know.
"""

from __future__ import annotations

import argparse

import jax
import numpy as np
import pandas as pd
from records import Record, each, record, show
from scipy import stats
from shaken_phones import P_KM_S, earthquake

from eqstat import calibration, hypocentre
from eqstat.detection import Detector, detector, init, locate, step

DEVICES, DRAWS, LEAST = 150, 999, 6
SOUTH, NORTH, WEST, EAST = -12.39, -11.74, -77.17, -76.66
NOW_S, WINDOW_S, DEAD_S, MARGIN_KM = 1000.0, 36.0, 90.0, 20.0
# Time by which a slot precedes the arrival at the epicentre: three times 1.3 s less the delay, 2 s.
LEAD_S = 1.9
# Depths of the detector's grid, their cells, and the prior density: see the documentation.
EDGES = np.array([0.0, 16.0, 30.0, 45.0, 62.0, *np.arange(80.0, 301.0, 20.0)])
LEAST_MAGNITUDE, GREATEST_MAGNITUDE = 3.0, 8.5
UNKNOWN = ("east", "north", "depth", "origin", "magnitude")


def network() -> pd.DataFrame:
    """Phones in a box about Lima."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "latitude": rng.uniform(SOUTH, NORTH, DEVICES),
            "longitude": rng.uniform(WEST, EAST, DEVICES),
        }
    )


def depth_of(uniform: float) -> float:
    """Depth by the inverse of its distribution function: linear between the middles of cells."""
    nodes = (EDGES[1:] + EDGES[:-1]) / 2
    share = np.diff(-1 / (EDGES + 20.0))
    density = share / share.sum() / np.gradient(nodes)
    z = np.linspace(0.0, 300.0, 6001)
    total = np.append(0.0, np.cumsum(np.interp((z[1:] + z[:-1]) / 2, nodes, density)))
    return float(np.interp(uniform, total / total[-1], z))


def stream(
    rng: np.random.Generator, at: np.ndarray, box: np.ndarray, skewed: bool
) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Trigger times and peaks of the phones at `at` (km), and the truth as in `UNKNOWN`."""
    place = rng.uniform(box[0], box[1])
    depth = depth_of(rng.uniform())
    lost = 1 - 10.0 ** (LEAST_MAGNITUDE - GREATEST_MAGNITUDE)
    magnitude = LEAST_MAGNITUDE - np.log10(1 - rng.uniform() * lost)
    delay = float(stats.truncnorm(-2.0, np.inf, loc=2.0).rvs(random_state=rng))
    factor = np.exp(0.04 * rng.standard_normal())
    start = NOW_S - rng.uniform(0.0, WINDOW_S)
    # The mean delay belongs to the arrival that the prior of starting times is about.
    origin = start + LEAD_S - factor * depth / P_KM_S - (delay - 2.0)
    rate_s = 0.5 / 3600 * rng.gamma(1 / 0.09) * 0.09
    shaken = earthquake(
        rng, magnitude, at, place, depth, delay_s=delay, factor=factor, skewed=skewed,
        rate_s=rate_s, before_s=origin - (NOW_S - DEAD_S), reaction_s=start - origin,
    )  # fmt: skip
    times = origin + shaken.time_s
    times = np.where(times <= NOW_S, times, np.inf)
    return times, shaken.peak_m_s2, (*(float(x) for x in place), depth, origin, magnitude)


def one(number: int, watch: Detector, skewed: bool, peaks: bool) -> dict[str, float]:
    """Ranks of the true values of one stream."""
    rng = np.random.default_rng([number, 11])
    table = network()
    local = watch.frame.to_local(table["latitude"].to_numpy(), table["longitude"].to_numpy())
    at = np.stack([np.asarray(x) for x in local], axis=-1)
    box = np.stack([at.min(axis=0) - MARGIN_KM, at.max(axis=0) + MARGIN_KM])
    times, peak, truth = stream(rng, at, box, skewed)
    device = np.flatnonzero(np.isfinite(times))
    row = {"triggers": float(len(device)), "depth": truth[2]}
    if len(device) < LEAST:
        return row
    begun = init(watch, NOW_S - DEAD_S + 1e-3)
    given = peak[device] if peaks else None
    found = locate(watch, *step(watch, begun, NOW_S, device, times[device], given))
    drawn = hypocentre.draw(jax.random.key(number), found, DRAWS)
    names = ("east_km", "north_km", "depth_km", "origin_time_s", "magnitude")
    for name, column, value in zip(UNKNOWN, names, truth, strict=True):
        values = drawn[column].to_numpy()
        row[f"rank_{name}"] = float(np.sum(values < value))
        row[f"error_{name}"] = float(values.mean() - value)
        row[f"sd_{name}"] = float(values.std())
    return row


def check(number: int = 1000, skewed: bool = False, peaks: bool = False) -> list[Record]:
    """Rank the true values of `number` streams."""
    watch = detector(network())
    rows = pd.DataFrame(each(range(number), lambda index: one(index, watch, skewed, peaks)))
    located = rows.dropna()
    records = [record("streams located, of those simulated", len(located), data_sets=number)]
    # By what was found, not by the truth: ranks are uniform given anything that the data tell.
    deep = located["depth"] + located["error_depth"] > 70.0
    bands = {"all": located, "posterior mean below 70 km": located[deep]}
    for group, table in bands.items():
        for name in UNKNOWN:
            ranks = table[f"rank_{name}"].to_numpy()
            uniform = calibration.rank_uniformity(ranks, DRAWS, bins=10)
            records.append(
                record(
                    f"{name}, {group}: p of the largest departure from uniform ranks",
                    uniform.ecdf_p_value,
                    bounds=None if skewed else (0.05 / len(UNKNOWN), None),
                    data_sets=len(table),
                )
            )
            inside = np.abs((ranks + 0.5) / (DRAWS + 1) - 0.5) < 0.45
            held = calibration.coverage(inside, 0.9, probability=0.95)
            records.append(
                record(
                    f"{name}, {group}: within its 90 % interval",
                    held.rate,
                    interval=(held.low, held.high),
                    target=None if skewed else 0.9,
                    unit="%",
                    data_sets=len(table),
                )
            )
    for name, unit in zip(UNKNOWN, ("km", "km", "km", "s", ""), strict=True):
        error, sd = located[f"error_{name}"], located[f"sd_{name}"]
        records += [
            record(f"{name}: mean error", error.mean(), unit=unit, data_sets=len(located)),
            record(f"{name}: median standard deviation", sd.median(), unit=unit),
        ]
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--skewed", action="store_true")
    parser.add_argument("--peaks", action="store_true")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
