"""`eqstat classify`: the test of an earthquake against a false detection."""

from __future__ import annotations

import argparse
from typing import Any, Literal

from eqstat import traveltime
from eqstat.cli._inputs import Inputs
from eqstat.cli._locate import TABLES, prepared
from eqstat.cli._options import add_outputs, add_triggers, add_velocity, number, velocity_of, whole
from eqstat.cli._outcome import Outcome
from eqstat.cli._text import facts

WAVES: tuple[Literal["P"], Literal["S"]] = ("P", "S")
VERDICTS = {
    True: ("EARTHQUAKE", "the trigger times are consistent with a P or an S wave"),
    False: ("FALSE_DETECTION", "the trigger times fit neither a P nor an S wave"),
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "classify",
        parents=[common],
        help="was it an earthquake?",
        description="Test whether the trigger times follow a P or an S wave.",
        epilog=TABLES,
    )
    add_triggers(parser)
    parser.add_argument(
        "--delta-s",
        type=number(0.0, 1e3),
        default=1.29,
        metavar="S",
        help="largest standard deviation of an earthquake's trigger times, s (default 1.29)",
    )
    parser.add_argument(
        "--miss-probability",
        type=number(0.0, 1.0),
        default=0.01,
        metavar="P",
        help="nominal probability of rejecting an earthquake (default 0.01)",
    )
    parser.add_argument(
        "--estimated-parameters",
        type=whole(0, 10),
        default=4,
        metavar="N",
        help="taken off the number of triggers to give the degrees of freedom (default 4)",
    )
    add_velocity(parser, region=True)
    add_outputs(parser, inputs=("triggers",))


def run(options: argparse.Namespace) -> Outcome:
    """Classify the detection of a table."""
    velocity, described = velocity_of(options)
    inputs = Inputs(options.columns)
    triggers = inputs.table(options.triggers, "triggers")
    observations = prepared(triggers, velocity=velocity, start=options.start, now=options.now)
    verdict = traveltime.classify(
        observations,
        delta_s=options.delta_s,
        miss_probability=options.miss_probability,
        estimated_parameters=options.estimated_parameters,
        region_km=options.region_km,
    )
    code, text = VERDICTS[verdict.is_earthquake]
    return Outcome(
        summary=tuple(summary(verdict)),
        content=content_of(verdict),
        result=code,
        result_text=text,
        inputs=inputs,
        velocity=described,
        notes=tuple(observations.notes),
        figure=lambda: draw(verdict, observations, velocity),
    )


def content_of(verdict: traveltime.Classification) -> dict[str, Any]:
    """What the JSON holds of a verdict."""
    return {
        "is_earthquake": verdict.is_earthquake,
        "miss_probability": verdict.miss_probability,
        "delta_s": verdict.delta_s,
        "models": {
            wave: {
                "statistic": test.statistic,
                "critical_value": test.critical_value,
                "degrees_of_freedom": test.degrees_of_freedom,
                "rejected": test.rejected,
                "variance_s2": test.variance_s2,
                "result": test.fit.result.name,
                "result_text": test.fit.result.value,
            }
            for wave, test in verdict.models.items()
        },
    }


def draw(
    verdict: traveltime.Classification, observations: traveltime.Observations, velocity: Any
) -> Any:
    """Figure of both tests."""
    from eqstat import plots

    panels = {}
    for wave in WAVES:
        test = verdict.models[wave]
        location = traveltime.report(observations.with_wave(wave), test.fit)
        sign = ">" if test.rejected else "≤"
        headline = (
            f"{wave} {'rejected' if test.rejected else 'accepted'}: "
            f"statistic {test.statistic:.4g} {sign} {test.critical_value:.4g}"
        )
        panels[wave] = (location, headline)
    return plots.verdict_figure(panels, velocity)


def summary(verdict: traveltime.Classification) -> list[str]:
    """Lines for a person."""
    answer = "earthquake" if verdict.is_earthquake else "false: the times fit neither wave"
    rows = [("Verdict", answer)]
    for wave, test in verdict.models.items():
        rows.append(
            (
                f"{wave} wave",
                f"{'rejected' if test.rejected else 'accepted'}: "
                f"statistic {test.statistic:.1f}, critical value {test.critical_value:.1f} "
                f"at {test.degrees_of_freedom} degrees of freedom; "
                f"scatter {test.variance_s2**0.5:.2f} s",
            )
        )
    nominal = f"delta {verdict.delta_s:g} s, miss probability {verdict.miss_probability:g}"
    return facts([*rows, ("Nominal", nominal)])
