"""Alarms as GeoJSON."""

from __future__ import annotations

from typing import Any

from eqstat.service._earthquakes import Event


def to_geojson(event: Event) -> dict[str, Any]:
    """Write an event as a feature collection: the epicentre, and the sites where there are any.

    Parameters
    ----------
    event
        Of an engine.

    Returns
    -------
    dict
        A FeatureCollection of RFC 7946 with the fields of the alarm as properties.

    Examples
    --------
    >>> collection = to_geojson(Event({"latitude": -12.0, "longitude": 190.0, "id": "a"}, {}))
    >>> collection["features"][0]["geometry"]["coordinates"]
    [-170.0, -12.0]
    """
    alarm = event.alarm
    longitude = (alarm["longitude"] + 180.0) % 360.0 - 180.0
    coordinates = [longitude, alarm["latitude"]]
    if "depth_km" in alarm:
        coordinates.append(-1000.0 * alarm["depth_km"])
    feature = {
        "type": "Feature",
        "id": alarm["id"],
        "geometry": {"type": "Point", "coordinates": coordinates},
        "properties": dict(alarm) | ({"sites": list(event.sites)} if event.sites else {}),
    }
    return {"type": "FeatureCollection", "features": [feature]}
