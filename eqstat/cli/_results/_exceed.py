"""Results of `eqstat exceed`: the table of sites, what the JSON holds, and the summary."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat._core.text import aligned, facts, percent, place

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from eqstat import exceedance

MAX_LINES = 20
POINT_SOURCE = "generic point source"


def table_of(shaking: xr.Dataset, names: tuple[str, ...]) -> pd.DataFrame:
    """One row for each site."""
    import pandas as pd

    low, middle, high = (100 * level for level in shaking["quantile"].to_numpy())
    chance = shaking["probability"].to_numpy()
    pga = shaking["pga_quantile_m_s2"].to_numpy()
    lead = shaking["lead_time_quantile_s"].to_numpy()
    columns = {"site": shaking["site"].to_numpy().astype(str)}
    columns |= {name: shaking[name].to_numpy() for name in ("latitude", "longitude", "distance_km")}
    columns |= {f"probability_{name}": chance[:, i] for i, name in enumerate(names)}
    columns |= {f"pga_q{q:g}_m_s2": pga[:, i] for i, q in enumerate((low, middle, high))}
    columns["lead_time_s"] = shaking["lead_time_s"].to_numpy()
    columns |= {f"lead_time_q{q:g}_s": lead[:, i] for i, q in ((0, low), (2, high))}
    return pd.DataFrame(columns)


def content_of(
    shaking: xr.Dataset, sources: exceedance.Sources, options: argparse.Namespace
) -> dict[str, Any]:
    """What the JSON holds."""
    names, best = tuple(options.threshold), sources.best()
    return {
        "source": {
            "draws": len(sources),
            "hypocentre": {
                "latitude": float(best.latitude[0]),
                "longitude": float(best.longitude[0]),
                "depth_km": float(sources.weight @ sources.depth_km),
                "origin_time": origin_of(sources),
            },
            "magnitude": float(sources.weight @ sources.magnitude),
            "standard_error": spread_of(sources),
        },
        "ground_motion": POINT_SOURCE if options.model is None else Path(options.model).name,
        "threshold_m_s2": options.threshold,
        "quantile": shaking["quantile"].to_numpy(),
        "interval": {"probability": options.probability, "kind": shaking.attrs["quantile_kind"]},
        "lead_time_from": shaking.attrs["lead_time_from"],
        "sites": [site_of(shaking.isel(site=at), names) for at in range(shaking.sizes["site"])],
    }


def spread_of(sources: exceedance.Sources) -> dict[str, float]:
    """Standard deviations of the sources, with the keys of every hypocentre."""
    import numpy as np

    from eqstat.geodesy import LocalFrame

    best = sources.best()
    frame = LocalFrame(float(best.latitude[0]), float(best.longitude[0]))
    east_km, north_km = frame.to_local(sources.latitude, sources.longitude)
    rows = {
        "latitude_km": north_km,
        "longitude_km": east_km,
        "depth_km": sources.depth_km,
        "origin_time_s": sources.origin_time_s,
        "magnitude": sources.magnitude,
    }
    several = len(sources) > 1
    return {
        name: float(np.sqrt(np.cov(row, aweights=sources.weight))) if several else 0.0
        for name, row in rows.items()
    }


def origin_of(sources: exceedance.Sources) -> Any:
    """Mean origin time of the sources; None where they have none."""
    import numpy as np
    import pandas as pd

    seconds = float(sources.weight @ sources.origin_time_s)
    if not sources.reference_time or not np.isfinite(seconds):
        return None
    return pd.to_datetime(sources.reference_time, utc=True) + pd.Timedelta(seconds=seconds)


def site_of(site: xr.Dataset, names: tuple[str, ...]) -> dict[str, Any]:
    """One site in plain values."""
    return {
        "site": str(site["site"].item()),
        **{name: site[name].item() for name in ("latitude", "longitude", "distance_km")},
        "probability": dict(zip(names, site["probability"].to_numpy().tolist(), strict=True)),
        "pga_quantile_m_s2": site["pga_quantile_m_s2"].to_numpy(),
        "lead_time_s": site["lead_time_s"].item(),
        "lead_time_quantile_s": site["lead_time_quantile_s"].to_numpy(),
    }


def summary(
    rows: pd.DataFrame, shaking: xr.Dataset, sources: exceedance.Sources, probability: float
) -> list[str]:
    """Lines for a person: the sites most likely to exceed the first threshold."""
    names = [str(name) for name in rows]
    chances, pga, lead = (
        [name for name in names if name.startswith(start)]
        for start in ("probability_", "pga_", "lead_time_q")
    )
    start = "the origin" if shaking.attrs["lead_time_from"] == "origin" else "now"
    best = sources.best()
    head = [
        (
            "Source",
            f"{place(best.latitude[0], best.longitude[0])}, depth {best.depth_km[0]:.1f} km, "
            f"magnitude {best.magnitude[0]:.1f} ({len(sources)} draws)",
        ),
        ("Intervals", f"{percent(probability)}; lead times count from {start}, to S"),
    ]
    titles = (f"P(> {name.removeprefix('probability_')})" for name in chances)
    cells = [["site", "km", *titles, "PGA m/s2", "", "lead s", ""]]
    for _, row in rows.sort_values(chances[0], ascending=False, kind="stable")[
        :MAX_LINES
    ].iterrows():
        cells.append(
            [
                str(row["site"]),
                f"{row['distance_km']:.0f}",
                *(f"{row[name]:.3f}" for name in chances),
                f"{row[pga[1]]:.2g}",
                f"({row[pga[0]]:.2g} to {row[pga[2]]:.2g})",
                f"{row['lead_time_s']:.1f}",
                f"({row[lead[0]]:.1f} to {row[lead[1]]:.1f})",
            ]
        )
    lines = [*facts(head), "", *aligned(cells)]
    if len(rows) > MAX_LINES:
        lines.append(f"... and {len(rows) - MAX_LINES} more sites")
    return lines
