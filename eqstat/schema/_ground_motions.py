"""Contract of recorded ground motions, with a plausibility check of their unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat.schema._check import _check, _error, add_note
from eqstat.schema._contracts import Column, Contract
from eqstat.schema._times import ColumnProblem

__all__ = ["GROUND_MOTIONS", "check_ground_motions"]

_UNITS = "multiply %g by 0.0980665, g by 9.80665, divide Gal (cm/s2) by 100"

VS30 = Column(
    "vs30_m_s",
    "number",
    unit="m/s",
    minimum=30.0,
    maximum=5000.0,
    hint="leave it empty (NaN) where it is not known",
)
"""Time-averaged S velocity over the uppermost 30 m, in every table that has it."""

GROUND_MOTIONS = Contract(
    "ground motions",
    (
        Column("event", "text", True),
        Column("magnitude", "number", True, "", -3.0, 10.0),
        Column("depth_km", "number", True, "km", -9.0, 800.0, hint="depth is positive down, in km"),
        Column(
            "distance_km",
            "number",
            True,
            "km",
            positive=True,
            hint="give the distance from the hypocentre; it is never 0 or negative",
        ),
        Column("pga_m_s2", "number", True, "m/s2", positive=True, hint="leave these rows out"),
        Column("station", "text"),
        Column("latitude", "latitude", False, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", False, "degrees", -180.0, 360.0),
        VS30,
    ),
    same=("event", "station"),
)
"""Peak ground accelerations: `event`, `magnitude`, `depth_km`, `distance_km` (from the hypocentre),
`pga_m_s2` and optional columns; `vs30_m_s` is NaN where it is unknown."""

# Other units of PGA, in m/s2.
_OTHER_UNITS = {"%g": 0.0980665, "Gal (cm/s2) or mg": 0.01, "g": 9.80665}
# Standard deviations between regions and between events, in decades.
_REGION, _EVENT = 0.5, 0.35
_LARGEST_M_S2 = 100.0


def check_ground_motions(
    table: pd.DataFrame, *, name: str = "ground motions", check_unit: bool = True
) -> pd.DataFrame:
    """Validate a table of ground motions (see `eqstat.schema.check` and `GROUND_MOTIONS`).

    PGA in another unit than m/s2 is recognised by a plausibility check: the median of the table is
    compared with a coarse expectation for its magnitudes and distances. Regions deviate from it by
    up to half a decade and single events by more, so that a deviation of more than 0.75 decades is
    an error in a table of many events and a note in a table of few.

    Parameters
    ----------
    table : pandas.DataFrame
        With `event`, `magnitude`, `depth_km` (positive down), `distance_km` (from the hypocentre),
        `pga_m_s2`; optionally `station`, `latitude`, `longitude`, `vs30_m_s` (NaN: unknown).
    name : str
        Name of the table in messages.
    check_unit : bool
        Whether to check that the unit of PGA is plausible.

    Returns
    -------
    pandas.DataFrame
        A validated copy. Rows without `vs30_m_s` are noted.

    Raises
    ------
    InputError
        When the table violates the contract, an event has two magnitudes or depths, a distance is
        less than the depth, depths are negative throughout, or PGA is implausible in m/s2.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"event": ["a"], "magnitude": [5.0], "depth_km": [8.0],
    ...                       "distance_km": [30.0], "pga_m_s2": [0.2]})
    >>> check_ground_motions(table)["pga_m_s2"].tolist()
    [0.2]
    """
    out: Any = _check(table, GROUND_MOTIONS, name, stacklevel=3)
    for column in ("magnitude", "depth_km"):
        _refuse_two_values(out, table, name, column)
    if len(out) > 1 and bool((out["depth_km"] < 0).all()):
        bad = np.ones(len(out), dtype=bool)
        advice = "depth is positive down: change the sign"
        problem = ColumnProblem("every depth lies above the surface", bad, advice)
        raise _error(name, "depth_km", table["depth_km"], problem)
    # Depths refer to the ellipsoid, and stations may lie some kilometres above it.
    short = (out["distance_km"] < 0.95 * out["depth_km"] - 1.0).to_numpy(dtype=bool)
    if short.any():
        problem = ColumnProblem(
            "is less than the depth of the event",
            short,
            "give the distance from the hypocentre, not from the epicentre or the rupture",
        )
        raise _error(name, "distance_km", table["distance_km"], problem)
    if check_unit:
        _judge_unit(out, table, name)
    if "vs30_m_s" in out.columns and (missing := int(out["vs30_m_s"].isna().sum())):
        add_note(out, f"{name}: vs30_m_s is not known in {missing} of {len(out)} rows")
    return out


def expected_log10_pga(magnitude: np.ndarray, distance_km: np.ndarray) -> np.ndarray:
    """Coarse expectation of log10 PGA (m/s2), within about half a decade in any region.

    It serves to distinguish units, not to predict: g / 20 at 10 km for magnitude 5, a decay as
    distance to the power -1.6, and a source size that increases with magnitude.
    """
    size_km = 10 ** (-0.4 + 0.235 * magnitude)
    log_distance = np.log10(np.hypot(distance_km, size_km) / 10.0)
    return -0.2 + 0.6 * (magnitude - 5.0) - 1.6 * log_distance - 0.0015 * distance_km


def _refuse_two_values(out: Any, table: Any, name: str, column: str) -> None:
    first = out.groupby("event", sort=False)[column].transform("first")
    bad = (out[column] != first).to_numpy(dtype=bool)
    if bad.any():
        problem = ColumnProblem(
            "differs from that of an earlier row of the same event",
            bad,
            "give every event one magnitude and depth, and each event a name of its own",
        )
        raise _error(name, column, table[column], problem)


def _judge_unit(out: Any, table: Any, name: str) -> None:
    pga = out["pga_m_s2"].to_numpy()
    residual = np.log10(pga) - expected_log10_pga(
        out["magnitude"].to_numpy(), out["distance_km"].to_numpy()
    )
    off = float(np.median(residual))
    unit = min(_OTHER_UNITS, key=lambda unit: abs(off + np.log10(_OTHER_UNITS[unit])))
    beyond = max(0.75, _REGION + 3 * _EVENT / np.sqrt(out["event"].nunique()))
    advice = f"is it in {unit}? {_UNITS}; or pass check_unit=False"
    if abs(off) > beyond:
        raise InputError(
            f"{name}: column 'pga_m_s2': cannot be in m/s2: the median is {10**off:.2g} times "
            f"what magnitudes and distances let expect; {advice}"
        )
    if (bad := pga > _LARGEST_M_S2).any():
        problem = ColumnProblem(f"more than {_LARGEST_M_S2:g} m/s2 was never recorded", bad, advice)
        raise _error(name, "pga_m_s2", table["pga_m_s2"], problem)
    if abs(off) > 0.75:
        add_note(
            out,
            f"{name}: the median of pga_m_s2 is {10**off:.2g} times what magnitudes and distances "
            f"let expect, which few events can be; is it in {unit}?",
        )
