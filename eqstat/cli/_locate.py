"""`eqstat locate`: the hypocentre of a detection and its uncertainty."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eqstat import hypocentre, traveltime
from eqstat._core.errors import InputError
from eqstat.cli._inputs import Inputs, inputs_of
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
from eqstat.cli._text import clock, facts, percent, place

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

FIGURE_DRAWS = 4000
TABLES = f"""\
Tables are CSV or Parquet. Triggers need the columns time (UTC), latitude and longitude (degrees);
phase (P or S), time_sd_s, elevation_m and device are used where present. {ROWS}"""


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
    add_probability(parser)
    add_seed(parser, "NUTS and of the grid of the mixture")
    add_velocity(parser, region=True)
    add_outputs(
        parser,
        inputs=("triggers", "network"),
        posterior=("FILE.nc", "write the posterior as NetCDF (grid and nuts)"),
        **{
            known.option: (f"FILE{known.endings[0]}", f"write {known.holds} as {known.name}")
            for known in hypocentre.FORMATS
        },
    )


def run(options: argparse.Namespace) -> Outcome:
    """Locate the detection of a table."""
    if options.regional:
        return regional(options)
    import jax

    if options.posterior and options.method == "bfgs":
        raise InputError("--posterior: BFGS gives no posterior; use --method grid or nuts")
    if options.wave and options.likelihood == "mixture":
        raise InputError("--wave: the mixture takes every trigger for P, S or background")
    if options.wave:
        options.likelihood = "gaussian"
    velocity, described = velocity_of(options)
    inputs = inputs_of(options)
    triggers = inputs.table(options.triggers, "triggers")
    network = options.network and inputs.table(options.network, "network")
    observations = traveltime.prepare(
        triggers,
        network=network,
        velocity=velocity,
        start=options.start,
        now=options.now,
        truncated=options.truncated,
        wave=options.wave or "P",
    )
    prior = traveltime.Prior()
    if options.region_km is not None:
        prior = traveltime.Prior(region_km=options.region_km)
    key = jax.random.key(options.seed)
    choice = None
    common: dict[str, Any] = {"likelihood": options.likelihood, "prior": prior}
    if options.likelihood == "auto":
        choice = traveltime.comparison.choose_likelihood(key, observations, prior=prior)
        common["likelihood"] = choice.likelihood
        observations = observations.with_wave(choice.wave or "P")
    if options.method == "bfgs":
        result: Any = traveltime.fit(observations, **common)
    elif options.method == "grid" and choice and choice.comparison:
        result = choice.comparison.posteriors[choice.comparison.preferred]
    elif options.method == "grid":
        result = traveltime.grid(observations, key=key, **common)
    else:
        progress = False if options.quiet else None
        result = traveltime.sample(key, observations, progress=progress, **common)
    location = traveltime.report(observations, result, probability=options.probability)

    def figure() -> Any:
        from eqstat import plots

        draws = draws_of(result, options.seed)
        return plots.location_figure(
            [location],
            velocity,
            draws={location.method: draws} if draws else None,
            reference_time=observations.reference_time,
            delay_s=delay_of(result, draws),
            silent=silent_of(network, observations),
            title=f"{location.method} location, {location.likelihood} likelihood",
        )

    return Outcome(
        summary=tuple(summary(location, choice.reason if choice else None)),
        content=content_of(location),
        result=code_of(result),
        result_text=location.result,
        inputs=inputs,
        velocity=described,
        notes=(*observations.notes, *said_of(choice), *notes_of(options, location)),
        posterior=posterior_of(result),
        figure=figure,
        files=files_of(options, location),
    )


def regional(options: argparse.Namespace) -> Outcome:
    """Locate picks with a regional error model."""
    from eqstat.traveltime import regional as package

    others = {
        "--method": options.method != "grid",
        "--likelihood": options.likelihood != "auto",
        "--wave": options.wave,
        "--network": options.network,
        "--truncated": options.truncated,
        "--velocity": options.velocity != "constant" or options.p_velocity_km_s,
    }
    if given := [name for name, value in others.items() if value]:
        raise InputError(f"{', '.join(given)}: not with --regional, which is a model of its own")
    inputs = Inputs(options.columns)
    error = package.RegionalError.from_json(inputs.file(options.regional, "regional"))
    picks = inputs.table(options.triggers, "triggers")
    width = {} if options.region_km is None else {"half_width_km": options.region_km}
    result = package.locate(picks, error, **width)
    location = package.report(result, probability=options.probability)

    def figure() -> Any:
        from eqstat import plots

        axes = plots.map_triggers(location.triggers, [location])
        return axes.get_figure()

    code = "AT_BOUND" if "bound" in location.result else "CONVERGED"
    return Outcome(
        summary=tuple(summary(location)),
        content=content_of(location),
        result=code,
        result_text=location.result,
        inputs=inputs,
        posterior=result.hypocentre,
        figure=figure,
        files=files_of(options, location),
    )


def files_of(
    options: argparse.Namespace, location: traveltime.Location
) -> dict[str, Callable[[str], None]]:
    """Writers of the hypocentre; none where there is no uncertainty to write."""
    posterior = location.hypocentre
    if posterior is None:
        return {}

    def write(name: str) -> None:
        hypocentre.write(posterior, name, probability=options.probability)

    return {known.option: write for known in hypocentre.FORMATS}


def said_of(choice: traveltime.comparison.Choice | None) -> list[str]:
    """That a likelihood was chosen by evidence."""
    if choice is None or choice.comparison is None:
        return []
    return [f"--likelihood auto: {choice.reason}"]


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


def code_of(result: Any) -> str:
    """Code of the result of a fit, a grid or a sampling run."""
    return result.attrs["result"] if hasattr(result, "attrs") else result.result.name


def posterior_of(result: Any) -> xr.Dataset | xr.DataTree | None:
    """The grid's Dataset or the draws' DataTree; None for a fit."""
    if isinstance(result, traveltime.GridPosterior):
        return result.hypocentre
    return result if hasattr(result, "children") else None


def draws_of(result: Any, seed: int) -> dict[str, np.ndarray]:
    """Draws of a posterior for figures; empty for a fit."""
    if isinstance(result, traveltime.GridPosterior):
        import jax

        return result.draws(jax.random.key(seed), FIGURE_DRAWS)
    if not hasattr(result, "children"):
        return {}
    posterior = result["posterior"].to_dataset()
    return {str(name): values.to_numpy() for name, values in posterior.data_vars.items()}


def delay_of(result: Any, draws: dict[str, np.ndarray]) -> float:
    """Mean delay after a phase: the mixture's estimate, else 0."""
    import numpy as np

    if "delay_s" in draws:
        return float(np.median(draws["delay_s"]))
    if "delay_s" in getattr(result, "names", ()):
        return result["delay_s"]
    return 0.0


def silent_of(
    network: pd.DataFrame | None, observations: traveltime.Observations
) -> pd.DataFrame | None:
    """Devices of a network without a trigger in use, for the map."""
    if network is None:
        return None
    keys = ["device"] if "device" in network and "device" in observations.triggers else None
    keys = keys or ["latitude", "longitude"]
    used = observations.triggers[keys].apply(tuple, axis=1)
    silent = ~network[keys].apply(tuple, axis=1).isin(set(used))
    return network.loc[silent.to_numpy()]


def summary(location: traveltime.Location, reason: str | None = None) -> list[str]:
    """Lines for a person."""
    errors, interval, region = location.standard_error, location.interval, location.region
    name = percent(region.probability)
    depth = " to ".join(number(end) for end in interval["depth_km"])
    origin = " to ".join(clock(end) for end in interval["origin_time"])
    used, left_out = len(location.triggers), len(location.left_out)
    rows = [
        (
            "Hypocentre",
            f"{place(location.latitude, location.longitude)}, depth {location.depth_km:.1f} km",
        ),
        ("Origin time", f"{location.origin_time:%Y-%m-%d} {clock(location.origin_time)} UTC"),
        (
            "Standard error",
            f"{number(errors['latitude_km'])} km north-south, "
            f"{number(errors['longitude_km'])} km east-west, "
            f"depth {number(errors['depth_km'])} km, time {number(errors['origin_time_s'], 2)} s",
        ),
        (f"{name} region", f"{number(region.area_km2, 0)} km2 ({region.kind})"),
        (f"{name} interval", f"depth {depth} km, origin {origin} ({interval['kind']})"),
        ("Triggers", f"{used + left_out} given, {used} used" + classes(location)),
    ]
    if left_out:
        reasons = location.left_out["reason"].value_counts()
        text = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        rows.append(("Left out", text))
    if reason is not None:
        rows.append(("Likelihood", f"{location.likelihood}: {reason}"))
    rows += [
        (
            "Geometry",
            f"azimuthal gap {location.azimuthal_gap_deg:.0f} degrees, "
            f"nearest device at {location.nearest_device_km:.1f} km",
        ),
        ("Result", f"{location.method}, {location.likelihood}: {location.result}"),
    ]
    return facts(rows)


def number(value: float | None, digits: int = 1) -> str:
    """Write a number; "unknown" where there is none."""
    import math

    known = value is not None and math.isfinite(value)
    return f"{value:.{digits}f}" if known else "unknown"


def classes(location: traveltime.Location) -> str:
    """Expected numbers of P, S and background triggers of the mixture."""
    if location.likelihood != "mixture":
        return ""
    names = ("P", "S", "background")
    expected = location.triggers[[f"probability_{name.lower()}" for name in names]].sum()
    text = ", ".join(f"{count:.0f} {name}" for count, name in zip(expected, names, strict=True))
    return f" (expected: {text})"
