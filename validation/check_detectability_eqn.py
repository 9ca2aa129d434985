"""Predicted delays of a phone network's detections against those of EQN, 2017 to 2020.

For each of EQN's detections of a catalogued earthquake within 150 km: as many phones as were
active, in a cloud about the detection, whose layout is not published; the earthquake's place, depth
and magnitude from the catalogue; the rule inferred from the detections. The delay from the origin
to the detection is compared with its predictive distribution given that the earthquake was
detected: for the default response, and for the trigger threshold of the phones that predicts the
delays of the other four fifths best (pinball loss of the three quantiles). Detections alone tell
the threshold only together with the amplification and the share of devices that notice.

    python validation/check_detectability_eqn.py
"""

from __future__ import annotations

from typing import Any

import eqn_learned
import numpy as np
import pandas as pd
from records import Record, each, record, show

from eqstat.calibration import binomial_interval
from eqstat.datasets import load_eqn
from eqstat.detectability import (
    DeviceNetwork,
    DeviceResponse,
    Rule,
    miss_probability,
    poisson_rule,
    prepare,
)
from eqstat.velocity import load_velocity

# Standard deviation of the phones about a detection, km east and north, and their cells.
SPREAD_KM, CELLS = 10.0, 60
MOST_KM = 150.0
# Depths are rounded to these, km, which moves arrivals by less than a second.
DEPTH_STEP_KM = 5.0
LEVELS = (0.16, 0.5, 0.84)
TRIGGERS = (0.02, 0.03, 0.05, 0.1)
FOLDS = 5


def cloud(
    latitude: float, longitude: float, phones: float, rng: np.random.Generator
) -> DeviceNetwork:
    """Phones about a detection."""
    east, north = rng.normal(0, SPREAD_KM, (2, CELLS))
    table = pd.DataFrame(
        {
            "latitude": latitude + north / 111.195,
            "longitude": longitude + east / (111.195 * np.cos(np.radians(latitude))),
            "phones": phones / CELLS,
        }
    )
    return prepare(table, devices="phones")


def predicted(table: pd.DataFrame, trigger_m_s2: float) -> dict[str, Any]:
    """Quantiles of the delays, (events, 3), and detection probabilities."""
    rule, velocity = Rule(poisson_rule(0.016), window_s=30.0), load_velocity("iasp91")
    response = DeviceResponse(
        trigger_m_s2=trigger_m_s2, dead_share=0.1, background_per_hour=0.016 * 120
    )
    quantiles, detected = [], []
    for row in table.itertuples():
        rng = np.random.default_rng(int(row.idx))
        result = miss_probability(
            cloud(row.latitude, row.longitude, row.active, rng), rule, row.eq_lat, row.eq_lon,
            row.magnitude, depth_km=DEPTH_STEP_KM * round(row.depth / DEPTH_STEP_KM),
            response=response, velocity=velocity, delays=True,
        ).squeeze()  # fmt: skip
        detected.append(1 - float(result["miss_probability"]))
        delay = result["delay_s"].to_numpy()
        quantiles.append(np.where(np.isfinite(delay), delay, -1.0).tolist())
    return {"quantiles": quantiles, "detected": detected}


def pinball(delay: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Pinball loss of each event, summed over the quantiles, s."""
    error = delay[:, None] - quantiles
    return np.sum(np.where(error > 0, np.array(LEVELS), np.array(LEVELS) - 1) * error, axis=1)


def of_delays(
    label: str, delay: np.ndarray, quantiles: np.ndarray, detected: np.ndarray, phase: np.ndarray
) -> list[Record]:
    """Figures of one response."""
    count = len(delay)
    records = [
        record(f"{label}: mean predicted detection probability", detected.mean(), unit="%"),
        record(f"{label}: pinball loss", pinball(delay, quantiles).mean(), unit="s"),
    ]
    for column, level in enumerate(LEVELS):
        below = int((delay <= quantiles[:, column]).sum())
        interval = binomial_interval(below, count, probability=0.95)
        records.append(
            record(f"{label}: delays below the predicted {level:g} quantile", below / count,
                   unit="%", interval=interval, target=level, data_sets=count)
        )  # fmt: skip
    for name in ("P", "S"):
        rows = phase == name
        low, middle, high = np.quantile(delay[rows] - quantiles[rows, 1], LEVELS)
        records.append(
            record(f"{label}: observed less predicted median, detections by {name} (16 to 84 %)",
                   middle, interval=(low, high), level=0.68, unit="s", data_sets=int(rows.sum()))
        )  # fmt: skip
    return records


def check(number: int | None = None, part: str = "quantiles") -> list[Record]:
    """Delays of all detections, or of the first `number` of them; or the learned model."""
    table = load_eqn()
    table = table[table["is_earthquake"] & (table["separation"] <= MOST_KM)]
    table = table[(table["depth"] >= 0) & (table["depth"] <= 200)].head(number or len(table))
    if part == "learned":
        return show(eqn_learned.records_of(table))
    results = each(range(len(TRIGGERS)), lambda index: predicted(table, TRIGGERS[index]))
    quantiles, detected = (
        np.array([result[name] for result in results]) for name in ("quantiles", "detected")
    )
    known = np.all(quantiles[:, :, 1] >= 0, axis=0)
    quantiles, detected, table = quantiles[:, known], detected[:, known], table[known]
    delay, phase = table["delay_s"].to_numpy(), table["causal_phase"].to_numpy()
    loss = np.array([pinball(delay, each_of) for each_of in quantiles])
    fold = np.random.default_rng(0).permutation(len(delay)) % FOLDS
    best = np.zeros(len(delay), int)
    for one in range(FOLDS):
        best[fold == one] = np.argmin(loss[:, fold != one].mean(axis=1))
    rows, default = np.arange(len(delay)), TRIGGERS.index(0.1)
    records = of_delays("default", delay, quantiles[default], detected[default], phase)
    records += of_delays(
        "threshold from other folds", delay, quantiles[best, rows], detected[best, rows], phase
    )
    chosen = np.array(TRIGGERS)[best]
    records.append(record("smallest chosen threshold", chosen.min(), unit="m/s²"))
    records.append(record("largest chosen threshold", chosen.max(), unit="m/s²"))
    return show(records)


if __name__ == "__main__":
    check()
