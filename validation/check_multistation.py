"""Multistation networks and their baselines on Japanese intensities, by year.

Training 1997 to 2008, validation 2009 to 2012 (early stopping, recalibration, levels of alarm),
test 2013 to 2015. Stations report their running intensity from 0.5 on, simulated in time
(`jma_reporting`); a silent station is known to be below 0.5, or out of order. Forecasts are of the
final intensity at 32 stations, 2, 5, 10 and 20 s after P at the first, scored above 0.5 and where
the strong shaking is not over.

    python validation/check_multistation.py --epochs 12
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jma
import jma_reporting
import jma_rules
import numpy as np
from multistation_scores import (
    BLOCK,
    Scored,
    effective_band,
    mean_interval,
    scored,
    scored_classes,
)
from records import Record, record, show

from eqstat.exceedance.alerts import (
    Plum,
    base_of,
)
from eqstat.exceedance.alerts.scores import protocol
from eqstat.ground_motion import load, save
from eqstat.ground_motion.mixture import Mixture, fit_normal
from eqstat.ground_motion.network import Examples, TrainingOptions
from eqstat.ground_motion.network.multistation import (
    ABLATIONS,
    MultistationEnsemble,
    View,
    fit_multistation,
    sense,
    team,
)

STATIONS = 32
LEVELS = (3.5, 4.5, 5.0)
THRESHOLDS = jma.log10_pga(np.array(LEVELS))
# Thresholds of the discrete head, in intensity.
CLASSES = tuple(float(x) for x in jma.log10_pga(np.arange(0.5, 6.6, 0.5)))
OUT_OF_ORDER = jma_rules.OUT_OF_ORDER
OPTIONS = TrainingOptions(
    epochs=12, batch=32, learning_rate=2e-3, weight_decay=0.02, patience=6, clip=1.0
)
# Seconds after the first P at which alarms can start.
ALARM_S = np.arange(1.0, 26.0)
# The forecaster that also conditions on the stations that are silent.
SILENCE = "GP and silence"
# Intensities are twice the logarithm.
UNITS = 2.0


def views_of(data: jma_reporting.Views) -> View:
    """What networks read, earthquake by earthquake and time."""
    events, times, n, seconds = data.history_m_s2.shape
    rows, single = events * times, np.float32

    def each(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, times, axis=0)

    return View.of_stations(
        each(data.station_km).astype(single),
        each(data.station).astype(np.int32),
        each(data.working),
        (data.peak_m_s2 > 0).reshape(rows, n),
        data.history_m_s2.reshape(rows, n, seconds, 1),
        np.tile(data.time_s, events).astype(single),
    )


def blocks(tree: Any) -> Iterator[Any]:
    """Parts of a batch, all but the last of one size."""
    rows = len(jax.tree.leaves(tree)[0])
    for first in range(0, rows, BLOCK):
        yield jax.tree.map(lambda leaf: leaf[first : first + BLOCK], tree)  # noqa: B023


@eqx.filter_jit
def _predictive(rule: Any, batch: Any) -> Mixture:
    # One by one: batched factors of matrices have hung on two busy cores.
    return jax.lax.map(rule.predictive, batch)


@eqx.filter_jit
def _bases(rule: Any, batch: Any) -> jax.Array:
    return jax.lax.map(lambda one: base_of(rule, one), batch)


@eqx.filter_jit
def _answer(network: Any, views: View) -> Any:
    return network(views)


class Years:
    """Data of some years: views, targets, snapshots, and the forecasts that networks correct."""

    def __init__(self, reporting: Any, time_s: Any, rules: Any | None) -> None:
        data = jma_reporting.views(reporting, time_s)
        times = len(data.time_s)
        self.view = views_of(data)
        self.snapshots = data.snapshots()
        if rules is not None:
            station = np.repeat(data.station, times, axis=0)
            self.silence = rules.informed(self.snapshots, station, silence=True)
            self.snapshots = rules.informed(self.snapshots, station)
        self.event = np.repeat(data.event, times)
        self.time_s = np.asarray(self.view.elapsed_s)
        self.value = np.repeat(data.log10_pga, times, axis=0).astype(np.float32)
        self.silent = np.repeat(data.silent, times, axis=0)
        # Where the strong shaking is over the final intensity is known: there is nothing to judge.
        self.known = (data.complete & (data.peak_m_s2 > 0)).reshape(len(self.event), -1)
        self.value = np.where(self.silent, jma.LOG10_FLOOR, self.value).astype(np.float32)
        self.reporting, self.times = reporting, np.asarray(data.time_s)
        self.base = {
            name: np.concatenate([np.asarray(_bases(r, part)) for part in blocks(self.snapshots)])
            for name, r in ({} if rules is None else rules.by_name()).items()
        }

    def based_on(self, name: str | None) -> View:
        """Views with the forecast of a rule as base."""
        if name is None:
            return self.view
        return dataclasses.replace(self.view, base=self.base[name].astype(np.float32))

    def examples(self, base: str | None) -> Examples:
        """Training examples."""
        return Examples(self.based_on(base), self.value, self.event, upper=self.silent)


def joined(first: Examples, second: Examples) -> Examples:
    """Both sets of examples."""
    both = jax.tree.map(
        lambda a, b: np.concatenate([a, b]), *((x.features, x.log10_pga, x.event, x.upper)
                                               for x in (first, second))
    )  # fmt: skip
    return Examples(both[0], both[1], both[2], upper=both[3])


def networks(stations: int) -> dict[str, tuple[Any, str | None]]:
    """Settings of each network and the rule that it corrects."""
    out: dict[str, tuple[Any, str | None]] = {
        "combined": (sense(stations, base=True), "GP"),
        "SENSE": (sense(stations), None),
        "SENSE, classes": (sense(stations, head="classes", log10_thresholds=CLASSES), None),
        "TEAM-like": (team(stations), None),
        "on the source": (sense(stations, base=True), "GMM"),
    }
    for name, flags in list(ABLATIONS.items())[1:]:
        out[f"ablation {name}"] = (sense(stations, **flags), None)
    return out


def trained(
    name: str, training: Years, validation: Years, stations: int, epochs: int, folder: Path
) -> MultistationEnsemble:
    """Train a network, or take it from the folder of an earlier run."""
    settings, base = networks(stations)[name]
    options = dataclasses.replace(OPTIONS, epochs=epochs)
    sizes = dataclasses.asdict(settings), dataclasses.asdict(options)
    asked = repr((sizes, OUT_OF_ORDER, base, len(training.event), STATIONS))
    digest = hashlib.sha256(asked.encode()).hexdigest()[:8]
    path = folder / f"multistation-{name.replace(' ', '_').replace(',', '')}-{digest}.eqx"
    if path.exists():
        earlier: Any = load(path)
        return earlier
    first, second = training.examples(base), validation.examples(base)
    held = np.arange(len(first) + len(second)) >= len(first)
    fitted = fit_multistation(
        jax.random.key(len(name)), joined(first, second), settings, members=1, held_out=held,
        options=options, out_of_order=OUT_OF_ORDER,
        checkpoint=path.with_suffix(""),
    )  # fmt: skip
    print(f"{name}: {fitted.network.card['parameters']} parameters, {fitted.seconds:.0f} s, "
          f"held out {fitted.history['held_out'].min():.4f}", flush=True)  # fmt: skip
    save(fitted.network, path)
    return fitted.network


class LearnedPlum:
    """PLUM with a bias and a scatter learned in training, by time and whether a peak is near."""

    def __init__(self, training: Years) -> None:
        self.rule = Plum(scatter=0.3)
        near, strongest = self._near(training)
        self.of: dict[tuple[float, bool], tuple[float, float]] = {}
        for time in np.unique(training.time_s):
            for has in (False, True):
                rows = (near == has) & (training.time_s == time)[:, None]
                offset = strongest[rows] if has else np.zeros(rows.sum())
                self.of[float(time), has] = fit_normal(
                    training.value[rows] - offset, training.silent[rows]
                )

    def _near(self, data: Years) -> tuple[np.ndarray, np.ndarray]:
        strongest = np.concatenate(
            [
                np.asarray(_predictive(self.rule, part).mean[..., 0])
                for part in blocks(data.snapshots)
            ]
        )
        return strongest > -8.0, strongest

    def mixtures(self, data: Years) -> Iterator[Mixture]:
        """Forecasts in blocks."""
        near, strongest = self._near(data)
        known = np.array(sorted({time for time, _ in self.of}))
        # Between the times of the training the nearest counts.
        at = known[np.abs(data.time_s[:, None] - known).argmin(axis=1)]
        of = np.array([[self.of[float(t), has] for has in (False, True)] for t in at])
        bias, sd = np.moveaxis(np.where(near[..., None], of[:, None, 1], of[:, None, 0]), -1, 0)
        mean = np.where(near, strongest, 0.0) + bias
        for part in blocks((mean.astype(np.float32), sd.astype(np.float32))):
            mean_, sd_ = (jnp.asarray(x)[..., None] for x in part)
            yield Mixture(jnp.zeros_like(mean_), mean_, sd_)


def forecasts(name: str, data: Years, model: Any, base: str | None) -> Iterator[Any]:
    """Mixtures, or probabilities of classes, in blocks of rows."""
    if isinstance(model, LearnedPlum):
        yield from model.mixtures(data)
    elif isinstance(model, MultistationEnsemble):
        for part in blocks(data.based_on(base)):
            yield _answer(model, part)
    else:
        for part in blocks(data.silence if name == SILENCE else data.snapshots):
            yield _predictive(model, part)


def judged(name: str, data: Years, model: Any, base: str | None) -> Scored:
    """Scores of a forecaster on some years."""
    parts = forecasts(name, data, model, base)
    floor = jma.LOG10_FLOOR
    if name == "SENSE, classes":
        chance = np.concatenate([np.asarray(part) for part in parts])
        own = scored_classes(chance, data.value, floor, np.array(CLASSES), THRESHOLDS)
    else:
        own = scored(jax.random.key(1), parts, data.value, floor, THRESHOLDS)
    masked = (np.where(data.known, np.nan, x) for x in (own.crps, own.log_score, own.pit))
    return Scored(*masked, own.chance)


def figures(
    name: str, data: Years, own: Scored, best: Scored | None = None, rival: str = ""
) -> list[Record]:
    """Records of one forecaster: scores by time, coverage, reliability."""
    out = []
    for time in np.unique(data.time_s):
        rows = data.time_s == time
        event, label = data.event[rows], f"{name}, {time:.0f} s: "
        for what, values, unit in (("CRPS", own.crps, UNITS), ("log score", own.log_score, 1.0)):
            if np.isfinite(values).any():
                mean, ends = mean_interval(unit * values[rows], event)
                out.append(record(label + what, mean, interval=ends, data_sets=len(set(event))))
        if best is not None:
            for what, unit in (("crps", UNITS), ("log_score", 1.0)):
                gap = unit * (getattr(own, what)[rows] - getattr(best, what)[rows])
                if np.isfinite(gap).any():
                    mean, ends = mean_interval(gap, event)
                    title = f"{label}{what.replace('_', ' ')} less that of {rival}"
                    out.append(record(title, mean, interval=ends, bounds=(0.0, None)))
        if np.isfinite(own.pit).any():
            for nominal in (0.5, 0.9):
                inside = (np.abs(own.pit[rows] - 0.5) < nominal / 2).astype(float)
                inside = np.where(np.isfinite(own.pit[rows]), inside, np.nan)
                share, _ = mean_interval(inside, event)
                band = effective_band(inside, event, nominal)
                out.append(record(f"{label}inside the {100 * nominal:.0f} % interval", share,
                                  unit="%", bounds=band))  # fmt: skip
        for k, level in enumerate(LEVELS):
            over = np.where(data.known[rows], np.nan, data.value[rows] > THRESHOLDS[k])
            gap, ends = mean_interval(over - own.chance[rows][..., k], event)
            # What is observed less what is stated, in sites: 0 for a calibrated forecast.
            about = f"{label}sites above {level}, observed ({np.nansum(over):.0f}) less stated"
            sites = int(np.isfinite(over).sum())
            ends = [sites * end for end in ends]
            out.append(record(about, gap * sites, interval=ends, target=0.0))
    return out


def alarms(
    name: str, validation: Years, test: Years, scores: tuple[Scored, Scored]
) -> list[Record]:
    """F1 and lead time of alarms, with the level chosen on the validation years."""
    thresholds = 10.0**THRESHOLDS
    chances, passed, events = [], [], []
    for data, own in zip((validation, test), scores, strict=True):
        times, sites = len(data.times), data.value.shape[1]
        chance = own.chance.reshape(-1, times, sites, len(LEVELS)).transpose(3, 0, 2, 1)
        chances.append(np.clip(chance.reshape(len(LEVELS), -1, times), 0, 1))
        passed.append([data.reporting.exceedance_times(u).ravel() for u in thresholds])
        events.append(np.repeat(data.reporting.event, sites))
    first = np.arange(len(np.concatenate(events))) < len(events[0])
    table = protocol(
        jax.random.key(0), ALARM_S, np.concatenate(chances, axis=1),
        np.concatenate(passed, axis=1), np.concatenate(events), first, thresholds,
    )  # fmt: skip
    out = []
    for level, row in zip(LEVELS, table.to_dict("records"), strict=True):
        about = f"{name}, above {level} (level {row['level']:.3g}): "
        for what in ("f1", "precision", "recall"):
            ends = row[what + "_low"], row[what + "_high"]
            out.append(record(about + what, row[what], interval=ends, level=0.9,
                              data_sets=int(row["positives"])))  # fmt: skip
        out.append(record(about + "median lead time, s", row["lead_time_median_s"]))
    return out


def check(
    epochs: int = 12, part: str = "scores", events: int | None = None, folder: str | None = None
) -> list[Record]:
    """Train what is not in the folder, score it on the test years (`events`: the first only)."""
    place = Path(folder or Path(__file__).parent.parent / ".validation")
    place.mkdir(exist_ok=True)
    shaking = jma.load(stations=STATIONS)
    split = jma.split(shaking)
    if events is not None:
        split = {name: one.chosen(slice(events)) for name, one in split.items()}
    reporting = {
        name: jma_reporting.report(jax.random.key(number), one, split["training"])
        for number, (name, one) in enumerate(split.items())
    }
    rules = jma_rules.learned(jax.random.key(9), split["training"], reporting["training"])
    years = {name: Years(one, jma_reporting.TIMES_S, rules) for name, one in reporting.items()}
    wanted = networks(len(shaking.places))
    names = [name for name in wanted if ("ablation" in name) == (part == "ablations")]
    models: dict[str, tuple[Any, str | None]] = {}
    if part == "ablations":
        names = ["SENSE", *names]
    for name in names:
        network = trained(
            name, years["training"], years["validation"], len(shaking.places), epochs, place
        )
        models[name] = (network, wanted[name][1])
    if part != "ablations":
        models |= {name: (rule, None) for name, rule in rules.by_name().items()}
        if part == "scores":
            models[SILENCE] = (rules.silent, None)
        models["PLUM"] = (LearnedPlum(years["training"]), None)
    records: list[Record] = [
        record(f"earthquakes of the {name} years", len(one.event)) for name, one in split.items()
    ]
    if part == "alarms":
        full = {name: Years(reporting[name], ALARM_S, rules) for name in ("validation", "test")}
        for name, (model, base) in models.items():
            both = tuple(judged(name, data, model, base) for data in full.values())
            records += alarms(name, full["validation"], full["test"], both)
            show(records[-12:])
        return records
    best, rival = None, ""
    for name, (model, base) in models.items():
        own = judged(name, years["test"], model, base)
        records += figures(name, years["test"], own, best, rival)
        if best is None:
            best, rival = own, name
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--part", choices=("scores", "alarms", "ablations"), default="scores")
    parser.add_argument("--events", type=int)
    parser.add_argument("--folder")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
