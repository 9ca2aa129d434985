"""Sends what the journal has not sent yet, one thread for each output."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from eqstat.realtime import replace_file
from eqstat.service._config import Config
from eqstat.service._earthquakes import Event
from eqstat.service._journal import Journal
from eqstat.service._protocol._messages import encode
from eqstat.service._protocol._mqtt import Client
from eqstat.service.outputs._cap import to_cap
from eqstat.service.outputs._geojson import to_geojson
from eqstat.service.outputs._quakeml import to_quakeml

log = logging.getLogger("eqstat.service")
# After a failure, s; and how often the journal is looked at without being told.
RETRY_S, LOOK_S = 2.0, 5.0
WAIT_S = 5.0


class Sender:
    """Outputs of a service.

    What is to be sent is in the journal, and is noted there when it was: what fails is tried again,
    after a restart, too. A process that is killed between the two sends the same message again,
    with the same identifier and revision, by which receivers know it.

    Parameters
    ----------
    config
        Of the service.
    journal
        Its journal.
    client
        Connection to the broker.
    told
        Called with each output and event that was sent.

    Examples
    --------
    Without files and webhook there is one output:

    >>> import tempfile
    >>> from eqstat.service._config import Region
    >>> config, journal = Config((Region("x", "x.csv"),)), Journal(tempfile.mkdtemp())
    >>> Sender(config, journal, Client(config), lambda output, event: None).names
    ('mqtt',)
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        client: Client,
        told: Callable[[str, Event], None],
    ) -> None:
        self._config, self._journal, self._client, self._told = config, journal, client, told
        self._published: dict[tuple[str, int], Any] = {}
        outputs = config.outputs
        ways: dict[str, Callable[[Event], bool]] = {"mqtt": self._mqtt}
        if outputs.cap_folder or outputs.quakeml_folder or outputs.geojson_folder:
            ways["files"] = self._files
        if outputs.webhook:
            ways["webhook"] = self._webhook
        self.names = tuple(ways)
        self._stopped = False
        self._news = {name: threading.Event() for name in ways}
        self._threads = [
            threading.Thread(target=self._run, args=item, name=f"send-{item[0]}", daemon=True)
            for item in ways.items()
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def tell(self) -> None:
        """There is something to send."""
        for news in self._news.values():
            news.set()

    def stop(self) -> None:
        """Finish what is being sent."""
        self._stopped = True
        self.tell()
        for thread in self._threads:
            thread.join(timeout=WAIT_S + self._config.outputs.webhook_timeout_s)

    def _run(self, name: str, send: Callable[[Event], bool]) -> None:
        news = self._news[name]
        while not self._stopped:
            news.clear()
            failed = False
            for output, event in self._journal.unsent():
                if output != name or failed or self._stopped:
                    continue
                try:
                    failed = not send(event)
                except (OSError, ValueError) as error:
                    failed = True
                    log.warning("%s: %s not sent: %s", name, event.alarm["id"], error)
                if not failed:
                    self._journal.sent(name, event, time.time())
                    self._told(name, event)
            if not news.is_set():
                news.wait(RETRY_S if failed else LOOK_S)

    def _mqtt(self, event: Event) -> bool:
        alarm = event.alarm
        key = alarm["id"], alarm["revision"]
        if key not in self._published:
            if not self._client.is_connected:
                return False
            topic, payload = encode("alarm", alarm["id"], root=self._config.broker.root, **alarm)
            self._published[key] = self._client.publish(topic, payload, retain=True)
        try:
            self._published[key].wait_for_publish(WAIT_S)
        except RuntimeError as error:  # the client lost its connection
            log.warning("mqtt: %s", error)
        if not self._published[key].is_published():
            return False
        del self._published[key]
        return True

    def _files(self, event: Event) -> bool:
        outputs, name = self._config.outputs, f"{event.alarm['id']}.{event.alarm['revision']}"
        text = json.dumps(to_geojson(event)).encode()
        for folder, ending, content in (
            (outputs.cap_folder, "cap.xml", to_cap(event, self._config.service)),
            (outputs.quakeml_folder, "quakeml.xml", to_quakeml(event)),
            (outputs.geojson_folder, "geojson", text),
        ):
            if folder:
                path = self._config.path(folder)
                path.mkdir(parents=True, exist_ok=True)
                replace_file(path / f"{name.replace(':', '_')}.{ending}", content)
        return True

    def _webhook(self, event: Event) -> bool:
        outputs, alarm = self._config.outputs, event.alarm
        request = urllib.request.Request(
            outputs.webhook,
            data=json.dumps(to_geojson(event)).encode(),
            headers={
                "Content-Type": "application/geo+json",
                "Idempotency-Key": f"{alarm['id']}.{alarm['revision']}",
            },
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=outputs.webhook_timeout_s) as reply:
            return 200 <= reply.status < 300
