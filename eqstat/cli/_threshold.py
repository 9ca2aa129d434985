"""`eqstat threshold`: the background of counts, and the counts that keep a budget."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eqstat import counts
from eqstat._core.errors import InputError
from eqstat._core.text import aligned, facts
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import (
    ROWS,
    Choices,
    add_columns,
    add_outputs,
    add_probability,
    add_seed,
    number,
    numbers,
    whole,
)
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MAX_LINES = 24
COUNTS = f"""\
The table is CSV or Parquet, with a row for each window: time (its start, UTC), triggers and active
(devices); region, window_s, is_earthquake and windows (how many equal windows a row stands for) are
used where present. {ROWS}"""


def hour(text: str) -> float:
    """Read a time of day in hours."""
    value = number(0.0, 24.0, closed=True)(text)
    if value == 24:
        raise argparse.ArgumentTypeError("hours run from 0 to below 24")
    return value


def offset(text: str) -> tuple[str | None, float]:
    """Read H or REGION=H."""
    region, _, hours = text.rpartition("=")
    return region or None, number(-14.0, 14.0, closed=True)(hours)


def zone(text: str) -> tuple[str | None, str]:
    """Read ZONE or REGION=ZONE."""
    region, _, name = text.rpartition("=")
    return region or None, name


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "threshold",
        parents=[common],
        help="how many triggers are more than the background gives?",
        description="Fit the background of a table of counts, and find the smallest number of "
        "triggers in a sliding window that keeps a budget of false alarms.",
        epilog=COUNTS,
    )
    parser.add_argument("counts", metavar="COUNTS", help="table of counts; - reads CSV")
    add_columns(parser, "time=start triggers=k active=phones")
    parser.add_argument(
        "--utc-offset-h",
        type=offset,
        action="append",
        default=[],
        metavar="H",
        help="local time minus UTC, hours (default 0), or REGION=H once for each region",
    )
    parser.add_argument(
        "--time-zone",
        type=zone,
        action="append",
        default=[],
        metavar="ZONE",
        help="instead of an offset: civil time zone such as America/Lima, with daylight saving, or "
        "REGION=ZONE once for each region",
    )
    parser.add_argument(
        "--window-s",
        type=number(0.0, 1e6),
        metavar="S",
        help="length of the windows, s; it must be that of the counts (default: theirs)",
    )
    parser.add_argument(
        "--active",
        type=numbers(number(1.0, 1e6, closed=True)),
        required=True,
        metavar="N,N,...",
        help="numbers of active devices, such as 50,500,5000",
    )
    parser.add_argument(
        "--hour",
        type=numbers(hour),
        default=[float(each) for each in range(24)],
        metavar="H,H,...",
        help="local times of day, such as 0,6,12,18 (default: every hour)",
    )
    _add_budget(parser.add_argument_group("budget"))
    _add_background(parser.add_argument_group("background"))
    add_outputs(
        parser,
        inputs=("counts",),
        save_background=("FILE.json", "write the background, for eqstat detect --background"),
    )


def _add_budget(group: Any) -> None:
    group.add_argument(
        "--false-alarm-rate-per-year",
        type=number(0.0, 1e6),
        default=1.0,
        metavar="RATE",
        help="budget of all regions of the table together (default 1)",
    )
    group.add_argument(
        "--minimum",
        type=whole(1, 10**6),
        default=6,
        metavar="K",
        help="lower bound of the thresholds (default 6)",
    )
    group.add_argument(
        "--caution",
        type=number(1.0, float("inf"), closed=True),
        default=2.0,
        metavar="FACTOR",
        help="largest factor by which a short history may raise a threshold; beyond it the "
        "history is refused (default 2)",
    )


def _add_background(group: Any) -> None:
    group.add_argument(
        "--family",
        choices=Choices(lambda: counts.FAMILIES),
        default="negative_binomial",
        metavar="FAMILY",
        help="distribution of the counts: %(choices)s (default negative_binomial)",
    )
    group.add_argument(
        "--bursts", action="store_true", help="with bursts, in which many devices trigger together"
    )
    group.add_argument(
        "--kind",
        choices=["predictive", "plug-in"],
        default="predictive",
        help="marginalised over the parameters' posterior (default), or at their estimate",
    )
    group.add_argument(
        "--draws",
        type=whole(20, 200),
        default=200,
        metavar="N",
        help="draws from that posterior (default 200)",
    )
    add_seed(group, "the draws")
    add_probability(group)


def run(options: argparse.Namespace) -> Outcome:
    """Fit the background of a table of counts and find the smallest counts within the budget."""
    import jax

    inputs = Inputs(options.columns)
    table = inputs.table(options.counts, "counts")
    history = history_of(
        table,
        options.window_s,
        one_or_each(options.utc_offset_h, "--utc-offset-h", "number") or 0.0,
        one_or_each(options.time_zone, "--time-zone", "zone"),
    )
    fit = counts.fit(history, family=options.family, bursts=options.bursts)
    background = fit.background
    if options.kind == "predictive":
        background = fit.posterior(jax.random.key(options.seed), options.draws)
    thresholds = counts.alarm.threshold(
        background,
        options.active,
        options.hour,
        false_alarm_rate_per_year=options.false_alarm_rate_per_year,
        minimum=options.minimum,
        kind=options.kind,
        probability=options.probability,
        caution=options.caution,
    )
    return Outcome(
        summary=tuple(summary(fit, thresholds, history)),
        content=content_of(fit, thresholds, history),
        result=fit.result.name,
        result_text=fit.result.value,
        inputs=inputs,
        notes=(*history.notes, *warnings_of(thresholds)),
        figure=lambda: draw(thresholds),
        files={"save_background": lambda name: counts.save(background, name)},
    )


def warnings_of(thresholds: xr.Dataset) -> list[str]:
    """Say where thresholds allow for more than the background says."""
    notes, factor = [], float(thresholds.attrs["tail_factor"])
    if factor > 1.05:
        notes.append(
            f"counts: large counts are more frequent than the background says; false alarms are "
            f"taken to be {factor:.2g} times as frequent. Mark earthquakes, or try --bursts"
        )
    if thresholds.attrs["clock_shift_h"]:
        notes.append(
            "counts: local time is a constant offset; thresholds allow for clocks moved by an "
            "hour. Give --time-zone"
        )
    return notes


def one_or_each(given: Sequence[tuple[str | None, Any]], option: str, what: str) -> Any:
    """One value for all regions, one for each region named, or None."""
    everywhere = [value for region, value in given if region is None]
    named = {region: value for region, value in given if region is not None}
    if len(everywhere) + len(named) < len(given) or len(everywhere) + bool(named) > 1:
        raise InputError(f"{option}: give one {what}, or REGION= and one for each region")
    return named or (everywhere[0] if everywhere else None)


def history_of(
    table: pd.DataFrame,
    window_s: float | None,
    utc_offset_h: float | dict[str, float],
    time_zone: str | dict[str, str] | None = None,
) -> counts.History:
    """Group a table into cells; its windows must be as long as those asked for."""
    # The times of rows that stand for many windows do not show how long these are.
    length = window_s if "windows" in table and "window_s" not in table else None
    history = counts.prepare(table, window_s=length, utc_offset_h=utc_offset_h, time_zone=time_zone)
    if window_s is not None and abs(history.window_s - window_s) > 1e-6:
        own = f"{history.window_s:g} s"
        means = "are" if "window_s" in table else "follow each other in"
        raise InputError(
            f"--window-s {window_s:g}: the windows of the counts {means} {own}, and a background "
            f"holds for windows of its own length only; use --window-s {history.window_s:g}, "
            f"count the triggers in windows of {window_s:g} s, or correct the column window_s"
        )
    return history


def draw(thresholds: xr.Dataset) -> Any:
    """Figure of the thresholds."""
    from eqstat.plots import counts as plots

    curves = plots.threshold_curves if thresholds.sizes["active"] > 1 else plots.threshold_hours
    return curves(thresholds).figure


def content_of(
    fit: counts.BackgroundFit, thresholds: xr.Dataset, history: counts.History
) -> dict[str, Any]:
    """What the JSON holds."""
    attrs, errors = thresholds.attrs, fit.standard_error
    budgets = zip(
        thresholds["region"].to_numpy(), thresholds["budget_per_year"].to_numpy(), strict=True
    )
    return {
        "background": {
            "family": fit.background.family,
            "bursts": fit.background.bursts is not None,
            "parameters": {
                name: {"estimate": float(fit[name]), "standard_error": float(errors[name])}
                for name in fit.names
            },
        },
        "kind": attrs["kind"],
        "thresholds": rows_of(thresholds),
        "interval": {"probability": attrs["interval_probability"], "kind": attrs["interval_kind"]},
        "minimum": attrs["minimum"],
        "budget": {
            "false_alarm_rate_per_year": attrs["false_alarm_rate_per_year"],
            "split": attrs["split"],
            "regions": {str(region): float(share) for region, share in budgets},
        },
        "history": {
            "windows": int(history.total_windows),
            "device_hours": float(history.device_hours),
            "left_out": {str(reason): int(count) for reason, count in history.left_out.items()},
            "triggers": int(history.total_triggers),
            "regions": len(history.regions),
            "window_s": float(history.window_s),
            "days": float(history.span_days),
        },
    }


def rows_of(thresholds: xr.Dataset) -> list[dict[str, Any]]:
    """One entry for each region, hour and number of active devices.

    Where no count of triggers keeps the budget, `triggers` is None.
    """
    rows: Any = thresholds.to_dataframe().reset_index().itertuples(index=False)
    return [
        {
            "region": str(row.region),
            "hour": float(row.hour),
            "active": float(row.active),
            "triggers": int(row.triggers) if row.attainable else None,
            "false_alarm_rate_per_year": float(row.false_alarm_rate_per_year),
            "interval": [float(row.rate_low), float(row.rate_high)],
        }
        for row in rows
    ]


def summary(
    fit: counts.BackgroundFit, thresholds: xr.Dataset, history: counts.History
) -> list[str]:
    """Lines for a person."""
    background, attrs = fit.background, thresholds.attrs
    regions = len(history.regions)
    bursts = "" if background.bursts is None else " with bursts"
    left_out = "".join(f", {count} left out ({why})" for why, count in history.left_out.items())
    rows = [
        (
            "History",
            f"{history.total_windows} windows of {history.window_s:g} s in "
            f"{regions} {'region' if regions == 1 else 'regions'}{left_out}",
        ),
        ("", f"{history.device_hours:.4g} device hours, {history.total_triggers:.0f} triggers"),
        (
            "Background",
            f"{background.family.replace('_', ' ')}{bursts}: "
            f"{fit['rate_per_device_h']:.3g} triggers per device and hour",
        ),
        (
            "Budget",
            f"{attrs['false_alarm_rate_per_year']:g} false alarms a year in all, {attrs['kind']}",
        ),
    ]
    return [*facts(rows), "", *table_of(thresholds)]


def table_of(thresholds: xr.Dataset) -> list[str]:
    """Thresholds by hour for one region; for several their range over the hours."""
    devices = thresholds["active"].to_numpy().tolist()
    single = thresholds.sizes["region"] == 1
    groups: dict[tuple[str, float], list[int | None]] = {}
    for row in rows_of(thresholds):
        label = clock(row["hour"]) if single else row["region"]
        groups.setdefault((label, row["active"]), []).append(row["triggers"])
    labels = list(dict.fromkeys(label for label, _ in groups))
    body = [[label, *(spread(groups[label, active]) for active in devices)] for label in labels]
    left = len(body) - MAX_LINES
    head = ["local time" if single else "region", *(f"{active:g}" for active in devices)]
    lines = [
        "Threshold by number of active devices" + ("" if single else " (over the hours)"),
        *aligned([head, *body[:MAX_LINES]], right=True),
    ]
    return [*lines, f"... and {left} more (see --json)"] if left > 0 else lines


def spread(triggers: list[int | None]) -> str:
    """Range of thresholds; "none" where no count keeps the budget."""
    known = [count for count in triggers if count is not None]
    if not known:
        return "none"
    low = str(min(known))
    high = "none" if len(known) < len(triggers) else str(max(known))
    return low if low == high else f"{low} to {high}"


def clock(hour: float) -> str:
    """Write a time of day."""
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
