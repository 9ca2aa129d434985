"""Records of single sensors for the checks of the agent: simulated worlds and real files.

The simulators share nothing with the detector: noise is coloured in the frequency domain, and what
people do is drawn as walks, knocks and vehicles.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from eqstat import geodesy
from eqstat.waveform.packets import Packet, parse_openeew

RATE_HZ = 100.0


def maxima(world: str, days: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times, s, and maxima of blocks of 30 s of a statistic, drawn as such."""
    rng = np.random.default_rng([seed, WORLDS.index(world)])
    n = int(days * 2880)
    time_s = 30.0 * np.arange(n)
    hour = time_s / 3600 % 24
    values = rng.gumbel(1.5, 0.2, n)
    if world == "day cycle":
        busy = 0.02 + 0.2 * ((hour > 7) & (hour < 20))
        values += np.where(rng.random(n) < busy, rng.exponential(0.8, n), 0.0)
    elif world == "bursts":
        on = np.zeros(n, bool)
        for start in np.flatnonzero(rng.random(n) < 0.003):
            on[start : start + rng.integers(1, 30)] = True
        values += np.where(on, rng.exponential(1.0, n), 0.0)
    elif world == "growing noise":
        values += 0.1 * time_s / 86_400
    elif world == "heavy tail":
        values = np.log(4 + rng.pareto(2.0, n))
    return time_s, values


WORLDS = ("still", "day cycle", "bursts", "growing noise", "heavy tail")


def people(rng: np.random.Generator, hours: float) -> np.ndarray:
    """Motion by people over some hours from midnight: counts, (samples,)."""
    n = int(hours * 3600 * RATE_HZ)
    motion = np.zeros(n)
    t = np.arange(int(3 * RATE_HZ)) / RATE_HZ

    def knock(at: int, size: float) -> None:
        decay = rng.uniform(0.03, 0.25)
        wave = size * np.exp(-t / decay) * np.sin(2 * np.pi * rng.uniform(4, 25) * t)
        part = motion[at : at + len(t)]
        part += wave[: len(part)]

    for event in range(rng.poisson(40 * hours)):
        at_h = rng.uniform(0, hours)
        if rng.random() > (1.0 if 7 < at_h % 24 < 22 else 0.1):
            continue
        at, size = int(at_h * 3600 * RATE_HZ), 20 * np.exp(rng.normal(0, 1.2))
        kind = event % 3
        if kind == 0:
            knock(at, size)
        elif kind == 1:  # a walk past the sensor
            steps = int(rng.integers(4, 25))
            near = np.exp(-(np.linspace(-2, 2, steps) ** 2))
            for step in range(steps):
                knock(at + int(step * rng.uniform(0.45, 0.6) * RATE_HZ), size * near[step])
        else:  # a vehicle
            length = int(rng.uniform(4, 20) * RATE_HZ)
            part = motion[at : at + length]
            rumble = np.convolve(rng.normal(0, 1, length), np.ones(8) / 8, "same")
            part += (0.5 * size * rumble * np.hanning(length))[: len(part)]
    return motion


def simulated_packets(seed: int, hours: float) -> Iterator[Packet]:
    """Packets of a quarter of a second of a geophone in a house, without earthquakes."""
    rng = np.random.default_rng(seed)
    motion = people(rng, hours)
    size = int(3600 * RATE_HZ)
    for hour in range(int(hours)):
        frequency = np.fft.rfftfreq(size, 1 / RATE_HZ)
        shape = 1 / np.sqrt(1 + (frequency / 0.3) ** 2) + 0.15
        noise = np.fft.irfft(np.fft.rfft(rng.normal(0, 30, size)) * shape, size)
        # Wind and machines: the level of noise wanders by tens of per cent in minutes.
        level = np.exp(0.3 * np.interp(np.arange(size), np.linspace(0, size, 61),
                                       np.cumsum(rng.normal(0, 0.3, 61)) * 0.3))  # fmt: skip
        samples = 16_000 + noise * level + motion[hour * size : (hour + 1) * size]
        samples = np.round(samples)
        for i in range(0, size, 25):
            start = 1.8e9 + hour * 3600 + i / RATE_HZ
            yield Packet("", start, RATE_HZ, {"EHZ": samples[i : i + 25]})


def phone_packets(folder: Path, device: str) -> Iterator[Packet]:
    """Records of a phone in the hands of its owner, one after the other, with gaps between."""
    table = pd.read_csv(folder / "myshake_waves" / "human.csv")
    with np.load(folder / "myshake_waves" / "human.npz") as content:
        motion, rate = content["acceleration"], float(content["rate_hz"])
    table = table[table["device"] == device].sort_values("start_hour", kind="stable")
    begin = 0.0
    for row in table.itertuples():
        hour = datetime.strptime(str(row.start_hour), "%Y-%m-%dT%HZ").replace(tzinfo=UTC)
        begin = max(begin + 100.0, hour.timestamp())
        own = motion[:, int(row.offset) : int(row.offset) + int(row.samples)].astype(float)
        for i in range(0, own.shape[1], 25):
            part = dict(zip("xyz", own[:, i : i + 25], strict=True))
            yield Packet(device, begin + i / rate, rate, part)
        begin += own.shape[1] / rate


def earthquakes(folder: Path) -> list[dict]:
    """The nine earthquakes of the OpenEEW folder: time, place, and the files of each sensor."""
    text = (folder / "openeew" / "events.txt").read_text()
    found = re.findall(r"time = (.+)\nlatitude = (.+)\nlongitude = (.+)\nmagnitude = (.+)", text)
    catalogue = [
        (datetime.fromisoformat(t).replace(tzinfo=UTC).timestamp(), float(la), float(lo), float(m))
        for t, la, lo, m in found
    ]
    made = []
    for place in sorted((folder / "openeew").glob("20*")):
        files = {d.name: sorted(d.glob("*.jsonl")) for d in sorted(place.iterdir())}
        times = [stamps(paths) for paths in files.values()]
        first, last = min(t[0] for t in times), max(t[1] for t in times)
        within = [event for event in catalogue if first - 60 <= event[0] <= last]
        origin_s, latitude, longitude, magnitude = max(within, key=lambda event: event[3])
        made.append({"name": place.name, "origin_s": origin_s, "latitude": latitude,
                     "longitude": longitude, "magnitude": magnitude, "files": files})  # fmt: skip
    return made


def stamps(paths: list[Path]) -> tuple[float, float]:
    """First and last time of some files."""
    lines = [line for path in (paths[0], paths[-1]) for line in path.read_bytes().splitlines()]
    ends = [parse_openeew(lines[at])[0].start_s for at in (0, -1)]
    return ends[0], ends[1]


def places(folder: Path) -> dict[str, tuple[float, float]]:
    """Latitude and longitude of the OpenEEW sensors."""
    (path,) = (folder / "openeew" / "devices").iterdir()
    return {d["device_id"]: (d["latitude"], d["longitude"]) for d in json.loads(path.read_text())}


def openeew_packets(paths: list[Path], until_s: float = np.inf) -> Iterator[Packet]:
    """Packets of a sensor's files that end before a time."""
    for path in paths:
        for line in path.read_bytes().splitlines():
            for packet in parse_openeew(line):
                if packet.problem or packet.start_s + 1.1 < until_s:
                    yield packet


def earliest_p_s(event: dict, place: tuple[float, float]) -> float:
    """A time before which no wave of an earthquake is at a place: surface distance at 8.5 km/s."""
    return event["origin_s"] + distance_km(event, place) / 8.5 - 2.0


def arrival_s(event: dict, place: tuple[float, float]) -> float:
    """About when P arrives: surface distance at 7 km/s."""
    return event["origin_s"] + distance_km(event, place) / 7.0


def covers(paths: list[Path], time_s: float) -> bool:
    """Whether the files of a sensor hold the 20 s on both sides of a time."""
    first, last = stamps(paths)
    return first < time_s - 20.0 and time_s + 20.0 < last


def distance_km(event: dict, place: tuple[float, float]) -> float:
    """Epicentral distance."""
    return float(geodesy.hypocentral_distance(event["latitude"], event["longitude"], 0.0, *place))


def compact_triple(event: dict, known: dict, most_km: float = 30.0) -> tuple[str, ...] | None:
    """The three sensors within `most_km` of each other that are nearest to the epicentre."""
    best: tuple[float, tuple[str, ...]] | None = None
    whole = [
        name
        for name in sorted(set(event["files"]) & set(known))
        if covers(event["files"][name], arrival_s(event, known[name]))
    ]
    for triple in itertools.combinations(whole, 3):
        apart = max(
            float(geodesy.hypocentral_distance(*known[a], 0.0, *known[b]))
            for a, b in itertools.combinations(triple, 2)
        )
        if apart > most_km:
            continue
        away = float(np.mean([distance_km(event, known[name]) for name in triple]))
        if best is None or away < best[0]:
            best = away, triple
    return None if best is None else best[1]


def onset_s(packets: list[Packet], begin_s: float, end_s: float) -> float:
    """Onset of motion between two times by Akaike's criterion on the signal (Maeda, 1985)."""
    time_s = np.concatenate(
        [p.start_s + np.arange(len(p.channels["x"])) / p.rate_hz for p in packets]
    )
    motion = np.stack([np.concatenate([p.channels[axis] for p in packets]) for axis in "xyz"])
    motion = np.diff(motion, axis=1)
    kept = (time_s[1:] >= begin_s) & (time_s[1:] <= end_s)
    motion, time_s = motion[:, kept], time_s[1:][kept]
    power = np.sum((motion - motion.mean(axis=1, keepdims=True)) ** 2, axis=0)
    n = len(power)
    before = np.cumsum(power)
    k = np.arange(20, n - 20)
    left, right = before[k - 1] / k, (before[-1] - before[k - 1]) / (n - k)
    aic = k * np.log(left + 1e-12) + (n - k) * np.log(right + 1e-12)
    return float(time_s[k[np.argmin(aic)]])
