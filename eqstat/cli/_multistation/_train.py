"""`eqstat multistation train`: from tables of stations and reports to the file of a network."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat._core.text import aligned, facts
from eqstat.cli import _progress
from eqstat.cli._inputs import Inputs
from eqstat.cli._multistation._network import about
from eqstat.cli._multistation._scores import climatology_of, judge
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    import numpy as np

    from eqstat.ground_motion.network.multistation import MultistationSettings, Recordings

# Fewer events cannot be divided into three parts.
FEWEST_EVENTS = 10
# Share of the events of the training that stops it.
STOPPING = 0.2
# Times of which the scores are shown.
SHOWN_TIMES = 6


def train(options: argparse.Namespace) -> Outcome:
    """Train a network, judge it on later earthquakes and write its file."""
    import jax
    import numpy as np

    from eqstat import ground_motion
    from eqstat.ground_motion.network.multistation import (
        OPTIONS,
        MultistationEnsemble,
        fit_multistation,
        prepare,
    )

    _check(options)
    inputs = Inputs(options.columns, tables=2)
    stations = inputs.table(options.stations, "stations")
    reports = inputs.table(options.reports, "reports")
    recordings = prepare(
        stations,
        reports,
        nearest=options.nearest,
        total_s=max(1, int(np.ceil(max(options.times_s)))),
        kind=options.kind,
    )
    judged, stopping = _parts(recordings, options.held_out)
    settings = _settings(options, len(recordings.stations))
    examples = recordings.examples(options.times_s, settings.samples, floor_m_s2=options.floor_m_s2)
    training = examples.rows(~np.isin(examples.event, judged))
    later = examples.rows(np.isin(examples.event, judged))
    first, last = _dates(recordings, judged)
    _progress.stage(None)
    fitted = fit_multistation(
        jax.random.key(options.seed),
        training,
        settings,
        stations=recordings.stations["station"].tolist(),
        members=options.members,
        held_out=np.isin(training.event, stopping),
        options=replace(OPTIONS, epochs=options.epochs),
        checkpoint=options.checkpoint,
        about={
            "times_s": sorted(options.times_s), "kind": options.kind, "nearest": options.nearest,
            "floor_m_s2": options.floor_m_s2, "from": first, "to": last,
        },
        progress=False if options.quiet else None,
    )  # fmt: skip
    _progress.stage("judging")
    table, total = judge(
        options.seed, fitted.network, later, climatology_of(training), options.floor_m_s2
    )
    made = fitted.network
    card = {**made.card, "judged": total}
    network = MultistationEnsemble(made.members, made.temperature, made.stations, json.dumps(card))
    return Outcome(
        summary=(
            *facts(about(network)),
            "",
            "On the later events, in the mean over stations, beside a climatology (one normal "
            "density):",
            *_lines(table),
        ),
        content={
            "card": card,
            "head": settings.head,
            "threshold_m_s2": options.threshold or {},
            "stations": list(network.stations),
            "scores": table,
        },
        result="TRAINED",
        result_text="the network was trained",
        inputs=inputs,
        notes=tuple(_notes(total, recordings, options.floor_m_s2)),
        files={"out": lambda name: ground_motion.save(network, name)},
    )


def _check(options: argparse.Namespace) -> None:
    """Refuse options that do not fit together, before anything is read."""
    if options.out is None or options.out == "-":
        raise InputError("multistation train: name the file to write, --out NETWORK.eqx")
    if (options.head == "classes") != (options.threshold is not None):
        raise InputError(
            "--threshold: --head classes needs thresholds, and only --head classes takes them"
        )
    if options.checkpoint and not Path(options.checkpoint).absolute().parent.is_dir():
        raise InputError(
            f"--checkpoint: there is no folder {str(Path(options.checkpoint).parent)!r}"
        )


def _settings(options: argparse.Namespace, stations: int) -> MultistationSettings:
    import numpy as np

    from eqstat.ground_motion.network import multistation

    width = options.width
    if width % 20:
        raise InputError(f"--width: must be a multiple of 20, not {width}")
    levels = sorted(np.log10(list((options.threshold or {}).values())).tolist())
    return getattr(multistation, options.design)(
        stations,
        width=width,
        layers=options.layers,
        feed_forward=2 * width,
        readout=(width, width // 2),
        head=options.head,
        log10_thresholds=tuple(levels),
    )


def _parts(recordings: Recordings, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """Events for judging, and those of the training that stop it: the last ones by date."""
    import numpy as np

    events = recordings.event[np.argsort(recordings.start_time, kind="stable")]
    if len(events) < FEWEST_EVENTS:
        raise InputError(
            f"reports: {len(events)} events are too few to train and to judge a network; it needs "
            f"{FEWEST_EVENTS} at least, and hundreds to be of use"
        )
    count = max(1, round(held_out * len(events)))
    before = events[: len(events) - count]
    if len(before) < 2:
        raise InputError(f"--held-out: {held_out:g} leaves {len(before)} events for the training")
    return events[-count:], before[-max(1, round(STOPPING * len(before))) :]


def _dates(recordings: Recordings, judged: np.ndarray) -> tuple[str, str]:
    """Dates of the first and of the last event of the training."""
    import numpy as np

    times = recordings.start_time[~np.isin(recordings.event, judged)]
    first, last = (str(time.astype("datetime64[D]")) for time in (times.min(), times.max()))
    return first, last


def _lines(table: list[dict[str, Any]]) -> list[str]:
    """Rows of scores: the first times, and all."""
    names = [name for name in table[0] if name not in ("time_s", "targets")]
    heads = [name.replace("_climatology", " clim.").replace("_", " ") for name in names]
    rows = [["after", "targets", *heads]]
    for each in [*table[:-1][:SHOWN_TIMES], table[-1]]:
        after = "all" if each["time_s"] is None else f"{each['time_s']:g} s"
        rows.append([after, f"{each['targets']:,}", *(f"{each[name]:.3f}" for name in names)])
    return aligned(rows, right=True)


def _notes(total: dict[str, Any], recordings: Recordings, floor_m_s2: float | None) -> list[str]:
    import numpy as np

    notes = []
    if floor_m_s2 is not None:
        largest = recordings.log10_pga[recordings.reported]
        below = int((largest < np.log10(floor_m_s2)).sum())
        if below:
            notes.append(
                f"{below} of {len(largest)} stations that reported stayed below --floor-m-s2 "
                f"{floor_m_s2:g}: is it the level from which they report?"
            )
    low, high = total["skill_interval"]
    if high < 0:
        notes.append("on later events the network is worse than a climatology: do not use it")
    elif low <= 0:
        notes.append(
            "the network is not clearly better than a climatology on later events: the interval of "
            "its skill holds 0"
        )
    heard = len(np.unique(recordings.name[recordings.reported]))
    if heard < len(recordings.places):
        notes.append(
            f"{heard} of {len(recordings.places)} stations have reports that are used: those among "
            "the --nearest of an event"
        )
    return notes
