"""Detector of one sensor: onset, stomps, gaps, clocks, clipping, and real records."""

import gzip

import numpy as np
import pytest

from eqstat.service.agent import (
    Detector,
    SensorStatus,
    ThresholdLearner,
)
from eqstat.waveform.packets import Packet, parse_openeew, parse_shake

BEGIN = 1.8e9
RATE = 100.0


def noise(seconds, seed=0, sd=5.0):
    return np.random.default_rng(seed).normal(0, sd, int(seconds * RATE)) + 16_000


def packets(samples, start_s=BEGIN, name="EHZ", size=25):
    return [
        Packet("", start_s + i / RATE, RATE, {name: samples[i : i + size]})
        for i in range(0, len(samples), size)
    ]


def fed(stream, detector=None):
    detector = detector or Detector(ThresholdLearner(1.0, start=4.0))
    return detector, [w for packet in stream for w in detector.feed(packet)]


def wave(samples, at_s, seconds=4.0, size=150.0, hz=5.0):
    samples = samples.copy()
    t = np.arange(int(seconds * RATE)) / RATE
    samples[int(at_s * RATE) :][: len(t)] += size * np.sin(2 * np.pi * hz * t)
    return samples


def stomp(samples, at_s, size=5000.0, decay_s=0.05, hz=12.0):
    samples = samples.copy()
    t = np.arange(int(2 * RATE)) / RATE
    samples[int(at_s * RATE) :][: len(t)] += (
        size * np.sin(2 * np.pi * hz * t) * np.exp(-t / decay_s)
    )
    return samples


def test_wave_is_found_within_three_quarters_of_a_second():
    detector, warned = fed(packets(wave(noise(60), 40.0)))
    (warning,) = warned
    assert abs(warning.onset_s - BEGIN - 40.0) < 0.15
    assert 0.3 < warning.time_s - BEGIN - 40.0 <= 0.75
    assert 100 < warning.peak < 250
    assert detector.status == SensorStatus.LEARNING


@pytest.mark.parametrize("size", [300.0, 3000.0, 30_000.0])
def test_stomp_is_no_wave_however_strong(size):
    assert fed(packets(stomp(noise(60), 40.0, size)))[1] == []


def test_without_the_guard_a_stomp_would_be_one():
    from eqstat.service.agent import DetectorSettings

    settings = DetectorSettings(duration_s=0.125, decay=1e9)
    detector = Detector(ThresholdLearner(1.0, start=4.0), settings)
    assert len(fed(packets(stomp(noise(60), 40.0)), detector)[1]) == 1


def test_answer_does_not_depend_on_the_length_of_packets():
    samples = wave(noise(60), 40.0)
    first = fed(packets(samples))[1]
    for size in (7, 100, 333):
        again = fed(packets(samples, size=size))[1]
        assert [w.time_s for w in again] == [w.time_s for w in first]
        assert again[0].statistic == pytest.approx(first[0].statistic, abs=0.01)


def test_gap_gives_a_status_and_no_pre_warning():
    samples = noise(120)
    samples[6000:] += 4000  # another level of rest after the gap
    stream = packets(samples[:6000]) + packets(samples[6500:], BEGIN + 65.0)
    detector, warned = fed(stream)
    assert warned == [] and detector.happened[SensorStatus.GAP] == 1
    assert detector.status == SensorStatus.LEARNING


def test_clock_that_goes_back_starts_anew():
    stream = packets(noise(60)) + packets(wave(noise(60), 40.0), BEGIN - 5000.0)
    detector, warned = fed(stream)
    assert detector.happened[SensorStatus.CLOCK] == 1
    assert [round(w.onset_s - BEGIN + 5000.0) for w in warned] == [40]


def test_packets_sent_twice_change_nothing():
    samples = wave(noise(60), 40.0)
    twice = [p for packet in packets(samples) for p in (packet, packet)]
    detector, warned = fed(twice)
    assert [w.time_s for w in warned] == [w.time_s for w in fed(packets(samples))[1]]
    assert detector.happened[SensorStatus.DUPLICATE] == 240


def test_clipped_and_dead_are_said():
    clipped = np.clip(wave(noise(60), 40.0, size=50_000.0), -30_000, 30_000)
    detector, warned = fed(packets(clipped))
    assert detector.happened[SensorStatus.CLIPPED] > 3 and len(warned) == 1
    still = noise(60)
    still[2000:] = still[2000]
    detector, warned = fed(packets(still))
    assert detector.status == SensorStatus.DEAD and warned == []


def test_instruments_are_judged_apart():
    waves, quiet = packets(wave(noise(60), 40.0)), packets(noise(60, 1, 900.0), name="ENZ")
    both = [p for pair in zip(waves, quiet, strict=True) for p in pair]
    assert [w.time_s for w in fed(both)[1]] == [w.time_s for w in fed(waves)[1]]


def test_earthquakes_are_not_learned():
    detector = Detector(ThresholdLearner(1.0, start=4.0))
    for packet in packets(wave(noise(600), 300.0, seconds=20.0)):
        if detector.feed(packet):
            detector.exclude(packet.start_s)
    assert 8 <= detector.learner.count <= 14
    assert detector.learner.state()["maxima"].max() < 3.0


def test_odd_packets_give_a_status():
    detector = Detector(ThresholdLearner(1.0), channels=("EHZ",))
    odd = [
        Packet("", BEGIN, 100.0, {}, "bad"),
        Packet("", BEGIN, 100.0, {"EHN": np.ones(4)}),
        Packet("", BEGIN, 100.0, {"EHZ": np.ones(0)}),
    ]
    assert fed(odd, detector)[1] == []
    assert detector.happened[SensorStatus.UNREADABLE] == 3


@pytest.mark.data
def test_real_earthquake_on_a_raspberry_shake(data_folder):
    text = gzip.decompress((data_folder / "rsudp_packets" / "packets.txt.gz").read_bytes())
    detector, warned = fed(parse_shake(line) for line in text.splitlines())
    assert warned[0].onset_s == pytest.approx(1580372858.5, abs=0.3)
    assert warned[0].time_s - warned[0].onset_s <= 0.75
    assert detector.happened[SensorStatus.OK] == 1760


@pytest.mark.data
def test_real_earthquake_on_openeew(data_folder):
    path = data_folder / "openeew" / "2017_12_15" / "021" / "10.jsonl"
    lines = path.read_bytes().splitlines()
    _, warned = fed(packet for line in lines for packet in parse_openeew(line))
    assert len(warned) == 1 and warned[0].statistic > 5
