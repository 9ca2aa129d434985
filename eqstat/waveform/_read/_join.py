"""Records of packets that follow each other: gaps, repeated packets, and the rate as measured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from eqstat._core.checks import check_choice, check_range
from eqstat._core.errors import InputError
from eqstat.waveform._record import Record
from eqstat.waveform.packets import Packet

# The rate is measured over at least this, s, and in parts as long.
RATE_S = 10.0
# A measured rate farther from the stated one than this share is a fault of the times.
MOST_DIFFERENCE = 0.2
# With fewer intervals than this the stated rate tells where packets are missing.
FEW_PACKETS = 5


def join_packets(
    packets: Sequence[Packet],
    *,
    gravity: Literal["in", "out"],
    axes: Sequence[str] = ("x", "y", "z"),
    m_s2_per_unit: float = 1.0,
    stamp: Literal["first", "last"] = "first",
    most_gap_s: float = 10.0,
    **options: Any,
) -> list[Record]:
    """Records of the packets of one sensor.

    Sensors keep their time better than their rate: the rate is measured, as the slope of the
    packets' times against their samples, where they span 10 s or more. A packet is missing where
    the next one is late by more than half its length; a gap longer than `most_gap_s` begins a new
    record. A packet that came twice is used once.

    Parameters
    ----------
    packets : sequence of Packet
        In any order, without problems.
    gravity : {"in", "out"}
        Whether the samples hold gravity.
    axes : sequence of str
        Channels of the three axes, in their order.
    m_s2_per_unit : float
        One unit of the samples, m/s2.
    stamp : {"first", "last"}
        Which sample's time the sensor stamps; a packet's start was computed by the stated rate.
    most_gap_s : float
        Longest gap within a record, s.
    **options
        Further fields of each `Record`, such as `device` and `clip_m_s2`. Of several records the
        names get a number.

    Returns
    -------
    list of Record
        In the order of time.

    Raises
    ------
    eqstat.InputError
        When there are no packets, a packet cannot be used or lacks an axis, packets overlap, or
        their times give a rate far from the stated one.

    Examples
    --------
    >>> import numpy as np
    >>> from eqstat.waveform.packets import make_packet
    >>> packets = [
    ...     make_packet("a", 1.8e9 + 1.024 * i, 32.0, dict.fromkeys("xyz", np.ones(32)))
    ...     for i in range(20) if i != 7
    ... ]
    >>> (record,) = join_packets(packets, gravity="out")
    >>> round(record.rate_hz, 4), record.nominal_rate_hz, int((~record.mask).sum())
    (31.25, 32.0, 32)
    """
    check_choice("join_packets", ("first", "last"), stamp=stamp)
    check_range("join_packets", 0, ends="()", m_s2_per_unit=m_s2_per_unit, most_gap_s=most_gap_s)
    parts = _in_order(packets, axes)
    if len({packet.rate_hz for packet in packets}) > 1:
        raise InputError("join_packets: packets state several rates; join those of one rate")
    stated = packets[0].rate_hz
    sizes = np.array([part.shape[1] for _, part in parts])
    starts = np.array([start for start, _ in parts])
    if stamp == "last":
        starts += (sizes - 1) / stated
    steps = np.diff(starts) / (sizes[1:] if stamp == "last" else sizes[:-1])
    dt = float(np.median(steps)) if len(steps) >= FEW_PACKETS else 1 / stated
    if abs(dt * stated - 1) > MOST_DIFFERENCE:
        raise InputError(
            f"join_packets: the times give {1 / dt:.4g} Hz, {stated:.4g} Hz are stated: half of "
            "the packets are missing, or times and rate are not of the same sensor"
        )
    if stamp == "last":
        starts -= (sizes - 1) * dt
    late = np.diff(starts) - sizes[:-1] * dt
    limit = 0.5 * dt * np.minimum(sizes[1:], sizes[:-1])
    if np.any(late < -limit):
        at = int(np.flatnonzero(late < -limit)[0])
        when = pd.Timestamp(starts[at + 1], unit="s", tz="UTC")
        raise InputError(f"join_packets: packets overlap at {when}: the clock was set back")
    missing = np.where(late > limit, np.round(late / dt), 0).astype(int)
    bounds = [0, *(np.flatnonzero(missing * dt > most_gap_s) + 1).tolist(), len(parts)]
    records = []
    name = options.pop("name", "")
    for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
        samples, mask, places = _filled([part for _, part in parts[begin:end]],
                                        missing[begin : end - 1])  # fmt: skip
        start, rate, drift = _clock(starts[begin:end], places, sizes[begin:end], stated)
        records.append(
            Record(
                acceleration_m_s2=m_s2_per_unit * samples,
                mask=mask,
                rate_hz=rate,
                start_time=pd.Timestamp(start, unit="s", tz="UTC"),
                gravity=gravity,
                nominal_rate_hz=stated,
                rate_drift=drift,
                name=name if len(bounds) == 2 else f"{name}#{number}",
                **options,
            )
        )
    return records


def _in_order(packets: Sequence[Packet], axes: Sequence[str]) -> list[tuple[float, np.ndarray]]:
    """Starts and samples, (3, n), in the order of time, packets that came twice once."""
    parts: dict[float, np.ndarray] = {}
    if not packets:
        raise InputError("join_packets: there are no packets")
    for number, packet in enumerate(packets):
        lacking = [axis for axis in axes if axis not in packet.channels]
        if packet.problem or lacking or len(axes) != 3:
            why = packet.problem or f"no channel {', '.join(lacking)}" if lacking else "not 3 axes"
            raise InputError(f"join_packets: packet {number}: {packet.problem or why}")
        if not np.isfinite(packet.start_s):
            raise InputError(f"join_packets: packet {number} has no time")
        samples = np.stack([packet.channels[axis] for axis in axes])
        before = parts.setdefault(packet.start_s, samples)
        if before.shape != samples.shape or not np.array_equal(before, samples):
            raise InputError(f"join_packets: packet {number} has the time of another one")
    return sorted(parts.items(), key=lambda item: item[0])


def _filled(
    parts: list[np.ndarray], missing: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples with gaps of NaN, which of them there are, and the place of each packet's first."""
    sizes = [part.shape[1] for part in parts]
    places = np.concatenate([[0], np.cumsum(np.add(sizes[:-1], missing))]).astype(int)
    samples = np.full((3, places[-1] + sizes[-1]), np.nan)
    for place, part in zip(places, parts, strict=True):
        samples[:, place : place + part.shape[1]] = part
    return samples, np.isfinite(samples[0]), places


def _clock(
    starts: np.ndarray, places: np.ndarray, sizes: np.ndarray, stated: float
) -> tuple[float, float, float]:
    """Time of the first sample, rate, and largest relative difference of the rate of a part."""
    if starts[-1] - starts[0] < RATE_S:
        return float(starts[0]), stated, 0.0
    seconds = starts - starts[0]
    slope, shift = np.polyfit(places, seconds, 1)
    rate, drift = 1 / slope, 0.0
    number = max(int((starts[-1] - starts[0]) // RATE_S), 1)
    cuts = np.unique(np.linspace(0, len(starts) - 1, number + 1).astype(int))
    for low, high in itertools.pairwise(cuts):
        part = (places[high] - places[low]) / (seconds[high] - seconds[low])
        drift = max(drift, abs(part / rate - 1))
    return float(starts[0] + shift), float(rate), float(drift)
