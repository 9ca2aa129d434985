"""What a region of a service costs: processor time by the number of its phones.

Run: python validation/check_shards.py [--phones 100000] [--seconds N].

Phones of the generator in a square of 1.5 degrees, with a background trigger in 500 s and a sign of
life in 900 s, send to the engine and journal of a service in simulated time: for N seconds without
an earthquake, after the start, and for N seconds from the first earthquake of M 5.5 to 6 on.
Processor time of this process is divided by simulated time. A region that is not awake steps every
10 s.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from records import Record, record, show

from eqstat.service import Engine, Journal, Received, encode, load, read_config

TRIGGERS_S, KEEP_ALIVE_S, TURN_S = 0.002, 900.0, 0.1
BIRTH_S, SETTLED_S = 5.0, 50
PHONES = 5_000_000
KINDS = ("birth", "death", "alive", "trigger")
STAGES = ("messages", "decisions", "journal")


def engine_of(folder: Path, world: load.LoadWorld) -> Engine:
    """Engine of one region of the world's phones."""
    network = world.network
    pd.DataFrame(
        {
            "device": [f"p{i}" for i in range(world.settings.phones)],
            "latitude": network.latitude.round(4),
            "longitude": network.longitude.round(4),
        }
    ).to_csv(folder / "network.csv", index=False)
    (folder / "service.toml").write_text(
        '[[region]]\nname = "one"\nnetwork = "network.csv"\nidle_step_s = 10.0\n'
        f"background_per_device_h = {3600 * TRIGGERS_S:.1f}\nbackground_relative_sd = 0.1\n"
        'cells = 100\ndepth_km = [10.0, 25.0, 50.0]\ncauses = ["network", "venue"]\n'
    )
    return Engine(read_config(folder / "service.toml"), 1.8e9)


def texts(world: load.LoadWorld, made: load.Messages) -> list[tuple[float, str, bytes]]:
    """Messages of a second as a broker hands them on: when each comes, topic, bytes."""
    latitude, longitude = world.network.latitude, world.network.longitude
    out = []
    for kind, device, time_s, sent_s in zip(*(x.tolist() for x in made[:4]), strict=True):
        name, values = KINDS[kind], {"sent_s": 1.8e9 + sent_s}
        if name == "birth":
            values |= {"latitude": float(latitude[device]), "longitude": float(longitude[device])}
            values |= {"keep_alive_s": KEEP_ALIVE_S}
        elif name == "trigger":
            values["time_s"] = 1.8e9 + time_s
        out.append((1.8e9 + sent_s, *encode(name, f"p{device}", **values)))
    return out


def spent(
    engine: Engine, journal: Journal, world: load.LoadWorld, second: int, made: load.Messages
) -> dict[str, float]:
    """Processor time of each stage in a second, s, and the number of alarms."""
    waiting, cost, alarms = texts(world, made), np.zeros(len(STAGES)), 0
    for now_s in 1.8e9 + second + TURN_S * np.arange(1, round(1 / TURN_S) + 1):
        due = [each for each in waiting if each[0] <= now_s + 1e-6]
        waiting = waiting[len(due) :]
        marks = [time.process_time()]
        for received_s, topic, payload in due:
            engine.take(topic, payload, received_s)
        marks.append(time.process_time())
        events = engine.advance(now_s)
        marks.append(time.process_time())
        journal.commit(now_s, [Received(*each) for each in due], events, [])
        marks.append(time.process_time())
        cost += np.diff(marks)
        alarms += sum(event.alarm["action"] == "alarm" for event in events)
    return dict(zip(STAGES, cost.tolist(), strict=True)) | {"alarms": alarms}


def measured(phones: int, seconds: int, every_s: float) -> pd.DataFrame:
    """Cost of each second: after the start has settled, or from the first earthquake on."""
    settings = load.LoadSettings(
        phones=phones, triggers_per_s=phones * TRIGGERS_S, keep_alive_s=KEEP_ALIVE_S,
        birth_s=BIRTH_S, latitude=(-12.75, -11.25), longitude=(-76.75, -75.25),
        magnitude=(5.5, 6.0), earthquake_every_s=every_s, burst_every_s=0,
    )  # fmt: skip
    world, rows = load.LoadWorld(1, settings), []
    began = np.inf if every_s else SETTLED_S
    with tempfile.TemporaryDirectory() as text:
        engine, journal = engine_of(Path(text), world), Journal(Path(text) / "journal")
        second = 0
        while second < began + seconds:
            made = world.second(second)
            if made.truth:
                began = min(began, second)
            row = spent(engine, journal, world, second, made)
            if second >= began:
                rows.append(row)
            second += 1
        journal.close()
    return pd.DataFrame(rows)


def check(phones: int = 100_000, seconds: int = 60) -> list[Record]:
    """Processor time of a region that sleeps, and of one with an earthquake."""
    records, in_all = [record("phones of the region", phones)], []
    for every_s, name in ((0.0, "asleep"), (60.0, "with an earthquake")):
        table = measured(phones, seconds, every_s)
        cost = table[list(STAGES)].mean()
        in_all.append(float(cost.sum()))
        records += [
            record(f"{name}: processor time of {stage} in a second", 1e3 * cost[stage], unit="ms",
                   data_sets=len(table))
            for stage in STAGES
        ]  # fmt: skip
        least, most = (1, None) if every_s else (0, 0)
        records.append(record(f"{name}: alarms", int(table["alarms"].sum()), bounds=(least, most)))
    asleep, awake = (PHONES / phones * each for each in in_all)
    records += [
        record("processors for 5 million phones, all regions asleep", asleep, bounds=(None, 2.0)),
        record(
            "processors for 5 million phones, one region in 50 awake",
            0.98 * asleep + 0.02 * awake, bounds=(None, 2.0),
        ),
    ]  # fmt: skip
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=60)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
