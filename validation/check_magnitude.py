"""Magnitudes of located events from peaks: calibration, selection, and real earthquakes.

Run: python validation/check_magnitude.py --part sbc|selection|ridgecrest|openeew [--number N]

- sbc: magnitudes from the prior, places from the location's uncertainty, peaks of the model; the
  rank of the true magnitude among the draws is uniform if the posterior is calibrated. Peaks that
  are exact, that are clipped or below a level, and of stations listed only because they triggered.
- selection: what becomes of the magnitude of small events if only stations that triggered report.
- ridgecrest: events of the 2019 sequence with the model fitted to the other events, against the
  same model whose records are taken as independent (no event term, no correlation).
- openeew: nine Mexican earthquakes on low-cost sensors, each with the model fitted to the other
  eight, against independent normals. The catalogue has no depths: they are drawn from 5 to 40 km.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pandas as pd
from records import Record, each, record, show

from eqstat import hypocentre
from eqstat.calibration import binomial_interval, rank_uniformity
from eqstat.geodesy import LocalFrame, hypocentral_distance
from eqstat.ground_motion import GroundMotion, MotionPosterior, fit, prepare
from eqstat.ground_motion.event import Device
from eqstat.ground_motion.magnitude import GutenbergRichter, from_peaks, simulate

SEED = 20261130
PHONE = Device(bias=0.1, sd=0.25, clip_m_s2=2.0)
KINDS: dict[str, dict[str, Any]] = {
    "exact": {},
    "limits": {"device": PHONE, "least_m_s2": 0.1},
    "triggered only": {"device": PHONE, "least_m_s2": 0.1, "triggered_only": True},
}
LAW = GutenbergRichter(3.5, 8.0, 1.0)
CENTRE = LocalFrame(35.0, -117.5)
DRAWS = 64
# Peaks of the sensors below 0.5 Gal are not told from their noise (0.08 Gal rms).
NOISE_M_S2 = 0.005
# Distance of sensors, slowest wave of the strong motion, and longest gap of a record.
FARTHEST_KM, SLOWEST_KM_S, LONGEST_GAP_S = 400.0, 3.0, 5.0


def located(
    rng: np.random.Generator, east: float, north: float, spread_km: float, draws: int = DRAWS
) -> Any:
    """Draws of a hypocentre about a place, its depth anywhere from 4 to 16 km."""
    shift = rng.normal(0, spread_km, (2, draws))
    latitude, longitude = CENTRE.to_geographic(east + shift[0], north + shift[1])
    return hypocentre.from_draws(latitude, longitude, rng.uniform(4, 16, draws))


def one_rank(number: int, kind: str, draws: int = DRAWS) -> dict[str, float]:
    """Share of the draws below the true magnitude, and the width of the 90 % interval."""
    rng = np.random.default_rng([SEED, number])
    magnitude = float(LAW.quantile(rng.uniform()))
    place = CENTRE.to_geographic(*rng.uniform(-50, 50, (2, 14)))
    stations = pd.DataFrame({"latitude": place[0], "longitude": place[1]})
    # Where the location says, about as far from the truth as it says.
    east, north = rng.normal(0, 5, 2)
    latitude, longitude = (float(v) for v in CENTRE.to_geographic(*rng.normal([east, north], 5)))
    options = KINDS[kind]
    peaks = simulate(
        jax.random.fold_in(jax.random.key(SEED), number),
        GroundMotion(),
        stations,
        latitude=latitude,
        longitude=longitude,
        depth_km=float(rng.uniform(4, 16)),
        magnitude=magnitude,
        **options,
    )
    used = {name: value for name, value in options.items() if name != "least_m_s2"}
    place = located(rng, east, north, 5.0, draws)
    result = from_peaks(place, peaks, prior=LAW, **used)
    values = result["magnitude"].to_numpy()
    low, high = np.quantile(values, [0.05, 0.95])
    return {"below": float(np.mean(values < magnitude)), "width": float(high - low),
            "error": float(np.mean(values) - magnitude)}  # fmt: skip


def sbc(number: int, kinds: str = "", draws: int = DRAWS, first: int = 0) -> list[Record]:
    """Ranks of the truth, for each kind of peaks."""
    out = []
    names = kinds.split(",") if kinds else list(KINDS)
    size = len(names)
    codes = range(first * size, (first + number) * size)
    lines = each(codes, lambda code: one_rank(code // size, names[code % size], draws))
    for at, kind in enumerate(names):
        own = lines[at::size]
        below = np.array([line["below"] for line in own])
        # Ranks among 50 of the draws.
        ranks = np.minimum((below * 51).astype(int), 50)
        inside = int(np.sum((below > 0.05) & (below < 0.95)))
        error = np.array([line["error"] for line in own])
        out += [
            record(f"{kind}: p of uniform ranks", rank_uniformity(ranks, 50, bins=17).p_value,
                   bounds=(0.01 / len(names), None), data_sets=len(own)),
            record(f"{kind}: mean rank", float(below.mean()), target=0.5,
                   interval=below.mean() + np.array([-1.96, 1.96]) / np.sqrt(12 * len(own))),
            coverage(f"{kind}: truth in the 90 % interval", inside, len(own)),
            record(f"{kind}: mean error", float(error.mean()),
                   interval=error.mean() + np.array([-1.96, 1.96]) * error.std() / len(own) ** 0.5),
            record(f"{kind}: median width of the interval",
                   float(np.median([line["width"] for line in own]))),
        ]  # fmt: skip
    return out


def coverage(name: str, inside: int, count: int) -> Record:
    """Share of events whose truth lies in its 90 % interval."""
    interval = binomial_interval(inside, count)
    ends = [float(end) for end in np.ravel(interval)[-2:]]
    return record(name, inside / count, interval=ends, target=0.9, unit="%", data_sets=count)


def selection(number: int) -> list[Record]:
    """Errors of magnitudes of M 4.5 whose reports are those of triggered phones."""
    flat = GutenbergRichter(2.0, 8.0, 0.0)

    def one(code: int) -> dict[str, float]:
        rng = np.random.default_rng([SEED, 7, code])
        at = CENTRE.to_geographic(*rng.uniform(-40, 40, (2, 24)))
        stations = pd.DataFrame({"latitude": at[0], "longitude": at[1]})
        peaks = simulate(
            jax.random.fold_in(jax.random.key(SEED + 1), code), GroundMotion(), stations,
            latitude=35.0, longitude=-117.5, depth_km=10.0, magnitude=4.5, least_m_s2=0.1,
            device=PHONE,
        )  # fmt: skip
        place = located(rng, 0.0, 0.0, 2.0)
        heard = peaks.dropna(subset=["pga_m_s2"])
        if len(heard) < 3:
            return {}
        runs: dict[str, tuple[pd.DataFrame, bool]] = {
            "as if all were listed": (heard, False),
            "conditioned on the trigger": (heard, True),
            "with silent phones": (peaks, False),
        }
        errors = {}
        for name, (rows, only) in runs.items():
            result = from_peaks(place, rows, prior=flat, device=PHONE, triggered_only=only)
            values = result["magnitude"].to_numpy()
            low, high = np.quantile(values, [0.05, 0.95])
            errors[name] = float(values.mean() - 4.5)
            errors[f"{name}, inside"] = float(low < 4.5 < high)
        return errors

    lines = [line for line in each(range(number), one) if len(line) > 1]
    out = []
    for name in ("as if all were listed", "conditioned on the trigger", "with silent phones"):
        error = np.array([line[name] for line in lines])
        ends = error.mean() + np.array([-1.96, 1.96]) * error.std() / len(error) ** 0.5
        inside = int(np.sum([line[f"{name}, inside"] for line in lines]))
        out += [
            record(f"{name}: mean error, M 4.5", float(error.mean()), interval=ends,
                   data_sets=len(error)),
            coverage(f"{name}: truth in the 90 % interval", inside, len(error)),
        ]  # fmt: skip
    # Truth is one magnitude, not a draw of the prior: coverage is not that of a calibrated method.
    return [{k: v for k, v in item.items() if k != "target"} for item in out]


def independent(posterior: MotionPosterior) -> MotionPosterior:
    """One regression with the total scatter and independent records: the usual fusion."""
    motion = jax.tree.map(lambda leaf: np.mean(leaf, axis=0, keepdims=True), posterior.motion)
    total = np.sqrt(motion.record_sd**2 + motion.event_sd**2)
    none = np.zeros_like(total)
    apart = eqx.tree_at(
        lambda m: (m.record_sd, m.event_sd, m.spreading_sd, m.correlated_share, m.region_sd),
        motion,
        (total, none, none, none, none),
    )
    terms = (posterior.station_mean, posterior.station_sd)
    means = [np.mean(term, axis=0, keepdims=True) for term in terms]
    return eqx.tree_at(
        lambda p: (p.motion, p.station_mean, p.station_sd), posterior, (apart, *means)
    )


def judged(
    posterior: MotionPosterior,
    rows: pd.DataFrame,
    place: Any,
    law: GutenbergRichter,
    **options: Any,
) -> dict[str, float]:
    """Errors, coverage and width of the event of these rows, by both models."""
    truth, out = float(rows["magnitude"].iloc[0]), {"magnitude": float(rows["magnitude"].iloc[0])}
    peaks = rows[["station", "latitude", "longitude", "pga_m_s2", *({"vs30_m_s"} & set(rows))]]
    for name, model in (("eqstat", posterior), ("independent", independent(posterior))):
        result = from_peaks(place, peaks, model, prior=law, **options)
        values = result["magnitude"].to_numpy()
        low, high = np.quantile(values, [0.05, 0.95])
        out |= {
            f"{name} error": float(values.mean() - truth),
            f"{name} inside": float(low < truth < high),
            f"{name} width": float(high - low),
            f"{name} draws": result.attrs["effective_draws"],
        }
    return out


def summary_of(lines: list[dict[str, float]], label: str) -> list[Record]:
    """Coverage, bias, error and width by both models."""
    out = []
    for name in ("eqstat", "independent"):
        error = np.array([line[f"{name} error"] for line in lines])
        ends = error.mean() + np.array([-1.96, 1.96]) * error.std(ddof=1) / len(error) ** 0.5
        inside = int(np.sum([line[f"{name} inside"] for line in lines]))
        out += [
            coverage(f"{label}, {name}: truth in the 90 % interval", inside, len(lines)),
            record(f"{label}, {name}: mean error", float(error.mean()), interval=ends),
            record(f"{label}, {name}: median absolute error", float(np.median(np.abs(error)))),
            record(f"{label}, {name}: median width of the interval",
                   float(np.median([line[f"{name} width"] for line in lines]))),
            record(f"{label}, {name}: least effective draws",
                   float(np.min([line[f"{name} draws"] for line in lines]))),
        ]  # fmt: skip
    return [
        {k: v for k, v in item.items() if k != "target" or "eqstat" in item["name"]} for item in out
    ]


def ridgecrest(folds: int, stations: int | None) -> list[Record]:
    """Each event by the model of the other folds; M 4 and more, within 150 km."""
    from check_exceedance_ridgecrest import split_events

    from eqstat.datasets import load_ridgecrest

    table = load_ridgecrest(max_distance_km=150.0, min_magnitude=4.0)
    # The catalogue is rounded to 0.1: with an end at 4.0 its least events lie on it.
    law = GutenbergRichter(3.95, 8.0, 1.0)
    splits = split_events(table, 5)[:folds]

    def one(fold: int) -> dict[str, Any]:
        out = table["event"].isin(splits[fold])
        motions = prepare(table[~out], max_distance_km=np.inf, check_unit=False)
        posterior = fit(motions).posterior(jax.random.key(0), 200)
        events = []
        for number, (_, rows) in enumerate(table[out].groupby("event")):
            rng = np.random.default_rng([SEED, fold, number])
            if stations is not None and len(rows) > stations:
                rows = rows.iloc[rng.choice(len(rows), stations, replace=False)]
            first = rows.iloc[0]
            frame = LocalFrame(float(first["event_latitude"]), float(first["event_longitude"]))
            latitude, longitude = frame.to_geographic(*rng.normal(0, 1, (2, DRAWS)))
            depth = np.abs(first["depth_km"] + rng.normal(0, 2, DRAWS))
            place = hypocentre.from_draws(latitude, longitude, depth)
            # A record of each station, the largest where there are two.
            rows = rows.sort_values("pga_m_s2").drop_duplicates("station", keep="last")
            events.append(judged(posterior, rows, place, law))
        return {"events": events}

    lines = [event for line in each(range(len(splits)), one) for event in line["events"]]
    label = f"{stations} stations" if stations else "all stations"
    return summary_of(lines, label)


def openeew_records() -> pd.DataFrame:
    """PGA of the sensors of nine Mexican earthquakes within 400 km."""
    folder = Path(os.environ["EQSTAT_DATA"]) / "openeew"
    devices = json.loads((folder / "devices" / "device_locations.json").read_text())
    places = {one["device_id"]: (one["latitude"], one["longitude"]) for one in devices}
    rows = []
    for event in sorted(path for path in folder.iterdir() if path.name[:2] == "20"):
        origin = origin_of(folder / "events.txt", event)
        for sensor in sorted(path for path in event.iterdir() if path.name in places):
            latitude, longitude = places[sensor.name]
            away = float(hypocentral_distance(
                origin["latitude"], origin["longitude"], 20.0, latitude, longitude
            ))  # fmt: skip
            peak = peak_of(sensor, origin["time_s"], origin["time_s"] + away / SLOWEST_KM_S + 10)
            if peak is None or away > FARTHEST_KM:
                continue
            rows.append({"event": event.name, "station": sensor.name, "latitude": latitude,
                         "longitude": longitude, "distance_km": away, "depth_km": 20.0,
                         "pga_m_s2": peak / 100, "magnitude": origin["magnitude"],
                         "event_latitude": origin["latitude"],
                         "event_longitude": origin["longitude"]})  # fmt: skip
    return pd.DataFrame(rows)


def origin_of(path: Path, event: Path) -> dict[str, float]:
    """The largest catalogued earthquake within the recorded span of a folder."""
    starts, ends = [], []
    for file in event.glob("*/*.jsonl"):
        packets = [json.loads(line)["device_t"] for line in file.read_text().splitlines()]
        starts.append(min(packets))
        ends.append(max(packets))
    inside = []
    for block in path.read_text().split("----"):
        pairs = [line.split(" = ") for line in block.splitlines() if " = " in line]
        one = {name.strip(): value.strip() for name, value in pairs}
        if not one:
            continue
        seconds = pd.Timestamp(one["time"], tz="UTC").timestamp()
        if min(starts) - 60 <= seconds <= max(ends):
            inside.append({"time_s": seconds, **{n: float(one[n]) for n in
                           ("latitude", "longitude", "magnitude")}})  # fmt: skip
    return max(inside, key=lambda one: one["magnitude"])


def peak_of(sensor: Path, origin_s: float, until_s: float) -> float | None:
    """Largest acceleration (Gal) of any axis, mean off; None where the strong motion is missing.

    Some sensors fell silent when the shaking began: what they have before it is no peak.
    """
    lines = [line for path in sensor.glob("*.jsonl") for line in path.read_text().splitlines()]
    packets = sorted((json.loads(line) for line in lines), key=lambda one: one["device_t"])
    kept = [one for one in packets if origin_s - 5 <= one["device_t"] <= until_s + 60]
    times = np.array([origin_s, *(one["device_t"] for one in kept), until_s])
    if len(kept) < 10 or np.max(np.diff(np.clip(times, origin_s, until_s))) > LONGEST_GAP_S:
        return None
    axes = [np.concatenate([one[name] for one in kept]) for name in ("x", "y", "z")]
    return float(max(np.max(np.abs(axis - np.median(axis))) for axis in axes))


def openeew() -> list[Record]:
    """Each earthquake by the model of the other eight."""
    table = openeew_records()
    # The nine were chosen for their size: Gutenberg and Richter's law is not theirs.
    laws = {"b = 1": GutenbergRichter(4.0, 8.5, 1.0), "flat": GutenbergRichter(4.0, 8.5, 0.0)}
    names = sorted(table["event"].unique())

    def one(number: int) -> dict[str, Any]:
        out = table["event"] == names[number]
        seen = table[~out & (table["pga_m_s2"] >= NOISE_M_S2)]
        motions = prepare(seen, max_distance_km=np.inf, check_unit=False)
        posterior = fit(motions).posterior(jax.random.key(0), 200)
        rows = table[out]
        rng = np.random.default_rng([SEED, number])
        first = rows.iloc[0]
        frame = LocalFrame(float(first["event_latitude"]), float(first["event_longitude"]))
        latitude, longitude = frame.to_geographic(*rng.normal(0, 5, (2, DRAWS)))
        place = hypocentre.from_draws(latitude, longitude, rng.uniform(5, 40, DRAWS))
        limits = {"least_m_s2": NOISE_M_S2, "draws": 512}
        return {name: judged(posterior, rows, place, law, **limits) for name, law in laws.items()}

    lines = each(range(len(names)), one)
    out = []
    for law in laws:
        for name, line in zip(names, lines, strict=True):
            shown = ", ".join(f"{key} {value:.2f}" for key, value in line[law].items())
            print(f"  {law}, {name}: {shown}")
        out += summary_of([line[law] for line in lines], f"prior {law}")
    return out


def check(
    part: str = "sbc",
    number: int = 300,
    folds: int = 5,
    stations: int | None = None,
    kinds: str = "",
    draws: int = DRAWS,
    first: int = 0,
) -> list[Record]:
    """One part of the check."""
    parts = {
        "sbc": lambda: sbc(number, kinds, draws, first),
        "selection": lambda: selection(number),
        "ridgecrest": lambda: ridgecrest(folds, stations),
        "openeew": openeew,
    }
    return show(parts[part]())


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="sbc")
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--stations", type=int)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
