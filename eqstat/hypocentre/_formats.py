"""File formats of a hypocentre, chosen by the ending of the file's name.

To add a format, write its module and name it in `FORMATS`: `eqstat locate` offers it too.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from eqstat._core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


class Format(NamedTuple):
    """A file format of hypocentres.

    Attributes
    ----------
    name
        What it is called; in lower case the option of `eqstat locate`.
    endings
        Of the names of its files.
    module
        Module of this package with `write(hypocentre, path, probability)` and, where a file holds
        a whole hypocentre, `read(path)`. It is imported when it is needed.
    holds
        What a file holds.
    needs
        A module beyond the requirements of eqstat, and how to install it.
    """

    name: str
    endings: tuple[str, ...]
    module: str
    holds: str
    needs: tuple[str, str] | None = None

    @property
    def option(self) -> str:
        """Name of the option of `eqstat locate`."""
        return self.name.lower()

    def functions(self) -> Any:
        """Import the module of the functions."""
        return import_module(f"eqstat.hypocentre.{self.module}")


FORMATS = (
    Format("NetCDF", (".nc",), "_netcdf", "the whole hypocentre"),
    Format(
        "QuakeML",
        (".xml", ".quakeml"),
        "_quakeml",
        "the hypocentre and its uncertainty",
        ("obspy", "QuakeML needs ObsPy: pip install 'eqstat[seismology]'"),
    ),
    Format("GeoJSON", (".geojson",), "_geojson", "the epicentre and its credible region"),
    Format("Scatter", (".csv",), "_scatter", "1,000 draws of the hypocentre"),
)


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
    from eqstat._core.checks import check_path  # imports NumPy

    check_path("hypocentre", path=path)
    ending = Path(path).suffix.lower()
    for known in FORMATS:
        if ending in known.endings:
            return known
    endings = ", ".join(f"{end} ({known.name})" for known in FORMATS for end in known.endings)
    raise InputError(f"{str(path)!r}: the ending must be one of {endings}")


def write(
    hypocentre: xr.Dataset | xr.DataTree, path: str | Path, *, probability: float | int = 0.9
) -> None:
    """Write a hypocentre to a file.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    path
        `.nc` (NetCDF, everything), `.geojson` (the credible region and the epicentre), `.csv`
        (1,000 draws of equal weight) or `.xml`, `.quakeml` (QuakeML 1.2: point and uncertainties;
        needs the extra `seismology`).
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
    from eqstat.hypocentre._check import check

    format_of(path).functions().write(check(hypocentre), Path(path), float(probability))


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
    functions = kind.functions()
    if not hasattr(functions, "read"):
        raise InputError(f"{str(path)!r}: {kind.name} holds {kind.holds}, not the whole hypocentre")
    if not Path(path).is_file():
        raise InputError(f"there is no file {str(path)!r}")
    return functions.read(Path(path))
