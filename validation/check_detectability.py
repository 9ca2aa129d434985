"""Predicted miss probability and delay against simulated networks under the rule of phones.

Five networks (phones in a box, in three towns, in a chain of towns, in two small towns, in many
towns of a country) and 1,000 earthquakes of each, in fifty draws of the devices' own properties (a
network of a hundred phones that happen to be sensitive detects more, all the time). The
simulator draws shaking, fields of residuals and readings device by device, and the rule is applied
trigger by trigger, about every triggering device. For comparison: predictions without shared terms
(their scatter is given to each device), and with a fifth of the phones dead but not modelled.

    python validation/check_detectability.py --events 1000 --out FILE
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import numpy as np
from records import Record, each, record, show

from eqstat.calibration import binomial_interval
from eqstat.detectability import (
    DeviceResponse,
    Rule,
    miss_probability,
    poisson_rule,
    prepare,
    simulate,
)
from eqstat.geodesy import great_circle_distance
from eqstat.ground_motion import GroundMotion
from eqstat.simulation import Network, Streams, first_detections, towns, uniform_box
from eqstat.simulation.sources import Truth

MAGNITUDES = np.linspace(2.5, 6.5, 17)
BATCH, DRAW, BINS = 100, 20, 10
LEVELS = (0.16, 0.5, 0.84)
DEAD = DeviceResponse(dead_share=0.2)


needed = poisson_rule(0.016)


def networks() -> dict[str, tuple[Network, tuple[float, float, float, float]]]:
    """Networks, and the boxes of their earthquakes (south, north, west, east)."""
    chain = np.linspace(0, 1, 12)
    rng = np.random.default_rng(3)
    many = rng.uniform(-1.5, 1.5, (60, 2))
    return {
        "box": (
            uniform_box(
                jax.random.key(1), 1000, latitude=(-12.4, -11.7), longitude=(-77.2, -76.5)
            ),
            (-12.9, -11.2, -77.7, -76.0),
        ),
        "three towns": (
            towns(jax.random.key(2), 3000, latitude=[-12.0, -12.5, -11.5],
                  longitude=[-77.0, -76.5, -77.2], spread_km=8.0),
            (-13.0, -11.0, -77.8, -76.0),
        ),
        "chain": (
            towns(jax.random.key(3), 1500, latitude=-10 - 2 * chain, longitude=-78 + chain,
                  weight=1 + 3 * (chain > 0.8), spread_km=4.0),
            (-12.5, -9.5, -78.5, -76.5),
        ),
        "small": (
            towns(jax.random.key(4), 100, latitude=[-12.0, -12.3], longitude=[-77.0, -76.7],
                  spread_km=5.0),
            (-12.8, -11.5, -77.5, -76.2),
        ),
        "country": (
            towns(jax.random.key(5), 4000, latitude=many[:, 0], longitude=many[:, 1],
                  weight=rng.pareto(1.2, 60) + 0.1, spread_km=3.0),
            (-1.5, 1.5, -1.5, 1.5),
        ),
    }  # fmt: skip


def apart() -> GroundMotion:
    """The default motion with the same scatter, none of it shared."""
    motion = GroundMotion()
    total = float(np.hypot(motion.event_sd, motion.record_sd))
    return GroundMotion(event_sd=1e-3, spreading_sd=0.0, correlated_share=0.0, record_sd=total)


def of_magnitudes(result: Any, magnitude: np.ndarray, name: str) -> np.ndarray:
    """Values of a result at the magnitude of each place, interpolated."""
    value = result[name].isel(hour=0).transpose("place", "magnitude", ...).to_numpy()
    at = np.clip((magnitude - MAGNITUDES[0]) / (MAGNITUDES[1] - MAGNITUDES[0]), 0, 15.999)
    low, part = at.astype(int), at - at.astype(int)
    row = np.arange(len(magnitude))
    part = part.reshape(-1, *(1,) * (value.ndim - 2))
    return value[row, low] * (1 - part) + value[row, low + 1] * part


def one(number: int, events: int) -> dict[str, Any]:
    """Predictions and outcomes of one network."""
    name, (network, box) = list(networks().items())[number]
    table, gathered, rule = network.to_table(), prepare(network.to_table()), Rule(needed)
    rng = np.random.default_rng(100 + number)
    out: dict[str, list] = {}
    for batch in range(events // BATCH):
        place = rng.uniform([box[0], box[2]], [box[1], box[3]], (BATCH, 2)).T
        magnitude = rng.uniform(MAGNITUDES[0], MAGNITUDES[-1], BATCH)
        for truth, response in (("alive", DeviceResponse()), ("dead", DEAD)):
            for part in range(0, BATCH, DRAW):
                rows = slice(part, part + DRAW)
                triggers = simulate(
                    jax.random.fold_in(jax.random.key(1000 * number + batch), part), table,
                    *place[:, rows], magnitude[rows], response=response,
                )  # fmt: skip
                zero = np.zeros(DRAW, np.float32)
                streams = Streams(
                    network, triggers["trigger_time_s"].to_numpy().astype(np.float32),
                    triggers["phase"].to_numpy(), triggers["active"].to_numpy(),
                    Truth(np.ones(DRAW, int), zero, zero, zero, zero, magnitude[rows]), zero + 12,
                    zero + np.inf,
                )  # fmt: skip
                detections = first_detections(streams, needed)
                out.setdefault(f"detected, {truth}", []).append(detections.detected)
                if truth == "alive":
                    out.setdefault("delay_s", []).append(detections.time_s)
                    device = table.iloc[np.maximum(detections.device, 0)]
                    away = great_circle_distance(
                        *place[:, rows], device["latitude"].to_numpy(),
                        device["longitude"].to_numpy(),
                    )  # fmt: skip
                    out.setdefault("distance_km", []).append(np.asarray(away))
        full = miss_probability(gathered, rule, *place, MAGNITUDES, delays=True)
        quick = miss_probability(gathered, rule, *place, MAGNITUDES)
        naive = miss_probability(gathered, rule, *place, MAGNITUDES, motion=apart())
        of_dead = miss_probability(gathered, rule, *place, MAGNITUDES, response=DEAD)
        for label, result in (
            ("all terms", full), ("all terms, as on maps", quick), ("nothing shared", naive),
            ("dead phones modelled", of_dead),
        ):  # fmt: skip
            miss = of_magnitudes(result, magnitude, "miss_probability")
            out.setdefault(label, []).append(1 - miss)
        for what in ("delay_s", "distance_km"):
            values = of_magnitudes(full, magnitude, what)
            out.setdefault(f"quantiles, {what}", []).append(values)
    joined = {key: np.concatenate(values) for key, values in out.items()}
    joined["dead phones not modelled"] = joined["all terms, as on maps"]
    return {"network": name} | {
        key: np.where(np.isfinite(value), value, -1).round(6).tolist()
        for key, value in joined.items()
    }


def reliability_records(
    label: str, predicted: np.ndarray, detected: np.ndarray, asked: bool
) -> list[Record]:
    """Bins whose 95 % interval holds the mean prediction, largest departure, log score."""
    inside, worst, used = 0, 0.0, 0
    number = np.clip((predicted * BINS).astype(int), 0, BINS - 1)
    for which in range(BINS):
        rows = number == which
        if rows.sum() < 20:
            continue
        low, high = binomial_interval(int(detected[rows].sum()), int(rows.sum()), probability=0.95)
        mean = predicted[rows].mean()
        used += 1
        inside += int(low <= mean <= high)
        worst = max(worst, abs(detected[rows].mean() - mean))
    p = np.clip(predicted, 1e-6, 1 - 1e-6)
    score = np.where(detected, np.log(p), np.log1p(-p)).mean()
    bounds = {"bounds": (used, None)} if asked else {}
    return [
        record(f"{label}: bins of 10 whose 95 % interval holds the prediction", inside,
               data_sets=len(predicted), **bounds),
        record(f"{label}: largest departure of a bin", worst, unit="%", data_sets=len(predicted)),
        record(f"{label}: log score per earthquake", score, data_sets=len(predicted)),
    ]  # fmt: skip


def check(events: int = 1000, out: Path | None = None) -> list[Record]:
    """Reliability of the predictions over all networks, and of the delays."""
    results = each(range(len(networks())), lambda number: one(number, events), out)
    keys = [key for key in results[0] if key not in ("number", "network")]
    all_of = {key: np.concatenate([np.asarray(r[key]) for r in results]) for key in keys}
    alive, dead = (all_of[f"detected, {name}"].astype(bool) for name in ("alive", "dead"))
    records = []
    for label in ("all terms", "all terms, as on maps", "nothing shared"):
        records += reliability_records(label, all_of[label], alive, label != "nothing shared")
    for label in ("dead phones modelled", "dead phones not modelled"):
        records += reliability_records(
            label, all_of[label], dead, label.endswith("phones modelled")
        )
    for result in results:
        predicted, seen = np.asarray(result["all terms"]), np.asarray(result["detected, alive"])
        records.append(
            record(f"{result['network']}: predicted less observed share of detections",
                   predicted.mean() - seen.mean(), unit="%", data_sets=len(seen))
        )  # fmt: skip
    for name, unit, word in (("delay_s", "s", "delays"), ("distance_km", "km", "distances")):
        seen, quantiles = all_of[name], all_of[f"quantiles, {name}"]
        rows = alive & (quantiles[:, 1] >= 0)
        for column, level in enumerate(LEVELS):
            below = int((seen[rows] <= quantiles[rows, column]).sum())
            interval = binomial_interval(below, int(rows.sum()), probability=0.95)
            records.append(
                record(f"{word} below the predicted {level:g} quantile", below / rows.sum(),
                       interval=interval, target=level, unit="%", data_sets=int(rows.sum()))
            )  # fmt: skip
        middle = float(np.median(seen[rows] - quantiles[rows, 1]))
        records.append(
            record(f"median of observed less predicted median of {word}", middle, unit=unit)
        )
    return records


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1000, help="of each network")
    parser.add_argument("--out", type=Path, default=None, help="file of the networks' results")
    options = parser.parse_args()
    show(check(options.events, options.out))
