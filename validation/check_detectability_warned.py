"""Share of people warned before strong shaking, against simulated earthquakes in three networks.

Devices stand for the people. Each stream has devices and shaking of its own; the rule is applied
trigger by trigger, and a device is warned where the detection, and three seconds of processing,
come before S. Of those in strong shaking, the share that is warned is compared with `warned_share`,
which knows only the distribution of the delay.

    python validation/check_detectability_warned.py --streams 200
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import numpy as np
from check_detectability import needed, networks
from records import Record, each, record, show

from eqstat.detectability import Rule, miss_probability, prepare, simulate, warned_share
from eqstat.geodesy import great_circle_distance
from eqstat.simulation import Streams, first_detections
from eqstat.simulation.sources import Truth
from eqstat.velocity import as_velocity

NAMES, BATCH = ("box", "three towns", "chain"), 20
LEVELS, MAGNITUDES = (0.1, 0.5, 2.0), (4.5, 5.5, 6.5)
PROCESSING_S, DEPTH_KM = 3.0, 10.0


def one(number: int, streams: int) -> dict[str, Any]:
    """Predicted and simulated shares of one network, by magnitude and strength."""
    name = NAMES[number]
    network, box = networks()[name]
    table = network.to_table()
    south, north, west, east = box
    # A quarter of the way into the box, off the middle of the network.
    place = south + 0.25 * (north - south), west + 0.25 * (east - west)
    result = miss_probability(prepare(table), Rule(needed), *place, MAGNITUDES, delays=True)
    predicted = warned_share(
        result, table.assign(people=1.0), LEVELS, people="people", processing_s=PROCESSING_S
    )
    distance = np.asarray(
        great_circle_distance(*place, table["latitude"].to_numpy(), table["longitude"].to_numpy())
    )
    of_s = np.asarray(as_velocity(None).travel_time(distance, DEPTH_KM)[1])
    strong, warned = (np.zeros((len(MAGNITUDES), len(LEVELS), streams)) for _ in range(2))
    for which, magnitude in enumerate(MAGNITUDES):
        for start in range(0, streams, BATCH):
            key = jax.random.fold_in(jax.random.key(100 * number + which), start)
            size = np.full(BATCH, magnitude)
            triggers = simulate(key, table, np.full(BATCH, place[0]), place[1], size)
            zero = np.zeros(BATCH, np.float32)
            found = first_detections(
                Streams(
                    network, triggers["trigger_time_s"].to_numpy().astype(np.float32),
                    triggers["phase"].to_numpy(), triggers["active"].to_numpy(),
                    Truth(np.ones(BATCH, int), zero, zero, zero, zero, size), zero + 12,
                    zero + np.inf,
                ),
                needed,
            )  # fmt: skip
            time = np.where(found.detected, found.time_s, np.inf)[:, None] + PROCESSING_S
            pga = 10 ** triggers["log10_pga"].to_numpy()
            for row, level in enumerate(LEVELS):
                rows = slice(start, start + BATCH)
                strong[which, row, rows] = np.sum(pga >= level, axis=1)
                warned[which, row, rows] = np.sum((pga >= level) & (time < of_s), axis=1)
    rng = np.random.default_rng(number)
    again = rng.integers(0, streams, (500, streams))
    sums = [x[..., again].sum(axis=-1) for x in (warned, strong)]
    total = strong.sum(axis=-1)
    return {
        "network": name,
        "predicted": predicted.squeeze().transpose("magnitude", "pga_m_s2").to_numpy().tolist(),
        "seen": (warned.sum(axis=-1) / np.maximum(total, 1)).tolist(),
        "error": (sums[0] / np.maximum(sums[1], 1)).std(axis=-1).tolist(),
        "devices": total.tolist(),
    }


def check(streams: int = 200) -> list[Record]:
    """Predicted less simulated shares."""
    results = each(range(len(NAMES)), lambda number: one(number, streams))
    records, all_of = [], []
    for result in results:
        predicted, seen, error, devices = (
            np.asarray(result[name]) for name in ("predicted", "seen", "error", "devices")
        )
        # Strengths that hardly any device meets tell nothing.
        rows = devices > 200
        gap = (predicted - seen)[rows]
        all_of.append(gap)
        records.append(
            record(f"{result['network']}: predicted less simulated share warned, mean", gap.mean(),
                   unit="%", data_sets=streams * len(MAGNITUDES))
        )  # fmt: skip
        records.append(
            record(f"{result['network']}: largest difference", np.abs(gap).max(), unit="%")
        )
        records.append(
            record(f"{result['network']}: within two standard errors and 0.05, of {rows.sum()}",
                   int(np.sum(np.abs(gap) <= 2 * error[rows] + 0.05)),
                   bounds=(int(rows.sum()), None))
        )  # fmt: skip
    gap = np.concatenate(all_of)
    records.append(record("all: predicted less simulated share warned", gap.mean(), unit="%"))
    return records


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=200, help="earthquakes of each kind")
    show(check(parser.parse_args().streams))
