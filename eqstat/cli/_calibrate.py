"""`eqstat calibrate`: error rates, thresholds and reliability of a score on labelled detections."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eqstat import calibration, schema
from eqstat._core.errors import InputError
from eqstat._core.text import aligned, facts, percent
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import ROWS, add_columns, add_outputs, add_probability, add_seed, number
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

DETECTIONS = f"""\
The table is CSV or Parquet, with a row for each detection: time (UTC), latitude, longitude
(degrees), is_earthquake (true or false) and a score. {ROWS}"""
RULES = {
    "miss_probability": "misses at most {miss_probability:g}",
    "false_alarm_probability": "false alarms at most {false_alarm_probability:g}",
    "least_total": "least total, {total:.3g}",
}


@dataclass(frozen=True)
class Detections:
    """The labelled detections of a table.

    Attributes
    ----------
    column, larger
        Column of the score, and what larger scores mean.
    score, label
        The score, and whether each was an earthquake.
    clusters
        Labels of dependent detections, one array for each `--cluster`.
    """

    column: str
    larger: str
    score: np.ndarray
    label: np.ndarray
    clusters: tuple[np.ndarray, ...]

    @property
    def coarsest(self) -> np.ndarray | None:
        """Labels with the fewest clusters, of which the intervals are widest."""
        return min(self.clusters, key=lambda each: len(set(each)), default=None)


@dataclass(frozen=True)
class Reliability:
    """Reliability, score decompositions and test of calibration of a column of forecasts."""

    column: str
    forecast: np.ndarray
    curve: xr.Dataset
    scores: tuple[calibration.Decomposition, ...]
    test: calibration.CalibrationTest


@dataclass(frozen=True)
class Results:
    """What was computed: area under the ROC, the ROC, thresholds, guarantees, reliability."""

    auc: dict[str, float]
    roc: xr.Dataset
    thresholds: tuple[calibration.Threshold, ...]
    guarantees: tuple[calibration.Guarantee, ...]
    reliability: Reliability | None


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "calibrate",
        parents=[common],
        help="how often is an earthquake missed, and are the probabilities calibrated?",
        description="Evaluate the score of a table of labelled detections: miss and false-alarm "
        "probability, thresholds, and reliability where the score is a probability.",
        epilog=DETECTIONS,
    )
    parser.add_argument("history", metavar="HISTORY", help="table of detections; - reads CSV")
    add_columns(parser, "is_earthquake=confirmed latitude=lat longitude=lon")
    parser.add_argument("--score", metavar="COLUMN", help="column of the score (default: score)")
    parser.add_argument(
        "--larger",
        choices=["earthquake", "noise"],
        help="what larger scores mean; needed unless the score is the probability",
    )
    parser.add_argument(
        "--probability-column",
        metavar="COLUMN",
        help="forecast probabilities of an earthquake, to be assessed; they are the score where "
        "none is named",
    )
    parser.add_argument(
        "--cluster",
        metavar="COLUMN",
        action="append",
        default=[],
        help="detections with the same label are dependent, such as event; may be repeated",
    )
    _add_thresholds(parser.add_argument_group("thresholds"))
    add_outputs(parser, inputs=("history",))


def _add_thresholds(group: Any) -> None:
    for name, what in (("miss", "earthquakes missed"), ("false-alarm", "noise accepted")):
        group.add_argument(
            f"--{name}-probability",
            type=number(0.0, 1.0),
            default=0.01,
            metavar="P",
            help=f"largest fraction of {what} (default 0.01)",
        )
    for name in ("miss", "false-alarm"):
        group.add_argument(
            f"--{name}-cost",
            type=number(0.0, 1e9),
            default=1.0,
            metavar="C",
            help="weight in the least total (default 1)",
        )
    group.add_argument(
        "--prevalence",
        type=number(0.0, 1.0),
        metavar="P",
        help="fraction of earthquakes among future detections, for the least total (default: the "
        "sum of both probabilities)",
    )
    group.add_argument(
        "--confidence",
        type=number(0.0, 1.0),
        default=0.95,
        metavar="P",
        help="confidence of the conformal guarantee on misses (default 0.95)",
    )
    add_probability(group)
    add_seed(group, "the bootstrap")


def run(options: argparse.Namespace) -> Outcome:
    """Evaluate the score of a table of detections, and find its thresholds."""
    import jax

    inputs = Inputs(options.columns)
    table = inputs.table(options.history, "detections")
    table = schema.check_detections(table)
    detections = detections_of(options, table)
    keys = jax.random.split(jax.random.key(options.seed), 4)
    score, label, larger = detections.score, detections.label, detections.larger
    results = Results(
        auc=auc_of(keys[0], detections, options.probability),
        roc=calibration.roc(score, label, larger=larger, probability=options.probability),
        thresholds=thresholds_of(keys[1], options, detections),
        guarantees=guarantees_of(options, detections),
        reliability=reliability_of(keys[2:], options, table, label),
    )
    return Outcome(
        summary=tuple(summary(detections, results)),
        content=content_of(detections, results),
        result="DONE",
        result_text="evaluated all detections",
        inputs=inputs,
        notes=(*table.attrs["notes"], *doubts(results.auc, detections)),
        figure=lambda: draw(detections, results),
    )


def doubts(auc: Mapping[str, float], detections: Detections) -> list[str]:
    """That a score is the wrong way round, or says nothing."""
    score = detections.score
    if len(set(score)) == 1:
        return [f"all values of {detections.column!r} are {score[0]:g}: it tells nothing apart"]
    if auc["high"] < 0.5:
        other = "noise" if detections.larger == "earthquake" else "earthquake"
        return [
            f"the area under the ROC curve is below 0.5: do larger values of "
            f"{detections.column!r} mean {other} (--larger {other})?"
        ]
    return []


def detections_of(options: argparse.Namespace, table: pd.DataFrame) -> Detections:
    """Score, its direction, labels and clusters of the options."""
    name = options.score
    if name is None:
        name = "score" if "score" in table else options.probability_column or "score"
    larger = options.larger
    if larger is None and name == options.probability_column:
        larger = "earthquake"
    if larger is None:
        raise InputError(f"--larger: say what larger values of {name!r} mean, earthquake or noise")
    score = column_of(table, name, "number")
    if len(set(options.cluster)) < len(options.cluster):
        raise InputError("--cluster: a column is named twice")
    return Detections(
        column=name,
        larger=larger,
        score=score,
        label=table["is_earthquake"].to_numpy(bool),
        clusters=tuple(column_of(table, each, "text") for each in options.cluster),
    )


def column_of(table: pd.DataFrame, name: str, kind: Any, **limits: Any) -> np.ndarray:
    """A column of the table, none of its values missing or beyond its limits."""
    contract = schema.Contract("detections", (schema.Column(name, kind, True, **limits),))
    return schema.check(table, contract)[name].to_numpy()


def auc_of(key: Any, detections: Detections, probability: float) -> dict[str, float]:
    """Area under the ROC and its interval, by the bootstrap where there are clusters."""
    score, label, larger = detections.score, detections.label, detections.larger
    if not detections.clusters:
        result = calibration.auc(score, label, larger=larger, probability=probability)
        names = {"estimate": "auc", "low": "low", "high": "high"}
        return {ours: result[theirs].item() for ours, theirs in names.items()}
    sign = 1 if larger == "earthquake" else -1

    from scipy import stats

    def area(values: np.ndarray, flags: np.ndarray) -> float:
        if flags.all() or not flags.any():
            return math.nan
        quakes, noise = sign * values[flags], sign * values[~flags]
        wins = stats.mannwhitneyu(quakes, noise, method="asymptotic").statistic
        return float(wins) / (quakes.size * noise.size)

    clusters = list(detections.clusters)
    result = calibration.block_bootstrap(
        key, area, score, label, cluster=clusters, probability=probability
    )
    return {"estimate": result.estimate, "low": result.low, "high": result.high}


def thresholds_of(
    key: Any, options: argparse.Namespace, detections: Detections
) -> tuple[calibration.Threshold, ...]:
    """Thresholds of the three rules."""
    score, label, coarsest = detections.score, detections.label, detections.coarsest
    common: Any = {"larger": detections.larger, "probability": options.probability}
    return (
        calibration.at_miss_probability(
            score, label, options.miss_probability, cluster=coarsest, **common
        ),
        calibration.at_false_alarm_probability(
            score, label, options.false_alarm_probability, cluster=coarsest, **common
        ),
        calibration.of_least_total(
            key,
            score,
            label,
            miss_cost=options.miss_cost,
            false_alarm_cost=options.false_alarm_cost,
            prevalence=options.prevalence,
            cluster=list(detections.clusters) or None,
            **common,
        ),
    )


def guarantees_of(
    options: argparse.Namespace, detections: Detections
) -> tuple[calibration.Guarantee, ...]:
    """Conformal thresholds: on average and, without clusters, with confidence."""
    label, cluster = detections.label, detections.coarsest
    score = detections.score[label]
    common: Any = {"miss_probability": options.miss_probability, "larger": detections.larger}
    if cluster is not None:
        return (calibration.conformal_threshold(score, cluster=cluster[label], **common),)
    levels = (None, options.confidence)
    return tuple(calibration.conformal_threshold(score, confidence=p, **common) for p in levels)


def reliability_of(
    keys: Any, options: argparse.Namespace, table: pd.DataFrame, label: np.ndarray
) -> Reliability | None:
    """Assess the forecasts; None where no column is named."""
    column = options.probability_column
    if not column:
        return None
    hint = "give probabilities; eqstat.calibration.recalibrate turns scores into them"
    forecast = column_of(table, column, "number", minimum=0.0, maximum=1.0, hint=hint)
    return Reliability(
        column=column,
        forecast=forecast,
        curve=calibration.reliability(keys[0], forecast, label, probability=options.probability),
        scores=tuple(calibration.decompose(forecast, label, score=s) for s in ("brier", "log")),
        test=calibration.calibration_test(keys[1], forecast, label),
    )


def draw(detections: Detections, results: Results) -> Any:
    """Figure of scores, ROC, thresholds and reliability."""
    from eqstat.plots import calibration as plots

    more: Any = {}
    if results.reliability is not None:
        brier, test = results.reliability.scores[0], results.reliability.test
        note = (
            f"Brier {brier.mean:.3g} = {brier.miscalibration:.3g} - {brier.discrimination:.3g} "
            f"+ {brier.uncertainty:.3g}\ncalibrated: p = {test.p_value:.3f}"
        )
        forecast = results.reliability.forecast
        more = {"reliable": results.reliability.curve, "forecast": forecast, "note": note}
    return plots.calibration_figure(
        detections.score,
        detections.label,
        results.roc,
        list(results.thresholds),
        label=detections.column,
        **more,
    )


def content_of(detections: Detections, results: Results) -> dict[str, Any]:
    """What the JSON holds."""
    label, judged = detections.label, results.reliability
    rows = ("threshold", "miss_probability", "false_alarm_probability")
    reliability = None
    if judged is not None:
        names = ("forecast", "observed", "low", "high", "number")
        reliability = {
            "column": judged.column,
            "scores": [each.to_dict() for each in judged.scores],
            "calibration_test": vars(judged.test),
            "curve": {name: judged.curve[name].to_numpy() for name in names},
        }
    return {
        "history": {
            "detections": label.size,
            "earthquakes": int(label.sum()),
            "noise": int((~label).sum()),
            "clusters": [len(set(labels)) for labels in detections.clusters],
        },
        "score": {"column": detections.column, "larger": detections.larger},
        "auc": results.auc,
        "interval": {"probability": results.roc.attrs["interval_probability"]},
        "thresholds": [each.to_dict() for each in results.thresholds],
        "guarantee": [
            {
                "miss_probability": each.miss_probability,
                "confidence": each.confidence,
                "threshold": each.threshold["all"],
                "earthquakes": each.earthquakes["all"],
            }
            for each in results.guarantees
        ],
        "roc": {name: results.roc[name].to_numpy() for name in rows},
        "reliability": reliability,
    }


def summary(detections: Detections, results: Results) -> list[str]:
    """Lines for a person."""
    label, auc = detections.label, results.auc
    events = int(label.sum())
    noise = label.size - events
    head = [("History", f"{label.size} detections: {events} earthquakes, {noise} noise")]
    if detections.clusters:
        sizes = (str(len(set(labels))) for labels in detections.clusters)
        head.append(("Clusters", " x ".join(sizes)))
    head += [
        ("Score", f"{detections.column}, larger means {detections.larger}"),
        ("Area under ROC", f"{auc['estimate']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"),
        ("Intervals", percent(results.thresholds[0].probability)),
    ]
    table = [["rule", "threshold", "", "missed", "", "false alarms", ""]]
    for each in results.thresholds:
        row = [RULES[each.rule].format(**each.settings), f"{each.value:.5g}"]
        row.append(f"({each.low:.5g} to {each.high:.5g})")
        for rate in (each.miss_probability, each.false_alarm_probability):
            row += [f"{rate.estimate:.3g}", f"({rate.low:.2g} to {rate.high:.2g})"]
        table.append(row)
    lines = [*facts(head), "", *aligned(table), ""]
    for each in results.guarantees:
        lines.append(guarantee(each, clustered=bool(detections.clusters)))
    if results.reliability is not None:
        lines += ["", *reliability_lines(results.reliability)]
    return lines


def guarantee(each: calibration.Guarantee, *, clustered: bool) -> str:
    """A conformal threshold in one line."""
    how = "on average" if each.confidence is None else f"with confidence {each.confidence:g}"
    how += ", for a new cluster" if clustered else ""
    value = each.threshold["all"]
    text = f"{value:.5g}" if math.isfinite(value) else "none, there are too few earthquakes"
    return f"Misses at most {each.miss_probability:g} {how}: threshold {text}"


def reliability_lines(found: Reliability) -> list[str]:
    """The assessment of the forecasts."""
    rows = [("Forecasts", found.column)]
    for each in found.scores:
        rows.append(
            (
                f"{each.score.capitalize()} score",
                f"{each.mean:.4g} = miscalibration {each.miscalibration:.4g} - discrimination "
                f"{each.discrimination:.4g} + uncertainty {each.uncertainty:.4g}",
            )
        )
    return facts([*rows, ("Calibrated", f"p = {found.test.p_value:.3g}")])
