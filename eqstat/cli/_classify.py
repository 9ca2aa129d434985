"""`eqstat classify`."""

from __future__ import annotations

import argparse
from typing import Any, Literal

from eqstat import traveltime
from eqstat.cli import _files
from eqstat.cli._locate import prepare
from eqstat.traveltime import Classification, Observations
from eqstat.traveltime._fit import with_wave


def classify(options: argparse.Namespace) -> None:
    """Classify the detection of a table and write what came out."""
    _files.check_outputs(json=options.json, figure=options.figure)
    velocity = _files.velocity_of(options.velocity, options.p_velocity, options.s_velocity)
    triggers = _files.read_table(options.triggers, options.columns, "triggers")
    observations = prepare(triggers, velocity=velocity, start=options.start, now=options.now)
    verdict = traveltime.classify(
        observations,
        delta_s=options.delta,
        miss_probability=options.miss_probability,
        estimated_parameters=options.estimated_parameters,
        region_km=options.region_km,
    )
    if options.figure:
        draw(verdict, observations, velocity).savefig(options.figure, dpi=150)
    if options.json:
        _files.write_json(options.json, verdict.to_dict())
    if not options.quiet:
        if options.json != "-":
            for line in summary(verdict):
                _files.say(line)
        _files.tell_notes(observations.notes)


def draw(verdict: Classification, observations: Observations, velocity: Any) -> Any:
    """Figure of both tests."""
    panels = {}
    waves: tuple[Literal["P", "S"], ...] = ("P", "S")
    for wave in waves:
        test = verdict.models[wave]
        location = traveltime.report(with_wave(observations, wave), test.fit)
        sign = ">" if test.rejected else "≤"
        headline = (
            f"{wave} {'rejected' if test.rejected else 'accepted'}: "
            f"statistic {test.statistic:.4g} {sign} {test.critical_value:.4g}"
        )
        panels[wave] = (location, headline)
    return _files.plots().verdict_figure(panels, velocity)


def summary(verdict: Classification) -> list[str]:
    """Lines for a person."""
    lines = [
        "Verdict         "
        + ("earthquake" if verdict.is_earthquake else "false: the times fit neither wave"),
    ]
    for wave, test in verdict.models.items():
        lines.append(
            f"{wave} wave          {'rejected' if test.rejected else 'accepted'}: "
            f"statistic {test.statistic:.1f}, critical value {test.critical_value:.1f} "
            f"at {test.degrees_of_freedom} degrees of freedom; "
            f"scatter {test.variance_s2**0.5:.2f} s"
        )
    lines.append(
        f"Nominal         delta {verdict.delta_s:g} s, miss probability "
        f"{verdict.miss_probability:g}"
    )
    return lines
