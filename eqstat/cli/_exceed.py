"""`eqstat exceed`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eqstat.cli import _files
from eqstat.cli._errors import BadInputError, one_line
from eqstat.exceedance import Sources, from_posterior, shaking, shaking_map
from eqstat.geodesy import LocalFrame
from eqstat.ground_motion import MotionPosterior, PointSource, load
from eqstat.ground_motion.network import Network

# Nodes of a map along each side, and its margin about the sites, km.
NODES, MARGIN_KM = 61, 15.0
SHOWN = 20
POINT_SOURCE = "generic point source"


def exceed(options: argparse.Namespace) -> None:
    """Tell how strongly the sites of a table will shake, and write what came out."""
    _files.check_outputs(
        json=options.json, figure=options.figure, table=options.table, map=options.map
    )
    velocity = _files.velocity_of(options.velocity, options.p_velocity, options.s_velocity)
    sources = sources_of(options)
    sites = _files.read_table(options.sites, options.columns, "sites")
    rest = (1 - options.probability) / 2
    names, threshold = zip(*options.threshold, strict=True)
    common: dict[str, Any] = {
        "now_s": now_of(options.now, sources),
        "s_travel_time": lambda km, depth: velocity.travel_time(km, depth)[1],
        "quantile": [rest, 0.5, 1 - rest],
    }
    fitted = load(options.model) if options.model else None
    if options.region and not isinstance(fitted, MotionPosterior):
        raise BadInputError("--region: only a fitted ground-motion model (--model) has regions")
    where = {"region": options.region} if options.region else {}
    model = fitted.predictor(**where) if fitted else PointSource()
    found = shaking(model, sources, sites, list(threshold), **common)
    grid = None
    if options.map or options.figure:
        axes = axes_of(found, sources)
        grid = shaking_map(model, sources, *axes, list(threshold), **common)

    rows = table_of(found, names)
    if options.table:
        rows.to_csv(options.table, index=False, float_format="%.6g")
    if options.map and grid is not None:
        grid.to_netcdf(options.map, engine="h5netcdf")
    if options.figure and grid is not None:
        from eqstat.plots import exceedance as room

        figure = room.exceedance_figure(
            grid, sites=found, sources=sources, threshold_names=names,
            title=f"Shaking beyond {', '.join(names)}",
        )  # fmt: skip
        figure.savefig(options.figure, dpi=150)
    if options.json:
        _files.write_json(options.json, content(found, names, sources, options))
    if not options.quiet:
        if options.json != "-":
            for line in summary(rows, found, sources, options.probability):
                _files.say(line)
        _files.tell_notes(notes_of(fitted, found, sources, sites, options.region))


def notes_of(
    fitted: Network | MotionPosterior | None,
    found: xr.Dataset,
    sources: Sources,
    sites: pd.DataFrame,
    region: str | None,
) -> list[str]:
    """What a reader should know of the ground-motion model."""
    if fitted is None:
        return ["ground motion by a generic point-source model; its scatter is a factor of two"]
    unknown = pd.Series(np.nan, sites.index)
    judge = fitted.predictor() if isinstance(fitted, Network) else fitted
    inside = judge.covers(
        sources.weight @ sources.magnitude,
        found["distance_km"].to_numpy(),
        sources.weight @ sources.depth_km,
        np.asarray(pd.to_numeric(sites.get("vs30_m_s", unknown)), np.float64),
    )
    beyond = int(np.sum(~np.asarray(inside)))
    told = f"{beyond} of {len(sites)} sites lie outside of what the model was made from"
    notes = [told] if beyond else []
    if isinstance(fitted, MotionPosterior):
        if region is None and len(fitted.regions) > 1:
            notes.append(f"a new region is meant; --region takes {', '.join(fitted.regions)}")
        known = int(np.sum(fitted.station_numbers(found["site"].to_numpy()) >= 0))
        if known:
            notes.append(
                f"{known} sites are named like stations of the model, whose terms are not used"
            )
    return notes


def sources_of(options: argparse.Namespace) -> Sources:
    """Draws of the source from the file of the posterior."""
    name = options.posterior
    if not Path(name).is_file():
        raise BadInputError(f"--posterior: there is no file {name!r}")
    try:
        with xr.open_datatree(name, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(f"--posterior: cannot read {name!r}: {one_line(error)}") from error
    posterior = tree if tree.children else tree.to_dataset()
    if options.magnitude is None:
        held = tree["posterior"].to_dataset() if "posterior" in tree.children else tree.to_dataset()
        if "magnitude" not in held:
            raise BadInputError("--magnitude: needed, for the posterior holds no magnitude")
        return from_posterior(posterior, count=options.draws)
    return from_posterior(
        posterior, options.magnitude, magnitude_sd=options.magnitude_sd, count=options.draws
    )


def now_of(text: str | None, sources: Sources) -> float | None:
    """Seconds of a time after the reference time of the sources."""
    if text is None:
        return None
    if not sources.reference_time:
        raise BadInputError("--now: the posterior tells no reference time")
    try:
        moments = [pd.Timestamp(each) for each in (text, sources.reference_time)]
    except ValueError:
        raise BadInputError(f"--now: {text!r} is no time, such as 2027-01-15T08:00:05Z") from None
    now, zero = (
        each.tz_localize("UTC") if each.tzinfo is None else each.tz_convert("UTC")
        for each in moments
    )
    return (now - zero).total_seconds()


def axes_of(found: xr.Dataset, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Axes of a map that holds the sites and the epicentres, across 180 degrees too."""
    latitude = np.concatenate([found["latitude"].to_numpy(), sources.latitude])
    longitude = np.concatenate([found["longitude"].to_numpy(), sources.longitude])
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


def table_of(found: xr.Dataset, names: tuple[str, ...]) -> pd.DataFrame:
    """One row for each site."""
    low, middle, high = found["quantile"].to_numpy()
    columns: dict[str, Any] = {
        "site": found["site"].to_numpy(),
        "latitude": found["latitude"].to_numpy(),
        "longitude": found["longitude"].to_numpy(),
        "distance_km": found["distance_km"].to_numpy(),
    }
    for place, name in enumerate(names):
        columns[f"probability_{name}"] = found["probability"].to_numpy()[:, place]
    for place, level in enumerate((low, middle, high)):
        columns[f"pga_q{100 * level:g}_m_s2"] = found["pga_quantile_m_s2"].to_numpy()[:, place]
    columns["lead_time_s"] = found["lead_time_s"].to_numpy()
    for place, level in ((0, low), (2, high)):
        columns[f"lead_time_q{100 * level:g}_s"] = found["lead_time_quantile_s"].to_numpy()[
            :, place
        ]
    return pd.DataFrame(columns)


def content(
    found: xr.Dataset, names: tuple[str, ...], sources: Sources, options: argparse.Namespace
) -> dict[str, Any]:
    """What goes into the JSON: plain numbers, texts and lists."""
    level = found["quantile"].to_numpy().tolist()
    sites = []
    for place in range(found.sizes["site"]):
        one = found.isel(site=place)
        sites.append(
            {
                "site": str(one["site"].item()),
                "latitude": one["latitude"].item(),
                "longitude": one["longitude"].item(),
                "distance_km": one["distance_km"].item(),
                "probability": dict(
                    zip(names, one["probability"].to_numpy().tolist(), strict=True)
                ),
                "lead_time_s": one["lead_time_s"].item(),
                "lead_time_quantiles_s": one["lead_time_quantile_s"].to_numpy().tolist(),
                "pga_quantiles": one["pga_quantile_m_s2"].to_numpy().tolist(),
            }
        )
    return {
        "threshold_m_s2": dict(zip(names, found["threshold"].to_numpy().tolist(), strict=True)),
        "quantiles": level,
        "interval": {"probability": options.probability, "kind": found.attrs["quantile_kind"]},
        "ground_motion": options.model or POINT_SOURCE,
        "lead_time_from": found.attrs["lead_time_from"],
        "reference_time": sources.reference_time or None,
        "source": {
            "draws": len(sources),
            "latitude": float(sources.best().latitude[0]),
            "longitude": float(sources.best().longitude[0]),
            "depth_km": float(sources.weight @ sources.depth_km),
            "magnitude": float(sources.weight @ sources.magnitude),
            "magnitude_sd": float(np.sqrt(np.cov(sources.magnitude, aweights=sources.weight)))
            if len(sources) > 1
            else 0.0,
        },
        "sites": sites,
    }


def summary(
    rows: pd.DataFrame, found: xr.Dataset, sources: Sources, probability: float
) -> list[str]:
    """Lines for a person: the sites that are likeliest to shake."""
    names = [str(name) for name in rows]
    first = [name for name in names if name.startswith("probability_")]
    shown = rows.sort_values(first[0], ascending=False, kind="stable").head(SHOWN)
    start = "the origin" if found.attrs["lead_time_from"] == "origin" else "now"
    best = sources.best()
    lines = [
        f"Source          {best.latitude[0]:.3f}, {best.longitude[0]:.3f}, depth "
        f"{best.depth_km[0]:.1f} km, magnitude {best.magnitude[0]:.1f} ({len(sources)} draws)",
        f"Intervals       {100 * probability:g} %; lead times count from {start}, to S",
        "",
    ]
    pga = [name for name in names if name.startswith("pga_")]
    late = [name for name in names if name.startswith("lead_time_q")]
    cells = [["site", "km", *(f"P(> {name[12:]})" for name in first), "PGA m/s2", "", "lead s", ""]]
    for _, row in shown.iterrows():
        cells.append(
            [
                str(row["site"]),
                f"{row['distance_km']:.0f}",
                *(f"{row[name]:.3f}" for name in first),
                f"{row[pga[1]]:.2g}",
                f"({row[pga[0]]:.2g} to {row[pga[2]]:.2g})",
                f"{row['lead_time_s']:.1f}",
                f"({row[late[0]]:.1f} to {row[late[1]]:.1f})",
            ]
        )
    widths = [max(len(each[i]) for each in cells) for i in range(len(cells[0]))]
    lines += ["  ".join(map(str.ljust, each, widths)).rstrip() for each in cells]
    if len(rows) > SHOWN:
        lines.append(f"... and {len(rows) - SHOWN} more sites")
    return lines
