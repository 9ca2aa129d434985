"""Scorers from the options of `artefact export`, and what a table gives them to score."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat.cli._inputs import Inputs

if TYPE_CHECKING:
    import pandas as pd

    from eqstat.realtime import Scorer

KINDS = ("counts", "coincidence", "exceedance", "classification", "device")
NEEDED = {
    "counts": ("triggers", "active", "hour"),
    "exceedance": ("latitude", "longitude", "depth_km", "magnitude"),
}
MORE = {"counts": ("region", "day"), "exceedance": ("weight",)}
SENSOR = ("rate_per_h", "hours", "pick_probability")
# Weight of a pick probability, as a number of earthquakes: it is taken as known.
PICKS = 1e9


def scorer_of(options: argparse.Namespace, inputs: Inputs) -> Scorer:
    """Make the scorer of a kind."""
    from eqstat import realtime
    from eqstat.detectability import DeviceResponse
    from eqstat.ground_motion import PointSource

    kind = options.kind
    if (options.source is None) != (kind in ("classification", "device")):
        needs = "needs a SOURCE" if options.source is None else "takes no SOURCE"
        raise InputError(f"artefact export {kind}: {needs}; see --help")
    if kind == "classification":
        return realtime.ClassificationScorer.init(
            delta_s=options.delta_s, miss_probability=options.miss_probability
        )
    if kind == "device":
        response = DeviceResponse(trigger_m_s2=options.trigger_m_s2)
        return realtime.DetectabilityScorer.of_device(response)
    if kind == "counts":
        return _counts(options, inputs)
    table = inputs.table(options.source, "source")
    if kind == "coincidence":
        return _coincidence(options, table)
    return realtime.ExceedanceScorer.init(
        PointSource(),
        table,
        options.threshold_m_s2,
        action_probability=options.action_probability,
    )


def _counts(options: argparse.Namespace, inputs: Inputs) -> Scorer:
    from eqstat import counts, realtime

    background = counts.load(inputs.file(options.source, "source"))
    tables = counts.alarm.scorer(
        background,
        false_alarm_rate_per_year=options.false_alarm_rate_per_year,
        minimum=options.minimum,
        most_active=options.most_active,
        most_triggers=options.most_triggers,
    )
    return realtime.CountScorer.init(tables)


def _coincidence(options: argparse.Namespace, table: pd.DataFrame) -> Scorer:
    from eqstat import realtime
    from eqstat.counts.coincidence import Sensors

    rate, hours, pick = _columns(table, SENSOR).values()
    sensors = Sensors(
        shape=rate * hours, exposure_h=hours, picked=pick * PICKS, missed=(1 - pick) * PICKS
    )
    return realtime.CoincidenceScorer.init(
        sensors,
        frame_s=options.frame_s,
        earthquakes_per_year=options.earthquakes_per_year,
        false_alarm_rate_per_year=options.false_alarm_rate_per_year,
    )


def _columns(
    table: pd.DataFrame, needed: tuple[str, ...], more: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Columns of a table as arrays."""
    missing = [name for name in needed if name not in table]
    if missing:
        shown = ", ".join(map(str, table.columns))
        raise InputError(f"table: has no column {missing[0]!r} (it has: {shown})")
    return {name: table[name].to_numpy() for name in (*needed, *more) if name in table}


def columns_of(scorer: Any, table: pd.DataFrame) -> dict[str, Any]:
    """What the table gives the scorer, by the names of its arguments."""
    kind = scorer.artefact.kind
    if kind == "coincidence":
        width = len(scorer.artefact.arrays["log_miss"])
        both = {}
        for name in ("pre_warned", "listening"):
            own = [f"{name}_{number}" for number in range(1, width + 1)]
            if name == "pre_warned" or own[0] in table:
                given = _columns(table, tuple(own))
                both[name] = table[list(given)].to_numpy()
        return both
    if kind == "classification":
        from eqstat import schema

        checked: Any = schema.check_triggers(table)
        seconds = (checked["time"] - checked["time"].min()).dt.total_seconds()
        own = _columns(checked, ("latitude", "longitude"), ("elevation_m",))
        return {"time_s": seconds.to_numpy(), **own}
    if kind == "detectability":
        return _columns(table, scorer.axes)
    if kind == "waveform":
        own = _columns(table, tuple(scorer.features))
        return {"features": table[list(own)].to_numpy()}
    return _columns(table, NEEDED[kind], MORE[kind])
