"""`eqstat explain`: why there was an alarm, from the journal of a service."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eqstat.cli._options import add_outputs
from eqstat.cli._outcome import Outcome


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "explain",
        parents=[common],
        help="say why there was an alarm, from the journal of a service",
        description="Say why there was an alarm: the count that woke the posterior, the causes and "
        "thresholds, the triggers, and when it was sent.",
    )
    parser.add_argument("alarm", metavar="ALARM", help="identifier of the alarm, or its beginning")
    parser.add_argument(
        "--journal", required=True, metavar="FOLDER|CONFIG.toml",
        help="folder of the journal, or the configuration that names it",
    )  # fmt: skip
    add_outputs(parser, inputs=("journal",))


def run(options: argparse.Namespace) -> Outcome:
    """Explain an alarm."""
    from eqstat import service

    folder = Path(options.journal)
    if folder.is_file():
        folder = service.read_config(folder).folder
    told = service.explain(folder, options.alarm)
    return Outcome(
        summary=tuple(lines(told)),
        content=told,
        result="EXPLAINED",
        result_text="the journal has this alarm",
    )


def lines(told: dict[str, Any]) -> list[str]:
    """The explanation for a person."""
    made = [f"Alarm {told['id']}"]
    for revision in told["revisions"]:
        alarm, why = revision["alarm"], revision["why"]
        size = f", M {alarm['magnitude']:.1f}" if "magnitude" in alarm else ""
        made.append(
            f"{clock(alarm['issued_s'])}  {alarm['action']} {alarm['revision']} ({alarm['mode']}): "
            f"probability {alarm['probability']:.4f}{size} at {alarm['latitude']:.3f}, "
            f"{alarm['longitude']:.3f}, origin {clock(alarm['origin_s'])}"
        )
        if alarm["revision"] == 0:
            made += first_lines(why)
    for each in told["deliveries"]:
        sent = "not sent yet" if each["sent_s"] is None else f"sent {clock(each['sent_s'])}"
        made.append(f"{each['output']} revision {each['revision']}: {sent}")
    return made


def first_lines(why: dict[str, Any]) -> list[str]:
    """Why it began."""
    made = []
    if why["counts"] is not None:
        counts = why["counts"]
        made.append(
            f"  woken by {counts['triggers']} triggers of {counts['active']} active devices about "
            f"{counts['latitude']:.2f}, {counts['longitude']:.2f}: the background gives as many "
            f"{counts['false_alarm_rate_per_year']:.2g} times a year"
        )
    made.append(
        f"  log Shiryaev-Roberts statistic {why['log_shiryaev_roberts']:.1f}, at least "
        f"{why['log_threshold']:.1f}; probability {why['probability']:.4f}, at least "
        f"{why['least_probability']:g}"
    )
    causes = sorted(why["causes"].items(), key=lambda item: -item[1])
    made.append("  causes: " + ", ".join(f"{name} {share:.4f}" for name, share in causes))
    made.append(
        f"  {why['triggered']} devices of {why['active']} triggered within the dead time, at a "
        f"background of {why['background_rate_h']:.2g} per device and hour; the latest:"
    )
    made += [
        f"    {clock(each['time_s'])}  {each['device']}  {each['latitude']:.3f}, "
        f"{each['longitude']:.3f}"
        for each in why["triggers"][:10]
    ]
    return made


def clock(seconds: float) -> str:
    """UTC of seconds since 1970."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-4]
