"""Scorers of all kinds, and what services send them: sound inputs and hostile ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from eqstat import realtime
from eqstat.counts import Background, alarm
from eqstat.counts.coincidence import Sensors
from eqstat.ground_motion import PointSource
from eqstat.waveform import classifier
from eqstat.waveform.classifier._sequence import Chain

SENSORS = 5
Columns = dict[str, Any]


def counts() -> realtime.CountScorer:
    """Two regions of different rates, negative binomial."""
    background = Background(
        "negative_binomial",
        5.76,
        dispersion=0.05,
        dispersion_slope=0.0,
        regions=("coast", "hills"),
        region_effect=np.array([0.0, -0.7]),
        daily=np.array([0.4, -0.2, 0.1, 0.0]),
    )
    return realtime.CountScorer.init(alarm.scorer(background, most_active=2000, most_triggers=64))


def coincidence() -> realtime.CoincidenceScorer:
    """Five sensors, one of them noisy, one that picks badly."""
    sensors = Sensors(
        shape=np.array([10.0, 20.0, 300.0, 5.0, 10.0]),
        exposure_h=np.full(SENSORS, 500.0),
        picked=np.array([80.0, 80.0, 80.0, 20.0, 80.0]),
        missed=np.array([20.0, 20.0, 20.0, 80.0, 20.0]),
    )
    return realtime.CoincidenceScorer.init(sensors, frame_s=3.0)


def sites(number: int) -> pd.DataFrame:
    """Registered sites over two degrees."""
    rng = np.random.default_rng(7)
    latitude, longitude = rng.uniform(-1, 1, (2, number))
    return pd.DataFrame({"latitude": -12.0 + latitude, "longitude": -77.0 + longitude})


def exceedance(number: int = 20) -> realtime.ExceedanceScorer:
    """Sites with two thresholds."""
    return realtime.ExceedanceScorer.init(
        PointSource(), sites(number), [0.1, 0.5], action_probability=0.1
    )


def waveform() -> realtime.WaveformScorer:
    """A network on three features, two of them logged; not trained, which takes longer."""
    rng = np.random.default_rng(8)
    one = np.ones(6)
    return realtime.WaveformScorer.init(
        classifier.Classifier(
            features=("iqr_g", "cav_g_s", "tilt"),
            scaling=classifier.Scaling(
                np.array([True, True, False]),
                np.array([1e-4, 1e-4, 1.0]),
                np.array([-3.0, -2.0, 0.5]),
                np.array([1.0, 1.5, 2.0]),
            ),
            posterior=classifier.RatioPosterior(
                classifier.Perceptron(
                    rng.normal(size=1),
                    rng.normal(size=(1, 3)),
                    rng.normal(size=(1, 2, 3)),
                    rng.normal(size=(1, 2)),
                    rng.normal(size=(1, 2)),
                ),
                0.3 * rng.normal(size=(6, 14)),
            ),
            calibration=classifier.RatioCalibration(
                0.8 * one, 0.6 * one, 0.2 * one, 0.01 * one, 0 * one, 1.0
            ),
            familiarity=classifier.Familiarity(
                np.array([[1.0, 1.0, 0.0], [-1.0, -1.0, 0.0]]), np.stack([np.eye(3)] * 2), 3.0
            ),
            chain=Chain(
                np.array([-1.0, 1.0]),
                np.array([-0.5, 0.0, 0.8]),
                np.array([-1.0, 0.0, 1.2]),
                rng.normal(size=(3, 3)),
            ),
            time_calibration=classifier.RatioCalibration(
                0.8 * one, 0.6 * one, 0.2 * one, 0.01 * one, 0.3 * one, 1.0
            ),
        ),
        prior_odds=0.1,
        required_ratio=10.0,
    )


MAKERS: dict[str, Callable[[], realtime.Scorer]] = {
    "counts": counts,
    "coincidence": coincidence,
    "exceedance": exceedance,
    "classification": realtime.ClassificationScorer.init,
    "detectability": realtime.DetectabilityScorer.of_device,
    "waveform": waveform,
}


def sound(kind: str, rng: np.random.Generator, most: int = 64) -> Columns:
    """Input that a service may send, of a random size up to `most`."""
    size = int(rng.integers(1, most + 1))
    if kind == "counts":
        active = np.exp(rng.uniform(0, 7.5, size)).round()
        return {
            "triggers": np.minimum((active ** rng.uniform(0, 0.8, size)).round(), 64),
            "active": active,
            "hour": rng.uniform(0, 23.99, size),
            "region": rng.integers(0, 2, size),
            "day": rng.integers(0, 8, size),
        }
    if kind == "coincidence":
        on = rng.random((size, SENSORS)) < rng.random((size, 1))
        return {"pre_warned": on, "listening": rng.random((size, SENSORS)) < 0.9}
    if kind == "detectability":
        return {
            "magnitude": rng.uniform(1, 9, size),
            "distance_km": np.exp(rng.uniform(0, 6, size)),
            "depth_km": rng.uniform(0, 100, size),
        }
    if kind == "waveform":
        logs = rng.normal([-3.0, -2.0], 1.5, (size, 2))
        return {"features": np.column_stack([np.exp(logs), rng.normal(0.5, 2.0, size)])}
    if kind == "exceedance":
        return {
            "latitude": -12.0 + rng.normal(0, 0.5, size),
            "longitude": -77.0 + rng.normal(0, 0.5, size),
            "depth_km": rng.uniform(2, 80, size),
            "magnitude": rng.uniform(4, 8, size),
            "weight": rng.uniform(0, 1, size),
        }
    return detection(rng, max(size, 5))


def detection(rng: np.random.Generator, size: int) -> Columns:
    """Trigger times of P, of S, of a common cause, or of nothing."""
    latitude, longitude = rng.uniform(-0.4, 0.4, (2, size)) * rng.choice([0.3, 1.0, 2.0])
    east, north = 60.0 * rng.uniform(-1, 1, 2) * rng.choice([0.5, 1.0, 3.0])
    far = np.hypot(111.0 * longitude - east, 111.0 * latitude - north)
    wave_s = np.hypot(far, rng.choice([2.0, 10.0, 50.0, 200.0])) / rng.choice([7.8, 4.5])
    background_s = rng.uniform(0, 20, size)
    at_s = [wave_s, wave_s, background_s, np.zeros(size)][rng.integers(4)]
    return {
        "time_s": 1.8e9 + at_s + rng.normal(0, rng.choice([0.3, 1.0, 1.5]), size),
        "latitude": latitude,
        "longitude": longitude,
        "elevation_m": rng.uniform(0, 3000, size),
    }


ODD = (
    np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, -1.0, 0.5, 1e9, 10**400, None, "seven", b"7",
    True, 2 + 3j, np.datetime64("2026-01-01"), [], {}, object(), [[1.0], [2.0, 3.0]],
)  # fmt: skip


def hostile(kind: str, rng: np.random.Generator, most: int = 64) -> Columns:
    """Sound input that was damaged in one or several ways."""
    columns = sound(kind, rng, most)
    for _ in range(int(rng.integers(1, 4))):
        sound_yet = [n for n, v in columns.items() if isinstance(v, np.ndarray) and v.size]
        if not sound_yet:
            break
        name = str(rng.choice(sound_yet))
        value = columns[name]
        match int(rng.integers(9)):
            case 0:
                columns[name] = ODD[rng.integers(len(ODD))]
            case 1:  # single bad entries
                value = value.astype(object)
                value.reshape(-1)[rng.integers(value.size)] = ODD[rng.integers(15)]
                columns[name] = value.tolist() if rng.random() < 0.5 else value
            case 2:
                columns[name] = value[:0]
            case 3:  # of another length
                columns[name] = value[: rng.integers(1, len(value) + 1)]
            case 4:  # everything twice, in another order
                order = rng.permutation(2 * len(value)) % len(value)
                columns |= {n: columns[n][order] for n in sound_yet
                            if len(columns[n]) == len(value)}  # fmt: skip
            case 5:  # clocks that jump, or numbers of another unit
                scale = rng.choice([1e-6, 1e3, 1e9])
                columns[name] = numeric(value) * scale + rng.choice([0.0, 1e6, -1e12])
            case 6:
                dtype = rng.choice(["f2", "i1", "u8", "M8[s]", "U5", "?", "c8"])
                with np.errstate(all="ignore"):
                    columns[name] = numeric(value).astype("f8").astype("i8").astype(str(dtype))
            case 7:  # of a wrong shape
                columns[name] = numeric(value)[..., None, None]
            case _:
                columns[name] = numeric(value) * np.nan
    return columns


def numeric(value: Any) -> np.ndarray:
    """Numbers of a value as far as it has any, for further damage."""
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind in "biuf" else np.zeros(array.shape)
