"""A small region, and what its devices send in an earthquake, by the detector's own simulation."""

import dataclasses

import jax
import numpy as np
import pandas as pd

from eqstat import detection
from eqstat.service import Engine, encode, read_config

NOW_S = 1.8e9
DEVICES = 150
CONFIG = """
[service]
name = "tests"
folder = "journal"
[[region]]
name = "lima"
network = "network.csv"
causes = ["network", "venue"]
cells = 64
depth_km = [10.0, 30.0]
background_per_device_h = 0.2
earthquake_rate_per_year = 50.0
counts_cell_km = 60.0
"""


def folder_of(path, more=""):
    """Write the configuration and its network."""
    rng = np.random.default_rng(0)
    pd.DataFrame(
        {
            "device": [f"phone-{i}" for i in range(DEVICES)],
            "latitude": rng.uniform(-12.3, -11.8, DEVICES),
            "longitude": rng.uniform(-77.1, -76.6, DEVICES),
        }
    ).to_csv(path / "network.csv", index=False)
    (path / "service.toml").write_text(CONFIG + more)
    return read_config(path / "service.toml")


def shards_of(path):
    """Configuration of two regions, with the western and the eastern two thirds of the phones."""
    config = folder_of(path)
    table = pd.read_csv(path / "network.csv").sort_values("longitude")
    table[: DEVICES * 2 // 3].to_csv(path / "west.csv", index=False)
    table[DEVICES // 3 :].to_csv(path / "east.csv", index=False)
    region = config.region[0]
    two = [
        dataclasses.replace(region, name=n, network=f"{n}.csv", cells=49) for n in ("west", "east")
    ]
    return dataclasses.replace(config, region=tuple(two))


def births(engine, now_s=NOW_S):
    """Messages of all devices that are switched on."""
    model = engine.models[0]
    places = zip(model.names, model.latitude, model.longitude, strict=True)
    return [
        (now_s, *encode("birth", name, latitude=lat, longitude=lon, sent_s=now_s))
        for name, lat, lon in places
    ]


def earthquake(engine, *, seed=0, at_s=NOW_S + 100.0, least_triggers=25):
    """Messages of an earthquake, sorted by their coming, and its truth."""
    watch = engine.models[0].detector
    often = dataclasses.replace(watch.causes[0], rate_per_year=1e6)
    watch = dataclasses.replace(watch, causes=(often, *watch.causes[1:]))
    streams = detection.simulate(jax.random.key(seed), watch, 200, now_s=at_s + 30.0)
    count = np.isfinite(streams.trigger_s).sum(axis=1)
    one = np.flatnonzero((streams.cause == 0) & (count >= least_triggers))[0]
    rng, sent = np.random.default_rng(seed), []
    for device in np.flatnonzero(np.isfinite(streams.trigger_s[one])):
        time_s = float(streams.trigger_s[one, device])
        late = 0.1 + rng.exponential(0.2)
        message = encode("trigger", watch.names[device], time_s=time_s, sent_s=time_s + 0.05)
        sent.append((time_s + late, *message))
    truth = {name: float(getattr(streams, name)[one])
             for name in ("latitude", "longitude", "origin_s", "magnitude")}  # fmt: skip
    return sorted(sent), truth


def pair(engine):
    """Messages of two earthquakes 60 km and 39 s apart; a phone sends one trigger only."""
    (one, first), (two, second) = (
        earthquake(engine),
        earthquake(engine, seed=3, at_s=NOW_S + 160.0),
    )
    by_topic = {}
    for message in sorted(one + two):
        by_topic.setdefault(message[1], message)
    return sorted(by_topic.values()), (first, second)


def run(engine, messages, until_s, *, since_s=NOW_S, by_s=0.1):
    """Feed messages as a service does; the events."""
    events, at = [], 0
    for now_s in np.arange(since_s, until_s, by_s):
        while at < len(messages) and messages[at][0] <= now_s:
            received_s, topic, payload = messages[at]
            engine.take(topic, payload, received_s)
            at += 1
        if engine.is_due(now_s):
            events += engine.advance(now_s)
    return events


def small_engine(path):
    """Engine of the small region."""
    return Engine(folder_of(path), NOW_S)
