"""The contracts themselves: what the tables hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["time", "latitude", "longitude", "number", "text", "flag"]


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    Parameters
    ----------
    name : str
        Its name.
    kind : {"time", "latitude", "longitude", "number", "text", "flag"}
        What it holds.
    required : bool
        Whether it must be there, with no value missing.
    unit : str
        Unit, for the messages.
    minimum, maximum : float
        Range of a number, ends included.
    positive : bool
        Whether a number must be greater than zero.
    allowed : tuple of str
        The texts allowed; empty for any.
    hint : str
        What to do when the range is left.
    whole : bool
        Whether a number must be a whole one.
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
class Contract:
    """The columns of a kind of table, and what makes two of its rows the same report.

    Parameters
    ----------
    name : str
        Name of the table in messages.
    columns : tuple of Column
        Columns, required or optional.
    same : tuple of str
        Rows that agree in these columns are noted as duplicates; they are kept.
    """

    name: str
    columns: tuple[Column, ...]
    same: tuple[str, ...] = ()


_PLACE = (
    Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
    Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
)
_ELEVATION = Column(
    "elevation_m", "number", False, "m", -500.0, 9000.0, hint="elevations are metres above the sea"
)

TRIGGERS = Contract(
    "triggers",
    (
        Column("time", "time", True, "UTC"),
        *_PLACE,
        Column("device", "text"),
        Column("phase", "text", allowed=("P", "S"), hint="map Pg, Pn to P and Sg, Sn to S first"),
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
