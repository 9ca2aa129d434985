"""Connection of an agent to its broker of MQTT."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from eqstat._core.errors import InputError
from eqstat.service._protocol._connection import mqtt_module, secure
from eqstat.service._protocol._messages import MOST_BYTES_OPENEEW, encode
from eqstat.service._protocol._topics import subscriptions, topic_of
from eqstat.service.agent._config import AgentConfig

MOST_WAITING = 1000
HEARD = ("prewarning", "birth", "alive", "death", "alarm")


class Link:
    """Send messages of this sensor and keep those of others until they are read.

    The client of MQTT runs in its own thread and connects again by itself; at most a thousand
    messages wait, the oldest are dropped.
    """

    def __init__(self, config: AgentConfig) -> None:
        mqtt, broker = mqtt_module(), config.broker
        if broker is None:
            raise InputError("needs a table [broker]")
        self._config, self._root = config, broker.root
        self.received: deque[tuple[float, str, bytes]] = deque(maxlen=MOST_WAITING)
        self.is_connected = False
        name = config.sensor.name
        self._client: Any = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=broker.client or f"eqstat-{name}"
        )
        self._client.max_queued_messages_set(MOST_WAITING)
        self._client.reconnect_delay_set(1, 30)
        secure(self._client, broker, config.path)
        topic, payload = encode("death", name, root=self._root)
        self._client.will_set(topic, payload, qos=1)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._message
        self._client.connect_async(broker.host, broker.port, keepalive=30)
        self._client.loop_start()

    def _connected(self, client: Any, _data: Any, _flags: Any, reason: Any, *_more: Any) -> None:
        if reason.is_failure:
            return
        filters = []
        if self._config.coincidence is not None:
            filters += subscriptions(*HEARD, root=self._root)
        source = self._config.input
        if source.kind == "openeew" and not source.file:
            filters.append(f"iot-2/type/OpenEEW/id/{source.device}/evt/status/fmt/json")
        if filters:
            client.subscribe([(each, 1) for each in filters])
        self.is_connected = True
        sensor = self._config.sensor
        place = {n: getattr(sensor, n) for n in ("latitude", "longitude", "elevation_m")}
        if place["latitude"] == place["latitude"]:
            self.send("birth", type="sensor", sent_s=time.time(), **place)

    def _disconnected(self, *_arguments: Any) -> None:
        self.is_connected = False

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        if len(message.payload) <= MOST_BYTES_OPENEEW:
            self.received.append((time.time(), message.topic, message.payload))

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message of this sensor; it waits where there is no connection."""
        topic, payload = encode(kind, self._config.sensor.name, root=self._root, **fields)
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        """Say goodbye and disconnect."""
        topic = topic_of("death", self._config.sensor.name, root=self._root)
        if self.is_connected:
            payload = encode("death", self._config.sensor.name, root=self._root)[1]
            self._client.publish(topic, payload, qos=1).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()
