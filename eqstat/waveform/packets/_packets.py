"""Parsers of what sensors send. They never raise: what cannot be read says why."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

import numpy as np

from eqstat._core.explain import explained

MOST_BYTES = 65_536
MOST_SAMPLES = 4096
# A Raspberry Shake sends four packets a second for each channel, whatever its rate.
SHAKE_PACKETS_PER_S = 4.0
LARGEST = 1e12
LATEST_S = 1e11
_CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,8}")
_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{0,12})?([eE][+-]?\d{1,2})?")


@explained
class Packet(NamedTuple):
    """Samples of one sensor that follow each other without a gap.

    Attributes
    ----------
    device
        Name that the sensor gives itself; "" where it gives none.
    start_s
        Time of the first sample, seconds since 1970, UTC; NaN where the packet does not tell it.
    rate_hz
        Samples per second.
    channels
        Samples by the name of the channel, all of one length, in the sensor's unit.
    problem
        Why the packet cannot be used; "" where it can.

    Examples
    --------
    >>> Packet("", 0.0, 100.0, {}, "empty").problem
    'empty'
    """

    device: str
    start_s: float
    rate_hz: float
    channels: dict[str, np.ndarray]
    problem: str = ""


def refused(problem: str) -> Packet:
    """Packet that cannot be used.

    Examples
    --------
    >>> refused("too long").problem
    'too long'
    """
    return Packet("", math.nan, math.nan, {}, problem)


def parse_shake(datagram: object, rate_hz: float | int | None = None) -> Packet:
    """Read a datagram of a Raspberry Shake, such as ``{'EHZ', 1582315130.292, 614, 620}``.

    The text holds the channel, the time of the first sample, and the samples. It is split at its
    commas; nothing in it is evaluated.

    Parameters
    ----------
    datagram
        What came, of any content.
    rate_hz
        Samples per second; by default four times the number of samples, as a Raspberry Shake sends
        four packets a second.

    Returns
    -------
    Packet
        With one channel, or with `problem`.

    Examples
    --------
    >>> packet = parse_shake(b"{'EHZ', 1582315130.292, 614, 620, -3}")
    >>> packet.channels["EHZ"].tolist(), packet.start_s, packet.rate_hz
    ([614.0, 620.0, -3.0], 1582315130.292, 12.0)
    >>> parse_shake(b"TERM").problem
    'the sender ended'
    """
    if not isinstance(datagram, bytes) or len(datagram) > MOST_BYTES:
        return refused("too long")
    try:
        text = datagram.decode("ascii").strip()
    except UnicodeDecodeError:
        return refused("not plain text")
    if text == "TERM":
        return refused("the sender ended")
    if not (text.startswith("{") and text.endswith("}")):
        return refused("not in braces")
    name, *numbers = (part.strip() for part in text[1:-1].split(",", MOST_SAMPLES + 2))
    channel = name[1:-1]
    if name[:1] not in ("'", '"') or name[-1:] != name[:1] or not _CHANNEL.fullmatch(channel):
        return refused("no channel")
    if not 2 <= len(numbers) <= MOST_SAMPLES + 1:
        return refused("no samples, or too many")
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        return refused("not a number among the samples")
    start, *samples = (float(number) for number in numbers)
    return make_packet("", start, rate_hz or SHAKE_PACKETS_PER_S * len(samples), {channel: samples})


def make_packet(device: str, start_s: float, rate_hz: float, channels: dict[str, Any]) -> Packet:
    """Packet of numbers, with a problem where they cannot be.

    Parameters
    ----------
    device
        Name that the sensor gives itself.
    start_s
        Time of the first sample, seconds since 1970, UTC.
    rate_hz
        Samples per second, 0.1 to 10,000.
    channels
        Samples by the name of the channel, in the sensor's unit.

    Examples
    --------
    >>> make_packet("a", 1.8e9, 100.0, {"z": [1, 2, 3]}).channels["z"].tolist()
    [1.0, 2.0, 3.0]
    >>> make_packet("a", 1.8e9, 0.0, {"z": [1]}).problem
    'no such sampling rate'
    """
    if not -1.0 <= start_s <= LATEST_S:
        return refused("no such time")
    if not 0.1 <= rate_hz <= 10_000.0:
        return refused("no such sampling rate")
    arrays = {name: np.asarray(samples, np.float64) for name, samples in channels.items()}
    if not all(np.all(np.abs(array) <= LARGEST) for array in arrays.values()):
        return refused("a sample that cannot be")
    return Packet(device, float(start_s), float(rate_hz), arrays)


def _plain(value: Any) -> bool:
    """Whether a value is a number that fits; texts, truth values and huge integers are not."""
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST


def parse_openeew(line: object, received_s: float | int = math.nan) -> list[Packet]:
    """Read a message of an OpenEEW sensor, or a line of an OpenEEW file.

    A sensor's message has the samples of x, y and z under ``d`` and ``traces`` and no time: its
    last sample is taken to be as old as it was received. A line of a file has the time of its last
    sample, ``device_t`` (else ``cloud_t``), and its rate, ``sr``. Samples are in Gal.

    Parameters
    ----------
    line
        What came, of any content.
    received_s
        Time at which it came, seconds since 1970.

    Returns
    -------
    list of Packet
        One for each trace, in their order; or one with `problem`.

    Examples
    --------
    >>> line = '{"device_t": 10, "sr": 2, "device_id": "7", "x": [1, 2], "y": [0, 0], "z": [3, 4]}'
    >>> (packet,) = parse_openeew(line)
    >>> packet.device, packet.start_s, packet.channels["z"].tolist()
    ('7', 9.5, [3.0, 4.0])
    """
    if not isinstance(line, bytes | str) or len(line) > MOST_BYTES:
        return [refused("too long")]
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return [refused("not JSON")]
    body = message.get("d", message) if type(message) is dict else None
    if type(body) is not dict:
        return [refused("not a message of OpenEEW")]
    traces = body.get("traces", [body])
    if type(traces) is not list or not 1 <= len(traces) <= 64:
        return [refused("no traces, or too many")]
    rate = body.get("sr", 31.25)
    device = body.get("device_id", "")
    last = body.get("device_t", body.get("cloud_t", received_s))
    if not (_plain(rate) and rate > 0 and type(device) is str and len(device) <= 64):
        return [refused("no such sampling rate or device")]
    if not _plain(last):
        return [refused("no such time")]
    packets = []
    for trace in reversed(traces):
        channels = {axis: trace.get(axis) for axis in "xyz"} if type(trace) is dict else {}
        packet = _trace(device, float(last), float(rate), channels)
        if packet.problem:
            return [packet]
        packets.append(packet)
        last = packet.start_s - 1.0 / rate
    return packets[::-1]


def _trace(device: str, last_s: float, rate_hz: float, channels: dict[str, Any]) -> Packet:
    if not channels or any(type(samples) is not list for samples in channels.values()):
        return refused("no samples of x, y and z")
    (size, *others) = {len(samples) for samples in channels.values()}
    if others or not 1 <= size <= MOST_SAMPLES:
        return refused("no samples, or too many, or not as many on each axis")
    if not all(_plain(sample) for samples in channels.values() for sample in samples):
        return refused("not a number among the samples")
    return make_packet(device, last_s - (size - 1) / rate_hz, rate_hz, channels)
