"""Alarms as messages of the Common Alerting Protocol, CAP 1.2."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from eqstat.service._config import Service
from eqstat.service._earthquakes import Event

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
STATUS = {"test": "Test", "exercise": "Exercise", "actual": "Actual"}
TYPES = {"alarm": "Alert", "update": "Update", "end": "Update", "cancel": "Cancel"}
# An alarm is of use for so long.
EXPIRES_S = 600.0
# CAP's words by the posterior probability, greatest first.
CERTAINTY = ((0.99, "Observed"), (0.5, "Likely"), (0.0, "Possible"))
SEVERITY = ((7.0, "Extreme"), (6.0, "Severe"), (5.0, "Moderate"), (-9.0, "Minor"))
# The circle holds this share of the epicentre's normal posterior, and a radius of shaking.
REACH = 2.15


def certainty(probability: float) -> str:
    """CAP's word for a posterior probability of an earthquake.

    `Observed` from 0.99 on, `Likely` from 0.5 on (CAP: more likely than not), else `Possible`;
    where it is no number `Unknown`.

    Examples
    --------
    >>> [certainty(p) for p in (0.999, 0.9, 0.2, float("nan"))]
    ['Observed', 'Likely', 'Possible', 'Unknown']
    """
    return next((word for least, word in CERTAINTY if probability >= least), "Unknown")


def to_cap(event: Event, service: Service | None = None) -> bytes:
    """Write an event as a CAP 1.2 message.

    `status` is `Test` unless the service's mode says otherwise; `msgType` is `Alert`, then
    `Update`, and `Cancel` where the alarm is taken back; updates name the message before. The
    function `certainty` gives the word for the posterior probability; `severity` follows from the
    mean magnitude (7, 6 and 5 are the limits of `Extreme`, `Severe`, `Moderate`); `urgency` is
    `Immediate`, and `Past` at the end.
    The circle is centred at the epicentre; its radius holds 90 % of the epicentre's posterior and
    the distance to which such a magnitude is felt, about $10^{M/2 - 1}$ km.

    Parameters
    ----------
    event
        Of an engine.
    service
        `[service]` of the configuration, for contact and language.

    Returns
    -------
    bytes
        XML in UTF-8.

    References
    ----------
    OASIS (2010), Common Alerting Protocol version 1.2, OASIS Standard.

    Examples
    --------
    >>> alarm = dict(id="20270115T080000Z-lima-1a2b3c", revision=0, action="alarm", mode="test",
    ...              issued_s=1.8e9, probability=0.97, origin_s=1.8e9 - 9, latitude=-12.0,
    ...              longitude=-77.1, depth_km=20.0, magnitude=5.4)
    >>> b"<status>Test</status>" in to_cap(Event(alarm, {}))
    True
    """
    alarm, service = event.alarm, service or Service()
    root = ElementTree.Element("alert", xmlns=NAMESPACE)
    add(root, "identifier", _identifier(alarm, alarm["revision"]))
    add(root, "sender", f"eqstat@{service.contact}")
    add(root, "sent", _time(alarm["issued_s"]))
    add(root, "status", STATUS[alarm["mode"]])
    add(root, "msgType", TYPES[alarm["action"]])
    add(root, "scope", "Public")
    if alarm["revision"] > 0:
        # The message before is named by its own time; where that is not known, by this one's.
        before = event.why.get("previous_s", alarm["issued_s"])
        parts = (f"eqstat@{service.contact}", _identifier(alarm, alarm["revision"] - 1),
                 _time(before))  # fmt: skip
        add(root, "references", ",".join(parts))
    info = ElementTree.SubElement(root, "info")
    add(info, "language", service.language)
    add(info, "category", "Geo")
    add(info, "event", "Earthquake")
    add(info, "urgency", "Past" if alarm["action"] in ("end", "cancel") else "Immediate")
    magnitude = alarm.get("magnitude", math.nan)
    severity = next((word for least, word in SEVERITY if magnitude >= least), "Unknown")
    add(info, "severity", severity)
    add(info, "certainty", certainty(alarm["probability"]))
    add(info, "effective", _time(alarm["issued_s"]))
    add(info, "onset", _time(alarm["origin_s"]))
    add(info, "expires", _time(alarm["issued_s"] + EXPIRES_S))
    test = "" if alarm["mode"] == "actual" else "TEST, no warning: "
    add(info, "headline", f"{test}earthquake {_size(alarm)}".strip())
    add(info, "description", _description(alarm))
    for name, key in (
        ("Magnitude", "magnitude"),
        ("EventDepth", "depth_km"),
        ("Probability", "probability"),
        ("MagnitudeStandardDeviation", "magnitude_sd"),
        ("FalseAlarmRatePerYear", "false_alarm_rate_per_year"),
    ):
        if math.isfinite(alarm.get(key, math.nan)):
            parameter = ElementTree.SubElement(info, "parameter")
            add(parameter, "valueName", name)
            add(parameter, "value", f"{alarm[key]:.4g}")
    area = ElementTree.SubElement(info, "area")
    latitude, longitude = alarm["latitude"], alarm["longitude"]
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    add(area, "areaDesc", f"about {abs(latitude):.2f} {north}, {abs(longitude):.2f} {east}")
    add(area, "circle", f"{latitude:.4f},{longitude:.4f} {_radius_km(alarm):.1f}")
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def add(parent: Any, name: str, text: str) -> None:
    """Add an element with a text."""
    ElementTree.SubElement(parent, name).text = text


def _identifier(alarm: dict[str, Any], revision: int) -> str:
    return f"{alarm['id']}.{revision}"


def _time(seconds: float) -> str:
    """CAP's time: whole seconds, and the zone as -00:00, not Z."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}-00:00"


def _size(alarm: dict[str, Any]) -> str:
    return f"M {alarm['magnitude']:.1f}" if "magnitude" in alarm else ""


def _radius_km(alarm: dict[str, Any]) -> float:
    sd = max(alarm.get("sd_east_km", 10.0), alarm.get("sd_north_km", 10.0))
    felt = 10 ** (alarm["magnitude"] / 2 - 1) if "magnitude" in alarm else 30.0
    return max(REACH * sd + felt, 1.0)


def _description(alarm: dict[str, Any]) -> str:
    moment = datetime.fromtimestamp(alarm["origin_s"], UTC)
    words = {"cancel": "The alarm is cancelled.", "end": "No more updates follow."}
    return (
        f"Probability of an earthquake {alarm['probability']:.3f}, origin {moment:%H:%M:%S} UTC, "
        f"depth {alarm.get('depth_km', math.nan):.0f} km. Estimated from sensors and phones by "
        f"research software. {words.get(alarm['action'], '')}"
    ).strip()
