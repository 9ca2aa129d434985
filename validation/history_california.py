"""The Virtual Seismologist's year in California: hits and misses learned by months, and judged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from records import Record, record

from eqstat.calibration import block_bootstrap, calibration_test, reliability
from eqstat.detectability.history import (
    History,
    bmc,
    delay,
    detection_probability,
    fit,
    kth_distance_km,
    logistic,
    pmc,
    prepare,
)

SEED = 20261129
BOX = (32.5, 41.5), (-124.5, -114.5)
OPTIONS: dict[str, Any] = {
    "counts": 4,
    "neighbours": 20,
    "group": "kind",
    "station_effects": True,
    "masking_km": 100.0,
}
P_KM_S = 6.0
# Networks with few stations share a group.
FEW = ("CE", "NP")


def catalogue() -> pd.DataFrame:
    """Earthquakes within the box, from M 1.5 on; a second alert of one is neither hit nor miss."""
    folder = Path(os.environ["EQSTAT_DATA"]) / "vs_california"
    parts = [pd.read_csv(path) for path in sorted(folder.glob("reports_*.csv.gz"))]
    table = pd.concat(parts, ignore_index=True)
    table = table[table["outcome"].isin(["found", "missed"])]
    inside = table["latitude"].between(*BOX[0]) & table["longitude"].between(*BOX[1])
    table = table[inside].assign(detected=lambda t: t["outcome"] == "found")
    table["time"] = pd.to_datetime(table["time"], format="ISO8601")
    table["first_report"] = pd.to_datetime(table["first_report"], format="ISO8601")
    return table.sort_values("time").reset_index(drop=True)


def network() -> pd.DataFrame:
    """Sites of the replay, with the kind: the network, and whether there is a broadband sensor."""
    folder = Path(os.environ["EQSTAT_DATA"]) / "vs_california"
    table = pd.read_csv(folder / "stations.csv", keep_default_na=False)
    sites = table.groupby(["network", "station"], as_index=False).agg(
        latitude=("latitude", "mean"),
        longitude=("longitude", "mean"),
        broadband=("channel", lambda names: any(name.startswith("HH") for name in names)),
    )
    owner = sites["network"].where(~sites["network"].isin(FEW), "others")
    sites["kind"] = owner + sites["broadband"].map({True: " HH", False: " HN"})
    sites["device"] = sites["network"] + "." + sites["station"]
    return sites


def learned(events: pd.DataFrame, sites: pd.DataFrame, **options: Any) -> tuple[History, Callable]:
    """The history model, learned from these earthquakes, and its prediction of others."""
    history = prepare(events, sites, **(OPTIONS | options))
    posterior = fit(history).posterior(jax.random.key(SEED), 128)

    def predict(later: pd.DataFrame) -> np.ndarray:
        # What kept the system busy is what the catalogue lists before each earthquake.
        own = prepare(later, sites, **(OPTIONS | options))
        rows = np.asarray(own.data.weight) > 0
        where = (later[c] for c in ("magnitude", "latitude", "longitude", "depth_km"))
        curve = detection_probability(
            posterior, *where, preceding_s=np.asarray(own.data.preceding_s)[rows]
        )
        return curve["detection_probability"].to_numpy()

    return history, predict


def log_score(p: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Negative log probability of what happened, of each earthquake."""
    return -np.where(hit, np.log(p), np.log1p(-p))


def reliability_records(name: str, p: np.ndarray, hit: np.ndarray) -> list[Record]:
    """Bins of the reliability diagram within their bands, and the test of calibration."""
    key = jax.random.key(SEED)
    curve = reliability(key, p, hit, form="bins", bins=10, probability=0.95)
    inside = (curve["observed"] >= curve["low"]) & (curve["observed"] <= curve["high"])
    test = calibration_test(key, p, hit)
    print(curve.to_dataframe().round(3).to_string())
    gap = np.abs(curve["observed"] - curve["forecast"]).max()
    return [
        record(f"{name}: bins of 10 within their 95 % bands", int(inside.sum()), bounds=(9, None)),
        record(f"{name}: largest gap of a bin", float(gap)),
        record(f"{name}: p of the test of calibration", test.p_value),
    ]


def california() -> list[Record]:
    """Learn on odd months, judge on even ones."""
    events, sites = catalogue(), network()
    odd = events["time"].dt.month % 2 == 1
    train, test = events[odd].reset_index(drop=True), events[~odd].reset_index(drop=True)
    _, predict = learned(train, sites)
    hit = test["detected"].to_numpy(bool)
    plain_history, plain = learned(train, sites, station_effects=False)
    forecasts = {
        "history model": predict(test),
        "without terms of stations": plain(test),
        "PMC": pmc(plain_history).detection_probability(test),
        "BMC": bmc(plain_history).detection_probability(test),
        "logistic regression": logistic(plain_history).detection_probability(test),
        "base rate": np.full(len(test), float(train["detected"].mean())),
    }
    scores = {name: log_score(p, hit) for name, p in forecasts.items()}
    day = test["time"].dt.strftime("%j").to_numpy()
    records = [
        record(f"log score of {name}, nats an earthquake", float(score.mean()), data_sets=len(test))
        for name, score in scores.items()
    ]
    best = scores["history model"]
    for name, score in scores.items():
        if name == "history model":
            continue
        ahead = block_bootstrap(
            jax.random.key(SEED), np.mean, score - best, cluster=day, probability=0.95
        )
        records.append(
            record(
                f"ahead of {name}, nats an earthquake",
                ahead.estimate,
                interval=(ahead.low, ahead.high),
            )
        )
        if name != "without terms of stations":
            records.append(record(f"least of that interval, {name}", ahead.low, bounds=(0.0, None)))
    records += reliability_records("all earthquakes", forecasts["history model"], hit)
    # A swarm in one place of 345 earthquakes in two days tests one situation only.
    busy = test.groupby(day)["detected"].transform("size").to_numpy() > 60
    records += reliability_records(
        "days with at most 60 earthquakes", forecasts["history model"][~busy], hit[~busy]
    )
    records.append(record("earthquakes on other days", int(busy.sum())))
    return records


def taiwan() -> pd.DataFrame:
    """Alerts of Taiwan's system: depth and processing time, which is the delay of the alert."""
    path = Path(os.environ["EQSTAT_DATA"]) / "cwa_taiwan" / "alerts.csv.gz"
    table = pd.read_csv(path)
    table["time"] = pd.to_datetime(table["time"], format="ISO8601")
    return table


def delays() -> list[Record]:
    """First alerts of California on odd months predict those of even ones; and Taiwan beside it."""
    events, sites = catalogue(), network()
    history = prepare(events, sites, counts=4)
    distance = kth_distance_km(history, events)
    table = pd.DataFrame(
        {
            "travel_s": distance / P_KM_S,
            "delay_s": (events["first_report"] - events["time"]).dt.total_seconds(),
            "system": "California",
            "odd": events["time"].dt.month % 2 == 1,
        }
    )
    # Whether an earthquake is detected at all is the history model's; here it is when.
    table = table[events["detected"]]
    own = taiwan()
    own = own[own["outcome"] == "alerted"]
    # Its stations are not listed: the fourth is taken to be 20 km from the epicentre.
    far = pd.DataFrame(
        {
            "travel_s": np.hypot(own["depth_km"], 20.0) / P_KM_S,
            "delay_s": own["processing_s"],
            "system": "Taiwan",
            "odd": own["time"].dt.year % 2 == 1,
        }
    )
    both = pd.concat([table, far], ignore_index=True)
    learn, judge = both[both["odd"]], both[~both["odd"]]
    alerts = delay.prepare(learn)
    result = delay.fit(alerts)
    draws = result.draws(jax.random.key(SEED), 1000)
    records = []
    for system in alerts.systems:
        kept = delay.prepare(judge[judge["system"] == system]).table
        kept = kept[kept["delay_s"].notna()]
        key = jax.random.fold_in(jax.random.key(SEED), 1)
        levels = (0.05, 0.16, 0.5, 0.84, 0.95)
        curve = delay.predict(key, draws, alerts, kept["travel_s"], system, quantiles=levels)
        observed = np.quantile(kept["delay_s"], levels[1:4])
        for level, mine, seen in zip(
            levels[1:4], curve["pooled_delay_s"].to_numpy()[1:4], observed, strict=True
        ):
            records.append(record(f"{system}: predicted {level:.0%} of the delay, s", float(mine)))
            records.append(
                record(
                    f"{system}: observed {level:.0%} less predicted, s",
                    float(seen - mine),
                    bounds=(-1.5, 1.5),
                    data_sets=len(kept),
                )
            )
        low, high = curve["delay_s"].to_numpy()[:, [0, 4]].T
        inside = kept["delay_s"].between(low - 0.5, high + 0.5)
        records.append(record(f"{system}: within 90 % intervals", inside.mean(), unit="%"))
    of_systems = ("processing_s", "scatter_log_sd", "outlier_share")
    names = [f"{name}[{system}]" for name in of_systems for system in alerts.systems]
    names += ["travel_slope"]
    for name in names:
        records.append(record(f"{name}", result[name], interval=result.interval(0.95)[name]))
    return records
