"""CAP by the rules of its schema, QuakeML by ObsPy, GeoJSON by its numbers."""

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
# Elements in the order of the sequences of the CAP 1.2 schema (OASIS, 2010), with how often each
# may stand; written from the standard's data dictionary, as the schema's file is not at hand.
ALERT = ("identifier 1 1", "sender 1 1", "sent 1 1", "status 1 1", "msgType 1 1", "source 0 1",
         "scope 1 1", "restriction 0 1", "addresses 0 1", "code 0 9", "note 0 1",
         "references 0 1", "incidents 0 1", "info 0 9")  # fmt: skip
INFO = ("language 0 1", "category 1 9", "event 1 1", "responseType 0 9", "urgency 1 1",
        "severity 1 1", "certainty 1 1", "audience 0 1", "eventCode 0 9", "effective 0 1",
        "onset 0 1", "expires 0 1", "senderName 0 1", "headline 0 1", "description 0 1",
        "instruction 0 1", "web 0 1", "contact 0 1", "parameter 0 99", "resource 0 9",
        "area 0 9")  # fmt: skip
AREA = ("areaDesc 1 1", "polygon 0 9", "circle 0 9", "geocode 0 9", "altitude 0 1", "ceiling 0 1")
WORDS = {
    "status": "Actual Exercise System Test Draft",
    "msgType": "Alert Update Cancel Ack Error",
    "scope": "Public Restricted Private",
    "category": "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other",
    "urgency": "Immediate Expected Future Past Unknown",
    "severity": "Extreme Severe Moderate Minor Unknown",
    "certainty": "Observed Likely Possible Unlikely Unknown",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
# A pair of coordinates, then a radius; no spaces, commas, < or & in identifiers and senders.
CIRCLE = re.compile(r"-?\d+(\.\d+)?,-?\d+(\.\d+)? \d+(\.\d+)?")
PLAIN = re.compile(r"[^\s,<&]+")
NAMESPACE = "{urn:oasis:names:tc:emergency:cap:1.2}"


def check_sequence(element, rules):
    """Children stand in order, as often as they may, in CAP's namespace; return their texts."""
    names = [rule.split()[0] for rule in rules]
    tags = [child.tag.removeprefix(NAMESPACE) for child in element]
    assert all(child.tag.startswith(NAMESPACE) for child in element)
    assert [names.index(tag) for tag in tags] == sorted(names.index(tag) for tag in tags)
    for rule in rules:
        name, least, most = rule.split()
        assert int(least) <= tags.count(name) <= int(most), name
    return {tag: child.text for tag, child in zip(tags, element, strict=True)}


@pytest.mark.parametrize(
    ("action", "revision"), [("alarm", 0), ("update", 3), ("cancel", 4), ("end", 9)]
)
def test_cap_follows_the_rules_of_the_schema(action, revision):
    event = Event(ALARM | {"action": action, "revision": revision}, {"previous_s": 1.8e9 - 2})
    root = ElementTree.fromstring(to_cap(event))
    assert root.tag == f"{NAMESPACE}alert"
    alert = check_sequence(root, ALERT)
    info = check_sequence(root.find(f"{NAMESPACE}info"), INFO)
    area = check_sequence(root.find(f"{NAMESPACE}info/{NAMESPACE}area"), AREA)
    for name, words in WORDS.items():
        assert (alert | info)[name] in words.split()
    for name in ("sent", "effective", "onset", "expires"):
        assert TIME.fullmatch((alert | info)[name])
    assert PLAIN.fullmatch(alert["identifier"]) and PLAIN.fullmatch(alert["sender"])
    assert CIRCLE.fullmatch(area["circle"])
    assert ("references" in alert) == (revision > 0)
    if revision:
        sender, before, sent = alert["references"].split(",")
        assert sender == alert["sender"] and before.endswith(f".{revision - 1}")
        assert TIME.fullmatch(sent)
    assert alert["status"] == "Test" and info["headline"].startswith("TEST")


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
