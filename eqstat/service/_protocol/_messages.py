"""Messages of devices and services: their fields, a strict parser, an encoder, JSON schemas."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple, NoReturn

from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.service._protocol._topics import NAME, ROOT, address_of, topic_of

VERSION = 1
# A message of eqstat's own; a device has no need of more.
MOST_BYTES = 2048
# A second of OpenEEW's three components takes some 2 kB at 31 Hz, 8 kB at 125 Hz.
MOST_BYTES_OPENEEW = 32_768
OPENEEW_SAMPLES = 1024
TIMES = (0.0, 1e11)


class MessageStatus(IntEnum):
    """Why a message cannot be used.

    Attributes
    ----------
    OK
        It can.
    TOPIC
        The topic is none of eqstat or OpenEEW.
    TOO_LARGE
        It has too many bytes.
    NOT_JSON
        It is no JSON object in UTF-8, or has a key twice, or a number that JSON does not know.
    VERSION
        It is of a version of the messages that is not known.
    FIELD
        A field is missing, not known, of another type, or out of its range.

    Examples
    --------
    >>> MessageStatus(5).name
    'FIELD'
    """

    OK = 0
    TOPIC = 1
    TOO_LARGE = 2
    NOT_JSON = 3
    VERSION = 4
    FIELD = 5


class Number(NamedTuple):
    """A field that is a number in a closed interval."""

    low: float
    high: float
    required: bool = False
    whole: bool = False


class Text(NamedTuple):
    """A field that is one of some words, or a name."""

    words: tuple[str, ...] = ()
    required: bool = False


LATITUDE, LONGITUDE = (-90.0, 90.0), (-180.0, 360.0)
PLACE = {
    "latitude": Number(*LATITUDE),
    "longitude": Number(*LONGITUDE),
    "elevation_m": Number(-12_000.0, 10_000.0),
}
SENT = {"sent_s": Number(*TIMES), "number": Number(0, 2**53, whole=True)}
# Fields of each kind beside `v`, the version. Times are seconds since 1970 (UTC): those of devices
# by the clock of the device.
FIELDS: dict[str, dict[str, Number | Text]] = {
    "trigger": {
        "time_s": Number(*TIMES, required=True),
        **SENT,
        **PLACE,
        "time_sd_s": Number(0.0, 60.0),
        "phase": Text(("P", "S")),
        "pga_m_s2": Number(0.0, 100.0),
    },
    "birth": {
        **SENT,
        "latitude": Number(*LATITUDE, required=True),
        "longitude": Number(*LONGITUDE, required=True),
        "elevation_m": PLACE["elevation_m"],
        "type": Text(("phone", "sensor")),
        "keep_alive_s": Number(1.0, 86_400.0),
    },
    "alive": {**SENT, **PLACE},
    "death": {**SENT},
    "prewarning": {
        "time_s": Number(*TIMES, required=True),
        **SENT,
        **PLACE,
        "pga_m_s2": Number(0.0, 100.0),
        "duration_s": Number(0.0, 600.0),
        "threshold_m_s2": Number(0.0, 100.0),
        "earthquake_probability": Number(0.0, 1.0),
    },
    "alarm": {
        "id": Text(required=True),
        "revision": Number(0, 1_000_000, required=True, whole=True),
        "action": Text(("alarm", "update", "end", "cancel"), required=True),
        "mode": Text(("test", "exercise", "actual"), required=True),
        "issued_s": Number(*TIMES, required=True),
        "probability": Number(0.0, 1.0, required=True),
        "false_alarm_rate_per_year": Number(0.0, 1e300),
        "origin_s": Number(*TIMES, required=True),
        "origin_sd_s": Number(0.0, 1e4),
        "latitude": Number(*LATITUDE, required=True),
        "longitude": Number(*LONGITUDE, required=True),
        "depth_km": Number(-10.0, 1000.0),
        "sd_east_km": Number(0.0, 1e4),
        "sd_north_km": Number(0.0, 1e4),
        "sd_depth_km": Number(0.0, 1e4),
        "magnitude": Number(-2.0, 11.0),
        "magnitude_sd": Number(0.0, 10.0),
        "triggers": Number(0, 1_000_000_000, whole=True),
        "active": Number(0, 1_000_000_000, whole=True),
        "service": Text(),
        "same_as": Text(),
    },
}
# Text of `/pga-trigger` as OpenEEW's own detector writes it: a Python dictionary, of texts.
OPENEEW_TEXT = re.compile(
    r"\{'device_id': '([A-Za-z0-9_.:-]{1,64})', 'time': '([0-9]{1,12}(?:\.[0-9]{0,9})?)', "
    r"'pga': '[0-9.eE+-]{1,32}'\}"
)


@explained
class Message(NamedTuple):
    """What a message says, or why it cannot be used.

    Attributes
    ----------
    status
        Of `MessageStatus`; the message can be used where it is OK.
    kind
        `trigger`, `birth`, `alive`, `death`, `prewarning` or `alarm`; empty where it is not known.
    name
        The device that sent it, or the identifier of the alarm.
    values
        The fields that were sent, numbers and texts by the names of `FIELDS`; OpenEEW's samples
        are `x`, `y` and `z`, lists of the numbers that were sent.
    problem
        What is wrong with it, in words.

    Examples
    --------
    See `parse`.
    """

    status: MessageStatus
    kind: str = ""
    name: str = ""
    values: Mapping[str, Any] = {}
    problem: str = ""

    def get(self, field: str) -> float:
        """Number of a field; NaN where it was not sent."""
        value = self.values.get(field, math.nan)
        return float(value) if isinstance(value, int | float) else math.nan


def parse(topic: object, payload: object, *, root: str = ROOT) -> Message:
    """Read a message; never raises, whatever it is.

    A message of eqstat is a JSON object with the version `v` (1) and fields of `FIELDS`, and no
    others. The second's samples of an OpenEEW sensor are a sign of life (`alive`) of its device,
    its `/pga-trigger` a trigger without a peak, for the unit of its `pga` is stated nowhere.

    Parameters
    ----------
    topic
        Topic on which it came.
    payload
        Its bytes.
    root
        First part of all topics of eqstat.

    Returns
    -------
    Message

    Examples
    --------
    >>> message = parse("eqstat/device/a7/trigger", b'{"v": 1, "time_s": 1800000000.25}')
    >>> message.kind, message.name, message.get("time_s")
    ('trigger', 'a7', 1800000000.25)
    >>> parse("eqstat/device/a7/trigger", b'{"v": 1, "time_s": "now"}').problem
    'time_s must be a number from 0 to 1e+11'
    """
    try:
        return _parsed(topic, payload, root)
    except Exception as error:  # noqa: BLE001 whatever arrives is a status
        return Message(MessageStatus.NOT_JSON, problem=f"unreadable ({type(error).__name__})")


def encode(kind: str, name: str, *, root: str = ROOT, **fields: Any) -> tuple[str, bytes]:
    """Topic and bytes of a message, which `parse` reads.

    Parameters
    ----------
    kind
        A key of `FIELDS`.
    name
        Device, or the identifier of the alarm.
    root
        First part of all topics.
    **fields
        Fields of this kind; those that are None or NaN are left out.

    Returns
    -------
    tuple of str and bytes

    Raises
    ------
    eqstat.InputError
        When a field is missing, not known or out of its range.

    Examples
    --------
    >>> encode("trigger", "a7", time_s=1.8e9, pga_m_s2=0.3)
    ('eqstat/device/a7/trigger', b'{"v":1,"time_s":1800000000.0,"pga_m_s2":0.3}')
    """
    if kind not in FIELDS:
        raise InputError(f"encode: kind must be one of {', '.join(FIELDS)}, not {kind!r:.40}")
    content: dict[str, Any] = {"v": VERSION}
    for field, value in fields.items():
        if value is None or (isinstance(value, float) and math.isnan(value)):
            continue
        try:
            content[field] = value if isinstance(value, str | int) else float(value)
        except (TypeError, ValueError):
            given = type(value).__name__
            raise InputError(f"encode: {kind}: {field} cannot be of type {given}") from None
    topic = topic_of(kind, name, root=root)
    payload = json.dumps(content, allow_nan=True, separators=(",", ":")).encode()
    message = parse(topic, payload, root=root)
    if message.status != MessageStatus.OK:
        raise InputError(f"encode: {kind}: {message.problem}")
    return topic, payload


def message_schema(kind: str) -> dict[str, Any]:
    """JSON schema of a kind of message.

    Parameters
    ----------
    kind
        A key of `FIELDS`.

    Returns
    -------
    dict

    Raises
    ------
    eqstat.InputError
        When the kind is not known.

    Examples
    --------
    >>> message_schema("alive")["properties"]["sent_s"]
    {'type': 'number', 'minimum': 0.0, 'maximum': 100000000000.0}
    """
    if kind not in FIELDS:
        raise InputError(f"message_schema: kind must be one of {', '.join(FIELDS)}")
    properties: dict[str, Any] = {"v": {"const": VERSION}}
    for field, rule in FIELDS[kind].items():
        if isinstance(rule, Number):
            number = "integer" if rule.whole else "number"
            properties[field] = {"type": number, "minimum": rule.low, "maximum": rule.high}
        elif rule.words:
            properties[field] = {"enum": list(rule.words)}
        else:
            properties[field] = {"type": "string", "pattern": f"^{NAME.pattern}$"}
    required = [field for field, rule in FIELDS[kind].items() if rule.required]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"eqstat message: {kind}",
        "type": "object",
        "properties": properties,
        "required": ["v", *required],
        "additionalProperties": False,
    }


def _parsed(topic: object, payload: object, root: str) -> Message:
    address = address_of(topic, root=root)
    if not address.kind or address.kind == "health":
        return Message(MessageStatus.TOPIC, problem="a topic that is not known")
    is_openeew = address.kind.startswith("openeew")
    most = MOST_BYTES_OPENEEW if is_openeew else MOST_BYTES
    if not isinstance(payload, bytes | bytearray):
        return Message(MessageStatus.NOT_JSON, problem="no bytes")
    if len(payload) > most:
        problem = f"{len(payload)} bytes; at most {most} are read"
        return Message(MessageStatus.TOO_LARGE, address.kind, address.name, problem=problem)
    if address.kind == "openeew-trigger":
        return _openeew_trigger(bytes(payload))
    try:
        content = _object(bytes(payload))
    except (ValueError, RecursionError) as error:
        problem = f"no JSON object ({type(error).__name__})"
        return Message(MessageStatus.NOT_JSON, address.kind, address.name, problem=problem)
    if is_openeew:
        return _openeew_samples(address.name, content)
    version = content.pop("v", None)
    if type(version) is not int or version != VERSION:
        problem = f"version {version!r:.20}; {VERSION} is known"
        return Message(MessageStatus.VERSION, address.kind, address.name, problem=problem)
    problem = _wrong(FIELDS[address.kind], content)
    if not problem and address.kind == "alarm" and content["id"] != address.name:
        problem = "id must be that of the topic"
    if problem:
        return Message(MessageStatus.FIELD, address.kind, address.name, problem=problem)
    return Message(MessageStatus.OK, address.kind, address.name, content)


def _wrong(rules: Mapping[str, Number | Text], content: dict[str, Any]) -> str:
    """What is wrong with the fields of a message; empty where nothing is."""
    for field, value in content.items():
        rule = rules.get(field)
        if rule is None:
            return f"field {field!r:.40} is not known"
        if isinstance(rule, Number):
            numeric = type(value) is int or (type(value) is float and not rule.whole)
            if not (numeric and rule.low <= value <= rule.high):
                number = "whole number" if rule.whole else "number"
                return f"{field} must be a {number} from {rule.low:g} to {rule.high:g}"
        elif type(value) is not str or not (
            value in rule.words if rule.words else NAME.fullmatch(value)
        ):
            return f"{field} must be {' or '.join(rule.words) or 'a name'}"
    for field, rule in rules.items():
        if rule.required and field not in content:
            return f"{field} is missing"
    return ""


def _object(payload: bytes) -> dict[str, Any]:
    """Read a JSON object in which each key stands once and all numbers are finite."""
    content = json.loads(
        payload.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
    )
    if type(content) is not dict:
        raise ValueError
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError
    return content


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _openeew_trigger(payload: bytes) -> Message:
    """Trigger of OpenEEW's detector, as it writes it, or as JSON."""
    text = OPENEEW_TEXT.fullmatch(payload.decode("utf-8", "replace"))
    if text:
        name, time = text[1], text[2]
    else:
        try:
            content = _object(payload)
        except (ValueError, RecursionError) as error:
            problem = f"no JSON object ({type(error).__name__})"
            return Message(MessageStatus.NOT_JSON, "trigger", problem=problem)
        name, time = content.get("device_id"), content.get("time")
    time_s = time if isinstance(time, int | float) and type(time) is not bool else None
    if isinstance(time, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{0,9})?", time):
        time_s = float(time)
    if not isinstance(name, str) or not NAME.fullmatch(name) or time_s is None:
        problem = "device_id must be a name, time seconds since 1970"
        return Message(MessageStatus.FIELD, "trigger", problem=problem)
    if not TIMES[0] <= time_s <= TIMES[1]:
        return Message(MessageStatus.FIELD, "trigger", name, problem="time is out of its range")
    return Message(MessageStatus.OK, "trigger", name, {"time_s": float(time_s)})


def _openeew_samples(name: str, content: dict[str, Any]) -> Message:
    """A second's samples: a sign of life, with what the sensor measured."""
    inner = content.get("d")
    traces = inner.get("traces") if isinstance(inner, dict) else None
    samples: dict[str, list[float]] = {"x": [], "y": [], "z": []}
    good = isinstance(traces, list) and len(traces) <= 64
    for trace in traces if isinstance(traces, list) and good else ():
        for axis, values in samples.items():
            part = trace.get(axis) if isinstance(trace, dict) else None
            if not isinstance(part, list) or any(type(v) not in (int, float) for v in part):
                good, part = False, []
            values.extend(part)
    sizes = {len(values) for values in samples.values()}
    if not good or len(sizes) > 1 or max(sizes) > OPENEEW_SAMPLES:
        problem = "d.traces must hold x, y and z, lists of as many numbers"
        return Message(MessageStatus.FIELD, "alive", name, problem=problem)
    return Message(MessageStatus.OK, "alive", name, dict(samples))
