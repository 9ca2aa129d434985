"""The sequential posterior on a seismic network: raw automatic picks of the central US.

Run with EQSTAT_DATA at a folder that holds the picks (see `eqstat.datasets.load_ceus_raw`):
python validation/check_detection_ceus.py [--windows N] [--active listed|running|reporting]. The
stream is 15,437 picks without phase, most of them noise, in 54 windows of -120 to +240 s about
catalogued earthquakes. The regional error model is learned from an associator's picks of the
*other* events (two folds); it gives the detector its travel times and the final location its
errors. The background rate also comes from the other windows. Records the earthquakes found, the
delay after the origin, the epicentral error, the coverage of the regions, and the detections that
match no catalogued earthquake.

The data do not say which stations were active. `listed`: all stations, at all times, also those
farther than about 1,100 km from the epicentre, whose picks were cut away. `running`: those with a
pick in one of the four other windows nearest in time that reach them, for a network knows which of
its stations work. `reporting`: those with any pick in this window, which is known afterwards only.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from records import Record, record, show
from scipy.stats import binom

from eqstat import datasets
from eqstat.detection import BackgroundRate, Detector, Replay, detector, replay
from eqstat.detection.causes import Cause, earthquake, network_burst, nodes
from eqstat.detection.causes._default import SLOWNESS_LATERAL_SD
from eqstat.geodesy import great_circle_distance
from eqstat.hypocentre import contains, credible_level, credible_region
from eqstat.inference import InferenceError
from eqstat.traveltime.regional import RegionalError, RegionalLocation, learn, locate
from eqstat.velocity import VelocityModel

BEFORE_S, AFTER_S = 120, 240
FOLDS, SEED = 2, 20
MAX_DISTANCE_KM, CATALOGUE_SD_KM = 400.0, 2.0
EARTHQUAKES_PER_YEAR = 300.0
# The dead time of a station after its trigger, while the trigger may still be used.
SLOTS, SLOT_S, WINDOW_S = 36, 3.0, 130.0
# The data have the picks of stations so near to the epicentre; a station is taken to run if it has
# a pick in one of so many windows, those nearest in time that reach it.
DATA_KM, NEAREST = 1100.0, 4
# A detection is the catalogued earthquake if it is so near to it.
SAME_KM, SAME_S = 100.0, 15.0
# The same of a single step, on cells of some 60 km.
FIRST_KM = 200.0
# Picks that may be of a located earthquake: from its predicted P or S, s and s per km.
NEAR_S, NEAR_S_KM = 3.0, 0.01


class Branches(VelocityModel):
    """Travel times of a learned regional model: the first P, and the S that is usually picked."""

    error: RegionalError

    def times(self, chord2_km2: Any, depth_km: Any, elevation_km: Any) -> tuple[Any, Any]:
        """See `VelocityModel.times`."""
        distance = jnp.sqrt(jnp.asarray(chord2_km2) + 1e-12)
        straight = jnp.sqrt(distance**2 + (depth_km + elevation_km) ** 2)
        thickness = 2 * self.error.moho_depth_km - depth_km + elevation_km
        times = []
        for wave in ("p", "s"):
            crust = getattr(self.error, f"crust_{wave}_velocity_km_s")
            mantle = getattr(self.error, f"mantle_{wave}_velocity_km_s")
            delay = thickness * (crust**-2 - mantle**-2) ** 0.5
            times.append(jnp.minimum(straight / crust, distance / mantle + delay))
        return times[0], times[1]


def read() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Raw picks with seconds after the origin, associated picks, events, stations."""
    raw = datasets.load_ceus_raw()
    picks, events = datasets.load_ceus(max_distance_km=None)
    origin: Any = events.set_index("event")["time"].loc[raw["event_window"]].reset_index(drop=True)
    raw["after_s"] = (raw["time"].reset_index(drop=True) - origin).dt.total_seconds()
    columns = ["device", "latitude", "longitude", "elevation_m"]
    stations = pd.concat([raw[columns], picks[columns]]).drop_duplicates("device")
    return raw, picks, events, stations.reset_index(drop=True)


def running(
    stations: pd.DataFrame, raw: pd.DataFrame, events: pd.DataFrame, event: Any
) -> np.ndarray:
    """Stations with a pick in one of the other windows nearest in time that reach them."""
    others = events[events["event"] != event.event]
    others = others.assign(gap=(others["time"] - event.time).abs()).sort_values("gap")
    away = great_circle_distance(
        others["latitude"].to_numpy()[:, None],
        others["longitude"].to_numpy()[:, None],
        stations["latitude"].to_numpy(),
        stations["longitude"].to_numpy(),
    )
    reached = np.asarray(away) < DATA_KM
    nearest = reached & (np.cumsum(reached, axis=0) <= NEAREST)
    by_event = raw.groupby("event_window")["device"].unique()
    picked = np.stack([stations["device"].isin(by_event[name]) for name in others["event"]])
    return (nearest & picked).any(axis=0)


def activity(
    stations: pd.DataFrame, raw: pd.DataFrame, events: pd.DataFrame, event: Any, which: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """The network's table for a window: active stations; and the same as truth values."""
    own = raw["event_window"] == event.event
    if which == "listed":
        active = np.ones(len(stations), bool)
    elif which == "running":
        active = running(stations, raw, events, event)
    else:
        active = stations["device"].isin(raw["device"][own]).to_numpy()
    far = pd.Timestamp("2100-01-01", tz="UTC")
    begin = pd.Series(pd.Timestamp("2000-01-01", tz="UTC"), stations.index).where(active, far)
    table = stations[["device", "latitude", "longitude"]].assign(active_from=begin)
    return table, active


def background_rate_h(
    raw: pd.DataFrame, events: pd.DataFrame, stations: pd.DataFrame, which: str
) -> float:
    """Picks per station and hour before the origins of some events, where there are data."""
    hours = 0.0
    before = raw[(raw["after_s"] < 0) & raw["event_window"].isin(events["event"])]
    # A station counts once in `WINDOW_S`, as it does in the detector.
    count = len(before.drop_duplicates(["event_window", "device"]))
    for event in events.itertuples():
        active = activity(stations, raw, events, event, which)[1]
        reached = away(event, stations["latitude"], stations["longitude"]) < DATA_KM
        hours += (active & reached).sum() * BEFORE_S / 3600
    return count / hours


def scatter_s(error: RegionalError) -> float:
    """Of P at 200 km, where its tails are heavy and waves under the Moho are late together."""
    freedom = max(float(error.student_degrees_of_freedom), 2.5)
    own = error.mantle_p_scatter_s * (1 + 2 * error.p_scatter_growth_per_100km)
    return float(np.hypot(own * (freedom / (freedom - 2)) ** 0.5, error.mantle_delay_sd_s))


def causes(error: RegionalError, cells: int, lateral: float) -> tuple[Cause, Cause]:
    """Earthquakes of the region, and bursts or unrest of the whole network."""
    unknown = nodes(
        share=(0.9,),
        first_share=(0.85,),
        reach_km=(80.0, 160.0, 320.0, 640.0),
        sd_s=(scatter_s(error),),
    )
    quake = earthquake(
        rate_per_year=EARTHQUAKES_PER_YEAR,
        velocity=Branches(error),
        depth_km=(10.0,),
        nodes=unknown,
        delay_sd_s=0.0,
        slots=SLOTS,
        slot_s=SLOT_S,
        cells=cells,
        margin_km=100.0,
        slowness_sd=error.near_slowness_sd_s_100km / 100 * error.crust_p_velocity_km_s,
        slowness_lateral_sd=lateral,
    )
    return quake, network_burst()


def associated(
    raw: pd.DataFrame, error: RegionalError, latitude: float, longitude: float, origin_s: float
) -> pd.DataFrame:
    """Picks of a window that may be P or S of an earthquake, labelled so."""
    away = great_circle_distance(
        latitude, longitude, raw["latitude"].to_numpy(), raw["longitude"].to_numpy()
    )
    travel = Branches(error).times(np.asarray(away) ** 2, 10.0, 0.0)
    late = raw["after_s"].to_numpy() - origin_s
    residual = np.stack([late - np.asarray(one, np.float64) for one in travel])
    phase = np.argmin(np.abs(residual), axis=0)
    off = np.abs(residual[phase, np.arange(len(raw))])
    table = raw.assign(phase=np.array(["P", "S"])[phase], _off=off)
    near = (away <= MAX_DISTANCE_KM) & (off <= NEAR_S + NEAR_S_KM * away)
    table = table[near].sort_values("_off").drop_duplicates(["device", "phase"])
    return table.drop(columns="_off").sort_values("time")


def refine(
    raw: pd.DataFrame, error: RegionalError, place: tuple[float, float], origin_s: float
) -> RegionalLocation | None:
    """Locate with the regional error model the picks that fit what the detector found."""
    try:
        return locate(
            associated(raw, error, *place, origin_s), error, centre=place, half_width_km=150.0
        )
    except InferenceError:
        return None


def away(event: Any, latitude: Any, longitude: Any) -> Any:
    """From the catalogue's epicentre, km."""
    return great_circle_distance(
        event.latitude, event.longitude, np.asarray(latitude), np.asarray(longitude)
    )


def matching(result: Replay, event: Any) -> tuple[np.ndarray, np.ndarray]:
    """Seconds after the origin of all steps; in which of them it is the earthquake that alarms."""
    steps = result.history
    after = (steps["time"] - event.time).dt.total_seconds().to_numpy()
    on = (steps["log_shiryaev_roberts"] >= result.settings["log_threshold"]) & (
        steps["probability"] >= result.settings["least_probability"]
    )
    off_s = (steps["origin_time"] - event.time).dt.total_seconds()
    off_km = away(event, steps["latitude"], steps["longitude"])
    same = on & (after > 1) & (off_s.abs() <= SAME_S) & (off_km <= FIRST_KM)
    return after, same.to_numpy()


def judge(
    watch: Detector, result: Replay, window: pd.DataFrame, event: Any, error: RegionalError
) -> list[dict[str, Any]]:
    """One row for each alarm."""
    truth = (event.latitude, event.longitude)
    rows = []
    for alarm, located in zip(result.alarms, result.locations, strict=True):
        began = (alarm["time"] - event.time).total_seconds()
        place = float(located["latitude_mean"]), float(located["longitude_mean"])
        origin = float(located["origin_mean_s"]) - event.time.timestamp()
        row = {
            "event": event.event,
            "magnitude": event.magnitude,
            "began_s": began,
            "origin_s": origin,
            "latitude": place[0],
            "longitude": place[1],
            "detector_km": float(away(event, *place)),
            "log_evidence": float(located["log_shiryaev_roberts"]),
        }
        row["same"] = row["detector_km"] <= SAME_KM and abs(origin) <= SAME_S
        for p in (50, 90):
            row[f"detector_in_{p}"] = contains(located, *truth, p / 100)
        fitting = associated(window, error, *place, origin)
        row["picks"] = len(fitting)
        row["with_s"] = int((fitting.groupby("device")["phase"].nunique() == 2).sum())
        close = refine(window, error, place, origin)
        if close is not None:
            row["regional_km"] = float(away(event, *close.epicentre))
            row["content"] = credible_level(close.hypocentre, *truth, point_sd_km=CATALOGUE_SD_KM)
            row["area_90_km2"] = credible_region(close.hypocentre, 0.9).area_km2
        rows.append(row)
    return rows


def first_seen(result: Replay, event: Any, alarms: list[dict[str, Any]]) -> dict[str, Any] | None:
    """When the earthquake was first alarmed for, and where it was put then; None where never."""
    after, this = matching(result, event)
    own = [one for one in alarms if one["same"]]
    if own and own[0]["began_s"] > 1:
        when = int(np.searchsorted(after, own[0]["began_s"] - 1e-3))
    elif this.any():
        when = int(np.argmax(this))
    else:
        return None
    then = result.history.iloc[when]
    off_km = float(away(event, then["latitude"], then["longitude"]))
    return {"event": event.event, "after_s": float(after[when]), "first_km": off_km}


def learned(picks: pd.DataFrame, events: pd.DataFrame) -> RegionalError:
    """The regional error model of the associated picks of some events."""
    near = picks[picks["distance_deg"] * 111.195 <= MAX_DISTANCE_KM]
    result = learn(near, events, catalogue_sd_km=CATALOGUE_SD_KM)
    print(f"learned from {result.events_used} events, {result.iterations} iterations", flush=True)
    return result.error


def summary(
    table: pd.DataFrame, seen: pd.DataFrame, events: pd.DataFrame, hours: float
) -> list[Record]:
    """Figures of all alarms."""
    same: Any = table[table["same"]].drop_duplicates("event")
    missed = events["event"][~events["event"].isin(seen["event"])]
    print(f"missed: {', '.join(missed) or 'none'}")
    records = [
        record("earthquakes found", len(seen), data_sets=len(events)),
        record("of these by an alarm of their own", len(same), data_sets=len(events)),
    ]
    for source, name, label, unit in (
        (seen, "after_s", "alarm after the origin", "s"),
        (seen, "first_km", "epicentral error at the alarm", "km"),
        (same, "detector_km", "epicentral error of the detector", "km"),
        (same, "regional_km", "epicentral error with the regional error model", "km"),
        (same, "area_90_km2", "area of the 90 % region of the latter", "km²"),
    ):
        low, middle, high = np.nanpercentile(source[name], [16, 50, 84])
        records.append(
            record(
                f"{label}, median (16 to 84 %)",
                middle,
                interval=(low, high),
                level=0.68,
                unit=unit,
                data_sets=len(source),
            )
        )
    for p in (50, 90):
        bounds = binom.interval(0.95, len(same), p / 100)
        for label, hits in (
            ("detector", same[f"detector_in_{p}"].sum()),
            ("regional error model", (same["content"] <= p / 100).sum()),
        ):
            name = f"{p} % region holds the catalogue epicentre, {label}"
            asked = (int(bounds[0]), int(bounds[1]))
            records.append(record(name, int(hits), bounds=asked, data_sets=len(same)))
    other: Any = table[~table["same"]]
    for row in other.itertuples():
        print(
            f"  no catalogued earthquake: window {row.event}, {row.began_s:+.0f} s, origin "
            f"{row.origin_s:+.0f} s at {row.latitude:.2f}, {row.longitude:.2f}, "
            f"{row.detector_km:.0f} km away, log evidence {row.log_evidence:.0f}; {row.picks} "
            f"picks fit, {row.with_s} stations with P and S"
        )
    name = f"alarms that match no catalogued earthquake in {hours:.1f} h"
    return [*records, record(name, len(other))]


def check(
    windows: int | None = None,
    active: str = "running",
    cells: int = 3000,
    step: float = 3.0,
    lateral: float = SLOWNESS_LATERAL_SD,
    out: str | None = None,
) -> list[Record]:
    """Replay the windows of both folds."""
    raw, picks, events, stations = read()
    print(f"{len(raw)} picks of {raw['device'].nunique()} stations, {len(stations)} in all")
    fold = np.random.default_rng(SEED).permutation(len(events)) % FOLDS
    rows, seen, judged, began = [], [], [], time.process_time()
    for k in range(FOLDS):
        others, chosen = events[fold != k], events[fold == k][:windows]
        error = learned(picks, others)
        rate = background_rate_h(raw, others, stations, active)
        watch = detector(
            stations[["device", "latitude", "longitude"]],
            causes=causes(error, cells, lateral),
            background=BackgroundRate(np.full(24, rate), relative_sd=0.05),
            dead_time_s=WINDOW_S,
        )
        print(f"fold {k}: {rate:.2f} picks per station and hour, {watch.hypotheses} hypotheses")
        for event in chosen.itertuples():
            window = raw[raw["event_window"] == event.event]
            table, running_now = activity(stations, raw, events, event, active)
            start = event.time - pd.Timedelta(seconds=BEFORE_S)
            end = event.time + pd.Timedelta(seconds=AFTER_S)
            settings = {"network": table, "start": start, "step_s": step}
            result = replay(watch, window, end=end, **settings)
            new = judge(watch, result, window, event, error)
            first = first_seen(result, event, new)
            if first and any(one["same"] and one["began_s"] <= 1 for one in new):
                # The alarm began as another event; its location is taken at its own time.
                until = event.time + pd.Timedelta(seconds=first["after_s"] - step)
                before = replay(watch, window, end=until, **settings)
                new += [
                    one for one in judge(watch, before, window, event, error) if not one["same"]
                ]
            seen += [first] if first else []
            rows += new
            judged.append(event.event)
            text = "; ".join(
                f"{one['began_s']:+.0f} s, {one['detector_km']:.0f} km"
                + (f", {one['regional_km']:.1f} km" if "regional_km" in one else "")
                for one in new
            )
            print(
                f"  {event.event} M{event.magnitude}, {running_now.sum()} stations, {len(window)} "
                f"picks: {text or 'no alarm'} ({time.process_time() - began:.0f} s)",
                flush=True,
            )
    table = pd.DataFrame(rows)
    if out:
        table.to_csv(out, index=False)
    hours = len(judged) * (BEFORE_S + AFTER_S) / 3600
    records = summary(table, pd.DataFrame(seen), events[events["event"].isin(judged)], hours)
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, help="only the first so many windows of each fold")
    parser.add_argument("--active", choices=("listed", "running", "reporting"), default="running")
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--step", type=float, default=3.0, help="between steps, s")
    parser.add_argument("--lateral", type=float, default=SLOWNESS_LATERAL_SD)
    parser.add_argument("--out", help="write a table of the alarms (CSV)")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
