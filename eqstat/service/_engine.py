"""The core of a service: messages in, decisions out; no input or output of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from eqstat.detection import Alarm
from eqstat.service._config import Config
from eqstat.service._earthquakes import Event, Quake, actions, quake_of, reasons
from eqstat.service._others import Others
from eqstat.service._protocol._messages import Message, encode, parse
from eqstat.service._protocol._topics import area_of
from eqstat.service._region import RegionModel, Watch
from eqstat.service._registry import Fate, Registry, Taken
from eqstat.service._sites import Sites

EXPIRE_S = 10.0
# Alarms in progress are looked at this often: whether they are of one earthquake costs a step.
LOOK_S = 1.0


class Engine:
    r"""Models and state of a service.

    What it answers depends on its configuration and on what it was given, in that order, with the
    times at which it was given: nothing reads a clock or draws a random number. The same inputs
    give the same alarms, with the same identifiers.

    Parameters
    ----------
    config
        From `read_config`.
    now_s
        The present, s after 1970.

    Raises
    ------
    eqstat.InputError
        When a table or an artefact cannot be used.

    Examples
    --------
    A region of four sensors, at which nothing happens:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from eqstat.service import read_config
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "net.csv").write_text(
    ...     "device,latitude,longitude\na,1.0,2.0\nb,1.1,2.0\nc,1.0,2.1\nd,1.1,2.1\n")
    >>> _ = (folder / "service.toml").write_text(
    ...     "[[region]]\nname = 'x'\nnetwork = 'net.csv'\ncauses = ['network']\ncells = 25\n"
    ...     "depth_km = [10.0]\n")
    >>> engine = Engine(read_config(folder / "service.toml"), 1.8e9)
    >>> engine.take("eqstat/device/a/trigger", b'{"v":1,"time_s":1.8e9}', 1.8e9 + 0.1).fate.name
    'TAKEN'
    >>> engine.advance(1.8e9 + 3)
    []
    """

    def __init__(self, config: Config, now_s: float) -> None:
        self.config, self.now_s = config, float(now_s)
        self.models = [RegionModel(options, config) for options in config.region]
        names = sorted({name for model in self.models for name in model.names})
        index = {name: number for number, name in enumerate(names)}
        dead_time_s = max(model.options.dead_time_s for model in self.models)
        self.registry = Registry(names, config.devices, dead_time_s=dead_time_s)
        self._owners: list[list[tuple[int, int]]] = [[] for _ in names]
        self._members = []
        for region, model in enumerate(self.models):
            self._members.append(np.array([index[name] for name in model.names]))
            for number, name in enumerate(model.names):
                self._owners[index[name]].append((region, number))
        self.sites = Sites(config) if config.sites.table else None
        self.watches: list[Watch] = []
        self.quakes: list[Quake] = []
        self.others = Others(config.service.name)
        self.expired_s = self.now_s
        self.restart(self.now_s)

    def restart(self, now_s: float) -> None:
        """Start all regions anew, with the devices that are active."""
        self.watches = [
            model.start(now_s, self.registry.active[members])
            for model, members in zip(self.models, self._members, strict=True)
        ]

    def take(self, topic: str, payload: bytes, received_s: float) -> Taken:
        """Take a message as it came; never raises."""
        return self.take_message(parse(topic, payload, root=self.config.broker.root), received_s)

    def take_message(self, message: Message, received_s: float) -> Taken:
        """Take a message that was read."""
        self.now_s = max(self.now_s, received_s)
        taken = self.registry.take(message, self.now_s)
        if taken.fate == Fate.ALARM and self.config.service.merge_alarms:
            self.others.hear(message, self.now_s)
        if taken.fate == Fate.TAKEN:
            for region, number in self._owners[taken.device]:
                self.models[region].take(
                    self.watches[region], number, taken.time_s, taken.peak_m_s2, self.now_s
                )
        return taken

    def advance(self, now_s: float) -> list[Event]:
        """Step all regions that are due to the present, and decide.

        Parameters
        ----------
        now_s
            The present, s after 1970; an earlier one than before counts as that.

        Returns
        -------
        list of Event
        """
        self.now_s = now_s = max(self.now_s, float(now_s))
        if now_s - self.expired_s >= EXPIRE_S:
            self.expired_s = now_s
            self.registry.expire(now_s)
        events = []
        for region, (model, watch) in enumerate(zip(self.models, self.watches, strict=True)):
            if not model.is_due(watch, now_s):
                continue
            model.step(watch, now_s, self.registry.active[self._members[region]])
            is_due = not watch.alarms.all or now_s - watch.looked_s >= LOOK_S
            if watch.report is not None and is_due:
                watch.looked_s = now_s
                for alarm in watch.alarms.update(watch.state, watch.report):
                    quake, is_new = quake_of(model, alarm, self.quakes)
                    if is_new:
                        self.quakes.append(quake)
            events += self._follow(model, watch)
        return events

    def is_due(self, now_s: float) -> bool:
        """Whether `advance` has anything to do."""
        now_s = max(self.now_s, now_s)
        regions = zip(self.models, self.watches, strict=True)
        return now_s - self.expired_s >= EXPIRE_S or any(m.is_due(w, now_s) for m, w in regions)

    @property
    def areas(self) -> list[str]:
        """Cells of the devices, by which their messages come; none where these are not divided."""
        degrees = self.config.broker.area_degrees
        if not degrees:
            return []
        places = [(model.latitude, model.longitude) for model in self.models]
        each = (zip(north.tolist(), east.tolist(), strict=True) for north, east in places)
        return sorted({area_of(*place, degrees) for region in each for place in region})

    def owners(self, device: int) -> list[tuple[int, int]]:
        """Regions of a device, and its number in each."""
        return self._owners[device]

    def is_awake(self, region: int) -> bool:
        """Whether the sequential posterior of a region steps often."""
        return self.now_s < self.watches[region].awake_until_s

    def _follow(self, model: RegionModel, watch: Watch) -> list[Event]:
        """Updates, ends and cancellations of the earthquakes of a region."""
        events = []
        sources = {(model.options.name, alarm.began_s): alarm for alarm in watch.alarms.all}
        for quake in [one for one in self.quakes if one.sources[0] in sources]:
            alarm = sources[quake.sources[0]]
            action = actions(quake, alarm.probability, self.now_s, model.options.dead_time_s)
            said = self.others.said(quake, action)
            if said:
                events.append(self._event(quake, said, model, watch, alarm))
            if action in ("cancel", "end"):
                self.quakes.remove(quake)
        kept = {source for quake in self.quakes for source in quake.sources}
        watch.alarms.all[:] = [alarm for source, alarm in sources.items() if source in kept]
        return events

    def _event(
        self, quake: Quake, action: str, model: RegionModel, watch: Watch, source: Alarm
    ) -> Event:
        if quake.is_told:
            quake.revision += 1
        quake.changed, quake.is_told = False, True
        alarm: dict[str, Any] = {
            "id": quake.id,
            "revision": quake.revision,
            "action": action,
            "mode": self.config.service.mode,
            "issued_s": self.now_s,
            "service": self.config.service.name,
            **quake.alarm,
        }
        if action == "cancel":
            alarm["probability"] = source.probability
        if quake.same_as:
            alarm["same_as"] = quake.same_as
        sites = ()
        if self.sites is not None and action in ("alarm", "update"):
            sites = self.sites.score(model, source.report, quake.id)
        why = reasons(model, source, watch.fired) | {"regions": quake.regions}
        if quake.revision:
            why["previous_s"] = quake.issued_s
        quake.issued_s = self.now_s
        encode("alarm", quake.id, **alarm)  # what cannot be sent fails here, not when it is sent
        return Event(alarm, why, sites)
