"""Tables of ground motions as padded arrays, with counts of the records that are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion._layout import event_blocks, station_distances, station_places
from eqstat.inference import bucket_size, pad_rows
from eqstat.schema import check_ground_motions

DistanceLimit = float | int | None | Callable[[np.ndarray], np.ndarray]


class MotionData(Explained, eqx.Module):
    """Records as padded arrays, the input of the likelihood; made by `prepare`.

    Attributes
    ----------
    log10_pga, magnitude, distance_km, depth_km
        Log10 PGA (m/s2), magnitude, hypocentral distance and depth of each record, (records,).
    log10_vs30
        Log10 of Vs30 in m/s; arbitrary where it is unknown, (records,).
    unknown_site
        1 where Vs30 is unknown, else 0, (records,).
    weight
        1 for a record, 0 for padding, (records,).
    event, station, region
        Numbers of each record's event, station and region, (records,).
    magnitude_sd
        Standard deviation of each event's magnitude, (events,).
    station_distance
        Mean log10 distance of each record's station, less that of all records, (records,).
    station_distance_km, station_distance_share
        Geometric mean of the distances, and their intraclass correlation within stations.
    station_unknown
        1 for a station without Vs30, else 0, (stations,).
    population
        Log10 of the known Vs30, one for each site, (sites,).
    population_weight
        1 for a site, 0 for padding, (sites,).
    place_km
        Cartesian positions of the records' stations, arbitrary where unknown, (records, 3).
    has_place
        1 where the position is known, else 0, (records,).
    blocks
        Numbers of the records of each event, -1 for padding: an array (events, size) for each size
        bucket of the number of records in an event.
    stations
        Padded number of stations; 0 where the records name none. Then every record has a site of
        its own, whose term is part of the record's scatter.
    regions
        Number of regions.
    located
        Whether any record has coordinates.

    Examples
    --------
    See `prepare`.
    """

    log10_pga: Float[Array, " records"] | np.ndarray
    magnitude: Float[Array, " records"] | np.ndarray
    distance_km: Float[Array, " records"] | np.ndarray
    depth_km: Float[Array, " records"] | np.ndarray
    log10_vs30: Float[Array, " records"] | np.ndarray
    unknown_site: Float[Array, " records"] | np.ndarray
    weight: Float[Array, " records"] | np.ndarray
    event: Int[Array, " records"] | np.ndarray
    station: Int[Array, " records"] | np.ndarray
    region: Int[Array, " records"] | np.ndarray
    magnitude_sd: Float[Array, " events"] | np.ndarray
    station_distance: Float[Array, " records"] | np.ndarray
    station_distance_km: Float[Array, ""] | np.ndarray
    station_distance_share: Float[Array, ""] | np.ndarray
    station_unknown: Float[Array, " stations"] | np.ndarray
    population: Float[Array, " sites"] | np.ndarray
    population_weight: Float[Array, " sites"] | np.ndarray
    place_km: Float[Array, "records 3"] | np.ndarray
    has_place: Float[Array, " records"] | np.ndarray
    blocks: tuple[Int[Array, "_ _"] | np.ndarray, ...]
    stations: int = eqx.field(static=True)
    regions: int = eqx.field(static=True)
    located: bool = eqx.field(static=True)


@dataclass(frozen=True)
class Motions(Explained):
    """A checked table of ground motions, ready to fit; made by `prepare` or `simulate`.

    Attributes
    ----------
    data
        Padded arrays of the records.
    table
        The rows that are in them.
    events, stations, regions
        Names, in the order of the numbers in `data`; no stations where the table has none.
    left_out
        Numbers of records that were left out, by reason.
    notes
        Remarks on the data.

    Examples
    --------
    See `prepare`.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> len(motions.table["event"].unique())
    12
    """

    data: MotionData
    table: pd.DataFrame
    events: tuple[str, ...]
    stations: tuple[str, ...]
    regions: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Ranges of magnitude, distance and depth, beyond which a fitted model extrapolates."""
        values = {n: self.table[n].to_numpy() for n in ("magnitude", "distance_km", "depth_km")}
        return {n: (float(np.min(v)), float(np.max(v))) for n, v in values.items()}


def prepare(
    table: pd.DataFrame,
    *,
    max_distance_km: DistanceLimit = None,
    min_magnitude: float | int | None = None,
    region: str | None = None,
    magnitude_sd: str | float | int = 0.0,
    name: str = "ground motions",
    check_unit: bool = True,
) -> Motions:
    """Check a table of ground motions and convert it to arrays.

    In most tables, distant stations have records of small events only where the motion was strong
    enough to trigger. Such truncated records bias the attenuation and the scatter, and cannot be
    recognised in the table: limit the distance to the range in which every event is recorded. The
    limit may depend on magnitude.

    Parameters
    ----------
    table
        Table of the ground-motions contract, `eqstat.schema.GROUND_MOTIONS`.
    max_distance_km
        Hypocentral distance, km, beyond which records are left out, or a function of an array of
        magnitudes that returns it; no limit by default, which is noted.
    min_magnitude
        Magnitude below which events are left out.
    region
        Column with the region of each record, for partially pooled levels; one region by default.
    magnitude_sd
        Standard deviation of the magnitudes, at least 0, or the column with it (one value per
        event); the between-event sd is then the remaining scatter.
    name
        Name of the table in messages.
    check_unit
        Whether to check the unit of PGA by plausibility.

    Returns
    -------
    Motions

    Raises
    ------
    eqstat.InputError
        When the table cannot be used or no record is left.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "event": ["a", "a", "b"], "magnitude": [5.0, 5.0, 6.0], "depth_km": [8.0, 8.0, 10.0],
    ...     "distance_km": [20.0, 260.0, 40.0], "pga_m_s2": [0.2, 0.01, 0.4],
    ...     "station": ["s", "t", "s"]})
    >>> motions = prepare(table, max_distance_km=200.0)
    >>> motions.events, dict(motions.left_out)
    (('a', 'b'), {'beyond 200 km': 1})
    """
    checked: Any = check_ground_motions(table, name=name, check_unit=check_unit)
    given = [str(note) for note in table.attrs.get("notes", [])]
    # A table that was checked before already has these notes, perhaps under another name.
    new = [note for note in checked.attrs["notes"] if note not in given]
    texts = {note.split(": ", 1)[-1] for note in given}
    notes = [*given, *(note for note in new if note.split(": ", 1)[-1] not in texts)]
    left_out: dict[str, int] = {}
    checked = checked.reset_index(drop=True)
    if max_distance_km is None:
        notes.append(f"{name}: no limit of distance; records of strong motion only would bias it")
    else:
        limit = max_distance_km
        if callable(limit):
            limit = limit(checked["magnitude"].to_numpy())
        what = f"beyond {max_distance_km:g} km" if not callable(max_distance_km) else "too far"
        checked = _leave_out(checked, checked["distance_km"] > limit, what, left_out)
    if min_magnitude is not None:
        small = checked["magnitude"] < min_magnitude
        checked = _leave_out(checked, small, f"below magnitude {min_magnitude:g}", left_out)
    notes += [f"{name}: {count} records {why} left out" for why, count in left_out.items()]
    if not len(checked):
        raise InputError(f"{name}: no record is left ({'; '.join(notes)}); widen the limits")
    event, events = _codes(checked, "event", name)
    station, stations = _codes(checked, "station", name)
    place, regions = _codes(checked, region, name)
    codes = {"event": event, "station": station, "region": place}
    vs30 = _vs30(checked, station, len(stations), notes, name)
    error = _magnitude_sd(checked, magnitude_sd, event, len(events), name)
    data = _arrays(checked, codes, vs30, error, len(stations), max(len(regions), 1))
    return Motions(data, checked, events, stations, regions or ("all",), left_out, tuple(notes))


def _leave_out(table: Any, where: Any, why: str, left_out: dict[str, int]) -> Any:
    if count := int(where.sum()):
        left_out[why] = count
    return table[~where].reset_index(drop=True)


def _codes(table: Any, column: str | None, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the names of a column; nothing where the table has no such column."""
    if column is None or (column == "station" and column not in table.columns):
        return np.zeros(len(table), np.int32), ()
    if column not in table.columns:
        raise InputError(f"{name}: no column {column!r} for the region; name one that is there")
    if bool(table[column].isna().any()):
        rows = np.flatnonzero(table[column].isna())[:3].tolist()
        raise InputError(
            f"{name}: column {column!r}: has missing values (rows {rows}); "
            "fill them or leave out the column"
        )
    codes, names = pd.factorize(table[column].astype(str), sort=True)
    return np.asarray(codes, np.int32), tuple(str(label) for label in names)


def _vs30(
    table: Any, station: np.ndarray, count: int, notes: list[str], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Log10 of Vs30 of each record (NaN where unknown), and of each site once.

    A station with a value in some of its rows has it in all of them, which is not an imputation.
    """
    if "vs30_m_s" not in table.columns:
        notes.append(f"{name}: no column 'vs30_m_s': every site is one of an unknown population")
        return np.full(len(table), np.nan), np.zeros(0)
    value = np.log10(table["vs30_m_s"].to_numpy())
    if not count:
        return value, value[~np.isnan(value)]
    middle = pd.Series(value).groupby(station).median()
    filled = np.isnan(value) & ~np.isnan(middle.to_numpy()[station])
    if filled.any():
        notes.append(f"{name}: {int(filled.sum())} rows without vs30_m_s have their station's")
    value = np.where(filled, middle.to_numpy()[station], value)
    return value, middle.dropna().to_numpy()


def _magnitude_sd(
    table: Any, given: str | float | int, event: np.ndarray, count: int, name: str
) -> np.ndarray:
    """Standard deviation of each event's magnitude."""
    if isinstance(given, str):
        if given not in table.columns:
            raise InputError(f"{name}: no column {given!r} for the magnitudes' sd")
        values = np.asarray(pd.to_numeric(table[given], errors="coerce"), np.float64)
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            rows = np.flatnonzero(bad)[:3].tolist()
            raise InputError(
                f"{name}: column {given!r}: must be finite and not negative (rows {rows})"
            )
        each = pd.Series(values).groupby(event)
        if np.any(each.nunique() > 1):
            raise InputError(
                f"{name}: column {given!r}: differs between rows of one event; an event has one "
                "magnitude"
            )
        return each.first().to_numpy()
    check_range("prepare", 0, magnitude_sd=given)
    return np.full(count, float(given))


def _arrays(
    table: Any,
    codes: dict[str, np.ndarray],
    vs30: tuple[np.ndarray, np.ndarray],
    magnitude_sd: np.ndarray,
    stations: int,
    regions: int,
) -> MotionData:
    """Pad everything to size buckets, so that tables of similar size share compiled programs."""
    log_vs30, population = vs30
    rows, sites = bucket_size(len(table)), bucket_size(len(population))
    unknown = np.isnan(log_vs30)
    station_unknown = np.zeros(stations)
    if stations:
        station_unknown[codes["station"]] = unknown

    place_km, has_place = station_places(table)
    covariate, mean_km, share = station_distances(
        table["distance_km"].to_numpy(np.float64), codes["station"]
    )

    def record(values: Any, fill: float | int = 0) -> np.ndarray:
        return pad_rows(np.asarray(values), rows, fill)

    return MotionData(
        record(np.log10(table["pga_m_s2"].to_numpy())),
        record(table["magnitude"].to_numpy(), 5.0),
        record(table["distance_km"].to_numpy(), 10.0),
        record(table["depth_km"].to_numpy(), 8.0),
        record(np.where(unknown, 2.6, log_vs30), 2.6),
        record(unknown.astype(np.float64)),
        record(np.ones(len(table))),
        record(codes["event"]),
        record(codes["station"]),
        record(codes["region"]),
        pad_rows(magnitude_sd, bucket_size(len(magnitude_sd))),
        record(covariate),
        mean_km,
        share,
        pad_rows(station_unknown, bucket_size(stations)),
        pad_rows(population, sites, 2.6),
        pad_rows(np.ones(len(population)), sites),
        record(place_km),
        record(has_place.astype(np.float64)),
        event_blocks(codes["event"]),
        bucket_size(stations),
        regions,
        bool(has_place.any()),
    )


def as_motions(owner: str, given: Motions | pd.DataFrame) -> Motions:
    """Return motions; a table is prepared with the defaults of `prepare`."""
    if isinstance(given, pd.DataFrame):
        return prepare(given)
    check_kind(owner, Motions, "give a table, or what `prepare(...)` returns", motions=given)
    return given
