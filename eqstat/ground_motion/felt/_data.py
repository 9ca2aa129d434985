"""Tables of felt-only records as padded arrays, and how complete records become felt-only."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int, PRNGKeyArray

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat.inference import bucket_size, pad_rows
from eqstat.schema import check_ground_motions


class FeltData(Explained, eqx.Module):
    """Felt-only records as padded arrays, the input of the likelihood; made by `prepare`.

    Attributes
    ----------
    log10_pga
        Log10 PGA (m/s2), of a silent station that of the floor, (records,).
    reported
        1 for a report, 0 for a silent station, (records,).
    weight
        1 for a row of the table, 0 for padding, (records,).
    event
        Number of each record's event, (records,).
    magnitude, distance_km, depth_km
        Magnitude, hypocentral distance and depth, (records,).
    log10_floor
        Log10 of the PGA (m/s2) from which stations report.
    events
        Padded number of events.
    truncated
        Whether silent stations are unknown.

    Examples
    --------
    See `prepare`.
    """

    log10_pga: Float[Array, " records"] | np.ndarray
    reported: Float[Array, " records"] | np.ndarray
    weight: Float[Array, " records"] | np.ndarray
    event: Int[Array, " records"] | np.ndarray
    magnitude: Float[Array, " records"] | np.ndarray
    distance_km: Float[Array, " records"] | np.ndarray
    depth_km: Float[Array, " records"] | np.ndarray
    log10_floor: Float[Array, ""] | np.ndarray
    events: int = eqx.field(static=True)
    truncated: bool = eqx.field(static=True)


@dataclass(frozen=True)
class FeltMotions(Explained):
    """A checked table of felt-only records, ready to fit; made by `prepare`.

    Attributes
    ----------
    data
        Padded arrays.
    table
        The rows that are in them.
    floor_m_s2
        PGA from which stations report.

    Examples
    --------
    See `prepare`.
    """

    data: FeltData
    table: pd.DataFrame
    floor_m_s2: float

    @property
    def reports(self) -> int:
        """Number of reports, without silent stations."""
        return int(self.table["pga_m_s2"].notna().sum())


def prepare(
    table: pd.DataFrame,
    floor_m_s2: float | int,
    *,
    name: str = "felt records",
    check_unit: bool = False,
) -> FeltMotions:
    """Check a table of felt-only records and convert it to arrays.

    Parameters
    ----------
    table
        Table of the ground-motions contract, `eqstat.schema.GROUND_MOTIONS`. A row without
        `pga_m_s2` is a station that worked and was silent. With such rows silence is *censored*:
        every station that could have reported must be in the table. Without any, silent stations
        are unknown, and records are *truncated* at the floor.
    floor_m_s2
        PGA from which stations report, m/s2, above 0.
    name
        Name of the table in messages.
    check_unit
        Whether to check the unit of PGA by plausibility. Records of weak shaking only lie above
        what their magnitudes let expect, so that by default it is not.

    Returns
    -------
    FeltMotions

    Raises
    ------
    eqstat.InputError
        When the table cannot be used, no station has reported, or a report is below the floor.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "event": ["a", "a", "b"], "magnitude": [5.0, 5.0, 6.0], "depth_km": [8.0, 8.0, 10.0],
    ...     "distance_km": [20.0, 160.0, 40.0], "pga_m_s2": [0.2, np.nan, 0.4]})
    >>> prepare(table, 0.01).data.truncated, prepare(table.dropna(), 0.01).data.truncated
    (False, True)
    """
    check_range("prepare", 0, ends="(]", floor_m_s2=floor_m_s2)
    check_kind("prepare", pd.DataFrame, "give a table of records", table=table)
    filled = table
    silent = np.zeros(len(table), bool)
    if "pga_m_s2" in table.columns:
        silent = table["pga_m_s2"].isna().to_numpy()
        filled = table.assign(pga_m_s2=table["pga_m_s2"].fillna(float(floor_m_s2)))
    checked = check_ground_motions(filled, name=name, check_unit=check_unit)
    checked = checked.reset_index(drop=True)
    if silent.all():
        raise InputError(f"{name}: no station has reported; give rows with pga_m_s2")
    below = np.flatnonzero(checked["pga_m_s2"].to_numpy() < floor_m_s2 * (1 - 1e-9))
    if len(below):
        raise InputError(
            f"{name}: column 'pga_m_s2': below the floor of {floor_m_s2:g} m/s2 "
            f"(rows {below[:3].tolist()}); give the level from which stations report"
        )
    rows = bucket_size(len(checked))

    def record(values: np.ndarray, fill: float) -> np.ndarray:
        return pad_rows(np.asarray(values, np.float64), rows, fill)

    event = pd.factorize(checked["event"].astype(str), sort=True)[0]
    data = FeltData(
        record(np.log10(checked["pga_m_s2"].to_numpy()), 0.0),
        record(~silent, 0.0),
        record(np.ones(len(checked)), 0.0),
        pad_rows(event.astype(np.int32), rows),
        record(checked["magnitude"].to_numpy(), 5.0),
        record(checked["distance_km"].to_numpy(), 10.0),
        record(checked["depth_km"].to_numpy(), 10.0),
        np.asarray(np.log10(floor_m_s2)),
        bucket_size(int(event.max()) + 1),
        not silent.any(),
    )
    checked.loc[silent, "pga_m_s2"] = np.nan
    return FeltMotions(data, checked, float(floor_m_s2))


def thin(
    key: PRNGKeyArray,
    table: pd.DataFrame,
    floor_m_s2: float | int,
    *,
    out_of_order: float | int = 0.0,
) -> pd.DataFrame:
    """Make felt-only records of complete ones: the simulator of the likelihood.

    Parameters
    ----------
    key
        JAX random key.
    table
        Complete records, such as `eqstat.ground_motion.simulate(...).table`.
    floor_m_s2
        PGA from which stations report, m/s2, above 0.
    out_of_order
        Share of the records whose station was silent whatever the shaking, in [0, 1).

    Returns
    -------
    pandas.DataFrame
        The same rows, without `pga_m_s2` where the station was silent. `dropna` of this column
        leaves truncated records.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range, or the table has no PGA.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=10, stations=8))
    >>> felt = thin(jax.random.key(1), motions.table, 0.1)
    >>> bool(felt["pga_m_s2"].min() >= 0.1), len(felt) == len(motions.table)
    (True, True)
    """
    check_kind("thin", pd.DataFrame, "give a table of records", table=table)
    check_range("thin", 0, ends="(]", floor_m_s2=floor_m_s2)
    check_range("thin", 0, 1, ends="[)", out_of_order=out_of_order)
    if "pga_m_s2" not in table.columns:
        raise InputError("thin: the table has no column 'pga_m_s2'")
    working = generator(key).uniform(size=len(table)) >= out_of_order
    felt = (table["pga_m_s2"].to_numpy() >= floor_m_s2) & working
    return table.assign(pga_m_s2=table["pga_m_s2"].where(felt))
