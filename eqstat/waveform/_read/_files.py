"""Readers of what phones and low-cost sensors write: OpenEEW, Raspberry Shake, MyShake."""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from eqstat._core.checks import check_choice, check_range
from eqstat._core.constants import ACCELERATION_UNITS_M_S2
from eqstat._core.errors import InputError
from eqstat.waveform._read._join import join_packets
from eqstat.waveform._record import Record
from eqstat.waveform.packets import Packet, parse_openeew, parse_shake

Lines = str | os.PathLike[str] | Iterable[bytes | str]


def _lines(source: Lines, owner: str) -> list[bytes]:
    """Lines of a file, which may be packed, or of what is given; empty ones left out."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            data = path.read_bytes()
            text = gzip.decompress(data) if path.suffix == ".gz" else data
        except (OSError, EOFError) as error:
            raise InputError(f"{owner}: {path.name} cannot be read: {error}") from None
        return [line for line in text.splitlines() if line.strip()]
    lines = [line.encode() if isinstance(line, str) else line for line in source]
    return [line.strip() for line in lines if line.strip()]


def read_openeew(source: Lines, *, most_gap_s: float = 10.0) -> list[Record]:
    """Read lines of OpenEEW sensors, in Gal without gravity.

    A line's time is that of its *last* sample. The sensors state 31.25 Hz; their times tell the
    rate, which is off by up to some per cent.

    Parameters
    ----------
    source : path or iterable of lines
        JSON lines of one or several sensors; a file may be packed by gzip.
    most_gap_s : float
        Longest gap within a record, s.

    Returns
    -------
    list of Record
        By device and time. The name is the device with the hour and minute.

    Raises
    ------
    eqstat.InputError
        When the file or a line cannot be read.

    Examples
    --------
    >>> import json
    >>> line = {"device_id": "7", "sr": 4, "x": [1, 2], "y": [0, 1], "z": [3, 4]}
    >>> lines = [json.dumps(line | {"device_t": t}) for t in (1.8e9, 1.8e9 + 0.5)]
    >>> (record,) = read_openeew(lines)
    >>> record.device, record.acceleration_m_s2[0].tolist()
    ('7', [0.01, 0.02, 0.01, 0.02])
    """
    sensors: dict[str, list[Packet]] = defaultdict(list)
    for number, line in enumerate(_lines(source, "read_openeew"), 1):
        for packet in parse_openeew(line):
            if packet.problem:
                raise InputError(f"read_openeew: line {number}: {packet.problem}")
            sensors[packet.device].append(packet)
    if not sensors:
        raise InputError("read_openeew: there are no lines")
    records = []
    for device, packets in sorted(sensors.items()):
        records += join_packets(
            packets,
            gravity="out",
            m_s2_per_unit=ACCELERATION_UNITS_M_S2["gal"],
            stamp="last",
            most_gap_s=most_gap_s,
            device=device,
            name=f"{device}@{pd.Timestamp(packets[0].start_s, unit='s'):%Y-%m-%dT%H:%M}",
        )
    return records


def read_shake(
    source: Lines,
    *,
    m_s2_per_count: float,
    channels: Sequence[str] = ("ENE", "ENN", "ENZ"),
    gravity: Literal["in", "out"] = "in",
    device: str = "",
    most_gap_s: float = 10.0,
) -> list[Record]:
    """Read datagrams of a Raspberry Shake with an accelerometer, one a line.

    A datagram holds counts of one channel, and the time of its first sample.

    Parameters
    ----------
    source : path or iterable of lines
        Datagrams; a file may be packed by gzip. ``TERM``, with which a sender ends, is no packet.
    m_s2_per_count : float
        One count, m/s2; the sensor's manual gives its inverse.
    channels : sequence of str
        The three channels; the one whose name ends with Z is vertical.
    gravity : {"in", "out"}
        Whether the samples hold gravity.
    device : str
        Name of the sensor, which the datagrams do not tell.
    most_gap_s : float
        Longest gap within a record, s.

    Returns
    -------
    list of Record

    Raises
    ------
    eqstat.InputError
        When a line cannot be read or a channel has no packets.

    Examples
    --------
    >>> lines = [f"{{'{channel}', 1800000000.0, 1, 2, 3}}" for channel in ("ENE", "ENN", "ENZ")]
    >>> (record,) = read_shake(lines, m_s2_per_count=2.6e-6)
    >>> record.rate_hz, record.vertical
    (12.0, 2)
    """
    check_range("read_shake", 0, ends="()", m_s2_per_count=m_s2_per_count)
    times: dict[float, dict[str, np.ndarray]] = defaultdict(dict)
    rates: dict[float, float] = {}
    for number, line in enumerate(_lines(source, "read_shake"), 1):
        if line == b"TERM":
            continue
        packet = parse_shake(line)
        if packet.problem:
            raise InputError(f"read_shake: line {number}: {packet.problem}")
        times[packet.start_s] |= packet.channels
        rates[packet.start_s] = packet.rate_hz
    here = {name for content in times.values() for name in content}
    lacking = [name for name in channels if name not in here]
    if lacking:
        raise InputError(
            f"read_shake: no channel {', '.join(lacking)}, only {', '.join(sorted(here)) or 'none'}"
        )
    # Where a channel's packet is lost, the other two axes of that time are a gap, too.
    packets = [
        Packet(device, start, rates[start], content)
        for start, content in times.items()
        if all(name in content for name in channels)
    ]
    up = [place for place, name in enumerate(channels) if name.endswith("Z")]
    return join_packets(
        packets,
        gravity=gravity,
        axes=channels,
        m_s2_per_unit=m_s2_per_count,
        most_gap_s=most_gap_s,
        device=device,
        name=device,
        vertical=up[0] if len(up) == 1 else None,
    )


def read_myshake(source: str | os.PathLike[str] | dict[str, Any], *, unit: str = "g") -> Record:
    """Read a record of a phone as MyShake writes it.

    The JSON has ``header`` (``station``, ``sampling_rate``, ``starttime`` and, where the phone
    triggered, ``triggertime``, seconds since 1970) and ``data`` (``x``, ``y``, ``z``).

    Parameters
    ----------
    source : path or dict
        A file, or its content.
    unit : {"g", "%g", "gal", "cm/s2", "m/s2"}
        Unit of the samples; gravity is among them.

    Returns
    -------
    Record
        Its name is that of the file without its ending.

    Raises
    ------
    eqstat.InputError
        When the file is no JSON, lacks a part, or the samples cannot be used.

    Examples
    --------
    >>> header = {"station": "7", "sampling_rate": 25, "starttime": 1.8e9, "triggertime": 1.8e9 + 1}
    >>> record = read_myshake({"header": header, "data": {"x": [0, 0], "y": [0, 0], "z": [1, 1]}})
    >>> record.device, record.trigger_s, record.acceleration_m_s2[2].tolist()
    ('7', 1.0, [9.80665, 9.80665])
    """
    check_choice("read_myshake", ACCELERATION_UNITS_M_S2, unit=unit)
    name = ""
    content: Any = source
    if isinstance(source, str | os.PathLike):
        name = Path(source).stem
        try:
            content = json.loads(Path(source).read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"read_myshake: {Path(source).name} cannot be read: {error}") from None
    try:
        header, data = content["header"], content["data"]
        rate, start = float(header["sampling_rate"]), float(header["starttime"])
        trigger = None if header.get("triggertime") is None else float(header["triggertime"])
        axes = [np.asarray(data[axis], np.float64) for axis in "xyz"]
        device = str(header["station"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"read_myshake: {name or 'the record'} has no usable {error}: it needs header "
            "(station, sampling_rate, starttime) and data (x, y, z)"
        ) from None
    if len({axis.shape for axis in axes}) > 1 or axes[0].ndim != 1:
        raise InputError(f"read_myshake: {name or 'the record'} has axes of different lengths")
    samples = ACCELERATION_UNITS_M_S2[unit] * np.stack(axes)
    return Record(
        acceleration_m_s2=samples,
        rate_hz=rate,
        start_time=start,
        gravity="in",
        device=device,
        name=name,
        trigger_s=None if trigger is None else trigger - start,
    )
