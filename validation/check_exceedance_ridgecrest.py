"""Ground motions of the Ridgecrest sequence, predicted event by event, against BSSA14.

Run: EQSTAT_DATA=... python validation/check_exceedance_ridgecrest.py [--sampler fit|nuts]
[--folds 5] [--max-distance-km 150] [--min-magnitude 4] [--without NAME ...] [--json FILE]

Five folds by event. Every predictor is a function `(train, test) -> Mixture` of two tables; its
Mixture has one row for each row of the test table. Differences of scores have intervals by the
bootstrap of whole events; PIT and exceedances are judged against simulations with event and station
terms, not as if records were independent. BSSA14 is that of pygmm (median and its own sigma,
Joyner-Boore distance and Vs30 as given, a missing Vs30 at the training records' median).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from motion_scores import SEED, bootstrap, joined, reference_pits, shown, uniformity
from records import Record, record, show

from eqstat.datasets import load_ridgecrest
from eqstat.ground_motion import MotionPosterior, fit, posterior_from, prepare, sample
from eqstat.ground_motion import mixture as mx
from eqstat.ground_motion.event import condition, predict
from eqstat.ground_motion.mixture import Mixture
from eqstat.ground_motion.network import (
    FEATURES,
    STATION_TERM,
    Feature,
    add_station_terms,
    cross_fit_station_terms,
    fit_network,
)

G_M_S2 = 9.80665
PERCENT_G = (1.0, 2.0, 5.0, 10.0)
REPORTED = (0, 1, 3, 10, 30)
LEVELS = (0.5, 0.8, 0.9, 0.95)
HELD = (0.5, 0.9)
Predictor = Callable[[pd.DataFrame, pd.DataFrame], Mixture]


class Bayes:
    """The Bayesian model: one posterior for each fold, kept for all predictions from it."""

    def __init__(self, sampler: str) -> None:
        self.sampler, self.kept = sampler, {}

    def posterior(self, train: pd.DataFrame) -> MotionPosterior:
        """Posterior given the training events."""
        name = ",".join(sorted(train["event"].unique()))
        if name not in self.kept:
            # By their size the three records of one event are another earthquake's, in m/s2.
            motions = prepare(train, max_distance_km=np.inf, check_unit=False)
            if self.sampler == "fit":
                self.kept[name] = fit(motions).posterior(jax.random.key(0), 500)
            else:
                tree = sample(
                    jax.random.key(SEED), motions, chains=4, warmup=250, draws=500, progress=False
                )
                print(f"  NUTS: R-hat {tree.attrs['r_hat_max']:.4f}, {tree.attrs['result']}")
                self.kept[name] = posterior_from(tree, motions, 500)
        return self.kept[name]

    def known_stations(self, train: pd.DataFrame, test: pd.DataFrame) -> Mixture:
        """Predict with the terms of the stations that recorded training events."""
        return predict(self.posterior(train), test)

    def new_sites(self, train: pd.DataFrame, test: pd.DataFrame) -> Mixture:
        """Predict as if no station had recorded before."""
        return predict(self.posterior(train), test.drop(columns="station"))


def bssa14(train: pd.DataFrame, test: pd.DataFrame) -> Mixture:
    """Boore, Stewart, Seyhan and Atkinson (2014), strike slip, California, as it stands."""
    import pygmm

    vs30 = test["vs30_m_s"].fillna(train["vs30_m_s"].median())
    out = []
    for row, site in zip(test.itertuples(), vs30, strict=True):
        scenario = pygmm.model.Scenario(
            mag=row.magnitude,
            dist_jb=row.joyner_boore_distance_km,
            v_s30=site,
            mechanism="SS",
            region="california",
        )
        model = pygmm.BooreStewartSeyhanAtkinson2014(scenario)
        out.append((np.log(model.pga), model.ln_std_pga))
    mean, sd = np.array(out).T / np.log(10)
    mean = mean + np.log10(G_M_S2)
    return Mixture(jnp.zeros((len(test), 1)), jnp.asarray(mean)[:, None], jnp.asarray(sd)[:, None])


def network(
    train: pd.DataFrame, test: pd.DataFrame, features: tuple[Feature, ...] = FEATURES
) -> Mixture:
    """The mixture density network, an ensemble on bootstraps of the training events."""
    about = {"licence": "CC0"}
    learned = fit_network(
        jax.random.key(SEED), train, features=features, about=about, progress=False
    )
    trained = learned.trained
    print(f"  network: {trained.seconds:.0f} s, best epochs {trained.best_epoch.tolist()}, "
          f"temperature {learned.network.card['temperature']:.2f}")  # fmt: skip
    return learned.network(test[[feature.name for feature in learned.network.features]].to_numpy())


def network_with_stations(train: pd.DataFrame, test: pd.DataFrame) -> Mixture:
    """The same, given also what the stations recorded in the training events."""
    motions = prepare(train, max_distance_km=np.inf, check_unit=False)
    posterior = fit(motions).posterior(jax.random.key(0))
    crossed = cross_fit_station_terms(jax.random.key(SEED), train, check_unit=False)
    return network(crossed, add_station_terms(test, posterior), (*FEATURES, STATION_TERM))


def split_events(table: pd.DataFrame, count: int) -> list[np.ndarray]:
    """Events in folds of about equal size, whatever their magnitude."""
    events = table.groupby("event")["magnitude"].first().sort_values(kind="stable").index
    rng = np.random.default_rng(SEED)
    fold = np.concatenate([rng.permutation(count) for _ in range(-(-len(events) // count))])
    return [np.asarray(events[fold[: len(events)] == k]) for k in range(count)]


def scatter_shares(bayes: Bayes, train: pd.DataFrame, test: pd.DataFrame, known: bool) -> dict:
    """Standard deviations of the terms of each test row, at the posterior's mean."""
    posterior = bayes.posterior(train)
    names = test["station"] if known else [None] * len(test)
    _, station_sd, _ = posterior.station_moments(names)
    motion = jax.tree.map(lambda draws: np.mean(draws, axis=0), posterior.motion)
    rows, magnitude = np.ones(len(test)), test["magnitude"].to_numpy()
    size_km = motion.saturation_km * 10 ** (motion.saturation_slope * (magnitude - 5))
    far, middle = (
        np.hypot(each, size_km) for each in (test["distance_km"], motion.station_distance_km)
    )
    beyond = np.log10(far / middle)
    return {
        "event": rows * motion.event_sd,
        "spreading": motion.spreading_sd * beyond,
        "station": station_sd.mean(axis=0),
        "record": motion.record_sd * 10 ** (motion.record_sd_slope * (magnitude - 5)),
        "common": rows * motion.correlated_share,
        "range_km": motion.correlation_km * 10 ** (motion.correlation_growth * beyond),
    }


def learning(bayes: Bayes, splits: list, order: str, new_sites: bool = False) -> dict:
    """Score of the stations that never report, after more and more reports of the others.

    Stations have their terms, or count as new sites.
    """
    rng = np.random.default_rng(SEED)
    rows: dict[int, list] = {count: [] for count in REPORTED}
    for train, test in splits:
        posterior = bayes.posterior(train)
        for event, records in test.groupby("event"):
            if len(records) < max(REPORTED) + 10:
                continue
            by = records["distance_km"].to_numpy() if order == "near" else rng.random(len(records))
            records = records.iloc[np.argsort(by)]
            records = records.drop(columns="station") if new_sites else records
            unreported = records.iloc[max(REPORTED) :]
            y = np.log10(unreported["pga_m_s2"].to_numpy())
            for count in REPORTED:
                mixture = condition(posterior, records.iloc[:count]).predict(unreported)
                score = -np.asarray(mx.log_density(mixture, y))
                off = np.abs(0.5 - np.asarray(mx.exceedance(mixture, y)))
                held = {f"inside_{100 * p:.0f}": off < p / 2 for p in HELD}
                rows[count].append(pd.DataFrame({"event": event, "score": score, **held}))
    out, before = {}, None
    where = "new sites" if new_sites else "known stations"
    print(f"\nLearning in the event ({order} stations report first), unreported {where}:")
    print("reports  log score                  less than before            50, 90 % intervals hold")
    for count, parts in rows.items():
        table = pd.concat(parts, ignore_index=True)
        score = bootstrap(table["score"].to_numpy(), table["event"].to_numpy())
        inside = {
            f"{100 * p:.0f}": bootstrap(
                table[f"inside_{100 * p:.0f}"].to_numpy(float), table["event"].to_numpy()
            )
            for p in HELD
        }
        gain = (0.0, 0.0, 0.0)
        if before is not None:
            gain = bootstrap(before - table["score"].to_numpy(), table["event"].to_numpy())
        before = table["score"].to_numpy()
        out[count] = {"log_score": score, "gain": gain, "coverage": inside}
        words = "  ".join(shown(parts) for parts in inside.values())
        print(f"{count:7d}  {shown(score):26s} {shown(gain):27s} {words}")
    print(f"events {table['event'].nunique()}, records {len(table)}")
    return out


def as_records(results: dict[str, Any]) -> list[Record]:
    """The figures that the documentation states."""
    count = results["records"]
    records = []

    def add(name: str, parts: tuple[float, ...], **options: Any) -> None:
        records.append(record(name, parts[0], interval=parts[1:], data_sets=count, **options))

    for name, own in results.items():
        if not isinstance(own, dict) or "crps" not in own:
            continue
        add(f"{name}: CRPS, log10 units", own["crps"])
        add(f"{name}: log score", own["log_score"])
        if "ahead_of_bssa14" in own:
            add(f"{name}: CRPS of BSSA14 less that of the model", own["ahead_of_bssa14"]["crps"])
        for percent in PERCENT_G:
            part = own[f"exceedance_{percent:g}_percent_g"]
            what = (
                f"{name}: {part['observed']:.0f} records above {percent:g} %g, less the predicted"
            )
            apart = tuple(count * end for end in part["apart"])
            add(what, apart, target=0.0)
        if "pit" in own:
            pit = f"{name}: p of uniform PIT, event and station terms simulated"
            records.append(record(pit, own["pit"]["p_value"], data_sets=count))
    for order, reports in results.get("learning", {}).items():
        for number, parts in reports.items():
            add(f"log score after {number} reports, {order}", parts["log_score"])
            for nominal, held in parts["coverage"].items():
                name = f"{nominal} % interval after {number} reports, {order}"
                add(name, held, unit="%", target=float(nominal) / 100)
    for name, parts in results.items():
        if name.startswith("scatter "):
            add(f"{name}, natural logarithm", parts)
    return records


def check(
    sampler: str = "nuts",
    folds: int = 5,
    max_distance_km: float = 150.0,
    min_magnitude: float = 4.0,
    without: tuple[str, ...] = (),
    json_file: Path | None = None,
) -> list[Record]:
    """Cross-validate every predictor by event."""
    begun = time.perf_counter()
    table = load_ridgecrest(max_distance_km=max_distance_km, min_magnitude=min_magnitude)
    print(*table.attrs["notes"], sep="\n")
    print(f"{len(table)} records of {table['event'].nunique()} events")
    bayes = Bayes(sampler)
    predictors: dict[str, Predictor] = {
        "bayes": bayes.known_stations,
        "bayes, new sites": bayes.new_sites,
        "network, stations": network_with_stations,
        "network": network,
        "BSSA14": bssa14,
    }
    predictors = {n: f for n, f in predictors.items() if n not in without}
    splits = []
    for held in split_events(table, folds):
        out = table["event"].isin(held)
        splits.append((table[~out].copy(), table[out].copy()))
    test = pd.concat([part for _, part in splits], ignore_index=True)
    y, event = np.log10(test["pga_m_s2"].to_numpy()), test["event"].to_numpy()
    results: dict[str, Any] = {"records": len(test), "events": int(test["event"].nunique())}
    scores: dict[str, dict[str, np.ndarray]] = {}
    mixtures: dict[str, Mixture] = {}
    for name, predictor in predictors.items():
        start = time.perf_counter()
        mixture = joined([predictor(train, part) for train, part in splits])
        mixtures[name] = mixture
        scores[name] = {
            "crps": np.asarray(mx.crps(mixture, y), np.float64),
            "log_score": -np.asarray(mx.log_density(mixture, y), np.float64),
        }
        print(f"{name}: {time.perf_counter() - start:.0f} s")
    print("\nScores in log10 units (less is better), means with 95 % event-bootstrap intervals")
    for name, each in scores.items():
        own = {kind: bootstrap(values, event) for kind, values in each.items()}
        print(f"{name:18s} CRPS {shown(own['crps'])}   log score {shown(own['log_score'])}")
        results[name] = own
        if name != "BSSA14" and "BSSA14" in scores:
            ahead = {
                kind: bootstrap(scores["BSSA14"][kind] - values, event)
                for kind, values in each.items()
            }
            print(
                f"{'  BSSA14 less it':18s} CRPS {shown(ahead['crps'])}   "
                f"log score {shown(ahead['log_score'])}"
            )
            results[name]["ahead_of_bssa14"] = ahead
    print("\nPIT: largest distance from uniform; band of 95 % with event and station terms")
    references: dict[str, np.ndarray] = {}
    for name, mixture in mixtures.items():
        pit = 1 - np.asarray(mx.exceedance(mixture, y), np.float64)
        # Without the model's own terms those of the Bayesian one stand in.
        known = name in ("bayes", "network, stations")
        parts = [scatter_shares(bayes, *split, known) for split in splits]
        references[name] = reference_pits(parts, test)
        uniform = uniformity(pit, references[name])
        results[name]["pit"] = uniform
        inside = [float(np.mean(np.abs(pit - 0.5) < level / 2)) for level in LEVELS]
        words = ", ".join(f"{lv:.0%}: {sh:.3f}" for lv, sh in zip(LEVELS, inside, strict=True))
        print(
            f"{name:18s} {uniform['distance']:.4f} (band {uniform['band_95']:.4f}, "
            f"p {uniform['p_value']:.2f}); central intervals hold {words}"
        )
    print("\nObserved less nominal share of exceedance, 95 % event-and-station bootstrap interval")
    for percent in PERCENT_G:
        threshold = np.log10(percent / 100 * G_M_S2)
        hit = (y > threshold).astype(float)
        for name, mixture in mixtures.items():
            nominal = np.asarray(mx.exceedance(mixture, threshold), np.float64)
            apart = bootstrap(hit - nominal, event, test["station"].to_numpy())
            counts = np.sum(references[name] > 1 - nominal, axis=1)
            ends = np.quantile(counts, [0.025, 0.975]).astype(int).tolist()
            results[name][f"exceedance_{percent:g}_percent_g"] = {
                "predicted_interval": ends,
                "observed": float(hit.sum()),
                "nominal": float(nominal.sum()),
                "apart": apart,
            }
            print(
                f"{percent:4g} %g {name:18s} observed {hit.sum():5.0f}, nominal "
                f"{nominal.sum():7.1f} ({ends[0]} to {ends[1]} if calibrated); "
                f"apart {shown(apart, '{:+.4f}')}{'' if apart[1] <= 0 <= apart[2] else '  OUTSIDE'}"
            )
    if "bayes" in predictors:
        results["learning"] = {
            f"{order} first" + ", new sites" * new: learning(bayes, splits, order, new)
            for order in ("near", "random")
            for new in (False, True)
        }
        posterior = bayes.posterior(table)
        print("\nScatter with all events, natural-logarithm units, mean (95 % interval)")
        names = {"event_sd": "tau", "station_sd": "phi_S", "record_sd": "phi"}
        draws = {n: np.asarray(getattr(posterior.motion, n)) * np.log(10) for n in names}
        within = np.hypot(draws["station_sd"], draws["record_sd"])
        lines = {names[n]: values for n, values in draws.items()}
        lines |= {"within (phi_S, phi)": within, "total": np.hypot(within, draws["event_sd"])}
        for name, values in lines.items():
            ends = (float(values.mean()), *np.quantile(values, [0.025, 0.975]).tolist())
            results[f"scatter {name}"] = ends
            print(f"{name:20s} {shown(ends)}")
    print(f"\n{time.perf_counter() - begun:.0f} s in all")
    if json_file:
        json_file.write_text(json.dumps(results, indent=1))
    return show(as_records(results))


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sampler", choices=("fit", "nuts"), default="nuts")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--max-distance-km", type=float, default=150.0)
    parser.add_argument("--min-magnitude", type=float, default=4.0)
    parser.add_argument("--without", nargs="*", default=[], help="predictors to leave out")
    parser.add_argument("--json", type=Path, dest="json_file", help="write all figures here")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
