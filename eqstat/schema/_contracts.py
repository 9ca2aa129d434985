"""Definition of contracts, and those of triggers and of networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eqstat._core.explain import Explained

Kind = Literal["time", "latitude", "longitude", "number", "text", "flag"]


@dataclass(frozen=True)
class Column(Explained):
    """One column of a contract.

    Parameters
    ----------
    name : str
        Name of the column.
    kind : {"time", "latitude", "longitude", "number", "text", "flag"}
        Type of its values.
    required : bool
        Whether the column must exist and have no missing values.
    unit : str
        Unit, for messages.
    minimum, maximum : float
        Range of a number, limits included.
    positive : bool
        Whether a number must be greater than zero.
    allowed : tuple of str
        Allowed strings; empty for any.
    hint : str
        Remedy given in the message when a value is out of range.
    whole : bool
        Whether a number must be an integer.

    Examples
    --------
    >>> Column("depth_km", "number", required=True, unit="km", minimum=0.0).positive
    False
    """

    name: str
    kind: Kind
    required: bool = False
    unit: str = ""
    minimum: float = -np.inf
    maximum: float = np.inf
    positive: bool = False
    allowed: tuple[str, ...] = ()
    hint: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Contract(Explained):
    """The columns of a kind of table, and the columns that identify a report.

    Parameters
    ----------
    name : str
        Name of the table in messages.
    columns : tuple of Column
        Columns, required or optional.
    same : tuple of str
        Rows that agree in these columns are noted as duplicates; they are kept.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.schema import check
    >>> depths = Contract("depths", (Column("depth_km", "number", required=True),))
    >>> check(pd.DataFrame({"depth_km": [8, 12]}), depths)["depth_km"].tolist()
    [8.0, 12.0]
    """

    name: str
    columns: tuple[Column, ...]
    same: tuple[str, ...] = ()


_PLACE = (
    Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
    Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
)
_ELEVATION = Column(
    "elevation_m",
    "number",
    False,
    "m",
    -11000.0,
    9000.0,
    hint="elevations are metres above the sea",
)

TRIGGERS = Contract(
    "triggers",
    (
        Column("time", "time", True, "UTC"),
        *_PLACE,
        Column("device", "text"),
        Column("phase", "text", allowed=("P", "S"), hint="leave it empty where it is not known"),
        Column("time_sd_s", "number", unit="s", positive=True),
        Column(
            "pga_m_s2",
            "number",
            unit="m/s2",
            minimum=0.0,
            maximum=500.0,
            hint="multiply g by 9.81, divide Gal by 100",
        ),
        _ELEVATION,
    ),
    same=("device", "time"),
)
"""Reports of shaking: `time`, `latitude`, `longitude` and optional columns."""

NETWORK = Contract(
    "network",
    (
        *_PLACE,
        Column("device", "text"),
        Column("active_from", "time", unit="UTC"),
        Column("active_to", "time", unit="UTC"),
        _ELEVATION,
    ),
)
"""Devices known to be monitoring: `latitude`, `longitude` and optional columns."""
