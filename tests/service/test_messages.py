"""Messages: what is sent is read; whatever arrives is a status, and agrees with the schema."""

import json

import hypothesis
import hypothesis.strategies as st
import jsonschema
import pytest

from eqstat import InputError
from eqstat.service import (
    FIELDS,
    MOST_BYTES,
    MessageStatus,
    area_of,
    encode,
    message_schema,
    parse,
    subscriptions,
    topic_of,
)

ALARM = {
    "id": "20270115T080000Z-1", "revision": 0, "action": "alarm", "mode": "test", "issued_s": 1.8e9,
    "probability": 0.99, "origin_s": 1.8e9 - 7, "latitude": -12.0, "longitude": -77.0,
}  # fmt: skip
GOOD = {
    "trigger": {"time_s": 1.8e9, "number": 7, "phase": "P", "pga_m_s2": 0.2},
    "birth": {"latitude": -12.0, "longitude": -77.0, "type": "phone", "keep_alive_s": 600},
    "alive": {"sent_s": 1.8e9},
    "death": {},
    "prewarning": {"time_s": 1.8e9, "earthquake_probability": 0.4, "duration_s": 1.5},
    "alarm": ALARM,
}
# Three in four of these have the keys of a trigger; the others are anything that JSON can say.
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS, lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=6
)


def name_of(kind):
    return ALARM["id"] if kind == "alarm" else "a7"


@pytest.mark.parametrize("kind", FIELDS)
def test_what_is_encoded_is_read(kind):
    topic, payload = encode(kind, name_of(kind), root="eqstat/lima", **GOOD[kind])
    message = parse(topic, payload, root="eqstat/lima")
    assert (message.status, message.kind, message.name) == (0, kind, name_of(kind))
    assert message.values == GOOD[kind]
    jsonschema.validate(json.loads(payload), message_schema(kind))


def test_devices_can_send_by_cells():
    area = area_of(-12.05, -77.04, 1.5)
    assert area == area_of(-12.4, 283.2, 1.5) != area_of(-11.9, -77.04, 1.5)
    assert area_of(0.5, 180.0, 1.0) == area_of(0.5, -180.0, 1.0)
    topic, payload = encode("trigger", "a7", root=f"eqstat/area/{area}", **GOOD["trigger"])
    assert parse(topic, payload)[:3] == (0, "trigger", "a7")
    (only,) = subscriptions("trigger", areas=[area])
    assert only == topic.replace("a7", "+")
    assert parse(topic.replace("area", "zone"), payload).status == MessageStatus.TOPIC


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b'{"v":1,"time_s":1.8e9,"tme_sd_s":1}', "FIELD"),
        (b'{"v":1,"time_s":true}', "FIELD"),
        (b'{"v":1,"time_s":1e999}', "FIELD"),
        (b'{"v":1,"time_s":' + b"9" * 1900 + b"}", "FIELD"),
        (b'{"v":1,"time_s":NaN}', "NOT_JSON"),
        (b'{"v":1,"time_s":1.8e9,"number":1.5}', "FIELD"),
        (b'{"v":1,"time_s":1.8e9,"phase":"Lg"}', "FIELD"),
        (b'{"v":1}', "FIELD"),
        (b'{"v":1,"v":1,"time_s":1.8e9}', "NOT_JSON"),
        (b'{"v":2,"time_s":1.8e9}', "VERSION"),
        (b'{"v":true,"time_s":1.8e9}', "VERSION"),
        (b"[" * MOST_BYTES, "NOT_JSON"),
        (b"[1]", "NOT_JSON"),
        (b"\xff\xfe", "NOT_JSON"),
        (b" " * MOST_BYTES + b"{}", "TOO_LARGE"),
        ("text", "NOT_JSON"),
    ],
)
def test_what_is_wrong_has_its_status(payload, status):
    message = parse("eqstat/device/a7/trigger", payload)
    assert message.status.name == status
    assert message.problem and len(message.problem) < 200


@pytest.mark.parametrize(
    "topic", ["", "eqstat/device/a7", "eqstat/device/a/b/trigger", "eqstat/device/../../x/trigger",
              "eqstat/device/a b/trigger", "other/device/a7/trigger", "eqstat/health/a7", None,
              "eqstat/device/" + "a" * 65 + "/trigger", "a/" * 1000]
)  # fmt: skip
def test_topics_that_are_none(topic):
    assert parse(topic, b'{"v":1,"time_s":1.8e9}').status == MessageStatus.TOPIC


def test_an_alarm_has_the_identifier_of_its_topic():
    payload = json.dumps({"v": 1, **ALARM}).encode()
    assert parse("eqstat/alarm/another", payload).status == MessageStatus.FIELD


def test_openeew_samples_are_a_sign_of_life():
    topic = "iot-2/type/OpenEEW/id/310a2f/evt/status/fmt/json"
    traces = [{"x": [0.1] * 32, "y": [0.2] * 32, "z": [0] * 32}]
    message = parse(topic, json.dumps({"d": {"device_id": "310a2f", "traces": traces}}).encode())
    assert (message.status, message.kind, message.name) == (0, "alive", "310a2f")
    assert len(message.values["x"]) == 32
    traces[0]["z"] = [0] * 31
    assert parse(topic, json.dumps({"d": {"traces": traces}}).encode()).status == 5


@pytest.mark.parametrize(
    "payload",
    [b"{'device_id': '310a2f', 'time': '1595000000.25', 'pga': '0.05'}",
     b'{"device_id": "310a2f", "time": 1595000000.25, "pga": 0.05}'],
)  # fmt: skip
def test_openeew_triggers_are_triggers(payload):
    message = parse("/pga-trigger", payload)
    assert (message.kind, message.name) == ("trigger", "310a2f")
    assert message.values == {"time_s": 1595000000.25}


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.sampled_from(sorted(FIELDS)), st.data())
def test_the_parser_accepts_what_the_schema_accepts(kind, data):
    """An oracle of its own: the validator of JSON schemas, on good messages with one change."""
    content = {"v": 1, **GOOD[kind]}
    key = data.draw(st.sampled_from([*FIELDS[kind], "v", "other"]))
    content[key] = data.draw(ANYTHING)
    hypothesis.assume(kind != "alarm" or content["id"] == ALARM["id"])
    payload = json.dumps(content).encode()
    hypothesis.assume(len(payload) <= MOST_BYTES)
    valid = jsonschema.Draft202012Validator(message_schema(kind)).is_valid(content)
    message = parse(topic_of(kind, name_of(kind)), payload)
    value = content[key]
    # JSON schema takes 1.0 for a whole number, and true for no number but for the version 1.
    if type(value) is float or (key == "v" and value is not True):
        hypothesis.assume(message.status == MessageStatus.OK or value != 1)
        hypothesis.assume(type(value) is not float or not value.is_integer())
    assert (message.status == MessageStatus.OK) == valid


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    st.sampled_from(["eqstat/device/a7/trigger", "eqstat/alarm/x", "/pga-trigger",
                     "iot-2/type/OpenEEW/id/310a2f/evt/status/fmt/json"]) | st.text(),
    st.binary(max_size=300) | ANYTHING.map(lambda c: json.dumps(c).encode())
    | ANYTHING.map(lambda c: json.dumps({"v": 1, "d": {"traces": c}}).encode()),
)  # fmt: skip
def test_nothing_raises(topic, payload):
    assert parse(topic, payload).status in MessageStatus


def test_what_cannot_be_sent_is_refused():
    for name, fields in (("a/b", {"time_s": 1.0}), ("a7", {"time_s": -1.0}), ("a7", {})):
        with pytest.raises(InputError):
            encode("trigger", name, **fields)
    with pytest.raises(InputError, match="root"):
        subscriptions(root="eqstat/#")
    with pytest.raises(InputError, match="kind"):
        topic_of("tremor", "a7")
