"""Hypocentres as NetCDF: the whole Dataset."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from eqstat._core.errors import InputError
from eqstat.hypocentre._check import check

ENGINE = "h5netcdf"


def write(hypocentre: xr.Dataset, path: Path, probability: float) -> None:
    """Write the Dataset; the probability is not needed."""
    del probability
    hypocentre.to_netcdf(path, engine=ENGINE)


def read(path: Path) -> xr.Dataset:
    """Read a Dataset, or the group `posterior` of a file of chains."""
    try:
        with xr.open_datatree(path, engine=ENGINE) as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read {str(path)!r} as NetCDF: {error}") from error
    return check(tree)
