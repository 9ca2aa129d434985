"""Client of the broker: messages into a queue, acknowledged when they are in the journal."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from eqstat.service._config import Config
from eqstat.service._protocol._connection import mqtt_module, secure
from eqstat.service._protocol._messages import MOST_BYTES_OPENEEW
from eqstat.service._protocol._topics import LONGEST, OF_DEVICES, OPENEEW_FILTERS, subscriptions

# Messages that wait, at most; more are dropped, and counted.
MOST_WAITING = 100_000
RECONNECT_S = (1, 10)


class Waiting(NamedTuple):
    """A message that waits: when it came, topic, bytes, and what acknowledges it."""

    received_s: float
    came_s: float
    topic: str
    payload: bytes
    mid: int
    qos: int


class Client:
    """Connection to the broker, which it takes up again whenever it is lost.

    The session is kept by the broker, and a message with quality of service 1 is acknowledged only
    when it is in the journal: what came while the service was away, or was lost with it, comes
    again.

    Parameters
    ----------
    config
        Of the service.
    areas
        Cells whose devices it hears; all that name none without them.

    Attributes
    ----------
    counted
        Connections, and messages dropped because too many waited or one was too large.
    """

    def __init__(self, config: Config, areas: Sequence[str] = ()) -> None:
        mqtt, broker = mqtt_module(), config.broker
        self._config, self._mqtt, self._areas = config, mqtt, areas
        name = broker.client or f"eqstat-{config.service.name}"
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=mqtt.MQTTv311,
            clean_session=False,
            manual_ack=True,
        )
        secure(self._client, broker, config.path)
        self._client.reconnect_delay_set(*RECONNECT_S)
        self._client.max_queued_messages_set(10_000)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._message
        self._waiting: deque[Waiting] = deque()
        self._arrived = threading.Event()
        self.counted: Counter[str] = Counter()
        self.is_connected = False

    def start(self) -> None:
        """Connect in the background."""
        broker = self._config.broker
        self._client.connect_async(broker.host, broker.port, keepalive=30)
        self._client.loop_start()

    def wait(self, timeout_s: float) -> None:
        """Wait until a message is there, at most for so long."""
        if not self._waiting:
            self._arrived.wait(timeout_s)
        self._arrived.clear()

    def take(self, most: int = 2000) -> list[Waiting]:
        """Messages that wait, in the order of their coming."""
        count = min(len(self._waiting), most)
        return [self._waiting.popleft() for _ in range(count)]

    @property
    def backlog(self) -> int:
        """Number of messages that wait."""
        return len(self._waiting)

    def acknowledge(self, messages: list[Waiting]) -> None:
        """Tell the broker that messages are in the journal."""
        for message in messages:
            if message.qos:
                self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> Any:
        """Publish; what can tell when the broker has it."""
        return self._client.publish(topic, payload, qos=qos, retain=retain)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Any, *others: Any) -> None:
        reason = others[2]
        if reason.is_failure:
            self.counted["refused"] += 1
            return
        self.counted["connected"] += 1
        self.is_connected = True
        broker = self._config.broker
        filters = subscriptions(*OF_DEVICES, root=broker.root, areas=self._areas)
        if self._config.service.merge_alarms:
            filters += subscriptions("alarm", root=broker.root)
        filters += OPENEEW_FILTERS if broker.openeew else ()
        client.subscribe([(each, 1) for each in filters])

    def _disconnected(self, *others: Any) -> None:
        self.is_connected = False
        self.counted["disconnected"] += 1

    def _message(self, client: Any, data: Any, message: Any) -> None:
        came = time.monotonic()
        payload = message.payload
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        too_large = len(payload) > MOST_BYTES_OPENEEW or len(topic) > LONGEST
        if too_large or len(self._waiting) >= MOST_WAITING:
            self.counted["too_large" if too_large else "dropped"] += 1
            if message.qos:
                client.ack(message.mid, message.qos)
            return
        self._waiting.append(
            Waiting(time.time(), came, topic, bytes(payload), message.mid, message.qos)
        )
        self._arrived.set()
