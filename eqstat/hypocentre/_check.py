"""The form of a hypocentre, which every consumer checks: draws, a grid, or a normal's draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eqstat._core.checks import check_kind
from eqstat._core.errors import InputError
from eqstat.geodesy import LocalFrame, wrap_longitude

UNITS = {
    "latitude": ("degrees_north", "latitude of the epicentre"),
    "longitude": ("degrees_east", "longitude of the epicentre"),
    "depth_km": ("km", "depth, positive down"),
    "origin_time_s": ("s", "origin time after the reference time"),
    "origin_time_sd_s": ("s", "standard deviation of the origin time within the cell"),
    "magnitude": ("1", "magnitude"),
    "magnitude_probability": ("1", "probability of the magnitude given place and depth"),
    "weight": ("1", "posterior probability"),
    "east_km": ("km", "east of the frame's centre"),
    "north_km": ("km", "north of the frame's centre"),
}
REQUIRED = ("latitude", "longitude", "depth_km")
OPTIONAL = ("origin_time_s", "magnitude", "weight")
PLACE = ("north_km", "east_km")
DRAWS, GRID, NORMAL = "draws", "grid", "normal"
DEEPEST_KM = 6371.0


def iso_time(moment: Any) -> str:
    """Write a time as ISO 8601 in UTC; a time without a zone is taken as UTC."""
    try:
        stamp = pd.Timestamp(moment)
    except (ValueError, TypeError) as error:
        raise InputError(f"reference_time: {moment!r} is not a time") from error
    if stamp is pd.NaT:
        raise InputError("reference_time: missing")
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return stamp.isoformat()


def labelled(dataset: xr.Dataset, form: str, reference_time: Any) -> xr.Dataset:
    """Give variables their units and long names, and the Dataset its form and zero of time."""
    for name, (unit, long_name) in UNITS.items():
        if name in dataset.variables:
            dataset[name].attrs.update(units=unit, long_name=long_name)
    dataset.attrs["form"] = form
    if reference_time not in (None, ""):
        dataset.attrs["reference_time"] = iso_time(reference_time)
    return dataset


def form_of(hypocentre: xr.Dataset) -> str:
    """Say whether a checked hypocentre is of draws, a grid or a normal."""
    return str(hypocentre.attrs["form"])


def frame_of(hypocentre: xr.Dataset) -> LocalFrame:
    """Return the local frame that a checked hypocentre carries, or one about its draws."""
    attrs = hypocentre.attrs
    if "frame_latitude" in attrs:
        return LocalFrame(float(attrs["frame_latitude"]), float(attrs["frame_longitude"]))
    return LocalFrame.around(
        hypocentre["latitude"].to_numpy().ravel(), hypocentre["longitude"].to_numpy().ravel()
    )


def check(hypocentre: xr.Dataset | xr.DataTree) -> xr.Dataset:
    """Check a hypocentre and return it in its one form, with weights that sum to 1.

    Parameters
    ----------
    hypocentre
        A Dataset of this form; any Dataset of draws with these names; or a DataTree with a
        group `posterior` that holds them.

    Returns
    -------
    xarray.Dataset
        The argument is not changed.

    Raises
    ------
    eqstat.InputError
        When a variable is missing, not finite or out of range.

    Examples
    --------
    >>> plain = xr.Dataset({"latitude": ("draw", [46.0]), "longitude": ("draw", [187.0]),
    ...                     "depth_km": ("draw", [8.0])})
    >>> check(plain)["longitude"].values.tolist()
    [-173.0]
    """
    remedy = "give a Dataset or a DataTree; a file is opened by `xarray.open_datatree`"
    check_kind("hypocentre", (xr.Dataset, xr.DataTree), remedy, hypocentre=hypocentre)
    attrs = dict(hypocentre.attrs)
    if isinstance(hypocentre, xr.DataTree):
        group = hypocentre["posterior"] if "posterior" in hypocentre.children else hypocentre
        data = group.to_dataset()
        attrs = {**data.attrs, **attrs}
    else:
        data = hypocentre
    missing = [name for name in REQUIRED if name not in data.variables]
    if missing:
        raise InputError(
            f"hypocentre: has no {', '.join(missing)}; it must hold latitude, longitude and "
            "depth_km, as every function that locates gives it"
        )
    is_grid = set(PLACE) <= set(data["latitude"].dims)
    form = GRID if is_grid else NORMAL if attrs.get("form") == NORMAL else DRAWS
    out = data.copy() if is_grid else _only_draws(data)
    for name in (*REQUIRED, *OPTIONAL):
        if name in out.variables and not np.all(np.isfinite(out[name].to_numpy())):
            raise InputError(f"hypocentre: {name} is not finite everywhere")
    if np.any(np.abs(out["latitude"].to_numpy()) > 90.0):
        raise InputError("hypocentre: latitude must lie in [-90, 90] degrees")
    if np.any(out["depth_km"].to_numpy() > DEEPEST_KM):
        raise InputError("hypocentre: depth_km lies below the centre of the earth")
    if form == GRID:
        lost = [name for name in ("frame_latitude", "frame_longitude") if name not in attrs]
        lost += [f"{name}_bounds" for name in (*PLACE, "depth_km") if f"{name}_bounds" not in out]
        lost += [] if "weight" in out else ["weight"]
        if lost:
            raise InputError(f"hypocentre: a grid without {', '.join(lost)}")
    out["longitude"] = out["longitude"].copy(data=wrap_longitude(out["longitude"].to_numpy()))
    if "weight" in out:
        weight = out["weight"].to_numpy().astype(np.float64)
        total = weight.sum()
        if np.any(weight < 0) or not total > 0:
            raise InputError("hypocentre: weight must be at least 0, and above 0 somewhere")
        # What sums to 1 is left as it is, so that a second check changes nothing.
        out["weight"] = out["weight"].copy(data=weight / (1 if abs(total - 1) < 1e-12 else total))
    out.attrs = {**attrs, "form": form}
    return labelled(out, form, attrs.get("reference_time"))


def _only_draws(data: xr.Dataset) -> xr.Dataset:
    """The variables that have one value for each draw, over the same dims in the same order."""
    names = [name for name in (*REQUIRED, *OPTIONAL) if name in data.variables]
    full = xr.broadcast(*(data[name].reset_coords(drop=True) for name in names))
    dims = full[0].dims
    kept = {name: values.copy() for name, values in zip(names, full, strict=True)}
    for name, values in data.data_vars.items():
        if name not in kept and set(values.dims) == set(dims):
            kept[str(name)] = values.reset_coords(drop=True).transpose(*dims).copy()
    for name in kept:
        kept[name].attrs = dict(data[name].attrs)
    result = xr.Dataset(kept).drop_vars([str(dim) for dim in dims], errors="ignore")
    return result if dims else result.expand_dims("draw")
