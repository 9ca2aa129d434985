"""`eqstat threshold`."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from eqstat import schema
from eqstat.cli import _files
from eqstat.cli._errors import BadInputError
from eqstat.counts import BackgroundFit, History, fit, prepare
from eqstat.counts.alarm import threshold as find

MOST_LINES = 24


def threshold(options: argparse.Namespace) -> None:
    """Fit the background of a table of counts and find the smallest counts that keep a budget."""
    _files.check_outputs(json=options.json, figure=options.figure)
    table = _files.read_table(options.counts, options.columns, "counts")
    history = history_of(table, options.window, offsets(options.utc_offset))
    found = fit(history, family=options.family, bursts=options.bursts)
    background = found.background
    if options.kind == "predictive":
        background = found.posterior(jax.random.key(options.seed), options.draws)
    result = find(
        background,
        options.active,
        options.hours,
        false_alarm_rate_per_year=options.false_alarms_per_year,
        minimum=options.minimum,
        kind=options.kind,
        probability=options.probability,
        caution=options.caution,
    )

    if options.figure:
        draw(result).savefig(options.figure, dpi=150)
    if options.json:
        _files.write_json(options.json, content(found, result, history))
    if not options.quiet:
        if options.json != "-":
            for line in summary(found, result, history):
                _files.say(line)
        _files.tell_notes(history.notes)


def offsets(given: Sequence[tuple[str | None, float]]) -> float | dict[str, float]:
    """Local time minus UTC: one number, or one for each region named."""
    everywhere = [hours for region, hours in given if region is None]
    named = {region: hours for region, hours in given if region is not None}
    if len(everywhere) + len(named) < len(given) or len(everywhere) + bool(named) > 1:
        raise BadInputError("--utc-offset: give one number, or REGION=H once for each region")
    return named or (everywhere[0] if everywhere else 0.0)


def history_of(table: Any, window_s: float | None, utc_offset_h: Any) -> History:
    """Count a table into cells; its windows must be as long as those asked for."""
    # The times of rows that stand for many windows do not tell how long these are.
    length = window_s if "windows" in table and "window_s" not in table else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", schema.NaiveTimeWarning)
        history = prepare(table, window_s=length, utc_offset_h=utc_offset_h)
    if window_s is not None and abs(history.window_s - window_s) > 1e-6:
        own = f"{history.window_s:g} s"
        means = "are" if "window_s" in table else "follow each other in"
        raise BadInputError(
            f"--window {window_s:g}: the windows of the counts {means} {own}, and a background "
            f"holds for windows of its own length only; ask for --window {history.window_s:g}, "
            f"count the triggers in windows of {window_s:g} s, or correct the column window_s"
        )
    return history


def draw(result: xr.Dataset) -> Any:
    """Figure of the thresholds."""
    from eqstat.plots import counts as room

    curves = room.threshold_curves if result.sizes["active"] > 1 else room.threshold_hours
    return curves(result).figure


def content(found: BackgroundFit, result: xr.Dataset, history: History) -> dict[str, Any]:
    """What goes into the JSON: plain numbers, texts and lists."""
    background, errors = found.background, found.standard_error
    parameters = {
        name: {"estimate": number(found[name]), "standard_error": number(errors[name])}
        for name in found.names
    }
    attrs = result.attrs
    return {
        "background": {
            "family": background.family,
            "bursts": background.bursts is not None,
            "parameters": parameters,
            "result": found.result.value,
        },
        "kind": attrs["kind"],
        "thresholds": rows(result),
        "interval": {"probability": attrs["interval_probability"], "kind": attrs["interval_kind"]},
        "minimum": attrs["minimum"],
        "budget": {
            "false_alarm_rate_per_year": attrs["false_alarm_rate_per_year"],
            "split": attrs["split"],
            "regions": {
                str(region): float(share)
                for region, share in zip(
                    result["region"].to_numpy(), result["budget_per_year"].to_numpy(), strict=True
                )
            },
        },
        "history": {
            "windows": history.total_windows,
            "devices_hours": history.device_hours,
            "left_out": {reason: int(count) for reason, count in history.left_out.items()},
            "triggers": int(history.total_triggers),
            "regions": len(history.regions),
            "window_s": history.window_s,
            "days": history.span_days,
        },
        "notes": list(history.notes),
    }


def number(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return float(value) if np.isfinite(value) else None


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """One entry for each region, hour and number of active devices.

    Where not even all devices together are rare enough, `triggers` is None.
    """
    out = []
    for region in result["region"].to_numpy():
        for hour in result["hour"].to_numpy():
            for active in result["active"].to_numpy():
                cell = result.sel(region=region, hour=hour, active=active)
                able = bool(cell["attainable"])
                out.append(
                    {
                        "region": str(region),
                        "hour": float(hour),
                        "active": float(active),
                        "triggers": int(cell["triggers"]) if able else None,
                        "false_alarm_rate_per_year": float(cell["false_alarm_rate_per_year"]),
                        "interval": [float(cell["rate_low"]), float(cell["rate_high"])],
                    }
                )
    return out


def clock(hour: float) -> str:
    """Write a time of day."""
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def summary(found: BackgroundFit, result: xr.Dataset, history: History) -> list[str]:
    """Lines for a person."""
    background, attrs = found.background, result.attrs
    regions = len(history.regions)
    bursts = "" if background.bursts is None else " with bursts"
    out = "".join(f", {count} left out ({why})" for why, count in history.left_out.items())
    lines = [
        f"History         {history.total_windows} windows of {history.window_s:g} s in "
        f"{regions} {'region' if regions == 1 else 'regions'}{out}",
        f"                {history.device_hours:.4g} device hours, "
        f"{history.total_triggers:.0f} triggers",
        f"Background      {background.family.replace('_', ' ')}{bursts}: "
        f"{found['rate_per_device_h']:.3g} triggers per device and hour",
        f"Budget          {attrs['false_alarm_rate_per_year']:g} false alarms a year in all, "
        f"{attrs['kind']}",
        "",
    ]
    return lines + table_of(result)


def table_of(result: xr.Dataset) -> list[str]:
    """Thresholds by hour for one region; for several the range over the hours."""
    able = result["attainable"]
    devices = [f"{active:g}" for active in result["active"].to_numpy()]

    def told(count: int, reached: bool) -> str:
        return str(count) if reached else "none"

    single = result.sizes["region"] == 1
    body = []
    if single:
        head = "local time"
        for i, hour in enumerate(result["hour"].to_numpy()):
            pairs = zip(result["triggers"][0, i].to_numpy(), able[0, i].to_numpy(), strict=True)
            body.append(
                [clock(float(hour)), *(told(int(count), bool(one)) for count, one in pairs)]
            )
    else:
        head = "region"
        low, high = result["triggers"].min("hour"), result["triggers"].max("hour")
        reached = able.all("hour")
        for i, region in enumerate(result["region"].to_numpy()):
            cells = [
                told(int(a), bool(able[i, :, j].any()))
                + (f" to {told(int(b), bool(reached[i, j]))}" if a < b else "")
                for j, (a, b) in enumerate(zip(low[i].to_numpy(), high[i].to_numpy(), strict=True))
            ]
            body.append([str(region), *cells])
    left = len(body) - MOST_LINES
    body = [[head, *devices], *body[:MOST_LINES]]
    widths = [max(len(row[j]) for row in body) for j in range(len(body[0]))]
    lines = [
        "Triggers among so many active devices" + ("" if single else " (over the hours)"),
        *(
            row[0].ljust(widths[0])
            + "".join(
                cell.rjust(width + 3) for cell, width in zip(row[1:], widths[1:], strict=True)
            )
            for row in body
        ),
    ]
    return [*lines, f"... and {left} more (see --json)"] if left > 0 else lines
