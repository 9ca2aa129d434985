"""Simulated detections of a phone network in the box of the 2023 paper, for the benchmarks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqstat import geodesy

# Massoda Tchoussi and Finazzi (2023), section 5.1: the box round Lima.
LATITUDES, LONGITUDES = (-12.39, -11.74), (-77.17, -76.66)
SD_S, DEPTHS_KM, WINDOW_S = 1.29, (0.0, 100.0), 12.0
VELOCITIES = {"P": 7.8, "S": 4.5}
REFERENCE_S = 1.8e9
KINDS = ("true P", "true S", "outside", "uniform", "sound")


def detection(rng: np.random.Generator, count: int, kind: str) -> pd.DataFrame:
    """One detection of `count` triggers: a true wave, one from outside the box, or a false one."""
    latitude, longitude = rng.uniform(*LATITUDES, count), rng.uniform(*LONGITUDES, count)
    epicentre = rng.uniform(*LATITUDES), rng.uniform(*LONGITUDES)
    if kind == "outside":
        epicentre = epicentre[0] + rng.uniform(-2.5, 2.5), epicentre[1] - rng.uniform(0.5, 3.0)
    distance = geodesy.hypocentral_distance(
        *epicentre, rng.uniform(*DEPTHS_KM), latitude, longitude
    )
    if kind == "uniform":
        seconds = rng.uniform(0, WINDOW_S, count)
    elif kind == "sound":
        seconds = geodesy.great_circle_distance(*epicentre, latitude, longitude) / 0.34
    else:
        velocity = VELOCITIES["S" if kind == "true S" else "P"]
        seconds = distance / velocity + rng.normal(0, SD_S, count)
    return pd.DataFrame(
        {"time": REFERENCE_S + seconds, "latitude": latitude, "longitude": longitude}
    )


def detections(seed: int, number: int, low: int = 6, high: int = 200) -> list[pd.DataFrame]:
    """Detections of all kinds in turn, trigger counts log-uniform in [low, high]."""
    rng = np.random.default_rng(seed)
    counts = np.exp(rng.uniform(np.log(low), np.log(high + 1), number)).astype(int)
    return [
        detection(rng, int(count), KINDS[index % len(KINDS)]) for index, count in enumerate(counts)
    ]
