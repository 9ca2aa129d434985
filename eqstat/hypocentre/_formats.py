"""File formats of a hypocentre, chosen by the ending of the file's name.

To add a format, write its module and name it in `FORMATS`. The shell offers it by an option of
`eqstat locate` (`cli/_locate.py`) with its endings (`cli/_driver.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from eqstat._core.errors import InputError
from eqstat.hypocentre import _geojson, _netcdf, _quakeml
from eqstat.hypocentre._form import check


class Format(NamedTuple):
    """A file format: how it is written, and read where it holds a whole hypocentre."""

    name: str
    write: Callable[[xr.Dataset, Path, float], None]
    read: Callable[[Path], xr.Dataset] | None


FORMATS = {
    ".nc": Format("NetCDF", _netcdf.write, _netcdf.read),
    ".geojson": Format("GeoJSON", _geojson.write, None),
    ".xml": Format("QuakeML", _quakeml.write, _quakeml.read),
    ".quakeml": Format("QuakeML", _quakeml.write, _quakeml.read),
}


def format_of(path: str | Path) -> Format:
    """Return the format of a file name.

    Raises
    ------
    eqstat.InputError
        When its ending is not that of a format.

    Examples
    --------
    >>> format_of("event.xml").name
    'QuakeML'
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        known = ", ".join(f"{key} ({value.name})" for key, value in FORMATS.items())
        raise InputError(f"{str(path)!r}: the ending must be one of {known}")
    return FORMATS[ending]


def write(
    hypocentre: xr.Dataset | xr.DataTree, path: str | Path, *, probability: float | int = 0.9
) -> None:
    """Write a hypocentre to a file.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    path
        `.nc` (NetCDF, everything), `.geojson` (the credible region and the epicentre) or `.xml`,
        `.quakeml` (QuakeML 1.2: point and uncertainties; needs the extra `seismology`).
    probability
        Content of the region and nominal coverage of the intervals that are written.

    Raises
    ------
    eqstat.InputError
        When the ending or the hypocentre cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat import hypocentre
    >>> drawn = hypocentre.from_draws([46.0, 46.1], [7.0, 7.1], [8.0, 12.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(drawn, f"{folder}/event.nc")
    ...     read(f"{folder}/event.nc")["depth_km"].values.tolist()
    [8.0, 12.0]
    """
    if not 0 < probability < 1:
        raise InputError(f"write: probability must lie in (0, 1), not {probability!r}")
    format_of(path).write(check(hypocentre), Path(path), float(probability))


def read(path: str | Path) -> xr.Dataset:
    """Read a hypocentre from a file of `write`, or a posterior of `eqstat locate`.

    Parameters
    ----------
    path
        A NetCDF or QuakeML file. A normal distribution comes of QuakeML: the uncertainty ellipse
        and the uncertainties of depth and time, taken as independent.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    eqstat.InputError
        When there is no such file, or it holds no hypocentre.

    Examples
    --------
    See `write`.
    """
    kind = format_of(path)
    if kind.read is None:
        raise InputError(f"{str(path)!r}: {kind.name} holds a region, not the whole hypocentre")
    if not Path(path).is_file():
        raise InputError(f"there is no file {str(path)!r}")
    return kind.read(Path(path))
