"""`eqstat multistation forecast`: shaking at stations and sites, given the reports so far."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat._core.text import aligned, facts, percent
from eqstat.cli import _progress
from eqstat.cli._inputs import Inputs
from eqstat.cli._multistation._network import (
    judged,
    network_of,
    refuse_other_inputs,
    seconds,
    trained_on,
)
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from eqstat.ground_motion.network.multistation import (
        MultistationEnsemble,
        Recordings,
        View,
    )

# Rows of the summary.
MAX_LINES = 12
LATEST_S = 600.0


def forecast(options: argparse.Namespace) -> Outcome:
    """Probabilities, medians and intervals at stations and sites of each event."""
    import numpy as np

    from eqstat.ground_motion.network.multistation import in_blocks, prepare

    inputs = Inputs(options.columns, tables=2 + (options.sites is not None))
    network = network_of(options.network, inputs)
    refuse_other_inputs(network)
    card = network.card
    stations = inputs.table(options.stations, "stations")
    reports = _of_event(inputs.table(options.reports, "reports"), options.event)
    sites = None if options.sites is None else inputs.table(options.sites, "sites")
    common: dict[str, Any] = {
        "nearest": options.nearest or card.get("nearest", 32),
        "kind": options.kind or card.get("kind", "envelopes"),
        "known": network.stations,
    }
    latest = LATEST_S if options.at is None else options.at
    recordings = prepare(stations, reports, total_s=int(latest) + 1, **common)
    at_s = _times(options, recordings)
    asked = None if sites is None else recordings.site_table(sites)
    _progress.stage("forecast")
    views = recordings.views(at_s[:, None], network.settings.samples, sites=sites)
    levels = np.log10(list(options.threshold.values())).tolist()
    tail = (1 - options.probability) / 2
    chance = in_blocks(lambda view: network.exceedance(view, levels), views)
    pga = None
    if network.settings.head == "mixture":
        pga = _quantiles(network, views, (tail, 0.5, 1 - tail))
    rows = _rows(recordings, at_s, asked, views, options, chance, pga)
    of_event = dict(list(rows.groupby("event", sort=False)))
    events = [
        {
            "event": str(name),
            "start_time": f"{np.datetime_as_string(recordings.start_time[e], unit='ms')}Z",
            "at_s": float(at_s[e]),
            "reporting": int(views.reporting[e].sum()),
            "silent": int((views.working[e] & ~views.reporting[e]).sum()),
            "sites": _sites(of_event[name], options.threshold),
        }
        for e, name in enumerate(recordings.event)
    ]
    return Outcome(
        summary=tuple(_summary(rows, events, options)),
        content={
            "card": card,
            "head": network.settings.head,
            "threshold_m_s2": options.threshold,
            "quantile": [tail, 0.5, 1 - tail],
            "interval": {"probability": options.probability, "kind": "equal tails"},
            "events": events,
        },
        result="FORECAST",
        result_text="shaking forecast at all stations and sites",
        inputs=inputs,
        notes=tuple(_notes(network, recordings, asked, events, views, at_s, options)),
        files={"table": lambda name: rows.to_csv(name, index=False, float_format="%.6g")},
    )


def _of_event(reports: pd.DataFrame, event: str | None) -> pd.DataFrame:
    """Reports of one event, or of all; those of a table without events are of one."""
    if "event" not in reports:
        if event is not None:
            raise InputError("--event: the reports have no column event")
        return reports.assign(event="event")
    if event is None:
        return reports
    own = reports[(reports["event"].astype(str) == event).to_numpy()]
    if not len(own):
        names = reports["event"].astype(str).unique().tolist()
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise InputError(
            f"--event: the reports have no event {event!r}; they have {', '.join(names[:5])}{more}"
        )
    return own


def _times(options: argparse.Namespace, recordings: Recordings) -> np.ndarray:
    """Seconds after the first report at which each event is forecast."""
    import numpy as np
    import pandas as pd

    from eqstat import schema

    start = recordings.start_time
    if options.at is not None:
        return np.full(len(start), options.at)
    second: Any = np.timedelta64(1, "s")
    if options.now is None:
        # The second of the last report must be over.
        after = np.floor((recordings.end_time - start) / second) + 1.0
        return np.minimum(after, LATEST_S)
    now = pd.Timestamp(schema.read_time(options.now, "--now")).tz_convert(None)
    after = (now.to_datetime64() - start) / second
    for name, one in zip(recordings.event, after, strict=True):
        if not 0 <= one <= LATEST_S:
            side = "before" if one < 0 else "after"
            raise InputError(
                f"--now: it lies {abs(one):,.0f} s {side} the first report of event {str(name)!r}; "
                f"a forecast is for at most {LATEST_S:g} s after it; --event takes one event"
            )
    return after


def _quantiles(
    network: MultistationEnsemble, views: View, levels: tuple[float, float, float]
) -> np.ndarray:
    """Quantiles of the PGA, m/s2, (events, sites, 3)."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from eqstat.ground_motion.mixture import quantile
    from eqstat.ground_motion.network.multistation import in_blocks

    @jax.jit
    def at(mixture: Any) -> Any:
        each = jax.tree.map(lambda leaf: leaf[..., None, :], mixture)
        return quantile(each, jnp.asarray(levels, mixture.mean.dtype))

    return 10 ** np.asarray(in_blocks(lambda view: at(network(view)), views), np.float64)


def _rows(
    recordings: Recordings,
    at_s: np.ndarray,
    asked: pd.DataFrame | None,
    views: View,
    options: argparse.Namespace,
    chance: np.ndarray,
    pga: np.ndarray | None,
) -> pd.DataFrame:
    """One row for each event and each of its stations, then of the sites."""
    import numpy as np
    import pandas as pd

    peak = _peaks(recordings, at_s, np.asarray(views.reporting))
    places = recordings.places.set_index("station")
    names = list(options.threshold)
    limits = np.array(list(options.threshold.values()))
    n = peak.shape[1]
    parts = []
    for e, event in enumerate(recordings.event):
        use = np.flatnonzero(recordings.name[e] != "")
        label = recordings.name[e][use]
        where = places.loc[label, ["latitude", "longitude"]].to_numpy(float)
        part = pd.DataFrame(
            {
                "event": event, "site": label, "kind": "station", "latitude": where[:, 0],
                "longitude": where[:, 1],
                "known_station": np.asarray(views.station)[e][use] >= 0,
                "reporting": np.asarray(views.reporting)[e][use], "peak_m_s2": peak[e][use],
            }
        )  # fmt: skip
        at = use
        if asked is not None:
            own = asked[["site", "latitude", "longitude", "known_station"]].assign(
                event=event, kind="site", reporting=False, peak_m_s2=np.nan
            )
            part = pd.concat([part, own[list(part)]], ignore_index=True)
            at = np.concatenate([use, n + np.arange(len(asked))])
        seen = part["peak_m_s2"].fillna(0.0).to_numpy()[:, None]
        # What a station has recorded stays recorded.
        passed = np.where(seen > limits, 1.0, chance[e][at])
        columns = {f"probability_{name}": passed[:, i] for i, name in enumerate(names)}
        if pga is not None:
            values = np.maximum(pga[e][at], seen)
            columns |= {f"pga_q{q:g}_m_s2": values[:, i] for i, q in enumerate(_percents(options))}
        parts.append(part.assign(**columns))
    return pd.concat(parts, ignore_index=True)


def _percents(options: argparse.Namespace) -> tuple[float, float, float]:
    tail = (1 - options.probability) / 2
    low, middle, high = (round(100 * level, 6) for level in (tail, 0.5, 1 - tail))
    return low, middle, high


def _peaks(recordings: Recordings, at_s: np.ndarray, reporting: np.ndarray) -> np.ndarray:
    """Largest report of each station up to the time, m/s2, NaN without one, (events, n)."""
    import numpy as np

    signal = np.asarray(recordings.recording.signal[..., 0], np.float64)
    over = np.arange(signal.shape[-1]) + 1 <= at_s[:, None, None] + 1e-4
    peak = np.where(over, signal, 0.0).max(axis=-1)
    return np.where(reporting & (peak > 0), peak, np.nan)


def _sites(rows: pd.DataFrame, threshold: dict[str, float]) -> list[dict[str, Any]]:
    """Rows of one event in plain values."""
    columns = ["site", "kind", "latitude", "longitude", "known_station", "reporting", "peak_m_s2"]
    quantiles = [name for name in rows if str(name).startswith("pga_q")]
    return [
        {
            **{name: row[name] for name in columns},
            "probability": {name: row[f"probability_{name}"] for name in threshold},
            "pga_quantile_m_s2": [row[name] for name in quantiles] or None,
        }
        for row in rows.to_dict("records")
    ]


def _summary(
    rows: pd.DataFrame, events: list[dict[str, Any]], options: argparse.Namespace
) -> list[str]:
    """Lines for a person: where the first threshold is most likely passed."""
    import pandas as pd

    names = [f"probability_{name}" for name in options.threshold]
    quantiles = [str(name) for name in rows if str(name).startswith("pga_q")]
    several = len(events) > 1
    if several:
        head = [("Events", f"{len(events):,}")]
    else:
        one = events[0]
        head = [
            ("Event", f"{one['event']}, {one['at_s']:g} s after {one['start_time']}"),
            ("Stations", f"{one['reporting']} have reported, {one['silent']} are silent so far"),
        ]
    head.append(("Intervals", percent(options.probability)))
    titles = (f"P(> {name})" for name in options.threshold)
    cells = [["site", *(["event"] if several else []), *titles, "so far", "PGA m/s2", ""]]
    shown = rows.sort_values(names[0], ascending=False, kind="stable")[:MAX_LINES]
    for row in shown.to_dict("records"):
        so_far = "" if pd.isna(row["peak_m_s2"]) else f"{row['peak_m_s2']:.2g}"
        low, middle, high = (row[name] for name in quantiles) if quantiles else (None,) * 3
        cells.append(
            [
                str(row["site"]),
                *([str(row["event"])] if several else []),
                *(f"{row[name]:.3f}" for name in names),
                so_far,
                "" if middle is None else f"{middle:.2g}",
                "" if middle is None else f"({low:.2g} to {high:.2g})",
            ]
        )
    lines = [*facts(head), "", *aligned(cells)]
    if len(rows) > MAX_LINES:
        lines.append(f"... and {len(rows) - MAX_LINES:,} more stations and sites")
    return lines


def _notes(
    network: MultistationEnsemble,
    recordings: Recordings,
    asked: pd.DataFrame | None,
    events: list[dict[str, Any]],
    views: View,
    at_s: np.ndarray,
    options: argparse.Namespace,
) -> list[str]:
    """What a reader should know: the network, and what it does not know."""
    import numpy as np

    card = network.card
    notes = [f"{Path(options.network).name}: trained on {trained_on(card)}"]
    if "judged" in card:
        notes.append(f"{Path(options.network).name}: judged on {judged(card['judged'])}")
    working = np.asarray(views.working)
    new = np.unique(recordings.name[working & (np.asarray(views.station) < 0)])
    if len(new):
        notes.append(f"{_named(new, 'station')} not in the training: with its mean embedding")
    if asked is not None and not asked["known_station"].all():
        other = asked["site"][~asked["known_station"]].to_numpy(str)
        notes.append(f"{_named(other, 'site')} no station of the training: with its mean embedding")
    silent = sum(event["silent"] for event in events)
    if silent:
        notes.append(
            f"{silent} stations without a report so far count as working and silent; --stations "
            "should not hold those that are out of order"
        )
    left = len(recordings.places) - recordings.name.shape[1]
    if left > 0:
        notes.append(
            f"{left} stations farther from the first report are not used; --nearest takes "
            "more, and --sites asks for them"
        )
    times = card.get("times_s")
    if times and ((at_s < min(times)).any() or (at_s > max(times)).any()):
        notes.append(
            f"the network was trained at {seconds(times)} s after the first report, and asked at "
            f"{_span(at_s)} s"
        )
    return notes


def _span(at_s: np.ndarray) -> str:
    low, high = float(at_s.min()), float(at_s.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _named(names: np.ndarray, what: str) -> str:
    """Count and first names."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    plural = "s" if len(names) > 1 else ""
    return f"{len(names)} {what}{plural} ({', '.join(map(str, names[:3]))}{more})"
