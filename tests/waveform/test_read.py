"""Readers: packets that follow each other, gaps, rates, files of sensors, ObsPy and back."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat.waveform import (
    Record,
    join_packets,
    problems,
    read_myshake,
    read_openeew,
    read_shake,
    read_waveforms,
    to_stream,
)
from eqstat.waveform.packets import make_packet, refused

BEGIN = 1.8e9
NOISE = np.random.default_rng(0).normal(0, 0.01, (3, 6400)).round(4)


def packets(step_s=1.0, rate=32.0, size=32, number=40, lost=()):
    return [
        make_packet("a", BEGIN + step_s * i, rate,
                    dict(zip("xyz", NOISE[:, i * size : (i + 1) * size], strict=True)))
        for i in range(number) if i not in lost
    ]  # fmt: skip


def test_packets_join_in_any_order_and_once():
    given = packets()
    (record,) = join_packets([*given[::-1], given[3]], gravity="out", device="a", name="n")
    np.testing.assert_array_equal(record.acceleration_m_s2, NOISE[:, : 40 * 32])
    assert record.rate_hz == pytest.approx(32.0) and record.rate_drift < 1e-6
    assert record.start_time == pd.Timestamp(BEGIN, unit="s", tz="UTC")
    assert (record.device, record.name) == ("a", "n")


def test_the_rate_is_that_of_the_times():
    (record,) = join_packets(packets(step_s=1.06), gravity="out")
    assert record.rate_hz == pytest.approx(32 / 1.06)
    assert [problem.kind for problem in problems(record)] == ["rate drift"]
    # The last sample's time is right; the first one's was computed by the stated rate.
    (last,) = join_packets(packets(step_s=1.06), gravity="out", stamp="last")
    shift = (last.start_time - record.start_time).total_seconds()
    assert shift == pytest.approx(31 / 32 - 31 * 1.06 / 32, abs=1e-6)


def test_jitter_is_no_gap_and_no_drift():
    rng = np.random.default_rng(1)
    given = [p._replace(start_s=p.start_s + rng.normal(0, 0.01)) for p in packets()]
    (record,) = join_packets(given, gravity="out")
    assert record.mask.all() and record.rate_hz == pytest.approx(32.0, rel=1e-3)
    assert problems(record) == []


def test_lost_packets_are_gaps_and_long_gaps_begin_a_record():
    (record,) = join_packets(packets(lost=(5, 6, 20)), gravity="out")
    assert record.mask.size == 40 * 32 and (~record.mask).sum() == 3 * 32
    np.testing.assert_array_equal(record.acceleration_m_s2[:, 7 * 32], NOISE[:, 7 * 32])
    first, second = join_packets(
        packets(lost=range(12, 24)), gravity="out", most_gap_s=10.0, name="n"
    )
    assert (first.name, second.name) == ("n#0", "n#1")
    assert second.start_time == pd.Timestamp(BEGIN + 24, unit="s", tz="UTC")


def test_a_drift_within_a_record_is_measured():
    times = np.concatenate([np.arange(30), 30 + 1.02 * np.arange(30)])
    given = [p._replace(start_s=BEGIN + t) for p, t in zip(packets(number=60), times, strict=True)]
    (record,) = join_packets(given, gravity="out")
    assert 0.008 < record.rate_drift < 0.014


@pytest.mark.parametrize(
    "given, text",
    [
        ([], "no packets"),
        ([refused("not JSON")], "packet 0: not JSON"),
        ([packets()[0]._replace(channels={"x": np.ones(3)})], "packet 0: no channel y, z"),
        ([packets()[0]._replace(start_s=np.nan)], "packet 0 has no time"),
        ([*packets(), packets()[3]._replace(channels=packets()[4].channels)], "of another one"),
        ([*packets(), packets()[3]._replace(start_s=BEGIN + 7.3)], "the clock was set back"),
        ([*packets(), packets()[3]._replace(rate_hz=9.0)], "several rates"),
        (packets(step_s=3.0), "half of the packets are missing"),
    ],
)
def test_packets_that_do_not_fit_are_refused(given, text):
    with pytest.raises(eqstat.InputError, match=text):
        join_packets(given, gravity="out")


def openeew(i, **change):
    line = {
        "device_id": "7",
        "device_t": BEGIN + i,
        "sr": 31.25,
        **dict.fromkeys("xyz", [1.0] * 32),
    }
    return json.dumps(line | change)


def test_openeew_file(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    lines = [openeew(i) for i in range(20)] + [openeew(i, device_id="8") for i in range(20)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    first, second = read_openeew(path)
    assert (first.device, second.device, first.gravity) == ("7", "8", "out")
    assert float(first.acceleration_m_s2.max()) == 0.01
    assert first.end_time == pd.Timestamp(BEGIN + 19 + 1 / 32, unit="s", tz="UTC")
    with pytest.raises(eqstat.InputError, match="line 2: not JSON"):
        read_openeew([openeew(0), "{"])
    with pytest.raises(eqstat.InputError, match=r"none.jsonl cannot be read"):
        read_openeew(tmp_path / "none.jsonl")
    with pytest.raises(eqstat.InputError, match="there are no lines"):
        read_openeew([])


def test_shake_lines():
    lines = [
        f"{{'{name}', {BEGIN + i / 4}, {', '.join(str(i + k) for k in range(25))}}}"
        for i in range(60) for name in ("EHZ", "ENE", "ENN", "ENZ") if (i, name) != (9, "ENN")
    ]  # fmt: skip
    (record,) = read_shake([*lines, "TERM"], m_s2_per_count=0.5, device="R1")
    assert record.vertical == 2 and record.mask.size == 1500 and (~record.mask).sum() == 25
    assert record.acceleration_m_s2[0, :3].tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(eqstat.InputError, match="no channel ENX, only EHZ, ENE, ENN, ENZ"):
        read_shake(lines, m_s2_per_count=0.5, channels=("ENX", "ENN", "ENZ"))
    with pytest.raises(eqstat.InputError, match="line 1: not in braces"):
        read_shake(["hello"], m_s2_per_count=0.5)
    with pytest.raises(eqstat.InputError, match="m_s2_per_count"):
        read_shake(lines, m_s2_per_count=0.0)


PHONE = {
    "header": {
        "station": "1",
        "sampling_rate": 25.0,
        "starttime": BEGIN,
        "triggertime": BEGIN + 60,
    },
    "data": {"x": [0.0, 0.1], "y": [0.0, 0.0], "z": [1.0, 1.0]},
}


def test_myshake_file(tmp_path):
    path = tmp_path / "1_1800000000.json"
    path.write_text(json.dumps(PHONE))
    record = read_myshake(path)
    assert (record.name, record.device, record.trigger_s) == ("1_1800000000", "1", 60.0)
    assert record.gravity == "in" and record.acceleration_m_s2[2, 0] == 9.80665
    assert read_myshake(PHONE, unit="m/s2").acceleration_m_s2[2, 0] == 1.0


@pytest.mark.parametrize(
    "change, text",
    [
        ({"header": {}}, "sampling_rate"), ({"data": {"x": [1.0]}}, "'y'"), ({"data": 3}, "needs"),
        ({"data": {"x": [1.0], "y": [1.0, 2.0], "z": [1.0]}}, "different lengths"),
        ({"data": {axis: [] for axis in "xyz"}}, "is empty"),
        ({"data": {axis: ["a"] for axis in "xyz"}}, "needs header"),
    ],
)  # fmt: skip
def test_myshake_refuses(change, text):
    with pytest.raises(eqstat.InputError, match=text):
        read_myshake(PHONE | change)


def test_myshake_file_that_is_no_json(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{")
    with pytest.raises(eqstat.InputError, match=r"a.json cannot be read"):
        read_myshake(path)


def test_miniseed_and_back(tmp_path):
    pytest.importorskip("obspy")
    mask = np.ones(500, bool)
    mask[200:230] = False
    record = Record(
        acceleration_m_s2=NOISE[:, :500], mask=mask, rate_hz=50.0, gravity="out", vertical=2,
        start_time="2027-01-15T08:00:00.125Z", device="XX.AAA.00.HN",
    )  # fmt: skip
    path = tmp_path / "a.mseed"
    to_stream(record).write(str(path), format="MSEED")
    (again,) = read_waveforms(path, m_s2_per_count=1.0)
    np.testing.assert_array_equal(again.acceleration_m_s2, record.acceleration_m_s2)
    np.testing.assert_array_equal(again.mask, record.mask)
    assert again.start_time == record.start_time and again.rate_hz == 50.0
    assert (again.device, again.vertical) == (record.device, 2)
    (scaled,) = read_waveforms(str(path), m_s2_per_count=0.5)
    np.testing.assert_array_equal(scaled.acceleration_m_s2, 0.5 * record.acceleration_m_s2)


def test_sac_and_knet_through_obspy(tmp_path):
    obspy = pytest.importorskip("obspy")
    record = Record(
        acceleration_m_s2=NOISE[:, :300].astype(np.float32), rate_hz=100.0, gravity="out",
        start_time="2027-01-15T08:00Z", device="phone",
    )  # fmt: skip
    for number, trace in enumerate(to_stream(record)):
        trace.write(str(tmp_path / f"{number}.sac"), format="SAC")
    (again,) = read_waveforms(tmp_path / "*.sac", m_s2_per_count=1.0)
    np.testing.assert_array_equal(again.acceleration_m_s2, record.acceleration_m_s2)
    assert again.vertical is None
    stream = obspy.Stream(
        [obspy.Trace(np.arange(9.0) * k, {"station": "AOM001", "channel": name, "calib": 0.1})
         for k, name in enumerate(("NS2", "EW2", "UD2"), 1)]
    )  # fmt: skip
    (knet,) = read_waveforms(stream, m_s2_per_count="calib")
    assert knet.acceleration_m_s2[:, 1].tolist() == pytest.approx([0.2, 0.1, 0.3])
    assert (knet.vertical, knet.device) == (2, ".AOM001..2")


def test_streams_that_do_not_fit_are_refused(tmp_path):
    obspy = pytest.importorskip("obspy")
    traces = [obspy.Trace(np.arange(9.0), {"channel": f"HN{one}"}) for one in "ENZ"]
    with pytest.raises(eqstat.InputError, match=r"has components \['E', 'N'\], not three"):
        read_waveforms(obspy.Stream(traces[:2]), m_s2_per_count=1.0)
    traces[1].stats.sampling_rate = 2.0
    with pytest.raises(eqstat.InputError, match="several rates"):
        read_waveforms(obspy.Stream(traces), m_s2_per_count=1.0)
    traces[1].stats.sampling_rate = 1.0
    traces[1].stats.starttime += 0.3
    with pytest.raises(eqstat.InputError, match="N lies between the samples"):
        read_waveforms(obspy.Stream(traces), m_s2_per_count=1.0)
    (tmp_path / "a.sac").write_text("no")
    with pytest.raises(eqstat.InputError, match="cannot be read"):
        read_waveforms(tmp_path / "a.sac", m_s2_per_count=1.0)
    with pytest.raises(eqstat.InputError, match="its start is unknown"):
        to_stream(Record(acceleration_m_s2=NOISE, rate_hz=1.0, start_time=None, gravity="out"))


@pytest.mark.data
def test_real_openeew(data_folder):
    """A sensor that states 31.25 Hz and has 30; a gravity-free record in Gal."""
    (record,) = read_openeew(data_folder / "openeew" / "2018_2_16" / "006" / "40.jsonl")
    assert record.device == "006" and record.nominal_rate_hz == 31.25
    assert record.rate_hz == pytest.approx(30.06, abs=0.02) and record.mask.all()
    assert [problem.kind for problem in problems(record)] == ["rate drift"]
    assert 0.1 < np.abs(record.acceleration_m_s2).max() < 20


@pytest.mark.data
def test_real_shake_packets(data_folder):
    """The scale is that of the maker's manual, 384,500 counts a m/s2: gravity then has its size."""
    path = data_folder / "rsudp_packets" / "packets.txt.gz"
    (record,) = read_shake(path, m_s2_per_count=1 / 384_500, device="R")
    assert record.rate_hz == pytest.approx(100.0) and record.duration_s == pytest.approx(110.0)
    assert problems(record) == []
    (wrong,) = read_shake(path, m_s2_per_count=1.0)
    assert [problem.kind for problem in problems(wrong)] == ["unit"]


@pytest.mark.data
def test_real_phones_have_no_problem_with_their_unit(data_folder):
    waveform_data = pytest.importorskip("waveform_data")
    for number, (record, labels) in enumerate(waveform_data.myshake_records(data_folder)):
        if number in (0, 20, 99, 250, 488, 500, 580):
            # The phone of record A251 gave one axis only.
            usual = {"clipped"} if record.name != "A251" else {"flat axis"}
            assert {one.kind for one in problems(record)} <= usual
            assert labels["is_earthquake"] == (number >= 490)
    for record in waveform_data.phones_noise_records(data_folder):
        assert problems(record) == []
