"""Alarms of other services on the same broker, and which of two of one earthquake stands."""

from __future__ import annotations

from typing import Any

from eqstat.service._earthquakes import Quake, is_same
from eqstat.service._protocol._messages import Message

# An alarm that was not heard of for so long is over.
FORGOTTEN_S = 600.0
NEEDED = ("latitude", "longitude", "origin_s", "origin_sd_s", "sd_east_km", "sd_north_km")


class Others:
    """Alarms of other services; without any, this service speaks for itself.

    Of two alarms that are of one earthquake the one with the lesser identifier stands, which begins
    with the time: all services that have heard both come to the same answer, in whatever order.

    Attributes
    ----------
    own
        Name of this service.
    alarms
        Fields of the others' last messages, and when each was heard, by their identifiers.
    """

    def __init__(self, own: str) -> None:
        self.own = own
        self.alarms: dict[str, dict[str, Any]] = {}

    def hear(self, message: Message, now_s: float) -> None:
        """Take the message of an alarm."""
        values = message.values
        if values.get("service", self.own) == self.own or not all(n in values for n in NEEDED):
            return
        # One that has ended still stands for the earthquake, which may end later here.
        if values["action"] == "cancel":
            self.alarms.pop(message.name, None)
        else:
            self.alarms[message.name] = {**values, "heard_s": now_s}
        self.alarms = {
            name: alarm
            for name, alarm in self.alarms.items()
            if now_s - alarm["heard_s"] < FORGOTTEN_S
        }

    def said(self, quake: Quake, action: str) -> str:
        """What this service says of an earthquake, where `action` is what it would say alone."""
        is_over = action in ("cancel", "end")
        twin = min((n for n, a in self.alarms.items() if is_same(quake.alarm, a)), default="")
        if twin and (not quake.is_told or twin < quake.id or quake.same_as):
            was_speaking = quake.is_told and not quake.same_as
            quake.same_as = twin
            return "end" if was_speaking else ""
        was_silent = bool(quake.same_as) or not quake.is_told
        quake.same_as = ""
        if is_over:
            return "" if was_silent else action
        if was_silent:
            return "update" if quake.is_told else "alarm"
        return action
