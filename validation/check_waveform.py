"""Classifiers of windows on real sensors: both classes of one kind of sensor, groups kept whole.

Run: python validation/check_waveform.py [--part NAME].

myshake: people's phones against phones on a shake table, windows that move by more than 0.02 g,
folds by trial and record. openeew: earthquakes against quiet minutes of the same sensors, folds by
earthquake, by class of the record's peak; and leaving one sensor out. time: evidence second by
second after P. false: windows an hour on people's and on still phones that pass for earthquakes, at
the threshold that finds 90 % of the records of earthquakes of 0.1 m/s2 and more. learned: the same
with a threshold that each sensor learns for a set rate, from the fleet of all others and from its
own windows so far.

The data are read from the folder EQSTAT_DATA.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from records import Record, record, show
from waveform_anns import ANNS, THREE
from waveform_data import TABLES

from eqstat._core.constants import STANDARD_GRAVITY_M_S2
from eqstat.calibration import calibration_test
from eqstat.waveform import background
from eqstat.waveform.classifier import evaluate, predict_held_out

FULL = (*THREE, "peak_m_s2", "duration_s", "dominant_period_s", "polarization")
MOVES_M_S2 = 0.02 * STANDARD_GRAVITY_M_S2
# With gravity in the record the vertical is known, and with it one feature more.
PHONES = (*FULL, "hv_ratio")
HIDDEN, FOLDS, SEED = 8, 5, 20261130
PARTS = ("myshake", "openeew", "device", "time", "false", "learned")
# Seconds of evidence, and the ratios of which the time is told.
SECONDS, RATIOS = 10, (10.0, 100.0, 1000.0)
# Odds to which forecasts are shifted for calibration away from those of the data.
SHIFTED = (0.01, 0.1, 10.0)
# Rates of false windows that are set, 1/h, and levels of the log ratio at which they are counted.
SET, LEVELS = (2.0, 6.0, 20.0, 60.0), np.linspace(-4.0, 6.0, 61)
SEARCHED = np.geomspace(0.5, 600.0, 120)
WINDOW_H = 2.0 / 3600.0
CLASSES = {"below 0.02": (0.0, 0.02), "0.02 to 0.1": (0.02, 0.1), "above 0.1": (0.1, np.inf)}


def table_of(source: str) -> pd.DataFrame:
    """Windows of 2 s that do not overlap in a record, of known status."""
    table = TABLES[source](Path(os.environ["EQSTAT_DATA"]))
    table = table[table["status"] == 0].dropna(subset=list(FULL)).reset_index(drop=True)
    return table.assign(group=source + " " + table["group"].astype(str))


def apart(table: pd.DataFrame) -> pd.DataFrame:
    """Every second window of each record, so that none shares samples with another."""
    number = table.groupby("record").cumcount()
    return table[number % 2 == 0].reset_index(drop=True)


def held_out(
    table: pd.DataFrame, features: Sequence[str], hidden: int = 0, **options: Any
) -> pd.DataFrame:
    """Log ratios by classifiers that have not seen the group."""
    options = {"group": "group", "folds": FOLDS} | options
    key = jax.random.key(SEED)
    return predict_held_out(key, table, list(features), hidden=hidden, **options)


def scored(
    title: str, out: pd.DataFrame, *, column: str = "log_ratio", asked: bool = False
) -> list[Record]:
    """Scores of log ratios with intervals over groups, and calibration after shifts of odds."""
    given = (out[column], out["is_earthquake"].to_numpy(bool), out["group"])
    key, size = jax.random.key(SEED), len(out)
    table = evaluate(key, *given, replicates=300)
    records = []
    for name, unit in (("auc", ""), ("accuracy", "%"), ("brier", ""), ("log_score", "")):
        value, low, high = (float(table[each].to_dict()[name]) for each in ("value", "low", "high"))
        records.append(record(f"{title}: {name}", value, interval=(low, high), level=0.9,
                              unit=unit, data_sets=size))  # fmt: skip
    limit: Any = {"bounds": (None, 0.02)} if asked else {}
    records.append(record(f"{title}: ece", table["value"].to_dict()["ece"], **limit))
    shifted = [
        evaluate(key, *given, odds=odds, replicates=20)["value"].to_dict()["ece"]
        for odds in SHIFTED
    ]
    name = f"{title}: largest ece at prior odds of 1:100, 1:10, 10:1"
    records.append(record(name, max(shifted), **limit))
    return records


def reliable(title: str, out: pd.DataFrame) -> list[Record]:
    """Test of calibration at the odds of the data, of one window of each record."""
    # Windows of a record are alike: the test is of independent forecasts.
    one = out.sample(frac=1.0, random_state=SEED).groupby(["group", "record"]).head(1)
    labels = one["is_earthquake"].to_numpy(bool)
    odds = np.log(labels.sum() / (~labels).sum())
    chance = 1 / (1 + np.exp(-(one["log_ratio"].to_numpy() + odds)))
    test = calibration_test(jax.random.key(SEED), chance, labels)
    name = f"{title}: p of calibration, one window of each record"
    return [record(name, test.p_value, bounds=(0.01, None), data_sets=len(one))]


def anns(title: str, table: pd.DataFrame, fold: np.ndarray) -> list[Record]:
    """Scores of the networks of others on the same folds."""
    records = []
    for name, ann in ANNS.items():
        ratio = np.empty(len(table))
        for number in np.unique(fold):
            ratio[fold == number] = ann(table[fold != number], table[fold == number])
        records += scored(f"{title}, {name}", table.assign(log_ratio=ratio))
    return records


def windows(
    source: str, table: pd.DataFrame, features: Sequence[str]
) -> tuple[list[Record], pd.DataFrame]:
    """All classifiers on one source."""
    out = held_out(table, THREE)
    records = scored(f"{source}, logistic of three", out, asked=True)
    records += anns(source, table, out["fold"].to_numpy())
    for name, alone in (("peak", ["peak_m_s2"]), ("STA/LTA", ["sta_lta"])):
        # A window without a long-term average says nothing, at a ratio of 1.
        own = table.assign(log_ratio=0.0)
        some = held_out(table.dropna(subset=alone).reset_index(drop=True), alone)
        own.loc[table[alone[0]].notna().to_numpy(), "log_ratio"] = some["log_ratio"].to_numpy()
        records += scored(f"{source}, {name} alone", own)
    for name, hidden in (("logistic of all", 0), ("network of all", HIDDEN)):
        out = held_out(table, features, hidden)
        records += scored(f"{source}, {name}", out, asked=True) + reliable(f"{source}, {name}", out)
    share = float(np.mean(out["status"] == 7))
    records.append(record(f"{source}: windows of held-out groups that are unfamiliar", share,
                          unit="%", data_sets=len(out)))  # fmt: skip
    return records, out


def myshake() -> list[Record]:
    """People's phones against those on the shake table."""
    table = apart(table_of("myshake"))
    table = table[table["peak_m_s2"] > MOVES_M_S2].dropna(subset=["hv_ratio"])
    return windows("myshake", table.reset_index(drop=True), PHONES)[0]


def openeew() -> list[Record]:
    """Earthquakes against quiet minutes of the same sensors."""
    table = apart(table_of("openeew"))
    records, out = windows("openeew", table, FULL)
    quiet = ~out["is_earthquake"]
    for name, (low, high) in CLASSES.items():
        own = out["is_earthquake"] & out["record_pga_m_s2"].between(low, high, inclusive="left")
        part = out[own | quiet]
        title = f"openeew, network, records {name} m/s2"
        records += scored(title, part)[:4]
    return records


def device() -> list[Record]:
    """One sensor of OpenEEW left out at a time."""
    table = apart(table_of("openeew"))
    table = table.assign(group=table["device"])
    return scored("openeew, one sensor left out", held_out(table, FULL, folds="device"), asked=True)


def segments(table: pd.DataFrame) -> pd.DataFrame:
    """Seconds from P on, and pieces of as many seconds of quiet records."""
    table = table.sort_values(["record", "time_s"], ignore_index=True)
    number = table.groupby(["record", "is_earthquake"]).cumcount()
    piece = (number // SECONDS).where(~table["is_earthquake"], 0)
    kept = ~table["is_earthquake"] | (number < SECONDS)
    label = table["is_earthquake"].astype(str)
    table = table.assign(
        piece=table["record"] + " " + label + " " + piece.astype(str),
        second=np.where(table["is_earthquake"], number, number % SECONDS) + 1,
    )
    return table[kept].reset_index(drop=True)


def time() -> list[Record]:
    """Evidence second by second on OpenEEW; the product of single seconds beside it."""
    table = segments(table_of("openeew"))
    out = held_out(table, FULL, sequence=("piece", "second"))
    product = out.groupby("piece")["log_ratio"].cumsum()
    out = out.assign(product=product)
    records = []
    for second in (1, 3, 5, SECONDS):
        part = out[out["second"] == second]
        title = f"openeew, {second} s"
        records += scored(title, part, column="total_log_ratio", asked=True)
        records += scored(f"{title}, product of seconds", part, column="product")
    strong = out[out["is_earthquake"] & (out["record_pga_m_s2"] >= 0.1)]
    pieces = strong.groupby("piece")
    for ratio in RATIOS:
        reached = strong["second"].where(strong["total_log_ratio"] >= np.log(ratio))
        first = reached.groupby(strong["piece"]).min()
        share = float(first.notna().mean())
        title = f"openeew, records above 0.1 m/s2: ratio {ratio:g}"
        records.append(record(f"{title} within {SECONDS} s", share, unit="%",
                              data_sets=pieces.ngroups))  # fmt: skip
        median = float(first.fillna(np.inf).median())
        records.append(record(f"{title}, median seconds of windows after P", median))
    return records


KINDS = {"people's phones": "myshake", "still phones": "phones_noise", "quiet sensors": "openeew"}


def all_ratios() -> pd.DataFrame:
    """Log ratios of windows of people's and still phones and of OpenEEW, held out by group."""
    sources = ("openeew", "myshake", "phones_noise")
    table = pd.concat([apart(table_of(name)) for name in sources], ignore_index=True)
    people = table["source"] == "myshake"
    # The shake table's motion is no earthquake that these sensors recorded, and of 44 hours of
    # people each eighth window is enough.
    left_out = people & (table["is_earthquake"] | (table.groupby("record").cumcount() % 8 > 0))
    return held_out(table[~left_out].reset_index(drop=True), FULL, HIDDEN)


def false() -> list[Record]:
    """False windows an hour of people's and still phones where 90 % of earthquakes are found."""
    out = all_ratios()
    strong = out[out["is_earthquake"] & (out["record_pga_m_s2"] >= 0.1)]
    best = strong.groupby(["group", "device"])["log_ratio"].max()
    threshold = float(best.quantile(0.1))
    records = [record("log ratio that finds 90 % of records above 0.1 m/s2", threshold,
                      data_sets=len(best))]  # fmt: skip
    for name, source in KINDS.items():
        part = out[(out["source"] == source) & ~out["is_earthquake"]]
        # Of the 1,800 windows of an hour that do not overlap.
        share = float(np.mean(part["log_ratio"] >= threshold))
        title = f"false windows of 2 s an hour, {name}"
        records.append(record(title, 1800 * share, data_sets=len(part)))
    return records


def learning(out: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[Any]]:
    """Windows of other motion in the order of each sensor, strong earthquakes, and what is known.

    What is known is, for each sensor, its prior from the fleet of all others and its state before
    each of its windows and after the last.
    """
    out = out.assign(device=out["source"] + " " + out["device"])
    quiet = out[~out["is_earthquake"]].sort_values(["device", "time", "record", "time_s"])
    own = [part["log_ratio"].to_numpy() for _, part in quiet.groupby("device")]
    start = background.weak_prior(LEVELS, most_per_hour=900.0, least_per_hour=0.1)
    states = [
        background.learn(start, background.init(start), WINDOW_H, np.full(len(x), np.nan), x)
        for x in own
    ]
    last = np.array([after for after, _ in states])
    known = []
    for number, (after, before) in enumerate(states):
        prior = background.fit_prior(start, np.delete(last, number, axis=0))
        known.append((prior, np.vstack([before, after[None]])))
    strong = out[out["is_earthquake"] & (out["record_pga_m_s2"] >= 0.1)]
    best = strong.groupby(["group", "device"], as_index=False).agg(
        log_ratio=("log_ratio", "max"), time=("time", "min")
    )
    return quiet.reset_index(drop=True), best, known


def realised(quiet: pd.DataFrame, known: list[Any], rate: float) -> pd.DataFrame:
    """Windows of other motion with the number that was false and the number that was expected."""
    level = np.concatenate(
        [background.threshold(prior, states[:-1], rate).threshold for prior, states in known]
    )
    above = (quiet["log_ratio"].to_numpy() > level).astype(float)
    return quiet.assign(above=above, expected=rate * WINDOW_H, level=level)


def shares_found(
    quiet: pd.DataFrame, best: pd.DataFrame, known: list[Any], rates: np.ndarray
) -> np.ndarray:
    """Share of the records that are above their sensor's threshold when they came, by set rate."""
    names = {name: number for number, name in enumerate(sorted(quiet["device"].unique()))}
    times = {name: part["time"] for name, part in quiet.groupby("device")}
    found = np.zeros(len(rates))
    for row in best.to_dict("records"):
        prior, states = known[names[row["device"]]]
        state = states[int((times[row["device"]] < row["time"]).sum())]
        answer = background.threshold(prior, np.tile(state, (len(rates), 1)), rates)
        found += row["log_ratio"] > np.asarray(answer.threshold)
    return found / len(best)


def learned() -> list[Record]:
    """False windows an hour that came against those set, and earthquakes found at them."""
    quiet, best, known = learning(all_ratios())
    rng, records = np.random.default_rng(SEED), []
    for rate in SET:
        table = realised(quiet, known, rate)
        for name, source in KINDS.items():
            part = table[table["source"] == source]
            sums = part.groupby("group")[["above", "expected"]].sum().to_numpy()
            drawn = sums[rng.integers(0, len(sums), (2000, len(sums)))].sum(axis=1)
            ends = np.quantile(drawn[:, 0] / drawn[:, 1], [0.05, 0.95])
            title = f"{name}, set {rate:g} an hour: realised over set"
            records.append(record(title, sums[:, 0].sum() / sums[:, 1].sum(), interval=ends,
                                  level=0.9, data_sets=len(sums)))  # fmt: skip
        title = f"set {rate:g} an hour: records above 0.1 m/s2 found"
        share = float(shares_found(quiet, best, known, np.array([rate]))[0])
        records.append(record(title, share, unit="%", data_sets=len(best)))
    enough = np.flatnonzero(shares_found(quiet, best, known, SEARCHED) >= 0.9)
    if not len(enough):
        return records
    rate = float(SEARCHED[enough[0]])
    title = "set false windows of 2 s an hour that find 90 % of records above 0.1 m/s2"
    records.append(record(title, rate, data_sets=len(best)))
    table = realised(quiet, known, rate)
    for name, source in KINDS.items():
        part = table[table["source"] == source]
        each = 1800 * float(part["above"].mean())
        records.append(record(f"realised there, {name}", each, data_sets=len(part)))
    return records


def check(part: str = "myshake") -> list[Record]:
    """Run a part."""
    parts = {
        "myshake": myshake,
        "openeew": openeew,
        "device": device,
        "time": time,
        "false": false,
        "learned": learned,
    }
    return show(parts[part]())


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    options = parser.parse_args()
    for part in [options.part] if options.part else PARTS:
        print(part)
        check(part)


if __name__ == "__main__":
    main()
