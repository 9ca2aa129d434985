"""Topics of MQTT: eqstat's own and those of OpenEEW."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from eqstat._core.errors import InputError

ROOT = "eqstat"
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# What devices send, each under its own name, so that a broker can restrict who writes where.
OF_DEVICES = ("trigger", "birth", "alive", "death", "prewarning")
OF_SERVICES = ("alarm", "health")
KINDS = (*OF_DEVICES, *OF_SERVICES)
LONGEST = 512
OPENEEW = re.compile(r"iot-2/type/OpenEEW/id/([A-Za-z0-9_.:-]{1,64})/evt/status/fmt/json")
OPENEEW_TRIGGER = "/pga-trigger"
OPENEEW_FILTERS = ("iot-2/type/OpenEEW/id/+/evt/status/fmt/json", OPENEEW_TRIGGER)


class Address(NamedTuple):
    """What a topic says: the kind of its messages, and who sends them.

    Attributes
    ----------
    kind
        Of `KINDS`, `openeew` or `openeew-trigger`; empty where the topic is none of these.
    name
        The device, or the identifier of an alarm or service.

    Examples
    --------
    See `address_of`.
    """

    kind: str = ""
    name: str = ""


def check_root(root: str) -> str:
    """Return the first part of all topics, or refuse it.

    Parameters
    ----------
    root
        One to eight levels of letters, digits and `_.:-`, such as `eqstat` or `eqstat/lima`.

    Returns
    -------
    str

    Raises
    ------
    eqstat.InputError
        When it is none.

    Examples
    --------
    >>> check_root("eqstat/lima")
    'eqstat/lima'
    """
    levels = root.split("/")
    if len(levels) > 8 or not all(NAME.fullmatch(level) for level in levels):
        raise InputError(
            f"topics: root {root!r:.80} must be one to eight levels of letters, digits and _.:-"
        )
    return root


def area_of(latitude: float, longitude: float, degrees: float) -> str:
    """Name of the cell of a place, by which its devices can be divided among topics.

    The topics of the devices of a cell begin with `ROOT/area/AREA` instead of `ROOT`.

    Parameters
    ----------
    latitude, longitude
        Place, degrees; longitudes of either convention.
    degrees
        Size of the cells, degrees, above 0; a divisor of 360, so that all cells are equally wide.

    Returns
    -------
    str
        Latitude and longitude of its south-western corner, in units of the size.

    Examples
    --------
    >>> area_of(-12.05, -77.04, 2.0), area_of(-12.05, 282.96, 2.0)
    ('-7_-39', '-7_-39')
    >>> topic_of("trigger", "phone-7", root=f"eqstat/area/{area_of(-12.05, -77.04, 2.0)}")
    'eqstat/area/-7_-39/device/phone-7/trigger'
    """
    east = (longitude + 180.0) % 360.0 - 180.0
    return f"{math.floor(latitude / degrees)}_{math.floor(east / degrees)}"


def topic_of(kind: str, name: str, *, root: str = ROOT) -> str:
    """Topic of a kind of message and its sender.

    Parameters
    ----------
    kind
        `trigger`, `birth`, `alive`, `death` or `prewarning` of a device; `alarm` or `health` of a
        service.
    name
        Device, or identifier of the alarm or service: 1 to 64 letters, digits and `_.:-`.
    root
        First part of all topics.

    Returns
    -------
    str

    Raises
    ------
    eqstat.InputError
        When the kind is not known, or a name or root is none.

    Examples
    --------
    >>> topic_of("trigger", "phone-7")
    'eqstat/device/phone-7/trigger'
    >>> topic_of("alarm", "20261129T120000Z-1", root="eqstat/lima")
    'eqstat/lima/alarm/20261129T120000Z-1'
    """
    check_root(root)
    if kind not in KINDS:
        raise InputError(f"topic_of: kind must be one of {', '.join(KINDS)}, not {kind!r:.40}")
    if not NAME.fullmatch(name):
        raise InputError(
            f"topic_of: name {name!r:.80} must be 1 to 64 letters, digits and _.:- only"
        )
    return f"{root}/{kind}/{name}" if kind in OF_SERVICES else f"{root}/device/{name}/{kind}"


def subscriptions(
    *kinds: str, root: str = ROOT, shared: str = "", areas: Iterable[str] = ()
) -> list[str]:
    """Topic filters of kinds of messages, from all senders.

    Parameters
    ----------
    *kinds
        As of `topic_of`; those of devices by default.
    root
        First part of all topics.
    shared
        Name of a group that shares the messages (a shared subscription); each gets all without it.
    areas
        Cells of `area_of` whose devices are meant; all devices that name no cell without them.

    Returns
    -------
    list of str

    Raises
    ------
    eqstat.InputError
        When a kind is not known, or a name or root is none.

    Examples
    --------
    >>> subscriptions("trigger", "alarm")
    ['eqstat/device/+/trigger', 'eqstat/alarm/+']
    >>> subscriptions("birth", shared="lima")
    ['$share/lima/eqstat/device/+/birth']
    >>> subscriptions("trigger", areas=["-7_-39"])
    ['eqstat/area/-7_-39/device/+/trigger']
    """
    if shared and not NAME.fullmatch(shared):
        raise InputError(f"subscriptions: shared {shared!r:.80} is no name")
    first = f"$share/{shared}/" if shared else ""
    roots = [f"{root}/area/{area}" for area in areas] or [root]
    filters = [topic_of(kind, "NAME", root=each) for each in roots for kind in kinds or OF_DEVICES]
    return [first + "+".join(each.rsplit("NAME", 1)) for each in filters]


def address_of(topic: object, *, root: str = ROOT) -> Address:
    """What a topic says; an empty address where it is none of ours. Never raises.

    Examples
    --------
    >>> address_of("eqstat/device/phone-7/trigger")
    Address(kind='trigger', name='phone-7')
    >>> address_of("eqstat/device/../trigger/x").kind
    ''
    """
    if not isinstance(topic, str) or len(topic) > LONGEST:
        return Address()
    if topic.startswith(f"{root}/"):
        levels = topic[len(root) + 1 :].split("/")
        if levels[0] == "area" and len(levels) == 5:
            levels = levels[2:]
        if len(levels) == 3 and levels[0] == "device" and levels[2] in OF_DEVICES:
            kind, name = levels[2], levels[1]
        elif len(levels) == 2 and levels[0] in OF_SERVICES:
            kind, name = levels
        else:
            return Address()
        return Address(kind, name) if NAME.fullmatch(name) else Address()
    if topic == OPENEEW_TRIGGER:
        return Address("openeew-trigger")
    openeew = OPENEEW.fullmatch(topic)
    return Address("openeew", openeew[1]) if openeew else Address()
