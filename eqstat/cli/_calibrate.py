"""`eqstat calibrate`."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr

from eqstat import calibration, schema
from eqstat._core.json import to_plain
from eqstat.calibration import (
    CalibrationTest,
    Decomposition,
    Guarantee,
    Threshold,
    area,
    auc,
    block_bootstrap,
    calibration_test,
    conformal_threshold,
)
from eqstat.cli import _files
from eqstat.cli._errors import BadInputError
from eqstat.schema import check_detections

NAMES = {
    "miss_probability": "misses at most {miss_probability:g}",
    "false_alarm_probability": "false alarms at most {false_alarm_probability:g}",
    "least_total": "least total, {total:.3g}",
}


@dataclass(frozen=True)
class Reliable:
    """What the forecasts of a column are worth."""

    column: str
    forecast: np.ndarray
    curve: xr.Dataset
    parts: tuple[Decomposition, ...]
    test: CalibrationTest


def calibrate(options: argparse.Namespace) -> None:
    """Judge the score of a table of detections, and find its thresholds."""
    _files.check_outputs(json=options.json, figure=options.figure)
    table = _files.read_table(options.history, options.columns, "detections")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", schema.NaiveTimeWarning)
        table = check_detections(table)
    column, larger = score_of(options, table)
    score = column_of(table, column, "number")
    label = table["is_earthquake"].to_numpy(bool)
    groups = clusters_of(options, table)
    keys = jax.random.split(jax.random.key(options.seed), 4)

    curve = calibration.roc(score, label, larger=larger, probability=options.probability)
    reached = area_of(keys[0], score, label, larger, options.probability, groups)
    thresholds = thresholds_of(keys[1], options, score, label, larger, groups)
    kept = kept_of(options, score[label], larger, [group[label] for group in groups])
    reliable = None
    if options.probability_column:
        reliable = judged(keys[2:], options.probability_column, table, label, options.probability)

    if options.figure:
        draw(score, label, column, curve, thresholds, reliable).savefig(options.figure, dpi=150)
    if options.json:
        _files.write_json(
            options.json,
            content(column, larger, label, reached, curve, thresholds, kept, reliable, groups),
        )
    if not options.quiet:
        if options.json != "-":
            for line in summary(column, larger, label, reached, thresholds, kept, reliable, groups):
                _files.say(line)
        _files.tell_notes(table.attrs["notes"])


def score_of(options: argparse.Namespace, table: pd.DataFrame) -> tuple[str, str]:
    """Column of the score and its direction."""
    column = options.score
    if column is None:
        column = "score" if "score" in table else options.probability_column or "score"
    larger = options.larger
    if larger is None and column == options.probability_column:
        larger = "earthquake"
    if larger is None:
        raise BadInputError(
            f"--larger: say what larger values of {column!r} mean, earthquake or noise"
        )
    return column, larger


def column_of(table: pd.DataFrame, name: str, kind: Any) -> np.ndarray:
    """A column of the table, none of its values missing."""
    contract = schema.Contract("detections", (schema.Column(name, kind, True),))
    return schema.check(table, contract)[name].to_numpy()


def clusters_of(options: argparse.Namespace, table: pd.DataFrame) -> list[np.ndarray]:
    """Labels of clusters, one row for each option."""
    if len(set(options.cluster)) < len(options.cluster):
        raise BadInputError("--cluster: a column is named twice")
    return [column_of(table, name, "text") for name in options.cluster]


def area_of(
    key: Any,
    score: np.ndarray,
    label: np.ndarray,
    larger: str,
    probability: float,
    groups: list[np.ndarray],
) -> tuple[float, float, float]:
    """Area under the ROC and its interval; of the bootstrap where there are clusters."""
    if not groups:
        found = auc(score, label, larger=larger, probability=probability)
        return found["auc"].item(), found["low"].item(), found["high"].item()
    sign = 1 if larger == "earthquake" else -1

    def own(values: np.ndarray, flags: np.ndarray) -> float:
        if flags.all() or not flags.any():
            return np.nan
        return area(sign * values[flags], sign * values[~flags])

    found = block_bootstrap(key, own, score, label, cluster=groups, probability=probability)
    return found.estimate, found.low, found.high


def thresholds_of(
    key: Any,
    options: argparse.Namespace,
    score: np.ndarray,
    label: np.ndarray,
    larger: str,
    groups: list[np.ndarray],
) -> list[Threshold]:
    """Thresholds of the three rules."""
    common: Any = {"larger": larger, "probability": options.probability}
    coarse = coarsest(groups)
    return [
        calibration.at_miss_probability(
            score, label, options.miss_probability, cluster=coarse, **common
        ),
        calibration.at_false_alarm_probability(
            score, label, options.false_alarm_probability, cluster=coarse, **common
        ),
        calibration.of_least_total(
            key,
            score,
            label,
            miss_cost=options.miss_cost,
            false_alarm_cost=options.false_alarm_cost,
            prevalence=options.prevalence,
            cluster=groups or None,
            **common,
        ),
    ]


def kept_of(
    options: argparse.Namespace, score: np.ndarray, larger: str, groups: list[np.ndarray]
) -> list[Guarantee]:
    """Thresholds that keep the misses: on average and, without clusters, with confidence."""
    common: Any = {"miss_probability": options.miss_probability, "larger": larger}
    if groups:
        return [conformal_threshold(score, cluster=coarsest(groups), **common)]
    return [
        conformal_threshold(score, confidence=confidence, **common)
        for confidence in (None, options.confidence)
    ]


def coarsest(groups: list[np.ndarray]) -> np.ndarray | None:
    """The labels with fewest clusters, of which the intervals are the widest."""
    return min(groups, key=lambda one: len(set(one)), default=None)


def judged(
    keys: Any, column: str, table: pd.DataFrame, label: np.ndarray, probability: float
) -> Reliable:
    """Reliability, parts of the scores, and the test of calibration."""
    forecast = column_of(table, column, "number")
    curve = calibration.reliability(keys[0], forecast, label, probability=probability)
    parts = tuple(calibration.decompose(forecast, label, score=one) for one in ("brier", "log"))
    return Reliable(column, forecast, curve, parts, calibration_test(keys[1], forecast, label))


def draw(
    score: np.ndarray,
    label: np.ndarray,
    column: str,
    curve: xr.Dataset,
    thresholds: list[Threshold],
    reliable: Reliable | None,
) -> Any:
    """Figure of all."""
    from eqstat.plots import calibration as room

    more: Any = {}
    if reliable is not None:
        brier = reliable.parts[0]
        note = (
            f"Brier {brier.mean:.3g} = {brier.miscalibration:.3g} - {brier.discrimination:.3g} "
            f"+ {brier.uncertainty:.3g}\ncalibrated: p = {reliable.test.p_value:.3f}"
        )
        more = {"reliable": reliable.curve, "forecast": reliable.forecast, "note": note}
    return room.calibration_figure(score, label, curve, thresholds, label=column, **more)


def content(
    column: str,
    larger: str,
    label: np.ndarray,
    reached: tuple[float, float, float],
    curve: xr.Dataset,
    thresholds: list[Threshold],
    kept: list[Guarantee],
    reliable: Reliable | None,
    groups: list[np.ndarray],
) -> dict[str, Any]:
    """What goes into the JSON: plain numbers, texts and lists."""
    rows = ("threshold", "miss_probability", "false_alarm_probability")
    return to_plain(
        {
            "history": {
                "detections": label.size,
                "earthquakes": int(label.sum()),
                "noise": int((~label).sum()),
                "clusters": [len(set(group)) for group in groups],
            },
            "score": {"column": column, "larger": larger},
            "auc": {"estimate": reached[0], "low": reached[1], "high": reached[2]},
            "interval": {"probability": curve.attrs["interval_probability"]},
            "thresholds": [found.to_dict() for found in thresholds],
            "guarantee": [
                {
                    "miss_probability": found.miss_probability,
                    "confidence": found.confidence,
                    "threshold": found.threshold["all"],
                    "earthquakes": found.earthquakes["all"],
                }
                for found in kept
            ],
            "roc": {name: curve[name].to_numpy().tolist() for name in rows},
            "reliability": None
            if reliable is None
            else {
                "column": reliable.column,
                "scores": [each.to_dict() for each in reliable.parts],
                "calibration_test": vars(reliable.test),
                "curve": {
                    name: reliable.curve[name].to_numpy().tolist()
                    for name in ("forecast", "observed", "low", "high", "number")
                },
            },
        }
    )


def summary(
    column: str,
    larger: str,
    label: np.ndarray,
    reached: tuple[float, float, float],
    thresholds: list[Threshold],
    kept: list[Guarantee],
    reliable: Reliable | None,
    groups: list[np.ndarray],
) -> list[str]:
    """Lines for a person."""
    content = f"{thresholds[0].probability:.0%}".replace("%", " %")
    lines = [
        f"History         {label.size} detections: {int(label.sum())} earthquakes, "
        f"{int((~label).sum())} noise"
    ]
    if groups:
        lines.append(f"Clusters        {' x '.join(str(len(set(group))) for group in groups)}")
    lines += [
        f"Score           {column}, larger means {larger}",
        f"Area under ROC  {reached[0]:.3f} ({reached[1]:.3f} to {reached[2]:.3f})",
        f"Intervals       {content}",
        "",
    ]
    rows = [["rule", "threshold", "", "missed", "", "false alarms", ""]]
    for found in thresholds:
        rates = found.miss_probability, found.false_alarm_probability
        rows.append(
            [
                NAMES[found.rule].format(**found.settings),
                f"{found.value:.5g}",
                f"({found.low:.5g} to {found.high:.5g})",
                *(
                    text
                    for rate in rates
                    for text in (f"{rate.estimate:.3g}", f"({rate.low:.2g} to {rate.high:.2g})")
                ),
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(7)]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows] + [""]
    for found in kept:
        how = "on average" if found.confidence is None else f"with confidence {found.confidence:g}"
        how += ", of a new cluster" if groups else ""
        limit = found.threshold["all"]
        told = f"{limit:.5g}" if np.isfinite(limit) else "none, there are too few earthquakes"
        lines.append(f"Misses kept at {found.miss_probability:g} {how}: threshold {told}")
    if reliable is not None:
        lines += ["", f"Forecasts       {reliable.column}"]
        for one in reliable.parts:
            lines.append(
                f"{one.score.capitalize() + ' score':15s} {one.mean:.4g} = miscalibration "
                f"{one.miscalibration:.4g} - discrimination {one.discrimination:.4g} + "
                f"uncertainty {one.uncertainty:.4g}"
            )
        lines.append(f"True?           p = {reliable.test.p_value:.3g} that they are calibrated")
    return lines
