"""`eqstat load`: messages of many phones, to try a service with."""

from __future__ import annotations

import argparse
from typing import Any

from eqstat._core.errors import InputError
from eqstat.cli._options import add_numbers, add_seed, number, whole
from eqstat.cli._outcome import Outcome

NUMBERS = {
    "--triggers-per-s": ("RATE", (0.0, 1e5, "[]"), 1000.0, "background triggers per second"),
    "--hour": ("H", (0.0, 23.999, "[]"), 3.0, "local time of day at the start"),
    "--earthquake-every-s": (
        "S", (0.0, 1e7, "[]"), 180.0, "mean time between earthquakes, s; 0 for none",
    ),
    "--burst-every-s": (
        "S", (0.0, 1e7, "[]"), 60.0, "mean time between bursts of people, s; 0 for none",
    ),
    "--keep-alive-s": ("S", (1.0, 86400.0, "[]"), 900.0, "time between signs of life, s"),
    "--birth-s": ("S", (1.0, 86400.0, "[]"), 60.0, "time in which all phones report first, s"),
    "--speed": ("X", (0.0, 1000.0, "[]"), 1.0, "simulated over real time; 0 is unbounded"),
}  # fmt: skip


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "load",
        parents=[common],
        help="generate the messages of many phones, with earthquakes, to try a service with",
        description="Generate births, signs of life and triggers of many phones, by day and "
        "night, with bursts of people and earthquakes; publish them by MQTT or write them.",
    )
    parser.add_argument(
        "--phones", type=whole(1, 5_000_000), default=500_000, metavar="N",
        help="phones active at 3 h, when most are (default 500000)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=whole(1, 10_000_000), default=600, metavar="N",
        help="simulated time, s (default 600)",
    )  # fmt: skip
    add_numbers(parser, NUMBERS)
    target = parser.add_argument_group("target")
    target.add_argument("--out", metavar="FILE", help="write lines of JSON; - is standard output")
    target.add_argument("--host", metavar="HOST", help="broker of MQTT")
    target.add_argument(
        "--port", type=whole(1, 65535), default=1883, metavar="PORT", help="its port (default 1883)"
    )
    target.add_argument("--root", default="eqstat", help="first part of topics (default eqstat)")
    target.add_argument(
        "--area-degrees", type=number(0.0, 90.0, closed=True), default=0.0, metavar="D",
        help="let phones send by cells of so many degrees (default 0: all on one level)",
    )  # fmt: skip
    target.add_argument("--username", default="", help="of the broker")
    target.add_argument("--password-file", metavar="FILE", help="file with the password")
    target.add_argument("--ca-file", default="", metavar="FILE", help="certificates; uses TLS")
    parser.add_argument("--truth", metavar="FILE", help="write earthquakes and bursts, JSON lines")
    add_seed(parser, "the phones and all they do")
    parser.set_defaults(outputs=(), inputs=("password_file",), quiet=False)


def run(options: argparse.Namespace) -> Outcome:
    """Generate the load."""
    from pathlib import Path

    from eqstat.service import load

    if (options.out is None) == (options.host is None):
        raise InputError("load: give --out FILE or --host HOST")
    names = ("phones", *(name[2:].replace("-", "_") for name in NUMBERS if name != "--speed"))
    settings = load.LoadSettings(**{name: getattr(options, name) for name in names})
    password = ""
    if options.password_file:
        password = Path(options.password_file).read_text("utf-8").strip()
    target = load.LoadTarget(
        out=options.out or "",
        host=options.host or "",
        port=options.port,
        root=options.root,
        username=options.username,
        password=password,
        ca_file=options.ca_file,
        area_degrees=options.area_degrees,
    )
    world = load.LoadWorld(options.seed, settings)
    report = load.run_load(world, target, options.seconds, speed=options.speed, truth=options.truth)
    lines = (
        f"{report.messages:,} messages, {report.triggers:,} triggers and {report.earthquakes} "
        f"earthquakes of {report.active:,} active phones",
        f"{report.simulated_s:g} s in {report.wall_s:.1f} s: "
        f"{report.messages / report.wall_s:,.0f} messages a second, at most "
        f"{report.largest_lag_s:.2f} s late",
    )
    summary = () if options.out == "-" else lines
    return Outcome(summary, report._asdict(), "DONE", "the load was generated")
