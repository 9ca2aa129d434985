"""The running service: from the broker through engine and journal to the outputs."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from typing import Any

import numpy as np

from eqstat.service._config import Config
from eqstat.service._earthquakes import Event
from eqstat.service._engine import Engine
from eqstat.service._journal import Journal, Received
from eqstat.service._metrics import Metrics
from eqstat.service._page import Page
from eqstat.service._protocol._mqtt import Client
from eqstat.service._protocol._topics import topic_of
from eqstat.service._registry import Fate
from eqstat.service._snapshot import capture, recover, write_snapshot
from eqstat.service.outputs._sender import Sender

log = logging.getLogger("eqstat.service")
TICK_S, STATUS_S, HEALTH_S, PRUNE_S = 0.05, 1.0, 10.0, 60.0
# Triggers and devices that the page shows of a region, and steps of its posterior.
MOST_SHOWN, MOST_HISTORY, MOST_ALARMS = 1000, 600, 20


class Service:
    """A detector service.

    One thread takes messages, steps the engine, writes the journal, acknowledges, and tells the
    sender; others receive, send, write snapshots and serve the page.

    Parameters
    ----------
    config
        From `read_config`.

    Raises
    ------
    eqstat.InputError
        When a table, an artefact or the journal cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eqstat.service import read_config
    >>> path = Path(tempfile.mkdtemp()) / "service.toml"
    >>> _ = path.write_text("region = [{name = 'x', network = 'missing.csv'}]")
    >>> Service(read_config(path))
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: [[region]] x: network cannot be read: ...
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = Engine(config, time.time())
        self.journal = Journal(config.folder)
        self.notes = recover(self.engine, self.journal)
        self.metrics = Metrics()
        self.client = Client(config, self.engine.areas)
        self._sender = Sender(config, self.journal, self.client, self._was_sent)
        self._stopping = threading.Event()
        self._came: list[list[float]] = [[] for _ in self.engine.models]
        self._newest = time.monotonic()
        self._came_of: dict[tuple[str, int], float] = {}
        self._shown = [deque[tuple[int, float]](maxlen=MOST_SHOWN) for _ in self.engine.models]
        self._history = [
            deque[tuple[float, float]](maxlen=MOST_HISTORY) for _ in self.engine.models
        ]
        self._alarms = deque([e.alarm for e in self.journal.events()], maxlen=MOST_ALARMS)
        self._status: dict[str, Any] = {}
        self._writer: threading.Thread | None = None
        self._seq = 0
        self._due = {"status": 0.0, "health": 0.0, "prune": 0.0, "snapshot": time.time()}
        self.page: Page | None = None

    def run(self, seconds: float = np.inf) -> None:
        """Run until `stop`, or for so long."""
        options, end = self.config.page, time.time() + seconds
        for note in self.notes:
            log.info("%s", note)
        self._update_status(time.time())
        if options.port:
            self.page = Page(options.host, options.port, lambda: self._status, self.metrics_text)
            log.info("status page at http://%s:%d/", options.host, self.page.port)
        self._sender.start()
        self.client.start()
        try:
            while not self._stopping.is_set() and time.time() < end:
                self.client.wait(TICK_S)
                self.turn()
        finally:
            self._finish()

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()

    def turn(self) -> None:
        """Take what waits, decide, write the journal, acknowledge, tell the outputs."""
        waiting = self.client.take()
        quiet = []
        for message in waiting:
            taken = self.engine.take(message.topic, message.payload, message.received_s)
            if taken.fate != Fate.TAKEN:
                continue
            self._newest = message.came_s
            for region, number in self.engine.owners(taken.device):
                self._shown[region].append((number, taken.time_s))
                awake = self.engine.is_awake(region)
                (self._came[region] if awake else quiet).append(message.came_s)
        now_s = time.time()
        if not waiting and not self.engine.is_due(now_s):
            return
        before = [float(watch.state.now_s) for watch in self.engine.watches]
        begun = time.monotonic()
        # What was counted in a quiet region is decided now; a step of another one comes after it.
        for came in quiet:
            self.metrics.quiet.add(begun - came)
        events = self.engine.advance(now_s)
        received = [Received(m.received_s, m.topic, m.payload) for m in waiting]
        self._seq = self.journal.commit(self.engine.now_s, received, events, self._sender.names)
        self.client.acknowledge(waiting)
        self._tell(events)
        done = time.monotonic()
        for region, watch in enumerate(self.engine.watches):
            if float(watch.state.now_s) == before[region]:
                continue
            self._history[region].append((now_s, float(watch.answer.earthquake_probability)))
            for came in self._came[region]:
                self.metrics.awake.add(done - came)
            self._came[region].clear()
        self._chores(now_s)

    def metrics_text(self) -> str:
        """Text of Prometheus."""
        return self.metrics.text(dict(self.engine.registry.fates), dict(self.client.counted))

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            alarm = event.alarm
            self._alarms.append(alarm)
            self.metrics.counters[alarm["action"]] += 1
            if alarm["action"] == "alarm":
                self._came_of[alarm["id"], alarm["revision"]] = self._newest
            log.warning(
                "%s %s revision %d: probability %.3f, M %.1f at %.2f, %.2f",
                alarm["action"], alarm["id"], alarm["revision"], alarm["probability"],
                alarm.get("magnitude", np.nan), alarm["latitude"], alarm["longitude"],
            )  # fmt: skip
        if events:
            self._sender.tell()

    def _was_sent(self, output: str, event: Event) -> None:
        came = self._came_of.pop((event.alarm["id"], event.alarm["revision"]), None)
        if output == "mqtt" and came is not None:
            self.metrics.alarm.add(time.monotonic() - came)

    def _chores(self, now_s: float) -> None:
        """What is done from time to time."""
        if now_s >= self._due["status"]:
            self._due["status"] = now_s + STATUS_S
            self._update_status(now_s)
        if now_s >= self._due["health"]:
            self._due["health"] = now_s + HEALTH_S
            health = {"v": 1, **{k: self._status[k] for k in ("service", "mode", "now_s", "devices",
                      "active", "backlog", "messages", "latency")}}  # fmt: skip
            topic = topic_of("health", self.config.service.name, root=self.config.broker.root)
            self.client.publish(topic, json.dumps(health).encode(), qos=0, retain=True)
        if now_s >= self._due["prune"]:
            self._due["prune"] = now_s + PRUNE_S
            self.journal.prune(now_s - 3600 * self.config.service.keep_inputs_h)
        is_writing = self._writer is not None and self._writer.is_alive()
        if now_s >= self._due["snapshot"] + self.config.service.snapshot_s and not is_writing:
            self._due["snapshot"] = now_s
            arguments = capture(self.engine), self.journal, self._seq
            self._writer = threading.Thread(target=write_snapshot, args=arguments)
            self._writer.start()

    def _update_status(self, now_s: float) -> None:
        engine, registry = self.engine, self.engine.registry
        gauges: dict[str, float] = {
            "backlog": self.client.backlog,
            "active_devices": int(registry.active.sum()),
            "connected": int(self.client.is_connected),
        }
        self.metrics.gauges = gauges
        self._status = {
            "service": self.config.service.name,
            "mode": self.config.service.mode,
            "now_s": now_s,
            "connected": self.client.is_connected,
            "devices": len(registry.names),
            "active": gauges["active_devices"],
            "backlog": gauges["backlog"],
            "messages": dict(registry.fates) | dict(self.client.counted),
            "latency": self.metrics.summary(),
            "quakes": [quake.alarm | {"id": quake.id} for quake in engine.quakes],
            "alarms": list(self._alarms)[::-1],
            "regions": [self._region_status(number, now_s) for number in range(len(engine.models))],
        }

    def _region_status(self, number: int, now_s: float) -> dict[str, Any]:
        model, watch = self.engine.models[number], self.engine.watches[number]
        names = [*(cause.name for cause in model.detector.causes), "none"]
        shown = slice(None, None, max(len(model.names) // MOST_SHOWN, 1))
        places = zip(model.latitude[shown].tolist(), model.longitude[shown].tolist(), strict=True)
        return {
            "name": model.options.name,
            "devices": len(model.names),
            "active": int(np.asarray(watch.state.active).sum()),
            "awake": self.engine.is_awake(number),
            "least_probability": model.options.least_probability,
            "box": [float(x) for x in (model.latitude.min(), model.latitude.max(),
                                       model.longitude.min(), model.longitude.max())],
            "causes": {} if watch.report is None else
            {n: float(p) for n, p in zip(names, watch.report.probability, strict=True)},
            "places": [[round(a, 4), round(b, 4)] for a, b in places],
            "triggers": [
                [float(model.latitude[d]), float(model.longitude[d]), t]
                for d, t in self._shown[number] if now_s - t < 60
            ],
            "history": list(self._history[number]),
        }  # fmt: skip

    def _finish(self) -> None:
        """Stop all threads, and write a last snapshot."""
        self._sender.stop()
        self.client.stop()
        if self._writer is not None:
            self._writer.join()
        if self._seq:
            write_snapshot(capture(self.engine), self.journal, self._seq)
        self.journal.close()
        if self.page is not None:
            self.page.stop()
