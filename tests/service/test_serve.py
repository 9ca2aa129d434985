"""The running service beside Mosquitto: kill -9 of either loses no alarm and sends none twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

import eqstat
from eqstat.service import Journal, explain, parse

from . import broker, cases

pytestmark = [pytest.mark.long, broker.needs_mosquitto]


class Ear:
    """A receiver of alarms, and sender of the devices' messages."""

    def __init__(self, port):
        self.heard = []
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda c, *_: c.subscribe("eqstat/alarm/+", 1)
        self.client.on_message = lambda _c, _d, m: self.heard.append(parse(m.topic, m.payload))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


def served(path):
    """A process of the service."""
    with (path / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "eqstat.cli", "serve", str(path / "service.toml"), "--quiet"],
            env=os.environ | {"PYTHONPATH": str(Path(eqstat.__file__).parents[1])},
            stderr=log,
        )


def until(condition, seconds=90.0):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "not in time"
        time.sleep(0.1)


def shifted(messages, begin_s):
    """Messages of the simulation, at the present."""
    by = begin_s - cases.NOW_S
    for received_s, topic, payload in messages:
        content = json.loads(payload)
        for name in ("time_s", "sent_s"):
            if name in content:
                content[name] += by
        yield received_s + by, topic, json.dumps(content).encode()


def test_alarms_survive_kills_of_service_and_broker(tmp_path):
    port, server = broker.free_port(), broker.Broker(tmp_path)
    more = f"[broker]\nport = {server.port}\n[page]\nport = {port}\n[outputs]\n"
    more += 'cap_folder = "cap"\nquakeml_folder = "quakeml"\ngeojson_folder = "geojson"\n'
    config = cases.folder_of(tmp_path, more)
    engine = cases.Engine(config, cases.NOW_S)
    quake, _ = cases.earthquake(engine, at_s=cases.NOW_S + 15.0)
    # Only the last seconds: what comes before is background.
    quake = [m for m in quake if m[0] > cases.NOW_S + 5.0]
    server.start()
    process, ear = served(tmp_path), Ear(server.port)
    page = f"http://127.0.0.1:{port}"

    def status():
        try:
            with urllib.request.urlopen(f"{page}/status.json", timeout=5) as reply:
                return json.load(reply)
        except OSError:
            return {}

    try:
        until(lambda: process.poll() is not None or status().get("connected"))
        begin_s = time.time()
        for _, topic, payload in shifted(cases.births(engine), begin_s):
            ear.client.publish(topic, payload, qos=1)
        until(lambda: status().get("active") == cases.DEVICES)
        with urllib.request.urlopen(f"{page}/", timeout=5) as reply:
            assert b"eqstat service" in reply.read()
        with urllib.request.urlopen(f"{page}/metrics", timeout=5) as reply:
            assert b'eqstat_messages_total{fate="sign_of_life"} 150' in reply.read()

        def send():
            for at_s, topic, payload in shifted(quake, time.time() - 4.0):
                time.sleep(max(at_s - time.time(), 0.0))
                ear.client.publish(topic, payload, qos=1)

        sender = threading.Thread(target=send)
        sender.start()
        until(lambda: ear.heard, 60)
        process.send_signal(signal.SIGKILL)  # in the midst of the earthquake
        process.wait()
        server.kill()
        sender.join()
        server.start()
        process = served(tmp_path)
        until(lambda: any(m.values.get("action") in ("end", "cancel") for m in ear.heard), 240)
    finally:
        process.terminate()
        process.wait(60)
        ear.stop()
        server.stop()
    assert all(message.status == 0 for message in ear.heard)
    names = {message.name for message in ear.heard}
    assert len(names) == 1
    revisions = Counter(int(m.get("revision")) for m in ear.heard)
    assert sorted(revisions) == list(range(len(revisions)))
    journal = Journal(config.folder)
    assert len(journal.events()) == len(revisions)
    assert journal.unsent() == []
    journal.close()
    told = explain(config.folder, names.pop())
    assert told["revisions"][0]["alarm"]["action"] == "alarm"
    for folder in ("cap", "quakeml", "geojson"):
        assert len(list((tmp_path / folder).iterdir())) == len(revisions)
