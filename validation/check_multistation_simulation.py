"""All alert rules and multistation networks on simulated regional earthquakes, by SENSE's protocol.

A region of 240 km with 25 or 100 stations, which are also the sites; Gutenberg-Richter magnitudes
from 5.0 to 7.6, finite ruptures; records that grow as the envelopes of Cua and Heaton, with event,
station and spatially correlated record terms, noise, and 5 % of the stations dead in each
earthquake (`eqstat.exceedance.alerts.simulate`). Networks are trained on other earthquakes of the
same stations. Forecasts are from 0.5 to 25 s after the first P; the level of each rule and
threshold is that of the greatest F1 on half of the earthquakes, and all figures are of the other
half. Beside F1, at four times and at stations whose shaking is not over: the CRPS above 0.2 %g, the
censored log score, the mean of PIT, and the reliability at 2.5 %g. Intervals are 90 %, from a
bootstrap of whole earthquakes.

Rules know the ground-motion model from which the PGA is drawn, but neither the ruptures nor the
terms of this network's stations, which are the same in all earthquakes and move the mean of PIT.
The figures of the papers are of other data (Taiwan: real earthquakes, 250 stations, waveforms at
100 Hz) and stand beside for orientation only.

    python validation/check_multistation_simulation.py --events 60 --training 60 --stations 25
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from records import Record, each, record, show

from eqstat.exceedance.alerts import (
    JAPAN_M_S2,
    TAIWAN_M_S2,
    Always,
    Design,
    MeanHypocentre,
    MultistationRule,
    Plum,
    PosteriorPredictive,
    Scenarios,
    SpatiallyConditioned,
    StationConditioned,
    base_of,
    forecasts,
    records,
    scores,
    simulate,
    snapshots,
)
from eqstat.ground_motion.mixture import censored_crps, censored_log_density, randomised_pit
from eqstat.ground_motion.network import TrainingOptions
from eqstat.ground_motion.network.multistation import fit_multistation, sense, team

G_M_S2 = 9.80665
THRESHOLDS = np.array(sorted(JAPAN_M_S2 + TAIWAN_M_S2))
# F1 on Taiwan's data at %g: SENSE, and TEAM as trained by the authors of SENSE.
PAPER = {0.81: (0.692, 0.306), 2.5: (0.630, 0.261), 8.1: (0.503, 0.165), 14.0: (0.469, 0.075),
         25.0: (0.333, 0.008)}  # fmt: skip
SHARE, RANGE_KM = 0.4, 20.0
SCORED_S = (2.0, 5.0, 10.0, 20.0)
TRAINED_S = (1.0, 2.0, 4.0, 6.0, 9.0, 13.0, 18.0, 25.0)
FLOOR = float(np.log10(0.002 * G_M_S2))
RELIABLE = 3  # index of the threshold of 2.5 %g
CHUNK = 25
RULES = ("spatially conditioned", "conditioned", "predictive", "point source",
         "PLUM-like, with scatter", "PLUM-like", "always")  # fmt: skip
NETWORKS = ("SENSE, mixture", "SENSE, classes", "TEAM-like", "network on spatially conditioned")


@lru_cache(maxsize=1)
def drawn(stations: int, count: int, seed: int) -> Scenarios:
    """Earthquakes for training and for judging, of the same stations."""
    region = Design(stations=stations, growth="envelope", correlated_share=SHARE,
                    correlation_km=RANGE_KM, dead_share=0.05, noise_m_s2=1e-3)  # fmt: skip
    return simulate(jax.random.key(seed), count, region)


def spatial(region: Design) -> SpatiallyConditioned:
    """The rule with the true correlation, as a share of the variance within an event."""
    model = region.ground_motion
    within = float(model.record_sd**2 / (model.record_sd**2 + model.station_sd**2))
    return SpatiallyConditioned(model, SHARE * within, RANGE_KM)


def rule_of(name: str, training: Scenarios, epochs: int, members: int) -> tuple[Any, float]:
    """A rule by its name, and the seconds of its training."""
    region, model = training.design, training.design.ground_motion
    plain = {
        "spatially conditioned": spatial(region),
        "conditioned": StationConditioned(model),
        "predictive": PosteriorPredictive(model),
        "point source": MeanHypocentre(model),
        "PLUM-like, with scatter": Plum(scatter=0.3),
        "PLUM-like": Plum(),
        "always": Always(),
    }
    if name in plain:
        return plain[name], 0.0
    settings = {
        "SENSE, mixture": sense(region.stations),
        "SENSE, classes": sense(region.stations, head="classes",
                                log10_thresholds=tuple(np.log10(THRESHOLDS))),
        "TEAM-like": team(region.stations),
        "network on spatially conditioned": sense(region.stations, base=True),
    }[name]  # fmt: skip
    cut = records(training, TRAINED_S)
    examples = cut.examples()
    base = spatial(region) if settings.base else None
    if base is not None:
        each_base = eqx.filter_jit(lambda batch: jax.lax.map(partial(base_of, base), batch))
        rows = [
            np.asarray(each_base(snapshots(
                training, int(number), training.first_p_s[number] + np.array(TRAINED_S))))
            for number in cut.event
        ]  # fmt: skip
        views = eqx.tree_at(lambda v: v.base, examples.features, np.concatenate(rows))
        examples = replace(examples, features=views)
    start = time.perf_counter()
    options = TrainingOptions(
        epochs=epochs, batch=32, learning_rate=1e-3, weight_decay=0.02, patience=8, clip=1.0
    )
    fitted = fit_multistation(
        jax.random.key(11), examples, settings, members=members, options=options, progress=False
    )
    return MultistationRule(fitted.network, base), time.perf_counter() - start


def chances(judged: Scenarios, rule: Any, time_s: np.ndarray) -> np.ndarray:
    """Forecasts of all earthquakes, a few at a time."""
    rows = len(judged.event)
    result = np.empty((len(THRESHOLDS), rows, len(time_s)), np.float32)
    stations = len(judged.station_km)
    for start in range(0, len(judged.magnitude), CHUNK):
        part = judged.chosen(slice(start, start + CHUNK))
        own = slice(start * stations, start * stations + len(part.event))
        result[:, own] = forecasts(part, rule, time_s, THRESHOLDS, after_first_p=True)
    return result


@eqx.filter_jit
def _scored(rule: Any, batch: Any, log10_pga: jax.Array, key: jax.Array) -> jax.Array:
    def one(given: tuple) -> jax.Array:
        snapshot, own = given
        mixture = rule.predictive(snapshot)
        return jnp.stack(
            [
                censored_crps(mixture, log10_pga, FLOOR),
                -censored_log_density(mixture, log10_pga, FLOOR),
                randomised_pit(own, mixture, log10_pga, FLOOR),
            ]
        )

    return jax.lax.map(one, (batch, jax.random.split(key, len(SCORED_S))))


def density_scores(judged: Scenarios, rule: Any, seed: int) -> np.ndarray:
    """CRPS, log score and PIT, (3, rows, times); NaN at stations whose shaking is over."""
    rows = []
    for number in range(len(judged.magnitude)):
        batch = snapshots(judged, number, judged.first_p_s[number] + np.array(SCORED_S))
        target = jnp.asarray(np.log10(judged.pga_m_s2[number]), jnp.float32)
        own = _scored(rule, batch, target, jax.random.fold_in(jax.random.key(seed), number))
        rows.append(np.where(np.asarray(batch.complete)[:, None], np.nan, np.asarray(own)))
    return np.concatenate(rows, axis=2).transpose(1, 2, 0)


def by_events(values: np.ndarray, event: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Mean of the known values with its 90 % interval by the bootstrap of events."""
    known = ~np.isnan(values)
    number = int(event.max()) + 1
    total = np.bincount(event[known], values[known], minlength=number)
    count = np.bincount(event[known], minlength=number)
    times = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), 1000)
    low, high = np.quantile(times @ total / np.maximum(times @ count, 1), [0.05, 0.95])
    return float(total.sum() / count.sum()), float(low), float(high)


def judge(stations: int, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """All figures of one rule at one number of stations."""
    events, training, seed = (options[key] for key in ("events", "training", "seed"))
    key = jax.random.key(seed)
    every = drawn(stations, events + training, seed)
    judged = every.chosen(slice(training, None))
    rule, seconds = rule_of(
        name, every.chosen(slice(0, training)), options["epochs"], options["members"]
    )
    time_s = np.array(scores.PROTOCOL_TIMES_S)[:: options["every"]]
    start = time.perf_counter()
    chance = chances(judged, rule, time_s)
    took = time.perf_counter() - start
    begin = judged.first_p_s[judged.event]
    passed = np.stack([judged.exceedance_times(float(u)) - begin for u in THRESHOLDS])
    half = judged.event < events // 2
    table = scores.protocol(key, time_s, chance, passed, judged.event, half, THRESHOLDS)
    later = judged.chosen(slice(events // 2, None))
    curve = scores.reliability_in_time(
        key, SCORED_S, chances(later, rule, np.array(SCORED_S))[RELIABLE],
        passed[RELIABLE][~half], later.event, replicates=300,
    )  # fmt: skip
    number = curve["number"].to_numpy()
    gap = np.abs(np.nan_to_num(curve["difference"].to_numpy()))
    result: dict[str, Any] = {
        "stations": stations,
        "rule": name,
        "training_s": round(seconds, 1),
        "forecast_ms": round(1e3 * took / (events * len(time_s)), 3),
        "table": table.to_dict("records"),
        "reliability": (np.sum(number * gap, axis=1) / number.sum(axis=1)).tolist(),
    }
    if name not in ("PLUM-like", "always", "SENSE, classes"):
        values = density_scores(later, rule, seed)
        for place, score in enumerate(("crps", "log", "pit")):
            if score == "log" and name.startswith("PLUM"):
                continue  # sites without a station near have no density
            result[score] = [by_events(values[place, :, t], later.event, seed)
                             for t in range(len(SCORED_S))]  # fmt: skip
    return result


def printed(results: list[dict[str, Any]]) -> None:
    """Print tables with the papers' figures beside."""
    for stations in sorted({row["stations"] for row in results}):
        own = [row for row in results if row["stations"] == stations]
        tables = {row["rule"]: pd.DataFrame(row["table"]) for row in own}
        print(f"\nF1, {stations} stations\n| %g | positives | " + " | ".join(tables) +
              " | SENSE, Taiwan | TEAM, Taiwan |")  # fmt: skip
        print("|---" * (len(tables) + 4) + "|")
        for place, u in enumerate(THRESHOLDS):
            percent = round(100 * u / G_M_S2, 2)
            cells = [
                f"{t['f1'][place]:.2f} ({t['f1_low'][place]:.2f} to {t['f1_high'][place]:.2f})"
                for t in tables.values()
            ]
            paper = [f"{value:.3f}" for value in PAPER.get(percent, ())] or ["-", "-"]
            positives = int(next(iter(tables.values()))["positives"][place])
            print(f"| {percent:g} | {positives} | " + " | ".join(cells + paper) + " |")
        print("\n| rule | s | CRPS | log score | PIT mean | reliability error | train s | ms |")
        print("|---" * 8 + "|")
        for row in own:
            for t, second in enumerate(SCORED_S):
                cells = [
                    f"{row[score][t][0]:.3f} ({row[score][t][1]:.3f} to {row[score][t][2]:.3f})"
                    if score in row else "-" for score in ("crps", "log", "pit")
                ]  # fmt: skip
                print(f"| {row['rule']} | {second:g} | {' | '.join(cells)} | "
                      f"{row['reliability'][t]:.3f} | {row['training_s']:g} | "
                      f"{row['forecast_ms']:g} |")  # fmt: skip


def check(
    events: int = 2000,
    training: int = 2000,
    stations: str = "25,100",
    rules: str = "",
    epochs: int = 40,
    members: int = 2,
    every: int = 1,
    seed: int = 1,
) -> list[Record]:
    """Judge all rules on `events` earthquakes; networks are trained on `training` others."""
    options = {"events": events, "training": training, "seed": seed, "epochs": epochs,
               "members": members, "every": every}  # fmt: skip
    names = [name for name in RULES + NETWORKS if not rules or name in rules.split(";")]
    units = [(int(n), name) for n in stations.split(",") for name in names]
    results = each(range(len(units)), lambda number: judge(*units[number], options))
    printed(results)
    out = []
    for row in results:
        about = f"{row['stations']} stations, {row['rule']}"
        for line in row["table"]:
            out.append(
                record(
                    f"{about}: F1 at {100 * line['threshold_m_s2'] / G_M_S2:.2f} %g",
                    line["f1"],
                    interval=(line["f1_low"], line["f1_high"]),
                    level=0.9,
                    data_sets=int(line["positives"]),
                )
            )
        for score, words in (
            ("crps", "CRPS above 0.2 %g"),
            ("log", "log score"),
            ("pit", "mean of PIT"),
        ):
            for second, value in zip(SCORED_S, row.get(score, ()), strict=False):
                out.append(
                    record(
                        f"{about}: {words} after {second:g} s",
                        value[0],
                        interval=value[1:],
                        level=0.9,
                        data_sets=events - events // 2,
                    )
                )
        for second, value in zip(SCORED_S, row["reliability"], strict=True):
            out.append(record(f"{about}: reliability error at 2.5 %g after {second:g} s", value))
        if row["training_s"]:
            out.append(record(f"{about}: seconds of training", row["training_s"]))
    return show(out)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--training", type=int, default=2000, help="earthquakes for networks")
    parser.add_argument("--stations", default="25,100")
    parser.add_argument(
        "--rules", default="", help="names, separated by semicolons; all by default"
    )
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--members", type=int, default=2, help="networks of an ensemble")
    parser.add_argument("--every", type=int, default=1, help="use each so many of the times")
    parser.add_argument("--seed", type=int, default=1)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
