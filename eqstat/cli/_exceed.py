"""`eqstat exceed`: shaking and lead time at sites, marginalised over the source's posterior."""

from __future__ import annotations

import argparse
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat import exceedance, ground_motion
from eqstat._core.constants import ACCELERATION_UNITS_M_S2
from eqstat._core.errors import InputError
from eqstat._core.text import place
from eqstat.cli._errors import DONE, FAILED, one_line
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import (
    add_columns,
    add_outputs,
    add_probability,
    add_velocity,
    axes_of_box,
    box,
    number,
    velocity_of,
    whole,
)
from eqstat.cli._outcome import Outcome
from eqstat.cli._results._exceed import content_of, summary, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    import xarray as xr

# Nodes of a map along each side, and its margin about the sites, km.
NODES, MARGIN_KM = 61, 15.0
# Spacing of a map of a given area, degrees, and most places of it.
STEP_DEG, MAX_PLACES = 0.02, 250_000
# Farther from the source sites of an early warning are hardly meant.
FAR_KM = 1000.0
SITES = """\
The posterior is what `eqstat locate --posterior` or `eqstat detect --posterior` writes. The table
of sites is CSV or Parquet, with latitude and longitude (degrees); site (a name) and vs30_m_s (m/s)
are used where present. A threshold is a number with its unit: 0.05g, 5%g, 49Gal or 0.49m/s2."""
# Lead times from a moment before or after these, s from the origin, warn nobody.
EARLIEST_S, LATEST_S = -60.0, 600.0


def acceleration(text: str) -> float:
    """Read a PGA with its unit, m/s2."""
    match = re.fullmatch(r"\s*([0-9.eE+-]+)\s*([a-zA-Z%/]+2?)\s*", text)
    unit = ACCELERATION_UNITS_M_S2.get(match[2].lower()) if match else None
    if not match or unit is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no acceleration with a unit, such as 0.05g, 5%g, 49Gal or 0.49m/s2"
        )
    size = number(0.0, 1e6)(match[1]) * unit
    if size > 50.0:
        raise argparse.ArgumentTypeError(f"{text} is {size:.3g} m/s2, more than any shaking")
    return size


def accelerations(text: str) -> dict[str, float]:
    """Read accelerations separated by commas: m/s2 by their text."""
    values = {part.strip(): acceleration(part) for part in text.split(",")}
    if len(set(values.values())) <= text.count(","):
        raise argparse.ArgumentTypeError(f"{text} names an acceleration twice")
    return values


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "exceed",
        parents=[common],
        help="how strong will it shake at these sites?",
        description="Probability of shaking beyond thresholds at sites, and the time until S, "
        "marginalised over the posterior of the hypocentre and over the magnitude.",
        epilog=SITES,
    )
    parser.add_argument(
        "--posterior", required=True, metavar="FILE.nc", help="posterior of the hypocentre"
    )
    parser.add_argument(
        "--sites", required=True, metavar="FILE", help="table of sites; - reads CSV"
    )
    add_columns(parser, "latitude=lat longitude=lon site=name")
    parser.add_argument(
        "--threshold",
        required=True,
        type=accelerations,
        metavar="PGA",
        help="with its unit, several separated by commas: 0.05g or 5%%g,10%%g",
    )
    parser.add_argument(
        "--magnitude",
        type=number(-3.0, 10.0, closed=True),
        metavar="M",
        help="magnitude; needed where the posterior holds none",
    )
    parser.add_argument(
        "--magnitude-sd",
        type=number(0.0, 3.0, closed=True),
        default=0.3,
        metavar="SD",
        help="standard deviation of the magnitude (default 0.3)",
    )
    parser.add_argument(
        "--model",
        metavar="FILE.eqx",
        help="ground-motion model or network written by eqstat.ground_motion.save "
        "(default: a generic point source)",
    )
    parser.add_argument(
        "--region", metavar="NAME", help="region of the fitted model (default: a new one)"
    )
    parser.add_argument(
        "--now", metavar="TIME", help="lead times count from here (UTC; default: from the origin)"
    )
    parser.add_argument(
        "--draws",
        type=whole(1, 100_000),
        default=512,
        metavar="N",
        help="draws of the source (default 512)",
    )
    parser.add_argument(
        "--area",
        type=box,
        metavar="S,N,W,E",
        help="box of the map, degrees (default: the sites and the epicentres)",
    )
    parser.add_argument(
        "--step-deg",
        type=number(0.0, 10.0),
        metavar="DEG",
        help="spacing of the map of --area (default 0.02)",
    )
    add_probability(parser)
    add_velocity(parser)
    add_outputs(
        parser,
        inputs=("posterior", "sites", "model"),
        table=("FILE.csv", "write the sites as CSV"),
        map=("FILE.nc", "write a map as NetCDF (CF conventions) or, as FILE.tif, as GeoTIFF"),
    )


def run(options: argparse.Namespace) -> Outcome:
    """Shaking and lead time at the sites of a table."""
    velocity, described = velocity_of(options)
    if options.step_deg is not None and options.area is None:
        raise InputError("--step-deg: needs --area")
    if options.area and not (options.map or options.figure):
        raise InputError("--area: needs --map or --figure, which draw it")
    inputs = Inputs(options.columns)
    sources, verdict = sources_of(options, inputs)
    sites = inputs.table(options.sites, "sites")
    tail = (1 - options.probability) / 2
    thresholds = list(options.threshold.values())
    common: dict[str, Any] = {
        "now_s": now_of(options.now, sources),
        "s_travel_time": lambda km, depth: velocity.travel_time(km, depth)[1],
        "quantile": [tail, 0.5, 1 - tail],
    }
    fitted: Any = None
    if options.model:
        fitted = ground_motion.load(inputs.file(options.model, "model"))
        if not hasattr(fitted, "predictor"):
            raise InputError(
                "--model: a multistation network needs what stations have recorded, not a "
                "posterior; use `eqstat multistation forecast`"
            )
    if options.region and not isinstance(fitted, ground_motion.MotionPosterior):
        raise InputError("--region: only a fitted ground-motion model (--model) has regions")
    where = {"region": options.region} if options.region else {}
    model = fitted.predictor(**where) if fitted else ground_motion.PointSource()
    shaking = exceedance.shaking(model, sources, sites, thresholds, **common)

    grid = None
    if options.map or options.figure:
        axes = map_axes(options, shaking, sources)
        grid = exceedance.shaking_map(model, sources, *axes, thresholds, **common)

    def figure() -> Any:
        from eqstat.plots import exceedance as plots

        assert grid is not None
        return plots.exceedance_figure(
            grid,
            sites=shaking,
            sources=sources,
            threshold_names=tuple(options.threshold),
            title=title_of(sources),
        )

    def write_map(name: str) -> None:
        from eqstat.schema import maps

        assert grid is not None
        about = {"title": f"Shaking of {title_of(sources)}", **inputs.provenance(options.words)}
        maps.write(grid, name, attrs=about)

    rows = table_of(shaking, tuple(options.threshold))
    return Outcome(
        summary=tuple(summary(rows, shaking, sources, options.probability)),
        content=content_of(shaking, sources, options),
        result="SOURCE_NOT_USABLE" if verdict else "DONE",
        result_text=verdict or "shaking predicted at all sites",
        exit_code=FAILED if verdict else DONE,
        inputs=inputs,
        velocity=described,
        notes=(
            *notes_of(fitted, shaking, sources, sites, options.region),
            *notes_on_now(common["now_s"], sources),
        ),
        figure=figure,
        files={
            "table": lambda name: rows.to_csv(name, index=False, float_format="%.6g"),
            "map": write_map,
        },
    )


def notes_of(
    fitted: Any,
    shaking: xr.Dataset,
    sources: exceedance.Sources,
    sites: pd.DataFrame,
    region: str | None,
) -> list[str]:
    """What a reader should know of the ground-motion model."""
    import numpy as np
    import pandas as pd

    if fitted is None:
        unused = "; vs30_m_s of the sites is not used by it" if "vs30_m_s" in sites else ""
        model = "ground motion by a generic point-source model; its scatter is a factor of two"
        return [model + unused, *far_sites(shaking)]
    posterior = isinstance(fitted, ground_motion.MotionPosterior)
    unknown = pd.Series(np.nan, sites.index)
    inside = (fitted if posterior else fitted.predictor()).covers(
        sources.weight @ sources.magnitude,
        shaking["distance_km"].to_numpy(),
        sources.weight @ sources.depth_km,
        np.asarray(pd.to_numeric(sites.get("vs30_m_s", unknown)), np.float64),
    )
    beyond = int(np.sum(~np.asarray(inside)))
    notes = far_sites(shaking)
    if beyond:
        notes.append(f"{beyond} of {len(sites)} sites lie outside the range of the model's data")
    if posterior:
        if region is None and len(fitted.regions) > 1:
            notes.append(f"a new region is assumed; --region takes {', '.join(fitted.regions)}")
        known = int(np.sum(fitted.station_numbers(shaking["site"].to_numpy()) >= 0))
        if known:
            notes.append(f"{known} sites have names of the model's stations; station terms are "
                         "not used")  # fmt: skip
    return notes


def far_sites(shaking: xr.Dataset) -> list[str]:
    """Which sites lie so far away that their coordinates are doubtful."""
    import numpy as np

    distance = shaking["distance_km"].to_numpy()
    far = np.flatnonzero(distance > FAR_KM)
    if not len(far):
        return []
    names = [f"{shaking['site'].to_numpy()[at]} ({distance[at]:,.0f} km)" for at in far[:3]]
    more = f" and {len(far) - 3} more" if len(far) > 3 else ""
    return [
        f"sites more than {FAR_KM:g} km from the source: {', '.join(names)}{more}; are latitude "
        "and longitude exchanged?"
    ]


def sources_of(
    options: argparse.Namespace, inputs: Inputs
) -> tuple[exceedance.Sources, str | None]:
    """Draws of the source from the file of the posterior, and why it is not to be used."""
    import xarray as xr

    name = options.posterior
    path: Path = inputs.file(name, "posterior")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"--posterior: cannot read {name!r}: {one_line(error)}") from error
    posterior = tree if tree.children else tree.to_dataset()
    if options.magnitude is None:
        held = tree["posterior"].to_dataset() if "posterior" in tree.children else tree.to_dataset()
        if "magnitude" not in held:
            raise InputError("--magnitude: needed, for the posterior holds no magnitude")
        sources = exceedance.from_posterior(posterior, count=options.draws)
    else:
        sources = exceedance.from_posterior(
            posterior, options.magnitude, magnitude_sd=options.magnitude_sd, count=options.draws
        )
    return sources, verdict_on(tree.attrs)


def verdict_on(attrs: Mapping[Any, Any]) -> str | None:
    """Why the location that a file holds is not to be used; None where it is, or says nothing."""
    from eqstat.inference import Result

    code = str(attrs.get("result", ""))
    if code not in Result.__members__ or Result[code].ok:
        return None
    text = attrs.get("result_text") or Result[code].value
    return f"the location in the posterior is not to be used: {text}"


def now_of(text: str | None, sources: exceedance.Sources) -> float | None:
    """Seconds of a time after the reference time of the sources."""
    from eqstat import schema

    if text is None:
        return None
    if not sources.reference_time:
        raise InputError("--now: the posterior has no reference time")
    now = schema.read_time(text, "--now")
    return (now - schema.read_time(sources.reference_time, "posterior")).total_seconds()


def notes_on_now(now_s: float | None, sources: exceedance.Sources) -> list[str]:
    """Say that lead times count from a moment that is far from the origin."""
    import numpy as np

    if now_s is None:
        return []
    after_s = now_s - float(np.median(sources.origin_time_s))
    if EARLIEST_S <= after_s <= LATEST_S:
        return []
    side = "before" if after_s < 0 else "after"
    return [f"--now lies {abs(after_s):,.0f} s {side} the origin, and lead times count from it"]


def title_of(sources: exceedance.Sources) -> str:
    """Which earthquake a figure shows."""
    best = sources.best()
    when = ""
    if sources.reference_time:
        moment = datetime.fromisoformat(str(sources.reference_time))
        when = f"{moment:%Y-%m-%d %H:%M:%S} UTC, "
    return (
        f"{when}{place(best.latitude[0], best.longitude[0])}, M {best.magnitude[0]:.1f}, "
        f"depth {best.depth_km[0]:.0f} km ({len(sources)} draws)"
    )


def map_axes(
    options: argparse.Namespace, shaking: xr.Dataset, sources: exceedance.Sources
) -> tuple[np.ndarray, np.ndarray]:
    """Axes of the map: those of --area, or about the sites and the epicentres."""
    if options.area is None:
        return axes_of(shaking, sources)
    step = STEP_DEG if options.step_deg is None else options.step_deg
    axes = axes_of_box(options.area, step, MAX_PLACES)
    if min(map(len, axes)) < 2:
        raise InputError("--area, --step-deg: a map needs two or more places along each side")
    return axes


def axes_of(shaking: xr.Dataset, sources: exceedance.Sources) -> tuple[np.ndarray, np.ndarray]:
    """Axes of a map that holds the sites and the epicentres, across 180 degrees too."""
    import numpy as np

    from eqstat.geodesy import LocalFrame

    latitude = np.concatenate([shaking["latitude"].to_numpy(), sources.latitude])
    longitude = np.concatenate([shaking["longitude"].to_numpy(), sources.longitude])
    middle = LocalFrame.around(latitude, longitude)
    relative = (longitude - middle.longitude + 180.0) % 360.0 - 180.0
    margin = MARGIN_KM / 111.195
    wide = margin / max(float(np.cos(np.radians(middle.latitude))), 0.05)
    north = np.clip([latitude.min() - margin, latitude.max() + margin], -90.0, 90.0)
    east = np.clip([relative.min() - wide, relative.max() + wide], -180.0, 179.9)
    return (
        np.linspace(north[0], north[1], NODES),
        middle.longitude + np.linspace(east[0], east[1], NODES),
    )
