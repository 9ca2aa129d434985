"""Magnitude at the alarm and ten seconds later: error, bias and coverage in ten networks.

Run: python validation/check_detection_magnitude.py [--number N] [--dead].

N earthquakes of M 3 to 7.5, evenly, in networks of 100 to 3,000 phones in a square of 60 to 120 km,
within the network or 20 km about it, of the world of `shaken_phones`. Each stream is followed
second by second until 10 s after the alarm, with and without the peaks that phones report. The
prior is that of the magnitudes drawn; with a Gutenberg-Richter prior the same posterior is
weighted by 10^-M. With --dead, N earthquakes in one network of 300 phones of which 0, 10, 30 or
60 % are dead, by a detector with all phones on its list and one without the dead.
"""

from __future__ import annotations

import argparse
from functools import cache

import numpy as np
import pandas as pd
from records import Record, each, record, show
from shaken_phones import Stream, earthquake

from eqstat._core.density import quantile
from eqstat.calibration import binomial_interval, coverage
from eqstat.detection import Detector, causes, detector, init, shiryaev_roberts_threshold, step
from eqstat.geodesy import LocalFrame

SIZES = (100, 150, 200, 300, 400, 600, 800, 1000, 2000, 3000)
LEAST, GREATEST = 3.0, 7.5
FRAME = LocalFrame(-12.0, -77.0)
BEFORE_S, AFTER_S, LATER_S, LEAST_PROBABILITY = 60.0, 45, 10.0, 0.9
DEAD = (0.0, 0.1, 0.3, 0.6)
BANDS = ((3.5, 4.5), (4.5, 5.5), (5.5, 6.5), (6.5, 7.0))


@cache
def watch_of(size: int, working: int | None = None) -> Detector:
    """Detector of a network whose places depend on its size alone; of the working phones only."""
    rng = np.random.default_rng(size)
    half = 30.0 + 30.0 * (size % 7) / 6
    east, north = rng.uniform(-half, half, (2, size))
    latitude, longitude = FRAME.to_geographic(east, north)
    table = pd.DataFrame({"latitude": latitude, "longitude": longitude})
    model = causes.MagnitudeModel(least_magnitude=LEAST, greatest_magnitude=GREATEST, b_value=0.0)
    some = (causes.earthquake(magnitudes=model), *causes.default_causes()[1:])
    return detector(table[: working or size], causes=some)


def depth_of(rng: np.random.Generator) -> float:
    """A depth of the prior, to 300 km."""
    u = rng.uniform() * (1 / 20 - 1 / 320)
    return 1 / (1 / 20 - u) - 20


def followed(watch: Detector, stream: Stream, peaks: bool) -> dict[str, float]:
    """Time of the alarm after the origin, and magnitudes at it and later."""
    level = shiryaev_roberts_threshold(watch)
    model = watch.causes[0].magnitudes
    assert model is not None
    edges, prior = model.magnitude_edges, 10.0**-model.magnitudes
    first = np.floor(max(np.min(stream.time_s[stream.time_s > 0], initial=np.inf), 0.0))
    row: dict[str, float] = {}
    if not np.isfinite(first):
        return row
    state, last, alarm = init(watch, 1000.0 - BEFORE_S), -np.inf, np.inf
    moments = [*(first + np.arange(-1.0, AFTER_S)), np.inf]
    while moments:
        # After the alarm one step is as good as ten.
        now = alarm + LATER_S if np.isfinite(alarm) else moments.pop(0)
        if np.isinf(now):
            break
        device = np.flatnonzero((stream.time_s <= now) & (stream.time_s > last))
        peak = stream.peak_m_s2[device] if peaks else None
        when = 1000.0 + stream.time_s[device]
        state, report = step(watch, state, 1000.0 + now, device, when, peak)
        last = now
        reached = float(report.log_shiryaev_roberts[0]) >= level
        if np.isinf(alarm) and reached and float(report.probability[0]) >= LEAST_PROBABILITY:
            alarm = now
        at = {alarm: "alarm", alarm + LATER_S: "later"}.get(now)
        if at is not None:
            mass = np.asarray(report.magnitude_weight, np.float64)
            row |= {
                f"{at}_{name}": float(value)
                for name, value in zip(
                    ("low", "middle", "high"),
                    quantile(edges, mass / mass.sum(), np.array([0.05, 0.5, 0.95])),
                    strict=True,
                )
            }
            row[f"{at}_mean"] = float(report.magnitude)
            row[f"{at}_gutenberg"] = float(mass * prior @ model.magnitudes / (mass @ prior))
        if now == alarm + LATER_S:
            break
    return row | {"alarm": alarm} if np.isfinite(alarm) else row


def drawn(number: int, watch: Detector, dead: np.ndarray | None = None) -> tuple[float, Stream]:
    """Magnitude and stream of an earthquake, the same whatever the number of dead phones."""
    rng = np.random.default_rng([number, 53])
    magnitude = float(rng.uniform(LEAST, GREATEST))
    at = np.asarray(watch.core.position, np.float64)[:, :2]
    low, high = at.min(axis=0) - 20, at.max(axis=0) + 20
    place = rng.uniform(low, high)
    return magnitude, earthquake(rng, magnitude, at, place, depth_of(rng), dead=dead)


def one(number: int) -> dict[str, float]:
    """Magnitudes found in one stream, without and with peaks."""
    watch = watch_of(SIZES[number % len(SIZES)])
    magnitude, stream = drawn(number, watch)
    row = {"magnitude": magnitude, "phones": float(watch.devices)}
    for peaks in (False, True):
        found = followed(watch, stream, peaks)
        row |= {f"{name} {'with' if peaks else 'without'}": value for name, value in found.items()}
    return row


def one_dead(number: int) -> dict[str, float]:
    """Alarms and magnitudes with the dead phones on the list and without."""
    everyone = watch_of(300)
    row: dict[str, float] = {}
    for share in DEAD:
        working = round(300 * (1 - share))
        magnitude, stream = drawn(number, everyone, np.arange(300) >= working)
        row["magnitude"] = magnitude
        only = Stream(stream.time_s[:working], stream.peak_m_s2[:working])
        for name, watch, seen in (
            ("listed", everyone, stream),
            ("off", watch_of(300, working), only),
        ):
            found = followed(watch, seen, False)
            row |= {f"{name} {share:g} {key}": value for key, value in found.items()}
    return row


def check(number: int = 300, dead: bool = False) -> list[Record]:
    """Follow `number` streams."""
    rows = pd.DataFrame(each(range(number), one_dead if dead else one))
    return show(_dead_records(rows) if dead else _records(rows))


def _records(rows: pd.DataFrame) -> list[Record]:
    records = []
    for peaks in ("without", "with"):
        found = rows[rows[f"alarm {peaks}"].notna()]
        records.append(
            record(f"{peaks} peaks: streams with an alarm", len(found), data_sets=len(rows))
        )
        for at, limit in (("alarm", 0.4), ("later", 0.3)):
            part = found[found[f"{at}_middle {peaks}"].notna()]
            error = part[f"{at}_middle {peaks}"] - part["magnitude"]
            name = f"{peaks} peaks, {'at the alarm' if at == 'alarm' else '10 s later'}"
            records.append(
                record(f"{name}: median absolute error", error.abs().median(),
                       bounds=(None, limit), data_sets=len(part))
            )  # fmt: skip
            inside = (part[f"{at}_low {peaks}"] <= part["magnitude"]) & (
                part["magnitude"] <= part[f"{at}_high {peaks}"]
            )
            held = coverage(inside.to_numpy(), 0.9, probability=0.95)
            records.append(
                record(f"{name}: within the 90 % interval", held.rate,
                       interval=(held.low, held.high), bounds=(0.87, 0.93), unit="%",
                       data_sets=len(part))
            )  # fmt: skip
            width = (part[f"{at}_high {peaks}"] - part[f"{at}_low {peaks}"]).median()
            records.append(record(f"{name}: median width of the 90 % interval", width))
            prior = part[f"{at}_gutenberg {peaks}"] - part["magnitude"]
            for low, high in BANDS:
                band = part["magnitude"].between(low, high)
                spread = error[band].std() / np.sqrt(max(band.sum(), 1))
                mean = error[band].mean()
                records.append(
                    record(f"{name}: mean error, M {low:g} to {high:g}", mean,
                           interval=(mean - 2 * spread, mean + 2 * spread), data_sets=band.sum())
                )  # fmt: skip
                if at == "later":
                    records.append(
                        record(f"{name}: with b = 1, M {low:g} to {high:g}",
                               prior[band].mean(), data_sets=band.sum())
                    )  # fmt: skip
    return records


def _dead_records(rows: pd.DataFrame) -> list[Record]:
    records = []
    for share in DEAD:
        for name, words in (("listed", "on the list"), ("off", "taken off")):
            column = f"{name} {share:g}"
            seen = rows.reindex(columns=[f"{column} alarm"]).notna().to_numpy()[:, 0]
            label = f"{share:.0%} dead, {words}"
            records.append(
                record(f"{label}: streams with an alarm", seen.mean(),
                       interval=binomial_interval(int(seen.sum()), len(rows)), unit="%",
                       data_sets=len(rows))
            )  # fmt: skip
            for kind in ("mean", "gutenberg"):
                error = (rows[f"{column} later_{kind}"] - rows["magnitude"]).dropna()
                spread = 2 * error.std() / np.sqrt(max(len(error), 1))
                prior = "even prior" if kind == "mean" else "b = 1"
                records.append(
                    record(f"{label}: mean error of magnitude 10 s after the alarm, {prior}",
                           error.mean(), interval=(error.mean() - spread, error.mean() + spread),
                           data_sets=len(error))
                )  # fmt: skip
    return records


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--dead", action="store_true")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
