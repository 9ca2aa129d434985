"""Contract of recorded ground motions, with a plausibility check of their unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from eqstat._core.errors import InputError
from eqstat.schema._check import _check, _error, add_note, warn
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

FARTHEST_KM = 20_100.0
"""No two places on earth are farther apart."""

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
            maximum=FARTHEST_KM,
            positive=True,
            hint="give the distance from the hypocentre in km, not in m; it is never 0 or negative",
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
# Median residual, decades, within which distances in metres explain PGA, and as kilometres are
# beyond by as much.
_IN_METRES = 1.5
# Groups of fewer records or fewer groups do not show their unit; least standard deviation between
# groups, decades; how much likelier two units must be than one.
_LEAST_RECORDS, _LEAST_GROUPS, _LEAST_SD, _SURE = 3, 6, 0.1, 8.0
# Share of the records from which a part in another unit is an error, not a warning.
_LEAST_SHARE = 0.05
# Fewer rows do not show two units; the ratio of units, in standard deviations of rows, that does.
_LEAST_ROWS, _CLEAR = 30, 5.0
# Chance of a scatter of events at which it is noted.
_CHANCE = 1e-3


def check_ground_motions(
    table: pd.DataFrame, *, name: str = "ground motions", check_unit: bool = True
) -> pd.DataFrame:
    """Validate a table of ground motions (see `eqstat.schema.check` and `GROUND_MOTIONS`).

    PGA in another unit than m/s2 is recognised by a plausibility check: the median of the table is
    compared with a coarse expectation for its magnitudes and distances. Regions deviate from it by
    up to half a decade and single events by more, so that a deviation of more than 0.75 decades is
    an error in a table of many events and a note in a table of few. Then events, and stations, are
    compared with each other: some that are in another unit than the rest are an error where
    that is certain and they hold 5 % of the records, and a warning where they hold fewer or where
    the scatter is more than that of earthquakes. Rows in Gal (cm/s2) among others in m/s2 are an
    error, too, however events and stations share them; rows in %g or g are not told from others.

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


def _judge_mixed_units(out: Any, residual: np.ndarray, column: str, name: str) -> None:
    """Refuse, or warn of, events or stations that have PGA in another unit than the others.

    The medians of the groups are then of two normal distributions that are apart by the ratio of
    the units. Where these overlap, they scatter more than those of earthquakes do.
    """
    by = pd.Series(residual).groupby(out[column].to_numpy())
    medians = by.median()[(by.size() >= _LEAST_RECORDS).to_numpy()]
    count = len(medians)
    if count < _LEAST_GROUPS:
        return
    values = medians.to_numpy()
    levels = {"another unit": (-np.inf, np.zeros(count, bool))}
    for each, factor in _OTHER_UNITS.items():
        apart = abs(float(np.log10(factor)))
        gain, upper, low, _ = _two_levels(values, apart)
        # Numbers in a smaller unit are larger, those in g smaller, than what is expected.
        if (abs(low) < abs(low + apart)) == (factor < 1):
            levels[each] = gain, upper if factor < 1 else ~upper
    unit = max(levels, key=lambda each: levels[each][0])
    gain, other = levels[unit]
    if gain > _SURE and 0 < other.sum() < count:
        labels = [str(label) for label in medians.index[other]]
        shown = ", ".join(labels[:3]) + (", ..." if len(labels) > 3 else "")
        text = (
            f"the PGA of {len(labels)} of {count} {column}s ({shown}) differs from that of the "
            f"others by the ratio of two units; are these in {unit}?"
        )
        # A few odd records among many, such as of one small event, are not a table of two units.
        if by.size()[medians.index[other]].sum() < _LEAST_SHARE * len(out):
            warn(out, f"{name}: {text}")
            return
        raise InputError(f"{name}: column 'pga_m_s2': {text} {_UNITS}; or pass check_unit=False")
    spread = float(values.std(ddof=1))
    if chdtrc(count - 1, (count - 1) * (spread / _EVENT) ** 2) < _CHANCE:
        warn(
            out,
            f"{name}: the PGA of {column}s scatters by a factor of {10**spread:.1f} about what "
            f"magnitudes and distances let expect, that of earthquakes by {10**_EVENT:.1f}: are "
            f"some of them in {unit}?",
        )


def _judge_mixed_rows(residual: np.ndarray, name: str) -> None:
    """Refuse rows in two units whatever their events and stations, where the two lie clearly apart.

    Single rows scatter more than the medians of groups, and not as a normal distribution: of the
    units only cm/s2 beside m/s2, a factor of 100, stand out.
    """
    if len(residual) < _LEAST_ROWS:
        return
    for unit, factor in _OTHER_UNITS.items():
        apart = abs(float(np.log10(factor)))
        gain, upper, low, sd = _two_levels(residual, apart)
        larger = (abs(low) < abs(low + apart)) == (factor < 1)
        other = upper if factor < 1 else ~upper
        if larger and gain > _SURE and sd < apart / _CLEAR and other.mean() >= _LEAST_SHARE:
            raise InputError(
                f"{name}: column 'pga_m_s2': the PGA of {other.sum()} of {len(other)} rows differs "
                f"from that of the others by the ratio of two units (row "
                f"{int(np.argmax(other))}, ...); are these in {unit}? {_UNITS}; or pass "
                "check_unit=False"
            )


def _two_levels(values: np.ndarray, apart: float) -> tuple[float, np.ndarray, float, float]:
    """Log likelihood ratio of two levels to one, who is at the upper, the lower, the scatter."""
    single = max(float(values.std()), _LEAST_SD)
    one = np.sum(_log_normal(values, values.mean(), single))
    best, at_upper, lower, scatter = -np.inf, np.zeros(len(values), bool), 0.0, np.inf
    for start in (values.min(), np.median(values), values.max() - apart):
        low, sd, share = start, 0.3, 0.5
        for _ in range(50):
            parts = np.stack([
                np.log1p(-share) + _log_normal(values, low, sd),
                np.log(share) + _log_normal(values, low + apart, sd),
            ])  # fmt: skip
            total = np.logaddexp(*parts)
            upper = np.exp(parts[1] - total)
            share = float(np.clip(upper.mean(), 0.01, 0.99))
            low = float(np.mean(values - apart * upper))
            about = (values - low) ** 2, (values - low - apart) ** 2
            square = np.mean((1 - upper) * about[0] + upper * about[1])
            sd = max(float(np.sqrt(square)), _LEAST_SD)
        if total.sum() > best:
            best, at_upper, lower = float(total.sum()), np.asarray(upper > 0.5), low
            scatter = sd
    return best - float(one), at_upper, float(lower), scatter


def _log_normal(values: np.ndarray, mean: float, sd: float) -> np.ndarray:
    return -0.5 * ((values - mean) / sd) ** 2 - np.log(sd)


def _judge_unit(out: Any, table: Any, name: str) -> None:
    pga = out["pga_m_s2"].to_numpy()
    magnitude, distance_km = (out[column].to_numpy() for column in ("magnitude", "distance_km"))
    residual = np.log10(pga) - expected_log10_pga(magnitude, distance_km)
    metres = np.log10(pga) - expected_log10_pga(magnitude, distance_km / 1000)
    if abs(np.median(metres)) < _IN_METRES < abs(np.median(residual)) - _IN_METRES:
        raise InputError(
            f"{name}: column 'distance_km': the PGA is what magnitudes and distances let expect if "
            "these are in m; divide them by 1000, or pass check_unit=False"
        )
    for column in ("event", "station"):
        if column in out.columns:
            _judge_mixed_units(out, residual, column, name)
    _judge_mixed_rows(residual, name)
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
    if abs(off) > min(0.75, _REGION + _EVENT / np.sqrt(out["event"].nunique())):
        add_note(
            out,
            f"{name}: the median of pga_m_s2 is {10**off:.2g} times what magnitudes and distances "
            f"let expect, which few regions and events can be; is it in {unit}?",
        )
