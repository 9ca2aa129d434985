"""Parsers of sensor packets: what they read, what they refuse, and that they never raise."""

import gzip
import json

import numpy as np
import pytest

from eqstat.waveform.packets import Packet, parse_openeew, parse_shake

SHAKE = b"{'EHZ', 1582315130.292, 614, 620, -3, 7}"
TRACE = {"x": [0.5, 1.0], "y": [0, 0], "z": [2, 3]}
LINE = {"country_code": "mx", "device_id": "000", "device_t": 100.0, "sr": 2.0, **TRACE}


def test_shake_datagram():
    packet = parse_shake(SHAKE)
    assert packet.channels["EHZ"].tolist() == [614, 620, -3, 7]
    assert (packet.start_s, packet.rate_hz, packet.problem) == (1582315130.292, 16.0, "")
    assert parse_shake(SHAKE, rate_hz=50.0).rate_hz == 50.0


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"TERM", b"{}", b"{'EHZ'}", b"{'EHZ', 1.0}", b"{'EHZ', 1.0, }", b"{EHZ, 1.0, 2}",
        b"{'EHZ', 1.0, __import__('os')}", b"{'EHZ', 1.0, nan}", b"{'EHZ', inf, 1}",
        b"{'EHZ', -5.0, 1}", b"{'EHZ', 1.0, 1e99}", b"{'E HZ', 1.0, 1}", b"{'EHZ', 1.0, 1",
        b"{'EHZ', 1.0, " + b"1, " * 5000 + b"1}", b"\xff\xfe", b"{" + b"9" * 70_000 + b"}",
        b"{'EHZ', 1.0, 99999999999999999999}", "{'EHZ', 1.0, 1}",
    ],
)  # fmt: skip
def test_shake_refuses(bad):
    packet = parse_shake(bad)
    assert packet.problem and not packet.channels


def test_openeew_line_stamps_its_last_sample():
    (packet,) = parse_openeew(json.dumps(LINE))
    assert (packet.device, packet.start_s, packet.rate_hz) == ("000", 99.5, 2.0)
    assert {name: samples.tolist() for name, samples in packet.channels.items()} == TRACE


def test_openeew_message_of_a_sensor_ends_when_it_came():
    message = {"d": {"device_id": "a", "traces": [TRACE, TRACE]}}
    first, second = parse_openeew(json.dumps(message).encode(), received_s=50.0)
    step = 1 / 31.25
    assert second.start_s == pytest.approx(50.0 - step)
    assert first.start_s == pytest.approx(50.0 - 3 * step)


@pytest.mark.parametrize(
    "change",
    [
        {"x": [1]}, {"x": "12"}, {"x": [1, None]}, {"x": [1, float("nan")]}, {"x": [True, 1]},
        {"x": [1, 10**400]}, {"sr": 0}, {"sr": "fast"}, {"sr": -3}, {"device_t": None},
        {"device_t": 1e300}, {"device_id": 7}, {"device_id": "a" * 1000}, {"traces": 3},
        {"traces": []}, {"traces": [[]]}, {"x": [], "y": [], "z": []}, {"x": [1] * 9000},
    ],
)  # fmt: skip
def test_openeew_refuses(change):
    (packet,) = parse_openeew(json.dumps(LINE | change))
    assert packet.problem and not packet.channels


@pytest.mark.parametrize("bad", [b"", b"[", b"3", b"[" * 60_000, b"\xff", None, b'{"d": 3}'])
def test_openeew_refuses_what_is_no_message(bad):
    (packet,) = parse_openeew(bad)
    assert packet.problem


def test_damaged_packets_never_raise():
    rng = np.random.default_rng(0)
    for parse, good in ((parse_shake, SHAKE), (parse_openeew, json.dumps(LINE).encode())):
        for _ in range(3000):
            text = bytearray(good)
            for _ in range(rng.integers(1, 6)):
                at = rng.integers(len(text))
                cut = rng.integers(3)
                text[at : at + cut] = bytes(rng.integers(0, 256, rng.integers(3)).tolist())
                text = text or bytearray(b"x")
            made = parse(bytes(text))
            for packet in [made] if isinstance(made, Packet) else made:
                for samples in packet.channels.values():
                    assert np.isfinite(samples).all() and len(samples) < 100


@pytest.mark.data
def test_real_shake_packets(data_folder):
    text = gzip.decompress((data_folder / "rsudp_packets" / "packets.txt.gz").read_bytes())
    packets = [parse_shake(line) for line in text.splitlines()]
    assert [p.problem for p in packets if p.problem] == ["the sender ended"]
    names = {name for p in packets for name in p.channels}
    assert names == {"EHZ", "ENE", "ENN", "ENZ"}
    assert {p.rate_hz for p in packets[:-1]} == {100.0}


@pytest.mark.data
def test_real_openeew_lines(data_folder):
    path = data_folder / "openeew" / "2018_2_16" / "006" / "40.jsonl"
    packets = [p for line in path.read_bytes().splitlines() for p in parse_openeew(line)]
    assert len(packets) > 280 and not any(p.problem for p in packets)
    assert {len(p.channels["x"]) for p in packets} == {32}
    assert np.all(np.diff([p.start_s for p in packets]) > 0.9)
