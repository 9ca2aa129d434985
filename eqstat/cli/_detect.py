"""`eqstat detect`."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from eqstat import schema
from eqstat.cli import _files
from eqstat.cli._errors import BadInputError
from eqstat.cli._locate import place
from eqstat.detection import (
    BackgroundRate,
    Detector,
    Replay,
    detector,
    draw_hypocentres,
    replay,
    triggered_devices,
    unique_devices,
)
from eqstat.detection.causes import Cause, default_causes, earthquake

SILENT = (
    "no network: of those that triggered all do, so probabilities of causes are those of a network "
    "that nobody has; no false alarm rate is kept"
)


def detect(options: argparse.Namespace) -> None:
    """Replay a table of triggers through a detector and write what it believed."""
    if (options.network is None) != options.silent_unknown:
        raise BadInputError(
            "--network: give the table of all devices, the silent ones too; or, where there is "
            "none, --silent-unknown"
        )
    if options.json == "-" and options.history == "-":
        raise BadInputError("--json, --history: only one of them can go to standard output")
    if options.animation and Path(options.animation).suffix.lower() != ".gif":
        raise BadInputError(f"--animation: {options.animation!r} must end in .gif")
    _files.check_outputs(
        json=options.json,
        history=options.history,
        figure=options.figure,
        animation=options.animation,
        posterior=options.posterior,
    )
    if options.animation:
        _files.plots()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", schema.NaiveTimeWarning)
        watch, outcome = watched(options)

    title = "eqstat detect"
    if options.figure:
        room().detection_figure(outcome, title=title).savefig(options.figure, dpi=150)
    if options.animation:
        room().write_animation(outcome, options.animation)
    if options.history:
        write_lines(options.history, outcome)
    if options.json:
        _files.write_json(options.json, outcome.to_dict())
    notes = [*outcome.notes, *([SILENT] if options.silent_unknown else [])]
    if options.posterior:
        notes += write_draws(options.posterior, watch, outcome)
    if not options.quiet:
        if "-" not in (options.json, options.history):
            for line in summary(outcome):
                _files.say(line)
        _files.tell_notes(notes)


def watched(options: argparse.Namespace) -> tuple[Detector, Replay]:
    """Read the tables, make the detector, run the stream."""
    triggers = _files.read_table(options.triggers, options.columns, "triggers")
    network = None
    if options.network is not None:
        network = _files.read_table(options.network, options.columns, "network", lenient=True)
    known = triggered_devices(triggers) if network is None else network
    watch = detector_of(options, known)
    return watch, replay(
        watch,
        triggers,
        network=network,
        start=options.start,
        end=options.end,
        step_s=options.step,
        false_alarm_rate_per_year=options.false_alarms_per_year,
        least_probability=options.least_probability,
        region_probability=options.probability,
        progress=False if options.quiet else None,
    )


def detector_of(options: argparse.Namespace, network: pd.DataFrame) -> Detector:
    """Detector of the options."""
    background = BackgroundRate(
        np.full(24, options.background),
        relative_sd=options.background_sd,
        utc_offset_h=options.utc_offset,
    )
    return detector(
        unique_devices(network),
        causes=causes_of(options),
        background=background,
        dead_time_s=options.window,
        latency_s=options.latency,
    )


def causes_of(options: argparse.Namespace) -> tuple[Cause, ...]:
    """The usual causes, with the velocities, rate and delays of the options."""
    velocity = _files.velocity_of(options.velocity, options.p_velocity, options.s_velocity)
    unknown = earthquake().nodes
    same = np.ones(len(np.asarray(unknown.sd_s)))
    quake = earthquake(
        rate_per_year=options.earthquakes_per_year,
        velocity=velocity,
        nodes=unknown._replace(
            delay_s=options.delay * same,
            sd_s=np.asarray(unknown.sd_s) if options.scatter is None else options.scatter * same,
        ),
    )
    return quake, *default_causes()[1:]


def room() -> Any:
    """Figures of this command."""
    from eqstat.plots import detection

    return detection


def write_draws(name: str, watch: Detector, outcome: Replay) -> list[str]:
    """Write draws of the first alarm's hypocentre; say so where there is none."""
    if outcome.located is None:
        return [f"no alarm, so there is no hypocentre to write to {name}"]
    drawn = draw_hypocentres(jax.random.key(0), watch, outcome.located)
    drawn.attrs["reference_time"] = "1970-01-01T00:00:00Z"
    drawn.to_netcdf(name, engine="h5netcdf")
    return []


def write_lines(name: str, outcome: Replay) -> None:
    """Write the history as JSON lines."""
    lines = (
        json.dumps(each, allow_nan=False, ensure_ascii=False) + "\n" for each in outcome.records()
    )
    if name == "-":
        sys.stdout.writelines(lines)
    else:
        with Path(name).open("w", encoding="utf-8") as stream:
            stream.writelines(lines)


def summary(outcome: Replay) -> list[str]:
    """Lines for a person."""
    plain = outcome.to_dict()
    given = plain["triggers"]
    lines = [
        f"Stream          {plain['start']} to {plain['end']}, {plain['steps']} steps",
        f"Triggers        {given['given']} given, {given['used']} used, of {plain['devices']} "
        "devices",
    ]
    rate = outcome.settings["false_alarm_rate_per_year"]
    if outcome.alarm is None:
        lines.append(
            f"Alarm           none (at most {rate:g} false a year); greatest probability of an "
            f"earthquake {plain['greatest_probability']:.3g}"
        )
    for alarm, found in zip(plain["alarms"], plain["locations"], strict=True):
        sd, region = found["standard_deviation"], found["region"]
        causes = ", ".join(f"{name} {one:.3g}" for name, one in found["cause_probability"].items())
        lines += [
            "",
            f"Alarm           {alarm['time']} (at most {rate:g} false a year)",
            f"Reason          {alarm['reason']}",
            f"Hypocentre      {place(found['latitude'], found['longitude'])}, depth "
            f"{found['depth_km']:.1f} km",
            f"Origin time     {found['origin_time']}",
            f"Standard dev.   {sd['north_sd_km']:.1f} km north-south, {sd['east_sd_km']:.1f} km "
            f"east-west, depth {sd['depth_sd_km']:.1f} km, time {sd['origin_sd_s']:.2f} s",
            f"{100 * region['probability']:g} % region".ljust(16)
            + f"{region['area_km2']:.0f} km2 ({region['kind']})",
            f"Causes          {causes}",
        ]
    return lines
