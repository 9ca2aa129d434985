"""A detector service under a generator of load: latency, backlog, earthquakes, kills.

Run: python validation/check_service.py. Mosquitto, `eqstat load` and `eqstat serve` run as
processes of this machine; broker and service are killed (-9) and started again. Phones are those of
the generator, in a grid of regions. Latencies are the service's own: from the message's arrival at
its client to the decision that includes it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from records import Record, record, show

from eqstat.geodesy import great_circle_distance
from eqstat.service import Journal, encode, load, parse, read_config
from eqstat.service._config import Devices
from eqstat.service._registry import Registry

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
# An earthquake that makes so many active phones trigger must not be missed.
CLEAR_TRIGGERS = 30
WITHIN_KM, WITHIN_S = 60.0, 60.0
# ... where no other earthquake or burst begins within so many seconds.
ALONE_S = 40.0


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A process that can be killed and started again."""

    def __init__(self, *command: str, log: Path) -> None:
        self.command, self.log = command, log
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(120)


def write_regions(folder: Path, world: load.LoadWorld, side: int, port: int, page: int) -> None:
    """Configuration of a grid of regions, each with its phones."""
    network, own = world.network, world.settings
    edges = [np.linspace(*ends, side + 1) for ends in (own.latitude, own.longitude)]
    rows = np.clip(np.searchsorted(edges[0], network.latitude) - 1, 0, side - 1)
    columns = np.clip(np.searchsorted(edges[1], network.longitude) - 1, 0, side - 1)
    rate_h = 3600 * own.triggers_per_s / own.phones
    text = [f"[broker]\nport = {port}\n[page]\nport = {page}\n[service]\nsnapshot_s = 20.0\n"]
    text.append(f"[devices]\nkeep_alive_s = {own.keep_alive_s:.1f}\n")
    for number in range(side * side):
        inside = np.flatnonzero(rows * side + columns == number)
        pd.DataFrame(
            {
                "device": [f"p{i}" for i in inside],
                "latitude": network.latitude[inside].round(4),
                "longitude": network.longitude[inside].round(4),
            }
        ).to_csv(folder / f"region-{number}.csv", index=False)
        text.append(
            f'[[region]]\nname = "region-{number}"\nnetwork = "region-{number}.csv"\n'
            f"background_per_device_h = {rate_h:.4f}\nbackground_relative_sd = 0.1\n"
            "earthquake_rate_per_year = 50.0\ncells = 100\ndepth_km = [10.0, 25.0, 50.0]\n"
            'causes = ["network", "venue"]\n'
        )
    (folder / "service.toml").write_text("".join(text))


class Watcher:
    """Looks at the status page, and remembers the latencies of each process of the service."""

    def __init__(self, page: int) -> None:
        self.page, self.runs = page, []
        self.backlog, self.status = [], {}
        self.connected_s: list[float] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped:
            time.sleep(1.0)
            try:
                url = f"http://127.0.0.1:{self.page}/status.json"
                with urllib.request.urlopen(url, timeout=5) as reply:
                    self.status = json.load(reply)
            except OSError:
                self.status = {}
                continue
            self.backlog.append(self.status["backlog"])
            if self.status["connected"]:
                self.connected_s.append(self.status["now_s"])
            latency = self.status["latency"]
            before = self.runs[-1]["quiet"]["count"] if self.runs else np.inf
            if latency["quiet"]["count"] >= before:
                self.runs[-1] = latency
            else:
                self.runs.append(latency)

    def wait(self, seconds: float = 400.0) -> None:
        """Wait until the service is connected."""
        end = time.time() + seconds
        while not self.status.get("connected"):
            if time.time() > end:
                raise RuntimeError("the service does not answer")
            time.sleep(0.5)

    def stop(self) -> None:
        self._stopped = True
        self._thread.join()


def listen(port: int) -> tuple[Any, list]:
    """Listen to alarms; messages with the time of their coming."""
    import paho.mqtt.client as mqtt

    heard = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False)
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda c, *_: c.subscribe("eqstat/alarm/+", 1)
    client.on_message = lambda _c, _d, m: heard.append((time.time(), parse(m.topic, m.payload)))
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client, heard


def run(folder: Path, options: dict[str, Any], side: int, kills: int) -> dict[str, Any]:
    """Run everything; what was heard, sent and measured."""
    assert MOSQUITTO is not None
    port, page = free_port(), free_port()
    (folder / "sessions").mkdir()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {folder}/sessions/\nautosave_interval 1\n"
        "max_inflight_messages 1000\nmax_queued_messages 100000\n"
    )
    seconds = int(options.pop("seconds"))
    world = load.LoadWorld(int(options.pop("seed")), load.LoadSettings(**options))
    write_regions(folder, world, side, port, page)
    broker = Process(MOSQUITTO, "-c", str(folder / "mosquitto.conf"), log=folder / "broker.log")
    command = (sys.executable, "-m", "eqstat.cli", "serve", str(folder / "service.toml"))
    service = Process(*command, log=folder / "service.log")
    broker.start()
    time.sleep(1.0)
    service.start()
    watcher, (ear, heard) = Watcher(page), listen(port)
    try:
        watcher.wait()
        truth = folder / "truth.jsonl"
        report: list[Any] = []
        target = load.LoadTarget(host="127.0.0.1", port=port)
        sending = threading.Thread(
            target=lambda: report.append(load.run_load(world, target, seconds, truth=truth))
        )
        begin = time.time()
        sending.start()
        for number in range(2 * kills):
            time.sleep(max(begin + seconds * (number + 1) / (2 * kills + 1) - time.time(), 0))
            one = (broker, service)[number % 2]
            one.kill()
            time.sleep(1.0)
            one.start()
            if one is service:
                watcher.status = {}
        sending.join()
        watcher.wait()
        time.sleep(10.0)
    finally:
        watcher.stop()
        service.end()
        ear.disconnect()
        ear.loop_stop()
        broker.end()
    events = [json.loads(line) for line in truth.read_text().splitlines()]
    journal = Journal(read_config(folder / "service.toml").folder)
    outcome = {
        "events": events,
        "heard": heard,
        "watcher": watcher,
        "report": report[0],
        "journal": journal.events(),
    }
    journal.close()
    return outcome


def matched(quake: dict[str, Any], alarms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Alarms that began after an earthquake, near it."""
    return [
        alarm
        for alarm in alarms
        if -5 <= alarm["issued_s"] - quake["time_s"] <= WITHIN_S
        and great_circle_distance(
            alarm["latitude"], alarm["longitude"], quake["latitude"], quake["longitude"]
        )
        <= WITHIN_KM
    ]


def is_clear(event: dict[str, Any], events: list[dict[str, Any]], connected: np.ndarray) -> bool:
    """Whether an earthquake makes enough phones trigger, alone, while the service listens."""
    times = np.array([one["time_s"] for one in events])
    alone = np.sum(np.abs(times - event["time_s"]) < ALONE_S) == 1
    listening = connected[(connected > event["time_s"] - 10) & (connected < event["time_s"] + 30)]
    gaps = np.diff([event["time_s"] - 10, *listening, event["time_s"] + 30])
    return bool(event["triggers"] >= CLEAR_TRIGGERS and alone and gaps.max() < 8.0)


SOUND = [
    encode("trigger", "a7", time_s=1.8e9, number=7, phase="P", pga_m_s2=0.2),
    encode("birth", "a7", latitude=-12.0, longitude=-77.0, type="phone", keep_alive_s=600.0),
    encode("prewarning", "a7", time_s=1.8e9, earthquake_probability=0.4),
    encode("alarm", "x-1", id="x-1", revision=0, action="alarm", mode="test", issued_s=1.8e9,
           probability=0.9, origin_s=1.8e9, latitude=1.0, longitude=2.0),
    ("/pga-trigger", b"{'device_id': '310a2f', 'time': '1595000000.25', 'pga': '0.05'}"),
    ("iot-2/type/OpenEEW/id/310a2f/evt/status/fmt/json",
     b'{"d":{"device_id":"310a2f","traces":[{"x":[1,2.5],"y":[0,1e3],"z":[3,4]}]}}'),
]  # fmt: skip
PIECES = (
    b"NaN",
    b"1e999",
    b"-",
    b"null",
    b'"',
    b"{",
    b"[" * 500,
    b"9" * 400,
    b"\x00",
    b"\xff",
    b"\\u",
)


def damaged(rng: np.random.Generator, payload: bytes) -> bytes:
    """A message with one to four damages."""
    text = bytearray(payload)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(text) + 1))
        kind = rng.integers(0, 4)
        if kind == 0 and text:
            text[at % len(text)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            text[at:at] = PIECES[rng.integers(0, len(PIECES))]
        elif kind == 2:
            del text[at : at + int(rng.integers(1, 30))]
        else:
            text[at:at] = bytes(text[: int(rng.integers(0, len(text) + 1))])
    return bytes(text)


def fuzz(number: int) -> list[Record]:
    """Damaged messages through parser and registry of devices: exceptions and growth."""
    rng, devices = np.random.default_rng(0), Registry(["a7", "310a2f"], Devices(), dead_time_s=90.0)
    raised, fates = 0, Counter()
    tracemalloc.start()
    for index in range(number):
        if index == number // 10:
            before = tracemalloc.get_traced_memory()[0]
        topic, payload = SOUND[index % len(SOUND)]
        try:
            message = parse(topic, damaged(rng, payload))
            fates[devices.take(message, 1.8e9 + 0.01 * index).fate.name] += 1
        except Exception as error:  # noqa: BLE001 what is to be counted
            raised += 1
            print(repr(error)[:200])
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return [
        record("exceptions of damaged messages", raised, bounds=(0, 0), data_sets=number),
        record(
            "growth of memory after the first tenth", grown / 1e3, bounds=(None, 100.0), unit="kB"
        ),
        record("damaged messages that were unreadable", fates["UNREADABLE"] / number, unit="%"),
    ]


def check(
    part: str = "load",
    number: int = 100_000,
    phones: int = 100_000,
    triggers_per_s: float = 200.0,
    seconds: int = 600,
    side: int = 3,
    kills: int = 2,
    earthquake_every_s: float = 90.0,
    burst_every_s: float = 60.0,
    seed: int = 1,
) -> list[Record]:
    """Latency, backlog, alarms of the earthquakes, and what kills do."""
    if part == "fuzz":
        return fuzz(number)
    if MOSQUITTO is None:
        raise SystemExit("Mosquitto is not installed")
    options = {
        "phones": phones,
        "triggers_per_s": triggers_per_s,
        "seconds": seconds,
        "earthquake_every_s": earthquake_every_s,
        "burst_every_s": burst_every_s,
        "keep_alive_s": 300.0,
        "birth_s": 20.0,
        "seed": seed,
        # Regions of a degree and a half.
        "latitude": (-12.0 - 0.75 * side, -12.0 + 0.75 * side),
        "longitude": (-76.0 - 0.75 * side, -76.0 + 0.75 * side),
    }
    with tempfile.TemporaryDirectory() as folder:
        made = run(Path(folder), options, side, kills)
        if os.environ.get("EQSTAT_KEEP"):
            shutil.copytree(folder, os.environ["EQSTAT_KEEP"], dirs_exist_ok=True)
    watcher, heard = made["watcher"], [message for _, message in made["heard"]]
    alarms = [e.alarm for e in made["journal"] if e.alarm["action"] == "alarm"]
    quakes = [e for e in made["events"] if e["event"] == "earthquake"]
    connected = np.array(watcher.connected_s)
    clear = [quake for quake in quakes if is_clear(quake, made["events"], connected)]
    found = [bool(matched(quake, alarms)) for quake in clear]
    true_ids = {a["id"] for quake in quakes for a in matched(quake, alarms)}
    keys = Counter((m.name, m.get("revision")) for m in heard)
    decided = {(e.alarm["id"], e.alarm["revision"]) for e in made["journal"]}
    records = [
        record("phones active at most", phones),
        record("messages sent", made["report"].messages),
        record("greatest lag of the generator", made["report"].largest_lag_s, unit="s"),
        record("greatest backlog", max(watcher.backlog), unit="messages"),
        record("backlog at the end", watcher.backlog[-1], bounds=(0, 100), unit="messages"),
        record("clear earthquakes without an alarm", len(found) - sum(found), bounds=(0, 0),
               data_sets=len(found)),
        record("all earthquakes, of which an alarm was given", sum(
            bool(matched(quake, alarms)) for quake in quakes), data_sets=len(quakes)),
        record("alarms that are no earthquake", len(alarms) - len(true_ids), data_sets=len(alarms)),
        record("decisions not heard", len(decided - set(keys)), bounds=(0, 0),
               data_sets=len(decided)),
        record("messages of alarms heard twice", sum(n - 1 for n in keys.values()),
               bounds=(0, 0), data_sets=len(heard)),
    ]  # fmt: skip
    limits = {"quiet": (5.0, 50.0), "awake": (None, 250.0), "alarm": (None, None)}
    for stage, (median, tail) in limits.items():
        runs = [one[stage] for one in watcher.runs if one[stage]["count"]]
        count = sum(one["count"] for one in runs)
        for name, key, most in (("median", "median_ms", median), ("99.9 %", "p999_ms", tail)):
            worst = max((one[key] for one in runs), default=np.nan)
            bounds = None if most is None else (0, most)
            records.append(
                record(f"{stage}: {name} of the decision's latency", worst, bounds=bounds,
                       unit="ms", data_sets=count)
            )  # fmt: skip
    return records


if __name__ == "__main__":
    show(
        check(
            phones=3000,
            triggers_per_s=6.0,
            seconds=150,
            side=1,
            kills=1,
            earthquake_every_s=60.0,
            burst_every_s=200.0,
        )
    )
