"""The agent beside a sensor: realised rates, real earthquakes, stomps, hostile packets, cost.

Run: python validation/check_agent.py PART. Parts: maxima (the learned threshold on simulated
maxima), noise (the whole detector on simulated records), records (on real ones without
earthquakes), stomps, earthquakes (three replayed sensors of real ones, a Raspberry Shake), fuzz,
cost.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import agent_worlds as worlds
import numpy as np
from records import Record, record, show
from scipy.stats import chi2

from eqstat import edge, realtime
from eqstat.counts.coincidence import Sensors
from eqstat.service.agent import (
    CoincidenceWatch,
    Detector,
    DetectorSettings,
    ThresholdLearner,
    coincidences_of,
)
from eqstat.waveform.packets import Packet, parse_openeew, parse_shake

FRAME_S = 8.0
START = 4.0


def ratio(name: str, counted: float, expected: float, data_sets: int) -> Record:
    """Realised number over the one set, with the interval of a Poisson number."""
    interval = [
        chi2.ppf(0.025, 2 * counted) / 2 / expected if counted else 0.0,
        chi2.ppf(0.975, 2 * counted + 2) / 2 / expected,
    ]
    return record(name, counted / expected, interval=interval, target=1.0, data_sets=data_sets)


def maxima(number: int) -> list[Record]:
    """False pre-warnings of the learner alone in simulated worlds, against the rate set."""
    made = []
    for world in worlds.WORLDS:
        for rate in (0.5, 4.0):
            first = later = 0
            for seed in range(number):
                learner = ThresholdLearner(rate, start=9.0)
                above = [
                    learner.add(*each) for each in zip(*worlds.maxima(world, 5, seed), strict=True)
                ]
                first += sum(above[:2880])
                later += sum(above[2880:])
            day = 24 * rate * number
            made += [
                ratio(
                    f"{world}, set {rate:g} an hour: first day, realised over set",
                    first,
                    day,
                    number,
                ),
                ratio(
                    f"{world}, set {rate:g} an hour: days 2 to 5, realised over set",
                    later,
                    4 * day,
                    number,
                ),
            ]
    return made


def watched(packets, rate: float, learner: ThresholdLearner | None = None) -> tuple[int, float]:
    """Pre-warnings at learned thresholds, and the hours in which they could be."""
    learner = learner or ThresholdLearner(rate, start=START)
    detector = Detector(learner)
    warned, seconds = 0, 0.0
    for packet in packets:
        is_learned = learner.is_learned
        number = len(detector.feed(packet))
        if is_learned:
            warned += number
            seconds += max(map(len, packet.channels.values())) / packet.rate_hz
    return warned, seconds / 3600


def noise(number: int) -> list[Record]:
    """False pre-warnings of the detector in houses of people, simulated as ground motion."""
    made = []
    for rate in (0.5, 4.0):
        counted = [watched(worlds.simulated_packets(seed, 24.0), rate) for seed in range(number)]
        warned, hours = np.sum(counted, axis=0)
        made.append(
            ratio(
                f"simulated houses, set {rate:g} an hour: realised over set",
                warned,
                rate * hours,
                number,
            )
        )
    return made


def real_records(folder: Path) -> list[Record]:
    """False pre-warnings in real records without earthquakes, against the rate set."""
    made = []
    for rate in (4.0,):
        counted = [watched(worlds.phone_packets(folder, device), rate) for device in "AB"]
        warned, hours = np.sum(counted, axis=0)
        made += [
            record(f"two phones of people, set {rate:g} an hour: hours", hours, data_sets=2),
            ratio(
                f"two phones of people, set {rate:g} an hour: realised over set",
                warned,
                rate * hours,
                2,
            ),
        ]
    quiet, known = defaultdict(list), worlds.places(folder)
    for event in worlds.earthquakes(folder):
        for name, paths in event["files"].items():
            if name in known:
                until = worlds.earliest_p_s(event, known[name])
                quiet[name] += worlds.openeew_packets(paths, until)
    rate = 6.0
    counted = [watched(packets, rate) for packets in quiet.values()]
    warned, hours = np.sum(counted, axis=0)
    made += [
        record(
            "OpenEEW sensors before earthquakes: hours after the threshold was learned",
            hours,
            data_sets=len(quiet),
        ),
        ratio(
            f"OpenEEW sensors, set {rate:g} an hour: realised over set",
            warned,
            rate * hours,
            len(quiet),
        ),
    ]
    return made


def stomps(number: int) -> list[Record]:
    """Blows beside a sensor that pre-warn, with and without the guard; weak waves that do."""
    rng = np.random.default_rng(0)
    t = np.arange(200) / 100.0
    found = defaultdict(int)
    for _ in range(number):
        level = rng.normal(0, 5, 3000)
        size, decay = 10 ** rng.uniform(1.7, 4.0), rng.uniform(0.02, 0.15)
        blow = level.copy()
        blow[2000:2200] += size * np.exp(-t / decay) * np.sin(2 * np.pi * rng.uniform(5, 25) * t)
        wave = level.copy()
        rise = np.minimum(t / rng.uniform(0.05, 0.5), 1.0)
        shape = rise * rng.normal(0, rng.uniform(15, 50), 200)
        wave[2000:2200] += np.convolve(shape, np.ones(4) / 2, "same")
        guards = {
            "guard": DetectorSettings(),
            "no guard": DetectorSettings(duration_s=0.125, decay=1e9),
        }
        for guard, settings in guards.items():
            for kind, samples in (("blows", blow), ("weak waves", wave)):
                detector = Detector(ThresholdLearner(1.0, start=3.0), settings)
                found[guard, kind] += any(
                    detector.feed(Packet("", 1.8e9 + i / 100, 100.0, {"EHZ": samples[i : i + 25]}))
                    for i in range(0, 3000, 25)
                )
    return [
        record(
            f"{kind} that pre-warn, {guard}",
            count / number,
            unit="%",
            data_sets=number,
            bounds=(None, 0.05) if (guard, kind) == ("guard", "blows") else None,
        )
        for (guard, kind), count in found.items()
    ]


def recut(packets: list[Packet], seconds: float) -> list[Packet]:
    """The same samples in shorter packets, as a sensor beside the computer may send them."""
    made = []
    for packet in packets:
        step = max(round(seconds * packet.rate_hz), 1)
        size = len(packet.channels["x"])
        for i in range(0, size, step):
            part = {name: samples[i : i + step] for name, samples in packet.channels.items()}
            made.append(packet._replace(start_s=packet.start_s + i / packet.rate_hz, channels=part))
    return made


def replay(
    triple: tuple[str, ...], streams: dict[str, list[Packet]], learners: dict, scorer
) -> dict:
    """Three agents' detectors and watches on one time line: warnings, answers, decision."""
    detectors = {name: Detector(learners[name]) for name in triple}
    watch = CoincidenceWatch(scorer, triple, FRAME_S, keep_alive_s=1e6)
    line = sorted(
        (p.start_s + len(p.channels["x"]) / p.rate_hz, name, number)
        for name, packets in streams.items()
        for number, p in enumerate(packets)
    )
    warned, answers, decided = [], [], np.nan
    for now, name, number in line:
        for other in triple:
            watch.alive(other, now)
        for warning in detectors[name].feed(streams[name][number]):
            warned.append((warning.onset_s, name, now))
            result = watch.add(name, warning.onset_s, now)
            if result is not None:
                answers.append((result, now))
                if result.is_alarm and np.isnan(decided):
                    decided = now
    return {"warned": warned, "answers": answers, "decided_s": decided}


def earthquakes(folder: Path) -> list[Record]:
    """Three replayed sensors of each real earthquake: when they decide, and what."""
    known, events = worlds.places(folder), worlds.earthquakes(folder)
    quiet: dict[str, dict[str, list[Packet]]] = defaultdict(dict)
    for event in events:
        for name, paths in event["files"].items():
            if name in known:
                until = worlds.earliest_p_s(event, known[name])
                quiet[name][event["name"]] = list(worlds.openeew_packets(paths, until))
    # The rate of each sensor for which three pre-warn together by chance once a year.
    rate = float((1 / (8766 * 3 * (FRAME_S / 3600) ** 2)) ** (1 / 3))
    sensors = Sensors.alike(3, rate_per_h=rate, prior_hours=20.0)
    scorer = edge.load(
        realtime.to_bytes(realtime.CoincidenceScorer.init(sensors, frame_s=FRAME_S, required=3))
    )
    after_first, after_third, as_sent, differ, false = [], [], [], 0.0, 0
    made, missed = [], 0
    for event in events:
        triple = worlds.compact_triple(event, known)
        if triple is None:
            continue
        whole = {name: list(worlds.openeew_packets(event["files"][name])) for name in triple}
        onsets = {}
        for name in triple:
            p_s = worlds.arrival_s(event, known[name])
            onsets[name] = worlds.onset_s(whole[name], p_s - 15.0, p_s + 15.0)
        first, third = min(onsets.values()), max(onsets.values())
        decided = {}
        for cut in (0.25, None):
            learners = {}
            for name in triple:
                learners[name] = ThresholdLearner(rate, start=START)
                teacher = Detector(learners[name])
                for other, packets in quiet[name].items():
                    for packet in packets if other != event["name"] else ():
                        teacher.feed(packet)
            streams = {n: recut(p, cut) if cut else p for n, p in whole.items()}
            result = replay(triple, streams, learners, scorer)
            decided[cut] = result["decided_s"]
            if cut:
                rows = sorted(result["warned"])
                _, batch = (
                    coincidences_of(
                        scorer,
                        triple,
                        FRAME_S,
                        [r[1] for r in rows],
                        np.array([r[0] for r in rows]),
                    )
                    if rows
                    else (None, None)
                )
                if rows:
                    best = max(a.answer.earthquake_probability for a, _ in result["answers"])
                    differ = max(differ, abs(best - np.max(batch.earthquake_probability)))
                false += sum(r[0] < first - 5.0 for r in rows)
        away = np.mean([worlds.distance_km(event, known[name]) for name in triple])
        title = f"M{event['magnitude']:g} {event['name'].replace('_', '-')} at {away:.0f} km"
        if np.isnan(decided[0.25]):
            missed += 1
            continue
        after_first.append(decided[0.25] - first)
        after_third.append(decided[0.25] - third)
        as_sent.append(decided[None] - third)
        made += [
            record(f"{title}: decision after the first P", after_first[-1], unit="s"),
            record(f"{title}: decision after the third P", after_third[-1], unit="s"),
        ]
    number = len(after_first)
    return [
        *made,
        record("false pre-warnings of a sensor that are set", rate, unit="per hour"),
        record(
            "earthquakes decided by three sensors within 30 km", number, data_sets=number + missed
        ),
        record(
            "median decision after the first P, packets of 0.25 s",
            np.median(after_first),
            unit="s",
            data_sets=number,
        ),
        record(
            "median decision after the third P, packets of 0.25 s",
            np.median(after_third),
            unit="s",
            bounds=(None, 1.0),
            data_sets=number,
        ),
        record(
            "median decision after the third P, packets of 1 s as sent",
            np.median(as_sent),
            unit="s",
            data_sets=number,
        ),
        record(
            "largest difference of the probability from that of the whole record",
            differ,
            bounds=(None, 1e-9),
            data_sets=number,
        ),
        record("pre-warnings before the first P", false, data_sets=3 * (number + missed)),
        *shake(folder),
    ]


def shake(folder: Path) -> list[Record]:
    """The real packets of a Raspberry Shake."""
    text = gzip.decompress((folder / "rsudp_packets" / "packets.txt.gz").read_bytes())
    packets = [p for p in map(parse_shake, text.splitlines()) if not p.problem]
    vertical = [p for p in packets if "EHZ" in p.channels]
    as_three = [p._replace(channels=dict.fromkeys("xyz", p.channels["EHZ"])) for p in vertical]
    onset = worlds.onset_s(as_three, vertical[0].start_s + 5.0, vertical[0].start_s + 52.0)
    detector = Detector(ThresholdLearner(0.5, start=START))
    came = [(w, p.start_s + 0.25) for p in packets for w in detector.feed(p)]
    return [
        record("Raspberry Shake: packets read", len(packets), bounds=(1760, 1760)),
        record(
            "Raspberry Shake: pre-warning after P", came[0][1] - onset, unit="s", bounds=(0.0, 1.0)
        ),
    ]


def fuzz(number: int) -> list[Record]:
    """Damaged packets of both kinds: what is raised, what is accepted, and memory."""
    rng = np.random.default_rng(0)
    trace = {axis: [0.1, 2, -3.5] for axis in "xyz"}
    good = [
        b"{'EHZ', 1582315130.292, 614, 620, -3, 7, 12, 90, 4}",
        json.dumps({"d": {"device_id": "a", "traces": [trace] * 2}}).encode(),
        json.dumps({"device_id": "0", "device_t": 1.5e9, "sr": 31.25} | trace).encode(),
    ]
    detector = Detector(ThresholdLearner(1.0, start=START))
    raised = read = 0
    half = 0.0
    for turn in range(number):
        kind = int(rng.integers(3))
        text = bytearray(good[kind])
        for _ in range(rng.integers(1, 8)):
            at, cut = int(rng.integers(len(text) + 1)), int(rng.integers(4))
            new = (
                rng.integers(0, 256, rng.integers(4))
                if rng.random() < 0.5
                else rng.choice(list(b"0123456789.,-+eE{}[]'\"nNaIif "), rng.integers(4))
            )
            text[at : at + cut] = bytes(new.tolist())
        try:
            packets = [parse_shake(bytes(text))] if kind == 0 else parse_openeew(bytes(text), 1e9)
            for packet in packets:
                detector.feed(packet)
                read += not packet.problem
        except Exception:  # noqa: BLE001 counted
            raised += 1
        if turn == number // 2:
            half = resident_mb()
    return [
        record("damaged packets", number),
        record("of them raised", raised, bounds=(0, 0)),
        record("of them still read", read / number, unit="%"),
        record(
            "growth of memory over the second half",
            resident_mb() - half,
            unit="MB",
            bounds=(None, 5.0),
        ),
    ]


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


COST = """
import resource, sys
from eqstat.service.agent import run_agent
import eqstat.service.agent._run
def largest_mb():  # of this program; getrusage would give that of its parent
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
before, first = resource.getrusage(resource.RUSAGE_SELF), largest_mb()
agent = run_agent(sys.argv[1], lambda event: None)
after = resource.getrusage(resource.RUSAGE_SELF)
used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(used, before.ru_utime + before.ru_stime, largest_mb(), first,
      "jax" in sys.modules or "scipy" in sys.modules)
"""


def cost(minutes: int) -> list[Record]:
    """Processor time and memory of an agent of four channels at 100 Hz, alone in a process."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "packets.txt").open("w") as stream:
            for i in range(minutes * 240):
                for channel in ("EHZ", "ENE", "ENN", "ENZ"):
                    numbers = ", ".join(map(str, rng.normal(0, 500, 25).round().astype(int)))
                    stream.write(f"{{'{channel}', {1.8e9 + i / 4:.3f}, {numbers}}}\n")
        sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
        scorer = realtime.CoincidenceScorer.init(sensors, frame_s=5.0)
        realtime.export(scorer, folder / "street.eqstat")
        (folder / "agent.toml").write_text(
            'sensor.name = "a"\n[input]\nfile = "packets.txt"\nspeed = 0\n[coincidence]\n'
            'artefact = "street.eqstat"\nsensors = ["a", "b", "c"]\nframe_s = 5.0\n'
        )
        done = subprocess.run(
            [sys.executable, "-c", COST, str(folder / "agent.toml")],
            capture_output=True,
            text=True,
            check=True,
        )
    used, start, memory, first, loaded = done.stdout.split()
    return [
        record(
            "share of a core, four channels at 100 Hz",
            float(used) / (60 * minutes),
            unit="%",
            bounds=(None, 0.05),
        ),
        record("processor time of the start", float(start), unit="s"),
        record("largest resident memory", float(memory), unit="MB", bounds=(None, 100.0)),
        record("of it when all is imported", float(first), unit="MB"),
        record("JAX or SciPy imported", int(loaded == "True"), bounds=(0, 0)),
    ]


def check(part: str, number: int = 1) -> list[Record]:
    """Records of a part."""
    data = {"records": real_records, "earthquakes": earthquakes}
    if part in data:
        return show(data[part](Path(os.environ["EQSTAT_DATA"])))
    parts = {"maxima": maxima, "noise": noise, "stomps": stomps, "fuzz": fuzz, "cost": cost}
    return show(parts[part](number))


if __name__ == "__main__":
    check(*sys.argv[1:2], *map(int, sys.argv[2:3]))
