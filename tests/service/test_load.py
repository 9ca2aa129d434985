"""Generator of load: rates, the cycle of the day, earthquakes, files, and a broker."""

import json
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest

import eqstat
from eqstat.service import parse
from eqstat.service.load import LoadSettings, LoadTarget, LoadWorld, run_load

from ..cli.shell import shell

SMALL = LoadSettings(
    phones=3000,
    triggers_per_s=20.0,
    birth_s=5.0,
    earthquake_every_s=40.0,
    burst_every_s=30.0,
    keep_alive_s=60.0,
    latitude=(-12.3, -11.9),
    longitude=(-77.2, -76.8),
    magnitude=(5.5, 6.0),
)


@pytest.fixture(scope="module")
def seconds():
    world = LoadWorld(0, SMALL)
    return world, [world.second(number) for number in range(120)]


def test_phones_report_and_stay_alive(seconds):
    world, made = seconds
    born = np.concatenate([m.device[m.kind == 0] for m in made])
    assert len(np.unique(born)) == len(born) and len(born) > 2990
    assert max(m.sent_s[m.kind == 0].max(initial=0) for m in made) <= 5.0
    alive = sum((m.kind == 2).sum() for m in made[60:])
    assert abs(alive - 3000) < 60
    assert world.share(0) == pytest.approx(1.0)
    assert world.share(11 * 3600) == pytest.approx(0.25)


def test_background_has_its_rate_and_phones_die_by_day():
    quiet = LoadSettings(
        phones=3000, triggers_per_s=50.0, birth_s=1.0, earthquake_every_s=0, burst_every_s=0,
        hour=8.0,
    )  # fmt: skip
    world = LoadWorld(1, quiet)
    made = [world.second(number) for number in range(100)]
    count = sum((m.kind == 3).sum() for m in made)
    expected = 50 * 100 * world.share(50)
    assert abs(count - expected) < 5 * expected**0.5
    assert sum((m.kind == 1).sum() for m in made) > 5
    assert all(not m.truth for m in made)
    for m in made:
        assert np.all(np.diff(m.sent_s) >= 0) and np.all(m.time_s <= m.sent_s)


def test_earthquakes_set_off_phones_near_them(seconds):
    _, made = seconds
    quakes = [event for m in made for event in m.truth if event["event"] == "earthquake"]
    assert quakes and {e["event"] for m in made for e in m.truth} == {"earthquake", "burst"}
    assert all(5.5 <= q["magnitude"] <= 6.0 and q["triggers"] > 50 for q in quakes)
    first = quakes[0]
    sent = np.concatenate([m.sent_s[m.kind == 3] for m in made])
    after = np.sum((sent > first["time_s"]) & (sent < first["time_s"] + 40))
    assert after > 20 * 40 + 0.8 * first["triggers"]


def test_lines_are_messages_and_speed_is_kept(tmp_path):
    path, truth = tmp_path / "load.jsonl", tmp_path / "truth.jsonl"
    world = LoadWorld(0, SMALL)
    report = run_load(world, LoadTarget(out=str(path)), 4, speed=4, truth=truth, start_s=1.8e9)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == report.messages
    messages = [parse(e["topic"], json.dumps(e["payload"]).encode()) for e in lines]
    assert {m.problem for m in messages} == {""}
    assert sum(m.kind == "trigger" for m in messages) == report.triggers
    assert 1.0 <= report.wall_s < 2.5
    sent = [m.get("sent_s") for m in messages]
    assert sent == sorted(sent) and sent[0] >= 1.8e9


def test_messages_reach_a_broker(tmp_path, capsys):
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if not program:
        pytest.skip("Mosquitto is not installed")
    mqtt = pytest.importorskip("paho.mqtt.client")
    from paho.mqtt.enums import CallbackAPIVersion

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    (tmp_path / "m.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
    )
    process = subprocess.Popen(
        [program, "-c", tmp_path / "m.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        came = []
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _d, message: came.append(message.topic)
        client.connect("127.0.0.1", port)
        client.subscribe("eqstat/device/+/+")
        client.loop_start()
        time.sleep(0.3)
        code, out, error = shell(
            capsys, "load", "--phones", 2000, "--seconds", 3, "--speed", 0, "--host", "127.0.0.1",
            "--port", port, "--birth-s", 1, "--earthquake-every-s", 0, "--burst-every-s", 0,
        )  # fmt: skip
        time.sleep(1.0)
        client.disconnect()
        client.loop_stop()
    finally:
        process.terminate()
        process.wait(10)
    assert out, error
    sent = int(out.split()[0].replace(",", ""))
    assert code == 0 and sent > 2000 and len(came) == sent


def test_what_cannot_be_is_refused(tmp_path, capsys):
    world = LoadWorld(0, LoadSettings(phones=10, earthquake_every_s=0, burst_every_s=0))
    for target in (LoadTarget(), LoadTarget(out="a", host="b")):
        with pytest.raises(eqstat.InputError, match="a file"):
            run_load(world, target, 1)
    with pytest.raises(eqstat.InputError, match="broker"):
        run_load(world, LoadTarget(host="127.0.0.1", port=1), 1)
    with pytest.raises(eqstat.InputError, match="magnitude"):
        LoadSettings(magnitude=(7.0, 4.0))
    code, _, error = shell(capsys, "load", "--phones", 5)
    assert code == 2 and "--out FILE or --host HOST" in error[0]
