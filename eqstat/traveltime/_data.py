"""From tables of triggers to padded arrays in seconds and local kilometres."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import equinox as eqx
import numpy as np
import pandas as pd

from eqstat import schema
from eqstat._core.checks import check_choice, check_kind, check_range, refuse
from eqstat._core.errors import InputError
from eqstat._core.explain import WIDTH, Explained, cut, phrase
from eqstat._core.text import LABEL, clock, place
from eqstat.geodesy import LocalFrame, great_circle_distance
from eqstat.traveltime._arrays import UNKNOWN, Devices, P, S, TriggerData, padded, strong
from eqstat.traveltime._silent import silent_devices
from eqstat.velocity import VelocityLike, as_velocity

MINIMUM_TRIGGERS = 5
MINIMUM_PLACES = 3
# Median distance of the triggers from their middle up to which travel times and frames hold.
LARGEST_APERTURE_KM = 1000.0
SECOND = pd.Timedelta(seconds=1)

# The types that pandas gives its own methods are too wide for a type checker to follow.
Table = Any


@dataclass(frozen=True)
class Observations(Explained):
    """Triggers made ready for the core, with the way back to geographic coordinates.

    Attributes
    ----------
    data
        The padded arrays.
    frame
        The local frame, centred on the triggers.
    reference_time
        The zero of `data.time_s` (UTC).
    triggers
        The rows in use, in the order of the arrays, with the labels of the caller's index.
    left_out
        The rows not in use and a column `reason`.
    notes
        What a reader of the result should know of the tables.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> observations.enough, len(observations.triggers), len(observations.left_out)
    (True, 6, 0)
    """

    data: TriggerData
    frame: LocalFrame
    reference_time: pd.Timestamp
    triggers: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def enough(self) -> bool:
        """Whether a hypocentre may be sought: five triggers at three places."""
        places = self.triggers[["latitude", "longitude"]].drop_duplicates()
        return len(self.triggers) >= MINIMUM_TRIGGERS and len(places) >= MINIMUM_PLACES

    @property
    def usage(self) -> str:
        """How many triggers are in use, and why the others are not."""
        used, out = len(self.triggers), self.left_out["reason"].value_counts()
        text = f"{used} of {used + len(self.left_out)} triggers in use"
        return ", ".join([text, *(f"{count} {reason}" for reason, count in out.items())])

    def _facts(self) -> list[tuple[str, str]]:
        centre = place(self.frame.latitude, self.frame.longitude)
        rows = [("Triggers", self.usage), ("Centre", f"{centre}, reference of local kilometres")]
        if len(self.triggers):
            first, last = self.triggers["time"].min(), self.triggers["time"].max()
            lasts = f"{(last - first) / SECOND:.1f} s"
            rows.append(("Time", f"{first:%Y-%m-%d} {clock(first)} to {clock(last)} UTC ({lasts})"))
            rows.append(("Aperture", f"{self.aperture_km:.0f} km"))
        if self.data.has_silent:
            rows.append(("Silent devices", str(int(np.sum(self.data.silent_mask)))))
        rows.append(("Velocity", cut(phrase(self.data.velocity), WIDTH - LABEL)))
        return [*rows, *(("Note", cut(note, WIDTH - LABEL)) for note in self.notes[:4])]

    @property
    def aperture_km(self) -> float:
        """Median distance of the devices from the frame's centre; at least 5 km."""
        count = len(self.triggers)
        radius = np.linalg.norm(self.data.position_km[:count], axis=1)
        return float(max(np.median(radius), 5.0)) if count else 5.0

    def with_wave(self, wave: Literal["P", "S"]) -> Observations:
        """Return observations whose triggers of unknown phase are taken for `wave`.

        Examples
        --------
        >>> import pandas as pd
        >>> from eqstat import traveltime
        >>> table = pd.DataFrame({
        ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
        ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
        ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
        >>> observations = traveltime.prepare(table)
        >>> int(observations.data.wave), int(observations.with_wave("S").data.wave)
        (1, 2)
        """
        check_choice("observations", ("P", "S"), wave=wave)
        code = np.asarray({"P": P, "S": S}[wave], np.int32)
        return replace(self, data=eqx.tree_at(lambda data: data.wave, self.data, code))

    def with_velocity(self, velocity: VelocityLike) -> Observations:
        """Return the same observations with another velocity model.

        Examples
        --------
        >>> import pandas as pd
        >>> from eqstat import traveltime
        >>> table = pd.DataFrame({
        ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
        ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
        ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
        >>> slower = traveltime.prepare(table).with_velocity(6.0)
        >>> float(slower.data.velocity.p_velocity_km_s)
        6.0
        """
        return replace(self, data=replace(self.data, velocity=strong(as_velocity(velocity))))

    def time_of(self, seconds: float) -> pd.Timestamp:
        """Return the UTC time `seconds` after the reference time.

        Examples
        --------
        >>> import pandas as pd
        >>> from eqstat import traveltime
        >>> table = pd.DataFrame({
        ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
        ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
        ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
        >>> observations = traveltime.prepare(table)
        >>> str(observations.time_of(0.0))
        '1970-01-01 00:00:07.100000+00:00'
        """
        moment: Any = self.reference_time + pd.Timedelta(seconds=float(seconds))
        return moment


def _seconds(times: Table, reference: pd.Timestamp) -> np.ndarray:
    return ((times - reference) / SECOND).to_numpy(np.float64)


def _column(table: Table, name: str, default: float) -> np.ndarray:
    if name not in table:
        return np.full(len(table), default)
    return table[name].to_numpy(np.float64, na_value=default)


def _select(
    triggers: Table,
    start: pd.Timestamp | None,
    now: pd.Timestamp | None,
    max_distance_km: float | None,
    centre: tuple[float, float] | None,
    first_of_device: bool,
    labels: pd.Index,
) -> Table:
    """Reason why each row is left out; empty where it is used."""
    reason: Table = pd.Series("", index=triggers.index, dtype=object)
    if start is not None:
        reason[triggers["time"] < start] = "before the window"
    if now is not None:
        reason[triggers["time"] > now] = "after now"
    key = [c for c in ("device", "time", "latitude", "longitude", "phase") if c in triggers]
    reason[triggers.duplicated(key) & (reason == "")] = "duplicate of an earlier row"
    if max_distance_km is not None and centre is not None:
        east, north = LocalFrame(*centre).to_local(
            triggers["latitude"].to_numpy(), triggers["longitude"].to_numpy()
        )
        far = np.hypot(east, north) > max_distance_km
        reason[far & (reason == "").to_numpy()] = f"farther than {max_distance_km:g} km"
    open_rows = triggers[reason == ""]
    known_window: Any = {} if start is None or now is None else {"gap_s": None}
    # Rows are named by the labels of the caller's table, such as lines of a file.
    named = open_rows.set_axis(labels[open_rows.index])
    reason[open_rows.index] = schema.unusable_reports(
        named, one_event=True, stacklevel=4, **known_window
    )
    triggers.attrs["notes"] = named.attrs["notes"]
    if first_of_device and "device" in triggers:
        open_rows = triggers[reason == ""].sort_values("time", kind="stable")
        later = open_rows.index[open_rows.duplicated("device")]
        reason[later] = "later trigger of the same device"
    return reason


def _warn_of_empty_window(
    triggers: Table, reason: Table, start: pd.Timestamp | None, now: pd.Timestamp | None
) -> None:
    """Warn where no trigger lies in the window."""
    outside = reason.isin(["before the window", "after now"])
    if outside.all():
        first, last = (triggers["time"].min(), triggers["time"].max())
        given = {"start": start, "now": now}
        ends = " and ".join(f"{name} ({at})" for name, at in given.items() if at is not None)
        schema.warn(
            triggers,
            f"triggers: none of the {len(triggers)}, from {first} to {last}, lies in the window; "
            f"is {ends} right?",
        )


def _refuse_spread(triggers: Table) -> None:
    """Refuse triggers from many parts of the globe, which no local frame and no table holds."""
    if not len(triggers):
        return
    places = [triggers[name].to_numpy(np.float64) for name in ("latitude", "longitude")]
    frame = LocalFrame.around(*places)
    away = great_circle_distance(frame.latitude, frame.longitude, *places)
    if np.median(away) > LARGEST_APERTURE_KM:
        raise InputError(
            f"triggers: half of them are more than {np.median(away):,.0f} km from their middle "
            f"({frame.latitude:.1f}, {frame.longitude:.1f}); earthquakes are located up to "
            f"{LARGEST_APERTURE_KM:g} km: keep the triggers of one region, or give "
            "max_distance_km and centre"
        )


def prepare(
    triggers: pd.DataFrame,
    *,
    network: pd.DataFrame | None = None,
    velocity: VelocityLike = None,
    start: pd.Timestamp | str | None = None,
    now: pd.Timestamp | str | None = None,
    truncated: bool = False,
    wave: Literal["P", "S"] = "P",
    max_distance_km: float | None = None,
    centre: tuple[float, float] | None = None,
) -> Observations:
    """Check a table of triggers and move it to padded arrays in local coordinates.

    Parameters
    ----------
    triggers
        Table of the triggers contract: `time`, `latitude`, `longitude`; `phase`, `time_sd_s`
        and `elevation_m` are used where they are given.
    network
        Table of the network contract. With it, active devices without a trigger count as
        silent, and only the first trigger of each device is used.
    velocity
        Velocity model, its name, or the velocity of P, km/s (see `eqstat.velocity.as_velocity`);
        the constant one of the 2023 paper by default.
    start, now
        The observed window (UTC). By default it reaches one mean interval beyond the first
        and the last trigger.
    truncated
        Whether the data stop at `now`, so that a trigger is seen only if it came before;
        needs `now`.
    wave
        The wave that the Gaussian likelihood takes triggers of unknown phase for.
    max_distance_km, centre
        Leave out triggers farther than this from `centre` (latitude, longitude).

    Returns
    -------
    Observations

    Raises
    ------
    eqstat.InputError
        When a table breaks its contract, or `now` is missing where it is needed.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"time": [1.8e9, 1.8e9 + 1], "latitude": [1, 2], "longitude": [3, 4]})
    >>> prepare(table).enough
    False
    """
    check_choice("prepare", ("P", "S"), wave=wave)
    checked = schema.check_triggers(triggers)
    if (truncated or network is not None) and now is None:
        raise InputError(
            "triggers: truncation and silent devices need the present: give `now` (--now), UTC"
        )
    if max_distance_km is not None and centre is None:
        raise InputError("triggers: max_distance_km needs `centre` (latitude, longitude)")
    begin = None if start is None else schema.read_time(start, "start")
    end: Any = None if now is None else schema.read_time(now, "now")
    if begin is not None and end is not None and end <= begin:
        raise InputError(f"triggers: the window ends ({end}) before it starts ({begin})")

    if centre is not None:
        refuse("prepare", (np.shape(centre) != (2,), "centre must be latitude and longitude"))
        check_range("prepare", -90, 90, latitude=centre[0])
        check_range("prepare", -180, 360, longitude=centre[1])

    position = np.arange(len(checked))
    rows: Table = checked.set_axis(position)
    reason = _select(rows, begin, end, max_distance_km, centre, network is not None, checked.index)
    use = (reason == "").to_numpy()
    _warn_of_empty_window(rows, reason, begin, end)
    used: Table = checked[use]
    notes = list(rows.attrs["notes"])
    schema.refuse_several_events(used, begin)
    _refuse_spread(used)
    left_out = checked[~use].assign(reason=reason[~use].to_numpy())

    anchor: Table = used if len(used) else checked
    frame = LocalFrame.around(anchor["latitude"].to_numpy(), anchor["longitude"].to_numpy())
    first, last = anchor["time"].min(), anchor["time"].max()
    margin = max((last - first) / (len(anchor) + 1), SECOND)
    begin = first - margin if begin is None else begin
    end = last + margin if end is None else end
    reference = anchor["time"].sort_values().iloc[(len(anchor) - 1) // 2].floor("ms")

    silent = used.iloc[:0]
    if network is not None:
        sites = schema.check_network(network)
        notes += list(sites.attrs.get("notes", ()))
        schema.compare_places(used, sites)
        if max_distance_km is not None and centre is not None:
            east, north = LocalFrame(*centre).to_local(
                sites["latitude"].to_numpy(), sites["longitude"].to_numpy()
            )
            near = np.hypot(east, north) <= max_distance_km
            notes.append(f"{int(np.sum(~near))} devices are farther than {max_distance_km:g} km")
            sites = sites[near]
        # A device that triggered is not silent, whether its trigger is in use or not.
        silent, said = silent_devices(sites, checked[(checked["time"] <= end).to_numpy()], end)
        notes += said

    def places(table: Table) -> Devices:
        latitude, longitude = table["latitude"].to_numpy(), table["longitude"].to_numpy()
        return Devices(latitude, longitude, _column(table, "elevation_m", 0.0))

    labels = used["phase"].astype(object) if "phase" in used else pd.Series("", used.index)
    phase = np.select([labels == "P", labels == "S"], [P, S], UNKNOWN).astype(np.int32)
    data = padded(
        frame,
        places(used),
        _seconds(used["time"], reference),
        time_sd_s=_column(used, "time_sd_s", 0.0),
        phase=phase,
        silent=None if network is None else places(silent),
        window_s=((begin - reference) / SECOND, (end - reference) / SECOND),
        wave=wave,
        velocity=velocity,
        truncated=truncated,
    )
    return Observations(data, frame, reference, used, left_out, tuple(notes))


def as_observations(owner: str, given: Observations | pd.DataFrame) -> Observations:
    """Return observations; a table of triggers is prepared with the defaults of `prepare`."""
    if isinstance(given, pd.DataFrame):
        return prepare(given)
    remedy = "give a table of triggers, or what `prepare(...)` returns"
    check_kind(owner, Observations, remedy, observations=given)
    return given
