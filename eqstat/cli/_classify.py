"""`eqstat classify`: the probability of an earthquake, and the test of one wave."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from eqstat import traveltime
from eqstat._core.errors import InputError
from eqstat._core.text import lines_of
from eqstat.cli._each import add_each, each, refuse_what_is_of_one_event
from eqstat.cli._errors import DONE, FAILED
from eqstat.cli._inputs import Inputs
from eqstat.cli._locate import TABLES
from eqstat.cli._options import (
    add_outputs,
    add_seed,
    add_triggers,
    add_velocity,
    number,
    prior_of,
    velocity_of,
    whole,
)
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

# Share of the posterior from which a model's evidence matters.
MATTERS = 0.01
WAVES: tuple[Literal["P"], Literal["S"]] = ("P", "S")
VERDICTS = {
    True: ("EARTHQUAKE", "an earthquake is the most probable explanation of the triggers"),
    False: ("FALSE_DETECTION", "a false detection explains the triggers better"),
}
TESTED = {
    True: ("EARTHQUAKE", "the trigger times are consistent with a P or an S wave"),
    False: ("FALSE_DETECTION", "the trigger times fit neither a P nor an S wave"),
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "classify",
        parents=[common],
        help="was it an earthquake?",
        description="Give the probability of an earthquake (P, S, or a mixture with background) "
        "against false detections, and test whether the trigger times follow one wave.",
        epilog=TABLES,
    )
    add_triggers(parser)
    add_each(parser)
    parser.add_argument(
        "--by",
        choices=["probability", "test"],
        default="probability",
        help="what decides: the probability (default), or the test of the 2023 paper alone",
    )
    parser.add_argument(
        "--prior-probability",
        type=number(0.0, 1.0),
        default=0.5,
        metavar="P",
        help="share of earthquakes among such detections (default 0.5)",
    )
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
    add_seed(parser, "the mixture's particles")
    add_outputs(parser, inputs=("triggers", "stations"))


def run(options: argparse.Namespace) -> Outcome:
    """Classify the detection of a table, or each of its events."""
    if options.each:
        refuse_what_is_of_one_event(options)
    velocity, described = velocity_of(options)
    inputs = Inputs(options.columns, stations=options.stations)
    triggers = inputs.table(options.triggers, "triggers")

    def one(table: pd.DataFrame) -> Outcome:
        outcome = classify(options, table, velocity)
        return replace(outcome, inputs=inputs, velocity=described)

    if not options.each:
        return one(triggers)
    return each(
        options.each,
        triggers,
        one,
        header=("probability", "fits a wave"),
        row=row_of,
        inputs=inputs,
        velocity=described,
    )


def row_of(content: Mapping[str, Any]) -> list[str]:
    """Cells of one event of many."""
    probability = content["probability"]
    shown = "" if probability is None else f"{probability:.3g}"
    return [shown, "yes" if content["fits_a_wave"] else "no"]


def classify(options: argparse.Namespace, triggers: pd.DataFrame, velocity: Any) -> Outcome:
    """Classify the triggers of one detection."""
    observations = traveltime.prepare(
        triggers, velocity=velocity, start=options.start, now=options.now
    )
    verdict = traveltime.classify(
        observations,
        delta_s=options.delta_s,
        miss_probability=options.miss_probability,
        estimated_parameters=options.estimated_parameters,
        region_km=options.region_km,
    )
    comparison = None
    code, text = TESTED[verdict.is_earthquake]
    if options.by == "probability":
        import jax

        comparison = traveltime.comparison.compare(
            jax.random.key(options.seed),
            observations,
            prior=prior_of(options),
            prior_probability=options.prior_probability,
        )
        code, text = VERDICTS[comparison.probability > 0.5]
        if unfinished := unfinished_of(comparison):
            code = "NOT_CONVERGED"
            text = f"the evidence of the {', '.join(unfinished)} likelihood did not converge"
    elif options.depth_km:
        raise InputError("--depth-km: the test has no prior of depth; use --by probability")
    return Outcome(
        summary=tuple(summary(verdict, comparison)),
        content=content_of(verdict, comparison),
        result=code,
        result_text=text,
        exit_code=FAILED if code == "NOT_CONVERGED" else DONE,
        notes=tuple(observations.notes),
        figure=lambda: draw(verdict, observations, velocity),
    )


def unfinished_of(comparison: traveltime.comparison.Comparison) -> list[str]:
    """Earthquakes that matter for the probability and whose evidence did not converge."""
    return [
        name
        for name, posterior in comparison.posteriors.items()
        if posterior.result.name in ("NOT_CONVERGED", "NOT_FINITE")
        and comparison.model_probability[name] > MATTERS
    ]


def content_of(
    verdict: traveltime.Classification, comparison: traveltime.comparison.Comparison | None
) -> dict[str, Any]:
    """What the JSON holds of a verdict."""
    probability = comparison and comparison.probability
    return {
        "is_earthquake": verdict.is_earthquake if probability is None else probability > 0.5,
        "probability": probability,
        "prior_probability": comparison and comparison.prior_probability,
        "log_evidence": comparison and dict(comparison.log_evidence),
        "model_probability": comparison and comparison.model_probability,
        "fits_a_wave": verdict.is_earthquake,
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


def summary(
    verdict: traveltime.Classification, comparison: traveltime.comparison.Comparison | None
) -> list[str]:
    """Lines for a person: the comparison gives the verdict, if there is one."""
    if comparison is None:
        return lines_of(verdict)
    return [*lines_of(comparison), *lines_of(verdict)[1:]]
