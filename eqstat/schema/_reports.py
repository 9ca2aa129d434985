"""Reports that cannot be used as they stand: repeats, wrong clocks and places, swapped phases."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eqstat._core.errors import InputError
from eqstat.geodesy import great_circle_distance
from eqstat.schema._check import add_note, rows_text, warn
from eqstat.schema._devices import SAME_DEG, fine_places, shared_names, warn_of_names
from eqstat.schema._names import similar

# A device cannot notice the same wave twice within this time; P and S have phases of their own.
REPEAT_S = 1.0
# Reports that follow earlier ones of their devices by one lag were delivered again: at least so
# many, this share of those that follow one, to within this time.
LEAST_AGAIN, SHARE_AGAIN, SAME_LAG_S, LONGEST_LAG_S = 5, 0.8, 0.05, 3600.0
# Triggers of one earthquake lie within minutes, even those of two waves at far stations.
EVENT_GAP_S = 600.0
# Groups of at least this share of all rows are no outliers; of places alone, of this one.
LARGEST_SHARE, FEW = 0.2, 0.02
FAR_KM, FAR_RATIO, FASTEST_KM_S, SLOWEST_KM_S = 300.0, 10.0, 20.0, 2.5
# Fewer times do not show their resolution.
LEAST_TIMES = 5
# Times that are all multiples of a step that divides the day are cut to it, where this is no
# chance: so often rarer are so many different times.
LEAST_STEP_S, RARE = 5, 30
# Fewer rows for each value of a column tell no events apart.
ROWS_OF_EVENT = 3
DAY_MS = 86_400_000
# Places that are all multiples of this many degrees (11 km, 1.4 s of P) are coarse.
COARSE_DEG = 0.1

_PLACE = ("latitude", "longitude")
REPEATED = "repeats a report of the same device"
OTHER_TIME = "isolated in time"
OTHER_PLACE = "isolated in place"
SWAPPED = "S before P at the same device"


def unusable_reports(
    triggers: Any,
    *,
    name: str = "triggers",
    gap_s: float | None = EVENT_GAP_S,
    one_event: bool = False,
    stacklevel: int = 3,
) -> NDArray[np.object_]:
    """Return why each report cannot be used, "" where it can, with a warning for each reason.

    - Repeats: reports of the same device and phase within 1 s of one before, or after one lag that
      is the same for all devices, such as those of a queue that delivers again. Without devices,
      places of at least four decimals stand for them.
    - Isolated in time: separated from the largest group by more than `gap_s` and twenty times its
      length, and few: a clock that was not set.
    - Isolated in place: more than 300 km and ten times the median distance from the middle, too
      early or too late for any wave from there, and few; a receiver that reports 0, 0.
    - S before P at the same device.

    Parameters
    ----------
    triggers : pandas.DataFrame
        From `check_triggers`.
    name : str
        Name of the table in messages.
    gap_s : float, optional
        Shortest time without a report that separates groups, s; None does not judge times.
    one_event : bool
        Note groups too far apart in time for one earthquake.
    stacklevel : int
        As of `warnings.warn`.

    Returns
    -------
    numpy.ndarray
        Reasons, (rows,).

    Raises
    ------
    eqstat.InputError
        When the times are cut to minutes (see `refuse_coarse_times`).

    Examples
    --------
    >>> import warnings
    >>> import pandas as pd
    >>> from eqstat.schema import check_triggers
    >>> table = pd.DataFrame({"time": [1.8e9, 1.8e9 + 0.02, 1.8e9 + 3], "latitude": 1.0,
    ...                       "longitude": 2.0, "device": ["a", "a", "a"]})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     unusable_reports(check_triggers(table)).tolist()
    ['', 'repeats a report of the same device', '']
    """
    if not len(triggers):
        return np.full(0, "", object)
    refuse_coarse_times(triggers, name=name)
    reason = np.full(len(triggers), "", object)
    seconds = seconds_of(triggers["time"])
    # Labels of rows may be the same for many; they serve messages only.
    plain = triggers.reset_index(drop=True)
    for text, bad in (
        (OTHER_TIME, _isolated_times(seconds, gap_s)),
        (REPEATED, _repeats(plain, seconds)),
        (OTHER_PLACE, _isolated_places(plain, seconds)),
        (SWAPPED, _swapped_phases(plain, seconds)),
    ):
        bad &= reason == ""
        if bad.any():
            reason[bad] = text
            shown = triggers["time"] if text != OTHER_PLACE else _places(triggers)
            rows = rows_text(shown, bad)
            warn(triggers, f"{name}: left out: {text} ({rows})", stacklevel=stacklevel + 1)
    warn_of_names(triggers, seconds, name)
    used = plain[reason == ""]
    for text in [*_coarse(used), *(_several(used) if one_event else [])]:
        add_note(triggers, text)
    return reason


def _coarse(triggers: Any) -> list[str]:
    """Say that all times are cut to whole seconds, and all places to tenths of a degree."""
    if len(triggers) < LEAST_TIMES:
        return []
    said = []
    step_s, _ = _step(triggers["time"])
    if triggers["time"].nunique() == 1:
        said.append("every time is the same: are they cut to minutes, or of one message?")
    elif step_s >= 1:
        what = "whole second" if step_s == 1 else f"multiple of {step_s:g} s"
        text = "times cut to it are early by half of it on average; give tenths of a second"
        said.append(f"every time is a {what}, or as far from one: {text}")
    places = triggers[["latitude", "longitude"]].to_numpy(np.float64) / COARSE_DEG
    if len(np.unique(places)) > 2 and np.all(np.abs(places - np.round(places)) < 1e-6):
        said.append(
            f"every latitude and longitude is a multiple of {COARSE_DEG:g} degrees: the devices "
            "are kilometres away from there; give four decimals"
        )
    return said


def _several(triggers: Any) -> list[str]:
    """Say that groups of triggers are too far apart in time for one earthquake.

    Of five triggers or more, with a minute and the time that S takes across the network between.
    """
    if len(triggers) < LEAST_TIMES:
        return []
    seconds = seconds_of(triggers["time"])
    distance = _far(*(triggers[k].to_numpy(np.float64) for k in ("latitude", "longitude")))[1]
    number = groups_in_time(seconds, 60.0 + 2 * float(np.max(distance)) / SLOWEST_KM_S)
    large = [group for group in range(number.max() + 1) if np.sum(number == group) >= LEAST_TIMES]
    if len(large) < 2:
        return []
    ends = [(seconds[number == group].min(), seconds[number == group].max()) for group in large]
    apart = min(later[0] - earlier[1] for earlier, later in pairwise(ends))
    return [
        f"triggers come in {len(large)} groups, {apart:.0f} s apart, and one earthquake is "
        "located: keep one by `start` and `now` (--start, --now), or name them in a column (--each)"
    ]


def seconds_of(times: Any) -> NDArray[np.float64]:
    """Return times as seconds since 1970."""
    return times.to_numpy(dtype="datetime64[ns]").astype(np.int64) / 1e9


def groups_in_time(seconds: NDArray[np.float64], gap_s: float = EVENT_GAP_S) -> NDArray[np.int64]:
    """Return the number of the group of each time; gaps of more than `gap_s` separate groups.

    Examples
    --------
    >>> groups_in_time(np.array([5.0, 900.0, 0.0]), 600.0).tolist()
    [0, 1, 0]
    """
    order = np.argsort(seconds, kind="stable")
    number = np.zeros(len(seconds), np.int64)
    number[order[1:]] = np.cumsum(np.diff(seconds[order]) > gap_s)
    return number


def refuse_several_events(triggers: Any, start: pd.Timestamp | None = None) -> None:
    """Refuse triggers of more than one earthquake.

    Examples
    --------
    >>> triggers = pd.DataFrame({"time": pd.to_datetime([9.0] * 6, unit="s", utc=True),
    ...                          "event_id": list("aaabbb")})
    >>> refuse_several_events(triggers)
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: triggers: column 'event_id' names 2 events; locate one at a
    time: --each event_id, or keep the rows of one event, or give start and now (in Python,
    triggers.groupby('event_id'))
    """
    remedy = (
        "locate one at a time: --each event, or keep the rows of one event, or give start and now"
    )
    name = similar("event", map(str, triggers.columns), guess=False)
    if name is not None:
        events = triggers[name].nunique()
        if events > 1 and len(triggers) >= ROWS_OF_EVENT * events:
            remedy = remedy.replace("event", name, 1)
            raise InputError(
                f"triggers: column {name!r} names {events} events; {remedy} (in Python, "
                f"triggers.groupby({name!r}))"
            )
    if start is not None or not len(triggers):
        return
    times = triggers["time"].to_numpy(dtype="datetime64[ns]").astype(np.int64) / 1e9
    sizes = np.bincount(groups_in_time(times))
    large = int(np.sum(sizes >= LEAST_TIMES))
    if large > 1:
        raise InputError(
            f"triggers: {large} groups of {LEAST_TIMES} triggers or more are over ten minutes "
            f"apart; {remedy}"
        )


def _isolated_times(seconds: NDArray[np.float64], gap_s: float | None) -> NDArray[np.bool_]:
    if gap_s is None or not len(seconds):
        return np.zeros(len(seconds), bool)
    number = groups_in_time(seconds, gap_s)
    main = number == np.argmax(np.bincount(number))
    length = float(np.ptp(seconds[main]))
    if 20 * length > gap_s:
        number = groups_in_time(seconds, 20 * length)
        main = number == np.argmax(np.bincount(number))
    return ~main if np.mean(~main) < LARGEST_SHARE else np.zeros(len(seconds), bool)


def _repeats(triggers: Any, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    latitude, longitude = (triggers[each].to_numpy(np.float64) for each in _PLACE)
    keys: dict[str, Any] = {"phase": triggers["phase"].fillna("") if "phase" in triggers else ""}
    if "device" in triggers:
        keys["device"] = triggers["device"].to_numpy()
        known = triggers["device"].notna().to_numpy() & ~shared_names(triggers, seconds)
    else:
        keys |= {"north": np.round(latitude / SAME_DEG), "east": np.round(longitude / SAME_DEG)}
        known = fine_places(latitude, longitude)
    frame: Any = pd.DataFrame(keys, index=np.arange(len(triggers))).assign(time=seconds)[known]
    frame = frame.sort_values("time", kind="stable")
    since = frame.groupby([*keys], sort=False, dropna=False)["time"].diff().to_numpy()
    bad = np.zeros(len(triggers), bool)
    bad[frame.index[(since < REPEAT_S) | _delivered_again(since)]] = True
    return bad


def _delivered_again(since_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether reports follow the one before by the same lag; waves lag by what distances give."""
    none = np.zeros(len(since_s), bool)
    later = (since_s >= REPEAT_S) & (since_s < LONGEST_LAG_S)
    if later.sum() < LEAST_AGAIN:
        return none
    same = later & (np.abs(since_s - np.median(since_s[later])) <= SAME_LAG_S)
    return same if same.sum() >= max(LEAST_AGAIN, SHARE_AGAIN * later.sum()) else none


def isolated_places(latitude: Any, longitude: Any, *, share: float = FEW) -> NDArray[np.bool_]:
    """Return the few places that lie far from all others, and those at 0, 0 among others.

    Far is more than 300 km, and ten times the median distance, from the middle. More than `share`
    of the places (and more than one) are no outliers.

    Examples
    --------
    >>> isolated_places([-12.1, -12.2, -12.0, 0.0], [-77.0, -77.1, -76.9, 0.0]).tolist()
    [False, False, False, True]
    """
    lat, lon = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
    far = _far(lat, lon)[0]
    zero = far & (lat == 0) & (lon == 0)
    others = far & ~zero
    return far if others.sum() <= max(1, share * len(lat)) else zero


def _far(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> tuple[NDArray[np.bool_], Any]:
    """Whether places are far from the middle, and their distances, km."""
    # The middle of directions, so that 180 degrees is no border.
    north, east = np.radians(lat), np.radians(lon)
    unit = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
    x, y, z = np.median(unit, axis=1)
    middle = np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))
    distance = great_circle_distance(lat, lon, *middle)
    return distance > max(FAR_KM, FAR_RATIO * float(np.median(distance))), distance


def _isolated_places(triggers: Any, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    lat, lon = (triggers[each].to_numpy(np.float64) for each in _PLACE)
    # That no wave joins them to the others is evidence of its own: they may be more.
    bad = isolated_places(lat, lon, share=LARGEST_SHARE)
    lag_s = np.abs(seconds - np.median(seconds))
    return bad & (lag_s < _far(lat, lon)[1] / FASTEST_KM_S)


def _swapped_phases(triggers: Any, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    bad = np.zeros(len(triggers), bool)
    if not {"phase", "device"} <= set(triggers.columns):
        return bad
    frame: Any = pd.DataFrame(
        {"device": triggers["device"].to_numpy(), "phase": triggers["phase"].to_numpy(),
         "time": seconds}
    )  # fmt: skip
    first = frame[frame["device"].notna()].groupby(["device", "phase"])["time"].min().unstack()
    if not {"P", "S"} <= set(first.columns):
        return bad
    wrong = first.index[(first["S"] < first["P"]).to_numpy()]
    return frame["device"].isin(wrong).to_numpy() & frame["phase"].isin(["P", "S"]).to_numpy()


def _places(triggers: Any) -> Any:
    lat, lon = triggers["latitude"], triggers["longitude"]
    texts = [f"{a:g}, {b:g}" for a, b in zip(lat, lon, strict=True)]
    return pd.Series(texts, index=triggers.index, dtype=object)


def refuse_coarse_times(triggers: Any, *, name: str = "triggers") -> None:
    """Refuse times that are cut to minutes, hours or days; warn where some of them are.

    Raises
    ------
    eqstat.InputError
        When all of at least five times are multiples of 5 s or more.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.schema import check_triggers
    >>> table = pd.DataFrame({"time": [1.8e9 + 60 * i for i in range(5)], "latitude": 1.0,
    ...                       "longitude": [1.0, 2.0, 3.0, 4.0, 5.0]})
    >>> refuse_coarse_times(check_triggers(table))
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: triggers: every time is a whole minute: the seconds are lost;
    give times to a tenth of a second
    """
    stamps = triggers["time"].to_numpy(dtype="datetime64[ms]").astype(np.int64)
    if len(stamps) < LEAST_TIMES:
        return
    step, rest = _step(triggers["time"])
    if step >= LEAST_STEP_S:
        text = f"multiple of {step:g} s"
        if step % 60 == 0:
            text = "midnight" if step * 1000 == DAY_MS else "whole minute"
        text += f" and {rest:g} s" if rest else ""
        raise InputError(
            f"{name}: every time is a {text}: the seconds are lost; give times to a tenth of a "
            "second"
        )
    whole = stamps % 60_000 == 0
    # By chance one of sixty whole seconds is a whole minute.
    if whole.sum() >= max(3, 0.1 * len(stamps)) and np.any(stamps % 1000):
        rows = rows_text(triggers["time"], whole)
        warn(triggers, f"{name}: times that are whole minutes among others ({rows})")


def _step(times: Any) -> tuple[float, float]:
    """Largest step that divides the day and all times, or their differences, and what is over, s.

    Zero where the times may be such by chance: so often rarer are so many different ones.
    """
    stamps = np.unique(times.to_numpy(dtype="datetime64[ms]").astype(np.int64))
    for rest in (0, int(stamps[0])):
        step_ms = int(np.gcd.reduce(np.append(stamps - rest, DAY_MS)))
        step_s, different = step_ms / 1000, len(stamps) - (rest != 0)
        rare = step_s**different >= RARE or (step_ms == 1000 and different >= LEAST_TIMES)
        if step_ms >= 1000 and rare:
            return step_s, rest % step_ms / 1000
    return 0.0, 0.0
