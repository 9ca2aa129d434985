"""Alarms as QuakeML 1.2, written without ObsPy."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from eqstat.service._earthquakes import Event
from eqstat.service.outputs._cap import add

NAMESPACE = "http://quakeml.org/xmlns/bed/1.2"
OUTER = "http://quakeml.org/xmlns/quakeml/1.2"


def to_quakeml(event: Event) -> bytes:
    """Write an event as a QuakeML 1.2 document.

    Values are means and their `uncertainty` standard deviations; depths are metres, and the
    uncertainties of latitude and longitude degrees, as QuakeML wants them. Comments hold the
    probability of an earthquake and the nominal rate of false alarms.

    Parameters
    ----------
    event
        Of an engine.

    Returns
    -------
    bytes
        XML in UTF-8.

    References
    ----------
    Schorlemmer, D. et al. (2011), QuakeML: status of the XML-based seismological data exchange
    format, Annals of Geophysics 54, 59-65, doi:10.4401/ag-4874.

    Examples
    --------
    >>> alarm = dict(id="20270115T080000Z-lima-1a2b3c", revision=0, action="alarm", mode="test",
    ...              issued_s=1.8e9, probability=0.97, origin_s=1.8e9 - 9, latitude=-12.0,
    ...              longitude=-77.1, depth_km=20.0, magnitude=5.4)
    >>> b"<value>20000.0</value>" in to_quakeml(Event(alarm, {}))
    True
    """
    alarm = event.alarm
    name = f"smi:local/eqstat/{alarm['id']}"
    root = ElementTree.Element("q:quakeml", {"xmlns": NAMESPACE, "xmlns:q": OUTER})
    parameters = ElementTree.SubElement(root, "eventParameters", publicID=f"{name}/parameters")
    element = ElementTree.SubElement(parameters, "event", publicID=name)
    add(element, "preferredOriginID", f"{name}/origin")
    if "magnitude" in alarm:
        add(element, "preferredMagnitudeID", f"{name}/magnitude")
    add(element, "type", "not existing" if alarm["action"] == "cancel" else "earthquake")
    add(element, "typeCertainty", "suspected")
    for text in (
        f"probability of an earthquake: {alarm['probability']:.6f}",
        f"nominal false alarms a year: {alarm.get('false_alarm_rate_per_year', math.nan):.3g}",
        f"mode: {alarm['mode']}",
    ):
        add(ElementTree.SubElement(element, "comment"), "text", text)
    _info(element, alarm)
    origin = ElementTree.SubElement(element, "origin", publicID=f"{name}/origin")
    time = datetime.fromtimestamp(alarm["origin_s"], UTC)
    _quantity(origin, "time", f"{time:%Y-%m-%dT%H:%M:%S.%f}Z", alarm.get("origin_sd_s"))
    degree_km = math.pi / 180 * 6371.0
    cosine = max(math.cos(math.radians(alarm["latitude"])), 1e-3)
    widths = [alarm.get(f"sd_{axis}_km", math.nan) / degree_km for axis in ("east", "north")]
    _quantity(origin, "latitude", repr(float(alarm["latitude"])), widths[1])
    _quantity(origin, "longitude", repr(float(alarm["longitude"])), widths[0] / cosine)
    if "depth_km" in alarm:
        depth_sd_m = 1000.0 * alarm.get("sd_depth_km", math.nan)
        _quantity(origin, "depth", repr(1000.0 * alarm["depth_km"]), depth_sd_m)
    add(origin, "evaluationMode", "automatic")
    add(origin, "evaluationStatus", "preliminary")
    _info(origin, alarm)
    if "magnitude" in alarm:
        size = ElementTree.SubElement(element, "magnitude", publicID=f"{name}/magnitude")
        _quantity(size, "mag", repr(float(alarm["magnitude"])), alarm.get("magnitude_sd"))
        add(size, "type", "M")
        add(size, "originID", f"{name}/origin")
        add(size, "evaluationMode", "automatic")
        _info(size, alarm)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _quantity(parent: Any, name: str, value: str, sd: float | None) -> None:
    element = ElementTree.SubElement(parent, name)
    add(element, "value", value)
    if sd is not None and math.isfinite(sd):
        add(element, "uncertainty", repr(float(sd)))


def _info(parent: Any, alarm: dict[str, Any]) -> None:
    info = ElementTree.SubElement(parent, "creationInfo")
    add(info, "agencyID", "eqstat")
    moment = datetime.fromtimestamp(alarm["issued_s"], UTC)
    add(info, "creationTime", f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z")
    add(info, "version", str(alarm["revision"]))
