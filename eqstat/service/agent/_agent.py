"""The agent: one sensor, its neighbours, and what it says."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from eqstat import edge
from eqstat._core.errors import InputError
from eqstat.service._protocol._messages import MessageStatus, parse
from eqstat.service.agent._channel import SensorStatus
from eqstat.service.agent._coincidence import Coincidence, CoincidenceWatch
from eqstat.service.agent._config import AgentConfig
from eqstat.service.agent._detector import Detector, PreWarning
from eqstat.waveform.packets import Packet, parse_openeew

SAVE_S, SAY_S, SILENT_S = 600.0, 3600.0, 10.0
CLOCK_S = 60.0
# An alarm of a service whose origin is within this of a coincidence confirms it, s.
CONFIRM_S = 60.0
MOST_RECORD_BYTES = 64_000_000

Send = Callable[..., None]
Say = Callable[[dict[str, Any]], None]


class Agent:
    """Pre-warnings of one sensor and coincidences with its neighbours.

    The agent is fed by its owner: `packet` with what the sensor sends, `message` with what came
    from the broker, and `tick` now and then. It holds no thread and opens nothing but the files of
    its configuration; its memory does not grow. None of these raise on what they are given.

    Parameters
    ----------
    config
        `AgentConfig`.
    say
        Called with each event, a dictionary of plain values.
    send
        Called with the kind and the fields of each message for the broker.

    Raises
    ------
    eqstat.InputError
        When the artefact of the coincidence cannot be used.

    Examples
    --------
    >>> from eqstat.service.agent import AgentConfig, Sensor
    >>> said = []
    >>> agent = Agent(AgentConfig(Sensor("roof")), said.append)
    >>> agent.packet(Packet("", math.nan, math.nan, {}, "not in braces"), 1.8e9)
    >>> agent.tick(1.8e9)
    >>> said[-1]["status"]
    'WARMING_UP'
    """

    def __init__(self, config: AgentConfig, say: Say, send: Send | None = None) -> None:
        self.config = config
        self.detector = Detector(config.learner(), config.settings(), tuple(config.input.channels))
        self._say, self._send = say, send or (lambda *_kinds, **_fields: None)
        self._watch = self._make_watch()
        self._status: SensorStatus | None = None
        self._came_s = self._sent_s = self._saved_s = self._said_s = -math.inf
        self._number = 0
        self._last_alarm_s = -math.inf
        self._is_clock_wrong = False
        self._restore()

    def _make_watch(self) -> CoincidenceWatch | None:
        own = self.config.coincidence
        if own is None:
            return None
        try:
            scorer = edge.load(self.config.path(own.artefact))
            if scorer.artefact.kind != "coincidence":
                raise InputError(f"{own.artefact} is of kind {scorer.artefact.kind}")
            return CoincidenceWatch(
                scorer,
                tuple(own.sensors),
                own.frame_s,
                quiet_s=own.quiet_s,
                keep_alive_s=own.keep_alive_s,
            )
        except (edge.ArtefactError, InputError) as error:
            raise InputError(f"[coincidence] artefact: {error}") from None

    @property
    def status(self) -> SensorStatus:
        """Present state of the sensor, as it was last said."""
        return SensorStatus.WARMING_UP if self._status is None else self._status

    def packet(self, packet: Packet, now_s: float) -> None:
        """Take a packet of the sensor."""
        warned = self.detector.feed(packet)
        if not packet.problem:
            self._came_s = now_s
            end = packet.start_s + max(map(len, packet.channels.values())) / packet.rate_hz
            self._is_clock_wrong = abs(end - now_s) > CLOCK_S
        for warning in warned:
            self._pre_warn(warning, now_s)

    def _pre_warn(self, warning: PreWarning, now_s: float) -> None:
        self._number += 1
        duration = warning.time_s - warning.onset_s
        unit = self.config.input.unit_m_s2
        pga = min(warning.peak * unit, 100.0) if unit > 0 else math.nan
        sensor = self.config.sensor
        place = {n: getattr(sensor, n) for n in ("latitude", "longitude", "elevation_m")}
        known = {"time_s": warning.onset_s, "sent_s": now_s, "number": self._number,
                 "pga_m_s2": pga, **place}  # fmt: skip
        # For the neighbours, and for a service.
        self._send("prewarning", duration_s=min(duration, 600.0), **known)
        self._send("trigger", **known)
        self._say(
            {
                "event": "prewarning",
                "sensor": sensor.name,
                "time_s": warning.onset_s,
                "decided_s": warning.time_s,
                "said_s": now_s,
                "ratio": math.exp(0.5 * warning.statistic),
                "threshold": math.exp(0.5 * warning.threshold),
                "peak": warning.peak,
            }
        )
        self._coincide(sensor.name, warning.onset_s, now_s)

    def message(self, topic: object, payload: object, now_s: float) -> None:
        """Take a message that came from the broker."""
        root = self.config.broker.root if self.config.broker else "eqstat"
        source = self.config.input
        text = topic if isinstance(topic, str) else ""
        if source.kind == "openeew" and text.startswith(f"iot-2/type/OpenEEW/id/{source.device}/"):
            for packet in parse_openeew(payload, now_s):
                self.packet(packet, now_s)
            return
        message = parse(topic, payload, root=root)
        if message.status != MessageStatus.OK or self._watch is None:
            return
        if message.kind == "alarm":
            self._confirm(message.name, message.values, now_s)
        elif message.name == self.config.sensor.name:
            return
        elif message.kind in ("alive", "birth"):
            self._watch.alive(message.name, now_s)
        elif message.kind == "death":
            self._watch.gone(message.name)
        elif message.kind == "prewarning":
            self._coincide(message.name, message.get("time_s"), now_s)

    def _coincide(self, name: str, time_s: float, now_s: float) -> None:
        if self._watch is None:
            return
        result = self._watch.add(name, time_s, now_s)
        if result is None:
            return
        if result.is_alarm:
            self._last_alarm_s = result.time_s
            self.detector.exclude(result.time_s)
        if len(result.sensors) > 1 or result.is_alarm:
            self._say(_told(result, now_s))

    def _confirm(self, name: str, values: Any, now_s: float) -> None:
        origin_s, action = values["origin_s"], values["action"]
        if action in ("alarm", "update") and abs(origin_s - self._last_alarm_s) <= CONFIRM_S:
            self.detector.exclude(origin_s)
            self._say(
                {
                    "event": "confirmed",
                    "alarm": name,
                    "probability": values["probability"],
                    "mode": values["mode"],
                    "said_s": now_s,
                }
            )

    def tick(self, now_s: float) -> None:
        """Say a new status, send signs of life, save the record; call it every second or so."""
        status = self._present(now_s)
        if status != self._status:
            self._status = status
            happened = {kind.name: n for kind, n in self.detector.happened.items() if n}
            self._say({"event": "status", "status": status.name, "said_s": now_s,
                       "packets": happened})  # fmt: skip
            self._said_s = -math.inf
        every = self.config.coincidence.keep_alive_s if self.config.coincidence else 30.0
        if not 0 <= now_s - self._sent_s < every and status <= SensorStatus.LEARNING:
            self._sent_s = now_s
            self._send("alive", sent_s=now_s)
            if self._watch is not None:
                self._watch.alive(self.config.sensor.name, now_s)
        if not 0 <= now_s - self._said_s < SAY_S and status == SensorStatus.OK:
            self._said_s = now_s
            rate = self.detector.learner.rate(now_s)
            self._say(
                {
                    "event": "threshold",
                    "threshold": math.exp(0.5 * rate.threshold),
                    "false_per_hour": rate.per_hour,
                    "interval": [rate.low, rate.high],
                    "hours": rate.hours,
                }
            )
        if not 0 <= now_s - self._saved_s < SAVE_S:
            if self._saved_s > -math.inf:
                self.save()
            self._saved_s = now_s

    def _present(self, now_s: float) -> SensorStatus:
        if self._came_s > -math.inf and not now_s - self._came_s < SILENT_S:
            return SensorStatus.SILENT
        status = self.detector.status
        if self._is_clock_wrong and status <= SensorStatus.LEARNING:
            return SensorStatus.CLOCK
        return status

    def save(self) -> None:
        """Write the record of the threshold, if the configuration names a file for it."""
        if not self.config.prewarning.record:
            return
        path = self.config.path(self.config.prewarning.record)
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **self.detector.learner.state())
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(stream.getvalue())
            os.replace(part, path)
        except OSError as error:
            self._say({"event": "error", "text": f"{path.name}: {error.strerror}"})

    def _restore(self) -> None:
        if not self.config.prewarning.record:
            return
        path = self.config.path(self.config.prewarning.record)
        if not path.exists():
            return
        is_good = _restored(path, self.detector)
        text = "the record goes on" if is_good else f"{path.name} is no record; it begins anew"
        self._say({"event": "restart", "text": text, "blocks": self.detector.learner.count})


def _restored(path: Path, detector: Detector) -> bool:
    try:
        if path.stat().st_size > MOST_RECORD_BYTES:
            return False
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            return detector.learner.restore({name: kept[name] for name in kept.files[:8]})
    except Exception:  # noqa: BLE001 whatever is wrong with the file, the record begins anew
        return False


def _told(result: Coincidence, now_s: float) -> dict[str, Any]:
    answer = result.answer
    return {
        "event": "alarm" if result.is_alarm else "coincidence",
        "time_s": result.time_s,
        "said_s": now_s,
        "sensors": list(result.sensors),
        "earthquake_probability": float(answer.earthquake_probability),
        "false_alarm_rate_per_year": float(answer.false_alarm_rate_per_year),
        "margin": float(answer.margin),
    }
