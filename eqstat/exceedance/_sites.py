"""Checks of the table of sites."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqstat import schema
from eqstat._core.errors import InputError
from eqstat.schema import VS30, Column, Contract

SITES = Contract(
    "sites",
    (
        Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
        Column("site", "text"),
        VS30,
    ),
)


def as_sites(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table of sites; unnamed sites get their row number, unknown Vs30 is NaN."""
    checked = schema.check(table, SITES)
    if not len(checked):
        raise InputError("sites: the table has no rows")
    if "site" not in checked:
        checked["site"] = np.arange(len(checked))
    else:
        names = checked["site"].tolist()
        checked["site"] = [str(i) if name is None else name for i, name in enumerate(names)]
    if "vs30_m_s" not in checked:
        checked["vs30_m_s"] = np.nan
    return checked
