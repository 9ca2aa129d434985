"""Draws of a hypocentre, random or evenly spread, and magnitudes that belong to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray
from scipy.special import ndtri

from eqstat._core.checks import check_key
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat.hypocentre._align import aligned
from eqstat.hypocentre._check import GRID, check, form_of, frame_of
from eqstat.hypocentre._form import weyl

MAGNITUDES = (-3.0, 10.0)
RESAMPLED = 256


def _whole(count: Any, name: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise InputError(f"{name}: count must be a whole number from 1, not {count!r}")
    return int(count)


def draw(key: PRNGKeyArray, hypocentre: xr.Dataset | xr.DataTree, count: int) -> xr.Dataset:
    """Draw independent hypocentres of equal weight.

    Draws are drawn with replacement; of a grid, a cell by its probability, then a point evenly
    within the cell, the origin time from its normal distribution given the cell, and the magnitude
    from its probabilities given place and depth.

    Parameters
    ----------
    key
        JAX random key.
    hypocentre
        Draws, grid or normal.
    count
        Number of draws, at least 1.

    Returns
    -------
    xarray.Dataset
        A hypocentre over `draw`, with all other variables that belong to the draws; of a grid
        also `east_km`, `north_km` and its other axes.

    Examples
    --------
    >>> import jax
    >>> from eqstat import hypocentre
    >>> three = hypocentre.from_draws([46.0, 46.1, 46.2], [7.0] * 3, [8.0] * 3, weight=[0, 0, 1])
    >>> draw(jax.random.key(0), three, 4)["latitude"].values.tolist()
    [46.2, 46.2, 46.2, 46.2]
    """
    check_key("draw", key)
    rng = generator(key)
    checked, size = check(hypocentre), _whole(count, "draw")
    noise = rng.uniform(size=(_noises(checked), size))
    return _take(checked, rng.uniform(size=size), noise)


def resample(hypocentre: xr.Dataset | xr.DataTree, count: int | None = None) -> xr.Dataset:
    """Return hypocentres of equal weight that are spread evenly over the posterior.

    Systematic resampling: no random number is needed, and no draw comes more than once more or
    less often than its weight says.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    count
        Number of draws; by default all draws there are, with their weights, and 256 of a grid.

    Returns
    -------
    xarray.Dataset
        A hypocentre over `draw`, as of `draw`.

    References
    ----------
    Kitagawa, G. (1996), Monte Carlo filter and smoother for non-Gaussian nonlinear state space
    models, J. Comput. Graph. Stat. 5, 1-25, doi:10.1080/10618600.1996.10474692.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> two = hypocentre.from_draws([46.0, 46.1], [7.0, 7.0], [8.0, 8.0], weight=[1, 3])
    >>> resample(two, 4)["latitude"].values.tolist()
    [46.0, 46.1, 46.1, 46.1]
    """
    checked = check(hypocentre)
    if count is None and form_of(checked) != GRID:
        return _flat(checked)
    size = RESAMPLED if count is None else _whole(count, "resample")
    return _take(checked, (np.arange(size) + 0.5) / size, weyl(size, _noises(checked)))


def _noises(hypocentre: xr.Dataset) -> int:
    """Number of uniform numbers that place a draw within its cell."""
    return hypocentre["weight"].ndim + 2 if form_of(hypocentre) == GRID else 1


def _flat(hypocentre: xr.Dataset) -> xr.Dataset:
    """All draws along the one dim `draw`."""
    dims = hypocentre["latitude"].dims
    return xr.Dataset(
        {
            str(name): ("draw", values.to_numpy().ravel(), values.attrs)
            for name, values in hypocentre.data_vars.items()
            if values.dims == dims
        },
        attrs=hypocentre.attrs,
    )


def _take(hypocentre: xr.Dataset, uniform: np.ndarray, noise: np.ndarray) -> xr.Dataset:
    """The draws or cells at which the cumulative weight reaches `uniform`."""
    is_grid = form_of(hypocentre) == GRID
    flat = None if is_grid else _flat(hypocentre)
    source = hypocentre if flat is None else flat
    size = source["latitude"].size
    weight = source["weight"].to_numpy().ravel() if "weight" in source else np.full(size, 1 / size)
    reached = np.cumsum(weight)
    # The first of several equal sums is the one with weight.
    index = np.searchsorted(reached, uniform * reached[-1], side="right")
    index = np.minimum(index, np.flatnonzero(weight)[-1])
    attrs = {**hypocentre.attrs, "form": "draws"}
    if flat is not None:
        kept = flat.isel(draw=index).drop_vars("weight", errors="ignore")
        # Fewer draws than those of a normal have its moments nearly, no longer exactly.
        return kept.assign_attrs(attrs)
    return check(xr.Dataset(_in_cells(hypocentre, index, noise), attrs=attrs))


def _in_cells(hypocentre: xr.Dataset, index: np.ndarray, noise: np.ndarray) -> dict[str, Any]:
    """Coordinates of points in cells; axes without edges keep their nodes."""
    dims = hypocentre["weight"].dims
    places = np.unravel_index(index, hypocentre["weight"].shape)
    cells = {str(dim): place for dim, place in zip(dims, places, strict=True)}
    rows: dict[str, Any] = {}
    for (name, cell), part in zip(cells.items(), noise, strict=False):
        if f"{name}_bounds" in hypocentre:
            low, high = hypocentre[f"{name}_bounds"].to_numpy()[cell].T
            rows[name] = low + (high - low) * part
        else:
            rows[name] = hypocentre[name].to_numpy()[cell]
    latitude, longitude = frame_of(hypocentre).to_geographic(rows["east_km"], rows["north_km"])
    rows = {"latitude": latitude, "longitude": longitude, **rows}
    if "origin_time_s" in hypocentre and "origin_time_s" not in rows:
        where = {name: xr.DataArray(cells[str(name)]) for name in hypocentre["origin_time_s"].dims}
        origin = hypocentre["origin_time_s"].isel(where).to_numpy()
        if "origin_time_sd_s" in hypocentre:
            score = ndtri(np.clip(noise[-2], 1e-9, 1 - 1e-9))
            origin = origin + score * hypocentre["origin_time_sd_s"].isel(where).to_numpy()
        rows["origin_time_s"] = origin
    if "magnitude_probability" in hypocentre:
        where = {name: xr.DataArray(cells[name]) for name in ("east_km", "north_km", "depth_km")}
        mass = hypocentre["magnitude_probability"].isel(where).transpose(..., "magnitude")
        bounds = hypocentre["magnitude_bounds"].to_numpy()
        rows["magnitude"] = _inverse(mass.to_numpy(), bounds, noise[-1])
    labels = {name: dict(hypocentre[name].attrs) for name in rows}
    for attrs in labels.values():
        attrs.pop("bounds", None)
    return {name: ("draw", np.asarray(values), labels[name]) for name, values in rows.items()}


def _inverse(mass: np.ndarray, bounds: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Values at which the cumulative mass of each row (rows, cells) reaches a uniform number."""
    reached = np.cumsum(mass, axis=1)
    wanted = uniform[:, None] * reached[:, -1:]
    cell = np.minimum(np.sum(reached <= wanted, axis=1), mass.shape[1] - 1)[:, None]
    own = np.take_along_axis(mass, cell, 1)
    part = 1 - (np.take_along_axis(reached, cell, 1) - wanted) / np.maximum(own, 1e-300)
    low, high = bounds[cell[:, 0]].T
    return low + (high - low) * np.clip(part[:, 0], 0.0, 1.0)


def _labelled_latitude(given: xr.Dataset | xr.DataTree, checked: xr.Dataset) -> xr.DataArray:
    """Latitudes in the order of the checked hypocentre, with the labels that were given."""
    if isinstance(given, xr.DataTree):
        given = (given["posterior"] if "posterior" in given.children else given).to_dataset()
    dims = checked["latitude"].dims
    own = given["latitude"]
    return own.transpose(*dims) if set(own.dims) == set(dims) else checked["latitude"]


def with_magnitude(
    hypocentre: xr.Dataset | xr.DataTree,
    magnitude: Any,
    *,
    magnitude_sd: float | int = 0.0,
    count: int | None = RESAMPLED,
) -> xr.Dataset:
    """Give a hypocentre a magnitude, as draws that are consumed together.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    magnitude
        One number, the mean; or one for each draw, which then belongs to it: a `DataArray` is
        matched by the names of its dims and its labels along them.
    magnitude_sd
        Standard deviation about these, at least 0, independent of the hypocentre. Values beyond
        -3 and 10 are set to these.
    count
        Number of draws, evenly spread; all, with their weights, where it is None.

    Returns
    -------
    xarray.Dataset
        Draws with `magnitude`.

    Raises
    ------
    eqstat.InputError
        When the magnitudes do not fit the draws.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> drawn = hypocentre.from_draws([46.0, 46.1], [7.0, 7.1], [8.0, 12.0])
    >>> made = with_magnitude(drawn, 5.6, magnitude_sd=0.3, count=100)
    >>> made.sizes["draw"], round(float(made["magnitude"].mean()), 2)
    (100, 5.6)
    """
    if not magnitude_sd >= 0:
        raise InputError(f"with_magnitude: magnitude_sd must be at least 0, not {magnitude_sd!r}")
    checked = check(hypocentre)
    given = aligned("magnitude", magnitude, _labelled_latitude(hypocentre, checked)).ravel()
    if form_of(checked) == GRID and given.size == 1:
        checked = resample(checked, count)
    size = checked["latitude"].size
    if form_of(checked) == GRID or given.size not in (1, size):
        raise InputError(
            f"with_magnitude: {given.size} magnitudes for {size} draws or cells; give one, or one "
            "for each draw"
        )
    if not np.all(np.isfinite(given)):
        raise InputError("with_magnitude: magnitude is not finite everywhere")
    flat = _flat(checked)
    flat["magnitude"] = ("draw", np.broadcast_to(given, size).copy())
    if count is not None and (size > _whole(count, "with_magnitude") or magnitude_sd > 0):
        flat = resample(flat, count)
    if magnitude_sd > 0:
        score = ndtri(weyl(flat.sizes["draw"], 1)[0])
        drawn = np.clip(flat["magnitude"] + magnitude_sd * score, *MAGNITUDES)
        flat = flat.assign(magnitude=drawn)
    return check(flat)
