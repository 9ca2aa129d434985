"""Predicted delays of a phone network's detections against those of EQN, 2017 to 2020.

For each of EQN's detections of a catalogued earthquake within 150 km: as many phones as were
active, in a cloud about the detection, whose layout is not published; the earthquake's place, depth
and magnitude from the catalogue; the response of the devices, and the rule inferred from the
detections. The delay from the origin to the detection is compared with its predictive distribution
given that the earthquake was detected, for the default response and for more sensitive phones.
Detections alone tell neither the share of devices that notice nor the trigger threshold, only
delays and their dependence on distance.

    python validation/check_detectability_eqn.py
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from records import Record, record, show

from eqstat.calibration import binomial_interval
from eqstat.datasets import load_eqn
from eqstat.detectability import DeviceResponse, Rule, miss_probability, poisson_rule, prepare
from eqstat.velocity import load_velocity

# Standard deviation of the phones about a detection, km east and north, and their cells.
SPREAD_KM, CELLS = 10.0, 60
MOST_KM = 150.0
# Depths are rounded to these, km, which moves arrivals by less than a second.
DEPTH_STEP_KM = 5.0
LEVELS = (0.16, 0.5, 0.84)


def cloud(latitude: float, longitude: float, phones: float, rng: np.random.Generator):
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


def check(
    number: int | None = None, trigger_m_s2: float = 0.1, p_ratio: float = 0.25
) -> list[Record]:
    """Delays of all detections, or of the first `number` of them."""
    table = load_eqn()
    table = table[table["is_earthquake"] & (table["separation"] <= MOST_KM)]
    table = table[(table["depth"] >= 0) & (table["depth"] <= 200)].head(number or len(table))
    rule, velocity = Rule(poisson_rule(0.016), window_s=30.0), load_velocity("iasp91")
    response = DeviceResponse(
        trigger_m_s2=trigger_m_s2, p_amplitude_ratio=p_ratio, dead_share=0.1,
        background_per_hour=0.016 * 120,
    )  # fmt: skip
    quantiles, detected = [], []
    for row in table.itertuples():
        rng = np.random.default_rng(int(row.idx))
        result = miss_probability(
            cloud(row.latitude, row.longitude, row.active, rng), rule, row.eq_lat, row.eq_lon,
            row.magnitude, depth_km=DEPTH_STEP_KM * round(row.depth / DEPTH_STEP_KM),
            response=response, velocity=velocity, delays=True,
        ).squeeze()  # fmt: skip
        detected.append(1 - float(result["miss_probability"]))
        quantiles.append(result["delay_s"].to_numpy())
    quantiles = np.array(quantiles)
    known = np.isfinite(quantiles[:, 1])
    delay, phase = table["delay_s"].to_numpy(), table["causal_phase"].to_numpy()
    records = [
        record("detections whose delay is predicted", int(known.sum()), data_sets=len(table)),
        record("their mean predicted detection probability", np.mean(detected), unit="%"),
    ]
    for column, level in enumerate(LEVELS):
        below = int((delay[known] <= quantiles[known, column]).sum())
        records.append(
            record(
                f"delays below the predicted {level:g} quantile",
                below / known.sum(),
                unit="%",
                interval=binomial_interval(below, int(known.sum()), probability=0.95),
                target=level,
                data_sets=int(known.sum()),
            )
        )
    for name in ("P", "S"):
        rows = known & (phase == name)
        error = delay[rows] - quantiles[rows, 1]
        low, middle, high = np.quantile(error, LEVELS)
        records.append(
            record(
                f"observed less predicted median delay, detections by {name} (16 to 84 %)",
                middle,
                interval=(low, high),
                level=0.68,
                unit="s",
                data_sets=int(rows.sum()),
            )
        )
    return show(records)


if __name__ == "__main__":
    check()
