"""`eqstat detect`: the sequential posterior of a stream of triggers, and its alarms."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from eqstat import counts, detection, hypocentre
from eqstat._core.errors import InputError
from eqstat._core.text import place
from eqstat.cli._driver import write_lines
from eqstat.cli._inputs import Inputs, inputs_of
from eqstat.cli._options import (
    ROWS,
    add_columns,
    add_numbers,
    add_outputs,
    add_probability,
    add_seed,
    add_velocity,
    number,
    velocity_of,
)
from eqstat.cli._outcome import Outcome
from eqstat.cli._progress import stage
from eqstat.cli._results._detect import content_of, summary

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Draws of the first alarm's hypocentre.
DRAWS = 1000
SILENT = (
    "the network is unknown: every device of this table triggered, so the probabilities of causes "
    "are not calibrated and the false alarm rate is not controlled"
)
TABLES = f"""\
Tables are CSV or Parquet. Triggers need the columns time (UTC), latitude and longitude (degrees);
device is used where present, received (UTC), the time at which a late report arrived, and pga_m_s2,
the peak that the device reported (leave it out where it is not the acceleration of the ground). The
network needs latitude and longitude; device, active_from and active_to are used where present.
{ROWS}"""
RESULTS = {
    True: ("ALARM", "an earthquake was detected"),
    False: ("NO_ALARM", "no earthquake was detected"),
}
RELATIVE_SD = 0.3
RATE = (0.0, 1e6, "()")
ALARM = {
    "--false-alarm-rate-per-year": ("RATE", RATE, 1.0, "budget of this region"),
    "--least-probability": (
        "P",
        (0.0, 1.0, "()"),
        0.9,
        "least probability of an earthquake among all causes for an alarm",
    ),
    "--earthquake-rate-per-year": (
        "RATE",
        RATE,
        10.0,
        "earthquakes a year of the least magnitude or more below the network",
    ),
    "--deepest-km": (
        "KM",
        (0.0, 1000.0, "(]"),
        300.0,
        "greatest depth of an earthquake; 700 above a slab",
    ),
    "--half-depth-km": (
        "KM",
        (0.0, 1000.0, "()"),
        20.0,
        "depth above which half of all earthquakes are; 100 above a slab",
    ),
}
# Below this probability the tails of later peaks do not fit what was learned.
STRANGE_P = 0.01
MAGNITUDES = {
    "--least-magnitude": ("M", (-2.0, 9.0, "[]"), 3.0, "least magnitude of these earthquakes"),
    "--greatest-magnitude": ("M", (0.0, 10.0, "[]"), 8.5, "greatest magnitude"),
    "--b-value": ("B", (0.0, 5.0, "[]"), 1.0, "b of the Gutenberg-Richter law"),
    "--trigger-m-s2": ("A", (1e-6, 100.0, "()"), 0.1, "reading that triggers a device, m/s2"),
    "--able-share": (
        "SHARE",
        (0.0, 1.0, "()"),
        0.6,
        "prior mean of the share of listed devices that are alive and can notice",
    ),
}
DEVICES = {
    "--utc-offset-h": ("H", (-14.0, 14.0, "[]"), 0.0, "local time minus UTC, hours"),
    "--delay-s": ("S", (-10.0, 60.0, "()"), 2.0, "mean time from an arrival to the trigger, s"),
    "--unknown-delay-s": (
        "S",
        (0.0, 60.0, "[]"),
        1.0,
        "standard deviation of that mean, common to all devices, s: widens the origin time",
    ),
    "--dead-time-s": ("S", (0.0, 1e4, "()"), 90.0, "dead time of a device after its trigger, s"),
    "--latency-s": (
        "S",
        (0.0, 1e4, "[]"),
        0.0,
        "latency of reports: a device counts as silent only up to that long ago, s",
    ),
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "detect",
        parents=[common],
        help="is it an earthquake, now?",
        description="Replay a stream of triggers step by step: probability of an earthquake among "
        "all causes, its hypocentre, and the alarms.",
        epilog=TABLES,
    )
    parser.add_argument("triggers", metavar="TRIGGERS", help="table of triggers; - reads CSV")
    parser.add_argument(
        "--network", metavar="FILE", help="table of all devices, the silent ones too"
    )
    parser.add_argument(
        "--silent-unknown",
        action="store_true",
        help="there is no such table: take the devices that triggered for the network",
    )
    add_columns(parser, "time=triggerTime latitude=lat longitude=lon", network=True)
    parser.add_argument("--start", metavar="TIME", help="first time (UTC)")
    parser.add_argument("--end", metavar="TIME", help="last time (UTC)")
    parser.add_argument(
        "--region",
        type=region,
        metavar="S,N,W,E",
        help="south, north, west and east of the region, degrees, such as --region=-13,-11,-78,-76 "
        "(default: that of the devices, but of those far from all others)",
    )
    add_numbers(parser, {"--step-s": ("S", (0.0, 60.0, "()"), 1.0, "time between steps, s")})
    alarm = parser.add_argument_group("alarm")
    add_numbers(alarm, ALARM)
    add_probability(alarm, "--region-probability")
    magnitude = parser.add_argument_group("magnitude")
    add_numbers(magnitude, MAGNITUDES)
    magnitude.add_argument(
        "--peaks-history",
        metavar="FILE",
        help="table of triggers of a time without earthquakes, with pga_m_s2: the distribution of "
        "the peaks of false triggers (default: that of one set of phones)",
    )
    _add_devices(parser.add_argument_group("devices"))
    add_seed(parser, "the draws of --posterior")
    add_velocity(parser)
    add_outputs(
        parser,
        inputs=("triggers", "network", "peaks_history"),
        history=("FILE.jsonl", "write each step as a line of JSON; - to standard output"),
        posterior=(
            "FILE.nc",
            "write draws of the first alarm's hypocentre as NetCDF, for eqstat exceed",
        ),
        animation=("FILE.gif", "draw the posterior through time; takes minutes"),
    )


def region(text: str) -> tuple[float, ...]:
    """Read south, north, west and east."""
    sides = tuple(number(-180.0, 360.0, closed=True)(part) for part in text.split(","))
    if len(sides) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not south,north,west,east in degrees")
    return sides


def background(text: str) -> float | str:
    """Read a rate, or leave the name of a file as it is."""
    try:
        float(text)
    except ValueError:
        return text
    return number(0.0, 1e4)(text)


def _add_devices(group: Any) -> None:
    group.add_argument(
        "--background",
        type=background,
        default=0.5,
        metavar="RATE|FILE",
        help="background triggers per device and hour (default 0.5), or what "
        "eqstat threshold --save-background wrote",
    )
    group.add_argument(
        "--background-region",
        metavar="NAME",
        help="region of that file (default: its only one, or a new region)",
    )
    group.add_argument(
        "--background-relative-sd",
        type=number(0.0, 10.0),
        metavar="SD",
        help="relative standard deviation of the prior of a rate that is given as a number "
        f"(default {RELATIVE_SD:g}); a file holds its own",
    )
    add_numbers(group, DEVICES)
    group.add_argument(
        "--sd-s",
        type=number(0.0, 60.0),
        metavar="S",
        help="standard deviation of the time from arrival to trigger, s (default 1.3)",
    )


def run(options: argparse.Namespace) -> Outcome:
    """Replay a table of triggers through a detector."""
    if (options.network is None) != options.silent_unknown:
        raise InputError(
            "--network: give the table of all devices, the silent ones too; or, where there is "
            "none, --silent-unknown"
        )
    velocity, described = velocity_of(options)
    inputs = inputs_of(options)
    triggers = inputs.table(options.triggers, "triggers")
    network = None
    if options.network is not None:
        network = inputs.table(options.network, "network")
    known = detection.triggered_devices(triggers) if network is None else network
    peaks, learned = peaks_of(options, inputs)
    detector = detector_of(options, known, velocity, background_of(options, inputs), peaks)
    stage(None)  # the replay has a bar of its own
    replay = detection.replay(
        detector,
        triggers,
        network=network,
        start=options.start,
        end=options.end,
        step_s=options.step_s,
        false_alarm_rate_per_year=options.false_alarm_rate_per_year,
        least_probability=options.least_probability,
        region_probability=options.region_probability,
        progress=False if options.quiet else None,
    )
    code, text = RESULTS[replay.alarm is not None]
    return Outcome(
        summary=tuple(summary(replay)),
        content=content_of(replay),
        result=code,
        result_text=text,
        inputs=inputs,
        velocity=described,
        notes=(*learned, *replay.notes, *([SILENT] if options.silent_unknown else [])),
        posterior=posterior_of(detector, replay, options.seed) if options.posterior else None,
        figure=lambda: plots().detection_figure(replay, title=title_of(replay)),
        files={
            "history": lambda name: write_lines(name, (line(each) for each in replay.records())),
            "animation": lambda name: plots().write_animation(replay, name),
        },
    )


def title_of(replay: detection.Replay) -> str:
    """What a figure shows: the first alarm and its earthquake, or that there was none."""
    content = replay.to_dict()
    if not content["locations"]:
        return f"{content['start']} to {content['end']}: no alarm"
    found, more = content["locations"][0], len(content["alarms"]) - 1
    size = f", M {found['magnitude']['mean']:.1f}" if "magnitude" in found else ""
    others = f"; {more} more" if more else ""
    return (
        f"Alarm {content['alarms'][0]['time']}: {place(found['latitude'], found['longitude'])}"
        f"{size}, origin {found['origin_time']}{others}"
    )


def background_of(options: argparse.Namespace, inputs: Inputs) -> detection.BackgroundRate:
    """Background rate of the options: a number for all hours, or a fitted background's cycle."""
    import numpy as np

    given, region, spread = (
        getattr(options, f"background{name}") for name in ("", "_region", "_relative_sd")
    )
    if isinstance(given, str):
        if spread is not None:
            raise InputError("--background-relative-sd: the file of --background holds its own")
        fitted = counts.load(inputs.file(given, "background"))
        return detection.background_rate(fitted, region=region, utc_offset_h=options.utc_offset_h)
    if region is not None:
        raise InputError("--background-region: only a file of --background has regions")
    # The JSON holds all options that were in use.
    options.background_relative_sd = RELATIVE_SD if spread is None else spread
    return detection.BackgroundRate(
        np.full(24, given),
        relative_sd=options.background_relative_sd,
        utc_offset_h=options.utc_offset_h,
    )


def peaks_of(options: argparse.Namespace, inputs: Inputs) -> tuple[dict[str, Any], list[str]]:
    """Distribution of the peaks of false triggers, learned from a history, and notes."""
    from eqstat.detection import causes

    if options.peaks_history is None:
        return {}, []
    learned = causes.learn_false_peaks(inputs.table(options.peaks_history, "peaks history"))
    notes = [
        f"peaks of false triggers: median {10**learned.log10_mean:.3g} m/s2, "
        f"{learned.log10_sd:.2f} log10 units, by {learned.peaks} peaks"
    ]
    if learned.p_value < STRANGE_P:
        notes.append(
            f"--peaks-history: the tails of {learned.held_out} later peaks do not fit (p = "
            f"{learned.p_value:.2g}); leave pga_m_s2 out of the triggers"
        )
    names = ("log10_mean", "log10_sd")
    return {f"handling_{name}": getattr(learned, name) for name in names}, notes


def detector_of(
    options: argparse.Namespace,
    network: pd.DataFrame,
    velocity: Any,
    background: detection.BackgroundRate,
    peaks: dict[str, Any],
) -> detection.Detector:
    """Detector of the options: the usual causes with the earthquake's rate, sizes and delay."""
    from eqstat.detectability import DeviceResponse
    from eqstat.detection import causes

    spread = {} if options.sd_s is None else {"sd_s": options.sd_s}
    earthquake = causes.earthquake(
        rate_per_year=options.earthquake_rate_per_year,
        velocity=velocity,
        deepest_km=options.deepest_km,
        half_depth_km=options.half_depth_km,
        magnitudes=causes.MagnitudeModel(
            response=DeviceResponse(trigger_m_s2=options.trigger_m_s2),
            least_magnitude=options.least_magnitude,
            greatest_magnitude=options.greatest_magnitude,
            b_value=options.b_value,
            able_share=options.able_share,
            **peaks,
        ),
        delay_s=options.delay_s,
        delay_sd_s=options.unknown_delay_s,
        **spread,
    )
    return detection.detector(
        detection.unique_devices(network),
        causes=(earthquake, *causes.default_causes()[1:]),
        background=background,
        dead_time_s=options.dead_time_s,
        latency_s=options.latency_s,
        region=options.region,
    )


def plots() -> Any:
    """Figures of this command."""
    from eqstat.plots import detection as module

    return module


def posterior_of(
    detector: detection.Detector, replay: detection.Replay, seed: int
) -> xr.Dataset | None:
    """Draws of the first alarm's hypocentre; None where there is no alarm."""
    import jax

    if replay.located is None:
        return None
    draws = hypocentre.draw(jax.random.key(seed), replay.located, DRAWS)
    draws.attrs["reference_time"] = "1970-01-01T00:00:00Z"
    return draws


def line(record: dict[str, Any]) -> str:
    """A step of the history as a line of JSON."""
    from eqstat._core.json import to_plain

    return json.dumps(to_plain(record), allow_nan=False, ensure_ascii=False) + "\n"
