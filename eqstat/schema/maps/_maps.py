"""Maps for geographic information systems: CF attributes, NetCDF, and GeoTIFF by rasterio."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from eqstat._core.checks import check_path
from eqstat._core.errors import InputError

CONVENTIONS = "CF-1.11"
PLACE = ("latitude", "longitude")
CRS = "crs"
# WGS 84 as the CF conventions (appendix F) and as GDAL name it; longitude comes first in `GEOGCS`.
WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
GRID_MAPPING = {
    "grid_mapping_name": "latitude_longitude",
    "longitude_of_prime_meridian": 0.0,
    "semi_major_axis": 6378137.0,
    "inverse_flattening": 298.257223563,
    "crs_wkt": WKT,
    "spatial_ref": WKT,
}
AXES = {
    "latitude": {
        "standard_name": "latitude",
        "long_name": "latitude",
        "units": "degrees_north",
        "axis": "Y",
    },
    "longitude": {
        "standard_name": "longitude",
        "long_name": "longitude",
        "units": "degrees_east",
        "axis": "X",
    },
}
NETCDF, GEOTIFF = (".nc",), (".tif", ".tiff")
# Unevenness of an axis, in parts of its spacing, that a GeoTIFF passes over.
UNEVEN = 1e-4


def to_cf(grid: xr.Dataset | xr.DataArray, *, attrs: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Give a map the form of the CF conventions.

    Latitude and longitude become the last two dims of every variable that has them, get their
    standard names, and increase; a variable `crs` describes WGS 84, to which `grid_mapping` of the
    others refers. The conventions have no standard names for peak ground acceleration and for
    probabilities of it: `long_name` and `units` say what these are.

    Parameters
    ----------
    grid
        Map, or one named variable of it, with dims `latitude` (degrees, in [-90, 90]) and
        `longitude` (degrees; it may run beyond 180 where the map crosses the antimeridian).
    attrs
        Attributes of the file beside those of the map: `title`, `source` (default: eqstat and its
        version), `history` (such as the command) and others.

    Returns
    -------
    xarray.Dataset
        With equal numbers. Attributes that NetCDF cannot hold, None, are left out.

    Raises
    ------
    eqstat.InputError
        When the map has not these two dims, or none of its variables depends on both.

    References
    ----------
    Eaton, B. et al. (2023), NetCDF Climate and Forecast (CF) metadata conventions, version 1.11,
    https://cfconventions.org.

    Examples
    --------
    >>> grid = xr.Dataset(
    ...     {"probability": (("latitude", "longitude"), [[0.1, 0.2], [0.3, 0.4]])},
    ...     {"latitude": [46.0, 46.1], "longitude": [7.0, 7.1]})
    >>> made = to_cf(grid, attrs={"title": "probability of 5 %g"})
    >>> made["probability"].attrs["grid_mapping"], made["crs"].attrs["grid_mapping_name"]
    ('crs', 'latitude_longitude')
    """
    from eqstat import __version__

    dataset = _checked(grid)
    made = dataset.copy().sortby(list(PLACE)).transpose(..., *PLACE)
    made = made.assign_coords({name: made[name].assign_attrs(AXES[name]) for name in PLACE})
    made = made.assign({at: made[at].assign_attrs(grid_mapping=CRS) for at in _layers(made)})
    made = made.assign({CRS: ((), np.int32(0), GRID_MAPPING)})
    known = {"Conventions": CONVENTIONS, "source": f"eqstat {__version__}"}
    everything = known | {str(k): v for k, v in dataset.attrs.items()} | dict(attrs or {})
    made.attrs = {name: value for name, value in everything.items() if value is not None}
    return made


def write(
    grid: xr.Dataset | xr.DataArray, path: str | Path, *, attrs: Mapping[str, Any] | None = None
) -> None:
    """Write a map as NetCDF by the CF conventions, or as GeoTIFF.

    Parameters
    ----------
    grid
        Map as in `to_cf`.
    path
        `.nc`: NetCDF 4, which xarray, GDAL and so QGIS read. `.tif`, `.tiff`: GeoTIFF in WGS 84,
        float64, north up, NaN where there is no value, by rasterio (extra `maps`); each variable
        has a band for every value of its further dims, and the band's description and tags say
        which.
    attrs
        As in `to_cf`.

    Raises
    ------
    eqstat.InputError
        When the map or the ending cannot be used; for GeoTIFF, when an axis is not evenly spaced
        or has one value only.
    ImportError
        For GeoTIFF without rasterio.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat import exceedance, ground_motion
    >>> source = exceedance.Sources([46.0], [7.0], [8.0], [5.5])
    >>> grid = exceedance.shaking_map(
    ...     ground_motion.PointSource(), source, [45.9, 46.0], [6.9, 7.0, 7.1], [0.2, 0.5])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(grid, f"{folder}/map.nc")
    ...     read = xr.load_dataset(f"{folder}/map.nc", engine="h5netcdf")
    >>> read["probability"].dims
    ('threshold', 'latitude', 'longitude')
    """
    check_path("maps.write", path=path)
    ending = Path(path).suffix.lower()
    if ending not in NETCDF + GEOTIFF:
        known = ", ".join(NETCDF + GEOTIFF)
        raise InputError(f"maps.write: {str(path)!r} must end in one of {known}")
    made = to_cf(grid, attrs=attrs)
    if ending in GEOTIFF:
        _write_geotiff(made, Path(path))
        return
    # Coordinates have no missing values, and so no fill value.
    encoding: Any = {name: {"_FillValue": None} for name in made.coords}
    made.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def _checked(grid: Any) -> xr.Dataset:
    """The map as a Dataset; refuse what is none."""
    if isinstance(grid, xr.DataArray) and grid.name is not None:
        grid = grid.to_dataset()
    if not isinstance(grid, xr.Dataset) or not set(PLACE) <= set(grid.dims):
        held = list(map(str, grid.dims)) if isinstance(grid, xr.Dataset) else type(grid).__name__
        raise InputError(f"maps: needs a Dataset with dims latitude and longitude, not {held}")
    for name, most in zip(PLACE, (90.0, 720.0), strict=True):
        axis = np.asarray(grid[name].to_numpy(), np.float64)
        if name not in grid.coords or not np.all(np.abs(axis) <= most):
            raise InputError(f"maps: {name} must be degrees, at most {most:g} from zero")
        if len(np.unique(axis)) < len(axis):
            raise InputError(f"maps: {name} holds a value twice")
    if not _layers(grid):
        raise InputError("maps: no variable depends on latitude and longitude")
    return grid


def _layers(grid: xr.Dataset) -> list[str]:
    """Variables over latitude and longitude."""
    return [str(name) for name in grid.data_vars if set(PLACE) <= set(grid[name].dims)]


def _write_geotiff(grid: xr.Dataset, path: Path) -> None:
    try:
        import rasterio  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("GeoTIFF needs rasterio: install eqstat with the extra `maps`") from error
    south, north_step = _spacing(grid, "latitude")
    west, east_step = _spacing(grid, "longitude")
    rows, columns = (grid.sizes[name] for name in PLACE)
    # Values belong to the middle of their cells; the first row is the northernmost.
    north, west = south + (rows - 0.5) * north_step, west - east_step / 2
    transform = rasterio.Affine(east_step, 0.0, west, 0.0, -north_step, north)
    bands = [band for name in _layers(grid) for band in _bands(grid[name])]
    with rasterio.open(
        path, "w", driver="GTiff", width=columns, height=rows, count=len(bands), dtype="float64",
        crs="EPSG:4326", transform=transform, nodata=np.nan, compress="deflate",
    ) as stream:  # fmt: skip
        stream.update_tags(**{k: v for k, v in grid.attrs.items() if k != "Conventions"})
        for number, (values, description, tags) in enumerate(bands, 1):
            stream.write(values[::-1], number)
            stream.set_band_description(number, description)
            stream.set_band_unit(number, tags["units"])
            stream.update_tags(number, **tags)


def _bands(layer: xr.DataArray) -> list[tuple[np.ndarray, str, dict[str, Any]]]:
    """Values, description and tags of a variable for each value of its further dims."""
    name, about = str(layer.name), layer.attrs
    more = [str(dim) for dim in layer.dims if dim not in PLACE]
    bands = []
    for at in itertools.product(*(range(layer.sizes[dim]) for dim in more)):
        one = layer.isel(dict(zip(more, at, strict=True)))
        held = {dim: one[dim].item() for dim in more}
        said = [name]
        for dim, value in held.items():
            units = layer[dim].attrs.get("units", "1")
            unit = "" if units == "1" else f" {units}"
            said.append(f"{dim} {value:.6g}{unit}" if isinstance(value, float | int)
                        else f"{dim} {value}")  # fmt: skip
        tags = {
            "variable": name,
            "long_name": about.get("long_name", name),
            "units": about.get("units", "1"),
            **held,
        }
        bands.append((one.to_numpy().astype(np.float64), ", ".join(said), tags))
    return bands


def _spacing(grid: xr.Dataset, name: str) -> tuple[float, float]:
    """First value and spacing of an increasing axis, which must be even."""
    axis = grid[name].to_numpy().astype(np.float64)
    step = float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else 0.0
    if len(axis) < 2 or np.any(np.abs(np.diff(axis) - step) > UNEVEN * step):
        raise InputError(
            f"GeoTIFF: {name} must have two or more evenly spaced values; NetCDF takes any"
        )
    return float(axis[0]), step
