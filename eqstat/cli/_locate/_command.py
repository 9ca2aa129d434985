"""`eqstat locate`: the hypocentre of a detection and its uncertainty."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from eqstat import hypocentre, traveltime
from eqstat._core.errors import InputError
from eqstat._core.text import lines_of, number, percent, place
from eqstat.cli._each import add_each, each, refuse_what_is_of_one_event
from eqstat.cli._errors import DONE, FAILED
from eqstat.cli._inputs import Inputs, inputs_of
from eqstat.cli._locate._peaks import AddMagnitude, add_peaks, reader_of_peaks
from eqstat.cli._locate._prior import add_prior, reader_of_prior, refuse_without_prior
from eqstat.cli._options import (
    ROWS,
    add_outputs,
    add_probability,
    add_seed,
    add_triggers,
    add_velocity,
    velocity_of,
)
from eqstat.cli._outcome import Outcome
from eqstat.cli._progress import stage
from eqstat.cli._results._locate import delay_of, draws_of, silent_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from eqstat.velocity import VelocityModel

# Shallowest depth of a regional error model, whose depths are spaced by their logarithm.
LEAST_DEPTH_KM = 0.1
TABLES = f"""\
Tables are CSV or Parquet. Triggers need the columns time (UTC), latitude and longitude (degrees);
phase (P or S), time_sd_s, elevation_m and device are used where present. {ROWS}"""


class Task(NamedTuple):
    """What locates a table, the table, and where it is from."""

    one: Callable[[pd.DataFrame], Outcome]
    table: pd.DataFrame
    inputs: Inputs
    velocity: dict[str, Any] | None


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "locate",
        parents=[common],
        help="where and when did it start?",
        description="Locate a detection: hypocentre and origin time with their uncertainty.",
        epilog=TABLES,
    )
    add_triggers(parser, network=True)
    parser.add_argument(
        "--method",
        choices=["bfgs", "grid", "nuts"],
        default="grid",
        help="mode by BFGS, exact posterior on a grid (default), or draws by NUTS",
    )
    parser.add_argument(
        "--likelihood",
        choices=["auto", "gaussian", "mixture"],
        default="auto",
        help="one wave, or a mixture of P, S and background with a delay, for phones; auto "
        "(default) takes one wave where the test of the 2023 paper accepts it, else what has "
        "more evidence",
    )
    parser.add_argument(
        "--wave",
        choices=["P", "S"],
        help="wave of the Gaussian likelihood (default P, or as --likelihood auto chooses)",
    )
    add_each(parser)
    parser.add_argument(
        "--network", metavar="FILE", help="table of active devices; silent ones then count too"
    )
    parser.add_argument(
        "--truncated",
        action="store_true",
        help="triggers are observed only up to --now (right-truncated)",
    )
    parser.add_argument(
        "--regional",
        metavar="FILE",
        help="regional error model (JSON of RegionalError.to_json) for picks with their phase",
    )
    add_prior(parser)
    add_peaks(parser)
    add_probability(parser)
    add_seed(parser, "NUTS and of the grid of the mixture")
    add_velocity(parser, region=True, several=True)
    add_outputs(
        parser,
        inputs=("triggers", "stations", "network", "peaks", "model", "prior"),
        table=("FILE.csv", "write each trigger with its distance, residual and phase"),
        posterior=("FILE.nc", "write the posterior as NetCDF (grid and nuts)"),
        **{
            known.option: (f"FILE{known.endings[0]}", f"write {known.holds} as {known.name}")
            for known in hypocentre.FORMATS
        },
    )


def run(options: argparse.Namespace) -> Outcome:
    """Locate the detection of a table, or each of its events."""
    if options.each:
        refuse_what_is_of_one_event(options)
    one, table, inputs, velocity = (regional if options.regional else phones)(options)
    if not options.each:
        return one(table)
    return each(
        options.each,
        table,
        one,
        header=("origin time", "latitude", "longitude", "depth_km", "region_km2"),
        row=row_of,
        inputs=inputs,
        velocity=velocity,
    )


def row_of(content: Mapping[str, Any]) -> list[str]:
    """Cells of one event of many."""
    source = content["hypocentre"]
    return [
        str(source["origin_time"])[:22],
        f"{source['latitude']:.3f}",
        f"{source['longitude']:.3f}",
        f"{source['depth_km']:.1f}",
        number(content["region"]["area_km2"], 0),
    ]


def phones(options: argparse.Namespace) -> Task:
    """How to locate a table of triggers, and the table."""
    if options.posterior and options.method == "bfgs":
        raise InputError("--posterior: BFGS gives no posterior; use --method grid or nuts")
    if options.wave and options.likelihood == "mixture":
        raise InputError("--wave: the mixture takes every trigger for P, S or background")
    if options.wave:
        options.likelihood = "gaussian"
    refuse_without_prior(options)
    described = {name: velocity_of(options, name) for name in options.velocity.split(",")}
    models = {name: model for name, (model, _) in described.items()}
    inputs = inputs_of(options)
    triggers = inputs.table(options.triggers, "triggers")
    network = options.network and inputs.table(options.network, "network")
    add_magnitude = reader_of_peaks(options, inputs)
    prior_at = reader_of_prior(options, inputs)

    def one(table: pd.DataFrame) -> Outcome:
        name, outcome = locate_phones(options, table, network, models, prior_at, add_magnitude)
        return replace(outcome, inputs=inputs, velocity=described[name][1])

    # Of several models each event may have its own.
    velocity = described[options.velocity][1] if len(models) == 1 else None
    return Task(one, triggers, inputs, velocity)


def locate_phones(
    options: argparse.Namespace,
    triggers: pd.DataFrame,
    network: Any,
    models: Mapping[str, VelocityModel],
    prior_at: Callable[[Any], traveltime.Prior],
    add_magnitude: AddMagnitude,
) -> tuple[str, Outcome]:
    """Locate the triggers of one detection; the name of the velocity model, and the location."""
    import jax

    name, *others = models

    observations = traveltime.prepare(
        triggers,
        network=network,
        velocity=models[name],
        start=options.start,
        now=options.now,
        truncated=options.truncated,
        wave=options.wave or "P",
    )
    prior = prior_at(observations.frame)
    key = jax.random.key(options.seed)
    choice = None
    common: dict[str, Any] = {"likelihood": options.likelihood, "prior": prior}
    if options.likelihood == "auto":
        stage("which likelihood")
        choice = traveltime.comparison.choose_likelihood(key, observations, prior=prior)
        common["likelihood"] = choice.likelihood
        observations = observations.with_wave(choice.wave or "P")
    # The grid of the first velocity model by which the likelihood was chosen.
    chosen = choice and choice.comparison
    posterior = chosen.posteriors[chosen.preferred] if chosen else None
    compared = None
    if others:
        stage("which velocity model")
        known = {name: posterior} if posterior else None
        compared = traveltime.comparison.compare_velocities(
            observations, models, key=key, known=known, **common
        )
        name = compared.preferred
        observations = observations.with_velocity(models[name])
    stage(options.method if options.method != "nuts" else None)
    if options.method == "bfgs":
        result: Any = traveltime.fit(observations, throw=False, **common)
    elif options.method == "grid" and compared:
        result = compared.posteriors[name]
    elif options.method == "grid" and posterior:
        result = posterior
    elif options.method == "grid":
        result = traveltime.grid(observations, key=key, **common)
    else:
        progress = False if options.quiet else None
        result = traveltime.sample(key, observations, progress=progress, **common)
    stage("report")
    location = traveltime.report(observations, result, probability=options.probability)
    location, said = add_magnitude(location)

    def figure() -> Any:
        from eqstat import plots

        draws = draws_of(result, options.seed)
        return plots.location_figure(
            [location],
            models[name],
            draws={location.method: draws} if draws else None,
            reference_time=observations.reference_time,
            delay_s=delay_of(result, draws),
            silent=silent_of(network, observations),
            title=title_of(location),
        )

    content = content_of(location)
    notes = [*observations.notes, *said_of(choice), *said, *notes_of(options, location)]
    if compared:
        content["diagnostics"]["log_evidence_of_velocity"] = dict(compared.log_evidence)
        notes.append(f"--velocity {options.velocity}: {compared}")
    why = [("Likelihood", f"{location.likelihood}: {choice.reason}")] if choice else []
    code = code_of(result)
    if exit_code_of(code) == DONE:
        notes += location.advice
    return name, Outcome(
        summary=tuple(lines_of(location, *why)),
        content=content,
        result=code,
        result_text=location.result,
        exit_code=exit_code_of(code),
        notes=tuple(notes),
        posterior=location.hypocentre if location.magnitude else posterior_of(result),
        figure=figure,
        files=files_of(options, location),
    )


def title_of(location: Any) -> str:
    """Which earthquake a figure shows: when, where, how deep and how large, by which method."""
    content = float(location.region.probability)
    low, high = (number(end, 0) for end in location.interval["depth_km"])
    size = f", M {location.magnitude['mean']:.1f}" if location.magnitude else ""
    return (
        f"{location.origin_time:%Y-%m-%d %H:%M:%S} UTC, "
        f"{place(location.latitude, location.longitude)}{size}, depth {location.depth_km:.0f} km "
        f"({percent(content)}: {low} to {high} km); {location.method}, {location.likelihood}"
    )


def regional(options: argparse.Namespace) -> Task:
    """How to locate a table of picks with a regional error model, and the table."""
    from eqstat.traveltime import regional as package

    others = {
        "--method": options.method != "grid",
        "--likelihood": options.likelihood != "auto",
        "--wave": options.wave,
        "--network": options.network,
        "--truncated": options.truncated,
        "--velocity": options.velocity != "constant" or options.p_velocity_km_s,
        "--prior": options.prior,
        "--delay-s": options.delay_s,
    }
    if given := [name for name, value in others.items() if value]:
        raise InputError(f"{', '.join(given)}: not with --regional, which is a model of its own")
    inputs = Inputs(options.columns, tables=2 if options.peaks else 1)
    error = package.RegionalError.from_json(inputs.file(options.regional, "regional"))
    picks = inputs.table(options.triggers, "triggers")
    add_magnitude = reader_of_peaks(options, inputs)

    def one(table: pd.DataFrame) -> Outcome:
        return replace(locate_picks(options, table, error, add_magnitude), inputs=inputs)

    return Task(one, picks, inputs, None)


def locate_picks(
    options: argparse.Namespace, picks: pd.DataFrame, error: Any, add_magnitude: AddMagnitude
) -> Outcome:
    """Locate the picks of one event."""
    from eqstat.traveltime import regional as package

    given: dict[str, Any] = {}
    if options.region_km is not None:
        given["half_width_km"] = options.region_km
    if options.depth_km is not None:
        shallowest, deepest = options.depth_km
        given["depth"] = replace(
            package.CRUSTAL, shallowest_km=max(shallowest, LEAST_DEPTH_KM), deepest_km=deepest
        )
    result = package.locate(picks, error, **given)
    location = package.report(result, probability=options.probability)
    location, said = add_magnitude(location)

    def figure() -> Any:
        from eqstat import plots

        axes = plots.map_triggers(location.triggers, [location])
        drawn: Any = axes.get_figure()
        drawn.suptitle(title_of(location))
        return drawn

    return Outcome(
        summary=tuple(lines_of(location)),
        content=content_of(location),
        result=result.result.name,
        result_text=location.result,
        exit_code=exit_code_of(result.result.name),
        notes=tuple(said),
        posterior=location.hypocentre,
        figure=figure,
        files=files_of(options, location),
    )


def files_of(
    options: argparse.Namespace, location: traveltime.Location
) -> dict[str, Callable[[str], None]]:
    """Writers of the triggers, and of the hypocentre where there is uncertainty to write."""

    def write_table(name: str) -> None:
        location.triggers.to_csv(name, index_label="row")

    posterior = location.hypocentre
    if posterior is None:
        return {"table": write_table}

    def write(name: str) -> None:
        hypocentre.write(posterior, name, probability=options.probability)

    return {"table": write_table} | {known.option: write for known in hypocentre.FORMATS}


def said_of(choice: traveltime.comparison.Choice | None) -> list[str]:
    """That a likelihood was chosen by evidence."""
    if choice is None or choice.comparison is None:
        return []
    return [f"--likelihood auto: {choice.comparison.preferred}, which has most evidence"]


def notes_of(options: argparse.Namespace, location: traveltime.Location) -> list[str]:
    """Which of the files that were asked for cannot be written."""
    if location.hypocentre is not None:
        return []
    options_of_formats = [known.option for known in hypocentre.FORMATS]
    asked = [f"--{name}" for name in options_of_formats if getattr(options, name)]
    return [f"{', '.join(asked)}: the hypocentre has no uncertainty to write"] if asked else []


def content_of(location: traveltime.Location) -> dict[str, Any]:
    """What the JSON holds of a location, its result aside."""
    content = location.to_dict()
    return {name: value for name, value in content.items() if name not in ("result", "result_text")}


def exit_code_of(code: str) -> int:
    """Whether the location can be used."""
    from eqstat.inference import Result

    return DONE if Result[code].ok else FAILED


def code_of(result: Any) -> str:
    """Code of the result of a fit, a grid or a sampling run."""
    return result.attrs["result"] if hasattr(result, "attrs") else result.result.name


def posterior_of(result: Any) -> xr.Dataset | xr.DataTree | None:
    """The grid's Dataset or the draws' DataTree; None for a fit."""
    if isinstance(result, traveltime.GridPosterior):
        return result.hypocentre
    return result if hasattr(result, "children") else None
