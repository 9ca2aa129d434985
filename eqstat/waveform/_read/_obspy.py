"""Records of MiniSEED, SAC, K-NET and whatever else ObsPy reads, and back."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import Any, Literal

import numpy as np
import pandas as pd

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat._core.obspy import obspy_module
from eqstat.waveform._record import Record

# Components of K-NET and KiK-net: direction, and 1 in the borehole or 2 at the surface.
_KNET = re.compile(r"(NS|EW|UD)(\d?)")


def read_waveforms(
    source: Any,
    *,
    m_s2_per_count: float | Literal["calib"],
    gravity: Literal["in", "out"] = "out",
    clip_m_s2: float | None = None,
) -> list[Record]:
    """Read accelerograms through ObsPy: MiniSEED, SAC, K-NET and its other formats.

    Traces are put together by station, location and instrument; each needs three components.
    Times that a component lacks are a gap of all three. The component that ends with Z, or UD, is
    vertical. The unit is not in most files: it must be given. A record of *velocity* is not
    noticed; such channels have H or L as their second letter, accelerometers have N.

    Parameters
    ----------
    source : path or obspy.Stream
        A file, a pattern of files, or a stream.
    m_s2_per_count : float or "calib"
        One count, m/s2: the inverse of the sensitivity. With "calib" the factor that the trace
        carries, which ObsPy sets for K-NET files.
    gravity : {"in", "out"}
        Whether the samples hold gravity; K-NET files have an offset, of no meaning.
    clip_m_s2 : float, optional
        Level at which an axis is clipped, m/s2.

    Returns
    -------
    list of Record
        By station; the name is network, station, location and instrument.

    Raises
    ------
    eqstat.InputError
        When a station has not three components, or these differ in rate or lie between samples of
        each other.
    ImportError
        Where ObsPy (the extra `seismology`) is not installed.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=[[0.0, 0.1], [0.0, 0.0], [0.2, 0.3]], rate_hz=50.0,
    ...     start_time="2027-01-15T08:00Z", gravity="out", device="XX.AAA..HN", vertical=2,
    ... )
    >>> (again,) = read_waveforms(to_stream(record), m_s2_per_count=1.0)
    >>> again.device, again.vertical, again.acceleration_m_s2.tolist()
    ('XX.AAA..HN', 2, [[0.0, 0.1], [0.0, 0.0], [0.2, 0.3]])
    """
    obspy = obspy_module("read_waveforms")
    if m_s2_per_count != "calib":
        check_range("read_waveforms", 0, ends="()", m_s2_per_count=m_s2_per_count)
    stream = source
    if isinstance(source, str | os.PathLike):
        try:
            stream = obspy.read(os.fspath(source))
        except Exception as error:  # noqa: BLE001 whatever a reader of ObsPy raises, in one line
            raise InputError(f"read_waveforms: {source} cannot be read: {error}") from None
    check_kind("read_waveforms", obspy.Stream, "give a file or a Stream of ObsPy", source=stream)
    groups: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for trace in stream:
        code, component = _instrument(trace.stats.channel)
        id_ = (trace.stats.network, trace.stats.station, trace.stats.location, code)
        groups[".".join(id_)][component].append(trace)
    if not groups:
        raise InputError("read_waveforms: there are no traces")
    return [
        _record(obspy, name, parts, m_s2_per_count, gravity, clip_m_s2)
        for name, parts in sorted(groups.items())
    ]


def _instrument(channel: str) -> tuple[str, str]:
    """Instrument and component of a channel."""
    if match := _KNET.fullmatch(channel):
        return match[2], match[1]
    return channel[:-1], channel[-1:]


def _record(
    obspy: Any,
    name: str,
    parts: dict[str, list[Any]],
    factor: float | Literal["calib"],
    gravity: Literal["in", "out"],
    clip_m_s2: float | None,
) -> Record:
    if len(parts) != 3:
        raise InputError(f"read_waveforms: {name} has components {sorted(parts)}, not three")
    traces = [trace for each in parts.values() for trace in each]
    rates = {float(trace.stats.sampling_rate) for trace in traces}
    if len(rates) > 1:
        raise InputError(f"read_waveforms: {name} has several rates, {sorted(rates)} Hz")
    rate = rates.pop()
    begin = min(trace.stats.starttime for trace in traces)
    end = max(trace.stats.endtime for trace in traces)
    size = round((end - begin) * rate) + 1
    samples = np.full((3, size), np.nan)
    for axis, component in enumerate(sorted(parts)):
        for trace in parts[component]:
            place = (trace.stats.starttime - begin) * rate
            if abs(place - round(place)) > 0.1:
                raise InputError(f"read_waveforms: {name}: {component} lies between the samples")
            scale = trace.stats.calib if factor == "calib" else factor
            values = np.ma.filled(np.ma.asarray(trace.data, float), np.nan)
            samples[axis, round(place) : round(place) + len(values)] = scale * values
    order = sorted(parts)
    up = [axis for axis, component in enumerate(order) if component in ("Z", "UD")]
    return Record(
        acceleration_m_s2=samples,
        rate_hz=rate,
        start_time=pd.Timestamp(begin.ns, unit="ns", tz="UTC"),
        gravity=gravity,
        device=name,
        name=name,
        mask=np.isfinite(samples).all(axis=0),
        clip_m_s2=clip_m_s2,
        vertical=up[0] if up else None,
    )


def to_stream(record: Record) -> Any:
    """Return a record as a stream of ObsPy in m/s2, a trace for each part between gaps.

    Parameters
    ----------
    record : Record
        With a start. Where its device is NETWORK.STATION.LOCATION.INSTRUMENT these codes are used,
        else the station is the device's first five letters, of an instrument HN. Components are E,
        N, Z where the vertical is the third axis, else 1, 2, 3.

    Returns
    -------
    obspy.Stream

    Raises
    ------
    eqstat.InputError
        When the record's start is unknown.
    ImportError
        Where ObsPy (the extra `seismology`) is not installed.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=[[0.0, 0.1], [0.0, 0.0], [9.8, 9.8]], rate_hz=50.0,
    ...     start_time="2027-01-15T08:00Z", gravity="in", device="phone",
    ... )
    >>> [trace.id for trace in to_stream(record)]
    ['.PHONE..HN1', '.PHONE..HN2', '.PHONE..HN3']
    """
    obspy = obspy_module("to_stream")
    check_kind("to_stream", Record, "give a Record", record=record)
    if record.start_time is pd.NaT:
        raise InputError(f"{record.title}: its start is unknown; a stream needs one")
    codes = record.device.split(".")
    if len(codes) != 4:
        station = re.sub(r"[^A-Z0-9]", "", record.device.upper())[:5]
        codes = ["", station, "", "HN"]
    components = "ENZ" if record.vertical == 2 else "123"
    start = obspy.UTCDateTime(ns=record.start_time.value)
    traces = []
    for samples, component in zip(record.acceleration_m_s2, components, strict=True):
        header = {
            "network": codes[0], "station": codes[1], "location": codes[2],
            "channel": codes[3] + component, "starttime": start, "sampling_rate": record.rate_hz,
        }  # fmt: skip
        values = np.array(samples) if record.mask.all() else np.ma.masked_invalid(samples)
        traces.append(obspy.Trace(values, header))
    return obspy.Stream(traces).split() if not record.mask.all() else obspy.Stream(traces)
