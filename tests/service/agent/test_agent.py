"""The agent: events, restarts, the broker, a process of its own without JAX."""

import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import eqstat
from eqstat import realtime
from eqstat.counts.coincidence import Sensors
from eqstat.service import encode
from eqstat.service.agent import (
    Agent,
    AgentBroker,
    AgentConfig,
    Input,
    Neighbours,
    PreWarnings,
    Sensor,
    read_agent_config,
    run_agent,
)
from eqstat.waveform.packets import Packet, parse_shake

from ...cli.shell import shell

BEGIN = 1.8e9
NAMES = ["roof", "mill", "school"]


def text_of(samples, start_s=BEGIN):
    lines = []
    for i in range(0, len(samples), 25):
        numbers = ", ".join(str(round(x)) for x in samples[i : i + 25])
        lines.append(f"{{'EHZ', {start_s + i / 100:.3f}, {numbers}}}")
    return lines


def quake(seconds=60, at_s=40.0, seed=0):
    rng = np.random.default_rng(seed)
    samples = rng.normal(1000, 50, seconds * 100)
    late = samples[int(at_s * 100) :][:400]
    late += 3000 * np.sin(np.arange(len(late)) * 0.3)
    return samples


@pytest.fixture
def folder(tmp_path):
    sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    scorer = realtime.CoincidenceScorer.init(sensors, frame_s=5.0, required=3)
    realtime.export(scorer, tmp_path / "street.eqstat")
    (tmp_path / "packets.txt").write_text("\n".join(text_of(quake())))
    return tmp_path


def config_of(folder, more="", name="roof", source='file = "packets.txt"\nspeed = 0'):
    path = folder / f"{name}.toml"
    path.write_text(
        f'[sensor]\nname = "{name}"\nlatitude = 1.0\nlongitude = 2.0\n[input]\n{source}\n'
        f'[coincidence]\nartefact = "street.eqstat"\nsensors = {json.dumps(NAMES)}\n'
        f"frame_s = 5.0\n{more}"
    )
    return path


def test_replayed_file_gives_events(folder):
    said = []
    agent = run_agent(config_of(folder), said.append)
    (warning,) = (e for e in said if e["event"] == "prewarning")
    assert abs(warning["time_s"] - BEGIN - 40) < 0.2 and warning["ratio"] > warning["threshold"]
    assert [e["status"] for e in said if e["event"] == "status"] == ["WARMING_UP", "LEARNING"]
    assert agent.status.name == "LEARNING"


def test_neighbours_make_an_alarm_and_the_service_confirms_it(folder):
    said, sent = [], []
    agent = Agent(
        read_agent_config(config_of(folder)), said.append, lambda k, **f: sent.append((k, f))
    )
    now = BEGIN
    for line in text_of(quake()):
        packet = parse_shake(line.encode())
        now = packet.start_s + 0.25
        agent.packet(packet, now)
        agent.tick(now)
        if abs(now - BEGIN - 40.25) < 0.01:
            for name in NAMES[1:]:
                agent.message(*encode("alive", name), now)
                agent.message(*encode("prewarning", name, time_s=BEGIN + 39.5), now)
    (alarm,) = (e for e in said if e["event"] == "alarm")
    assert sorted(alarm["sensors"]) == sorted(NAMES) and alarm["earthquake_probability"] > 0.99
    assert alarm["said_s"] - BEGIN - 40 <= 0.8
    kinds = [kind for kind, _ in sent]
    assert kinds.count("prewarning") == kinds.count("trigger") == 1 and "alive" in kinds
    assert encode("trigger", "roof", **dict(sent)["trigger"])[0] == "eqstat/device/roof/trigger"
    fields = dict(sent)["prewarning"]
    assert encode("prewarning", "roof", **fields)[0] == "eqstat/device/roof/prewarning"
    place = {"latitude": 1.0, "longitude": 2.0, "origin_s": BEGIN + 35, "issued_s": now}
    answer = encode(
        "alarm", "q1", id="q1", revision=0, action="alarm", mode="test", probability=0.9, **place
    )
    agent.message(*answer, now)
    assert said[-1]["event"] == "confirmed" and said[-1]["alarm"] == "q1"


def test_odd_messages_and_packets_do_nothing(folder):
    said = []
    agent = Agent(read_agent_config(config_of(folder)), said.append)
    for topic in ("eqstat/device/mill/prewarning", "eqstat/alarm/x", "", None, 3):
        for payload in (b"", b"{}", b"[", b'{"v":1}', b'{"v":1,"time_s":NaN}', None, "text"):
            agent.message(topic, payload, BEGIN)
    agent.packet(Packet("", np.nan, np.nan, {}, "bad"), BEGIN)
    assert said == []


def test_restart_goes_on_and_a_broken_record_begins_anew(folder):
    path = config_of(folder, '[prewarning]\nrecord = "roof.npz"\n')
    rng = np.random.default_rng(0)
    (folder / "packets.txt").write_text("\n".join(text_of(rng.normal(0, 50, 120_000))))
    kept = run_agent(path, lambda _event: None).detector.learner.count
    assert kept > 30
    said = []
    agent = Agent(read_agent_config(path), said.append)
    assert said[0]["event"] == "restart" and agent.detector.learner.count == kept
    content = (folder / "roof.npz").read_bytes()
    for broken in (b"", content[:200], content.replace(b"maxima", b"minima"), b"PK" + bytes(50)):
        (folder / "roof.npz").write_bytes(broken)
        agent = Agent(read_agent_config(path), said.append)
        assert agent.detector.learner.count == 0 and "begins anew" in said[-1]["text"]


def test_silence_and_a_wrong_clock_are_said(folder):
    said = []
    agent = Agent(read_agent_config(config_of(folder)), said.append)
    for line in text_of(quake(30, 20.0)):
        agent.packet(parse_shake(line.encode()), BEGIN + 5000.0)
    agent.tick(BEGIN + 5001.0)
    agent.tick(BEGIN + 5100.0)
    assert [e["status"] for e in said if e["event"] == "status"] == ["CLOCK", "SILENT"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('name = "roof"', 'name = "a/b"'), "letters, digits"),
        (("frame_s = 5.0", "frame_s = 50.0"), "dead_time_s"),
        (("frame_s = 5.0", ""), "needs frame_s"),
        (("speed = 0", "speed = -1"), "speed"),
        (("speed = 0", 'speed = "fast"'), "must be a number"),
        (("speed = 0", "sped = 0"), "no key 'sped'"),
        (("[input]", "[inputs]"), "no table [inputs]"),
        (('"mill"', '"roof"'), "once"),
        (("[input]", "[input"), "no TOML"),
        (("latitude = 1.0", "latitude = 91.0"), "latitude"),
        (('artefact = "street.eqstat"', 'artefact = "packets.txt"'), "artefact"),
        (("[input]", '[input]\nkind = "seedlink"'), "station"),
        (("[input]", "[prewarning]\nfalse_per_hour = 0\n[input]"), "false_per_hour"),
        (("[input]", '[prewarning]\nduration_s = 9\n[input]'), "duration_s"),
    ],
)  # fmt: skip
def test_configuration_is_refused_with_one_line(folder, capsys, change, problem):
    path = config_of(folder)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    code, out, error = shell(capsys, "agent", path, "--check")
    assert code == 2 and out == "" and len(error) == 1 and problem in error[0]
    with pytest.raises(eqstat.InputError, match=r"toml|coincidence"):
        Agent(read_agent_config(path), print)


def test_shell_runs_the_agent_without_jax(folder):
    path = config_of(folder)
    code = (
        "import sys; from eqstat.cli import main; code = main(['agent', sys.argv[1]]);"
        "loaded = {'jax', 'scipy', 'pandas', 'xarray'} & set(sys.modules);"
        "sys.exit(code or f'imported {loaded}' if loaded else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert "prewarning" in events


def test_example_configuration_shows_the_defaults():
    config = read_agent_config(Path(__file__).parents[3] / "examples" / "agent.toml")
    least = AgentConfig(Sensor("roof"))
    assert config.input == least.input
    assert replace(config.prewarning, record="") == least.prewarning
    keys = {field.name for field in fields(AgentBroker)}
    assert set(vars(config.broker)) == keys and config.broker.tls
    text = (Path(__file__).parents[3] / "examples" / "agent.toml").read_text()
    for kind in (Sensor, Input, PreWarnings, Neighbours, AgentBroker):
        assert all(f"\n{field.name} = " in text for field in fields(kind))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_heard(*ports):
    """Wait until datagrams to these ports are received; a loaded machine starts slowly."""
    table = Path("/proc/net/udp")
    for _ in range(300):
        if not table.exists() or all(f":{port:04X} " in table.read_text() for port in ports):
            break
        time.sleep(0.1)
    time.sleep(1.0)


@pytest.mark.slow
def test_datagrams_are_heard_until_the_process_is_asked_to_stop(folder):
    port = free_port()
    path = config_of(folder, source=f'listen = "127.0.0.1:{port}"')
    process = subprocess.Popen(
        [sys.executable, "-m", "eqstat.service.agent", path], stdout=subprocess.PIPE, text=True
    )
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            wait_until_heard(port)
            now = time.time()
            for line in text_of(quake(), now - 60.0):
                sender.sendto(line.encode(), ("127.0.0.1", port))
                time.sleep(0.001)
            sender.sendto(b"\xff\x00", ("127.0.0.1", port))
        time.sleep(1.5)
        process.terminate()
        out, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert process.returncode == 0 and "prewarning" in events


@pytest.fixture
def broker(tmp_path):
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if not program:
        pytest.skip("Mosquitto is not installed")
    port = free_port()
    (tmp_path / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen(
        [program, "-c", tmp_path / "mosquitto.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    yield port
    process.terminate()
    process.wait(10)


@pytest.mark.slow
def test_three_agents_agree_over_a_broker(folder, broker):
    processes = {}
    more = f'[broker]\nhost = "127.0.0.1"\nport = {broker}\n'
    ports = {}
    for name in NAMES:
        ports[name] = free_port()
        path = config_of(folder, more, name, f'listen = "127.0.0.1:{ports[name]}"')
        processes[name] = subprocess.Popen(
            [sys.executable, "-m", "eqstat.service.agent", path], stdout=subprocess.PIPE, text=True
        )
    try:
        wait_until_heard(*ports.values())
        now = time.time()
        lines = {n: text_of(quake(30, 28.0, seed), now - 30) for seed, n in enumerate(NAMES)}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for step in range(120):
                for name in NAMES:
                    sender.sendto(lines[name][step].encode(), ("127.0.0.1", ports[name]))
                time.sleep(0.005)
        time.sleep(2.0)
        for process in processes.values():
            process.terminate()
        said = {n: p.communicate(timeout=10)[0].splitlines() for n, p in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
    for name in NAMES:
        alarms = [e for e in map(json.loads, said[name]) if e["event"] == "alarm"]
        assert len(alarms) == 1, said[name]
        assert sorted(alarms[0]["sensors"]) == sorted(NAMES)
