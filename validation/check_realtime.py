"""Scorers for services: agreement, hostile input, a long run, and what a call costs.

Run: python validation/check_realtime.py PART. Parts: agreement (JAX, edge and package on random
inputs), hostile (inputs that were damaged), soak (calls of random sizes: programs compiled,
memory), fuzz (damaged artefacts), cost and speed (processor time and
memory of calls), classification (error rates, calibration).
"""

from __future__ import annotations

import io
import logging
import sys
import time
import zipfile
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import realtime_inputs as inputs
from realtime_times import cost, speed
from records import Record, record, show

from eqstat import calibration, edge, exceedance, realtime, traveltime
from eqstat.counts import alarm
from eqstat.ground_motion import PointSource
from eqstat.realtime import Answer, Status

MOST = 64


def pairs(buckets: tuple[int, ...] = (8, 64, 512)) -> dict:
    """Each scorer compiled, and read by `edge` from its artefact."""
    made = {}
    for kind, make in inputs.MAKERS.items():
        scorer = make()
        compiled = realtime.compile(scorer, buckets, progress=False)
        made[kind] = compiled, edge.load(realtime.to_bytes(scorer))
    return made


def largest_difference(answer: Answer, other: Answer) -> float:
    """Largest difference of a probability of two answers."""
    worst = 0.0
    for name in Answer._fields:
        if name.endswith("probability"):
            a, b = (np.asarray(getattr(x, name), float) for x in (answer, other))
            if not np.array_equal(np.isnan(a), np.isnan(b)):
                return np.inf
            worst = max(worst, float(np.max(np.nan_to_num(np.abs(a - b)), initial=0.0)))
    return worst


def package_answer(kind: str, scorer: realtime.Scorer, columns: dict) -> np.ndarray | None:
    """The figure that the package's own function gives, where it is a cheap call."""
    if kind == "counts":
        return np.asarray(alarm.score(scorer.tables, **columns).false_alarm_probability)
    if kind == "exceedance":
        names = ("latitude", "longitude", "depth_km", "magnitude")
        source = exceedance.Sources(*(columns[n] for n in names), weight=columns["weight"])
        shaken = exceedance.shaking(PointSource(), source, inputs.sites(20), [0.1, 0.5])
        return shaken["probability"].to_numpy()
    if kind == "classification":
        table = pd.DataFrame(columns).rename(columns={"time_s": "time"})
        tests = traveltime.classify(traveltime.prepare(table)).models.values()
        tails = [edge.chi_square_tail(t.statistic, t.degrees_of_freedom) for t in tests]
        return np.asarray(max(tails))
    return None


FIGURES = {
    "counts": "false_alarm_probability",
    "exceedance": "exceedance_probability",
    "classification": "miss_probability",
}


def agreement(number: int) -> list[Record]:
    """Largest differences over `number` random inputs of each kind."""
    out = []
    for kind, (compiled, small) in pairs().items():
        rng, worst, beyond, own = np.random.default_rng(1), 0.0, 0, 0.0
        for turn in range(number):
            columns = inputs.sound(kind, rng, MOST)
            answer, other = compiled.score(**columns), small.score(**columns)
            worst = max(worst, largest_difference(answer, other))
            beyond += bool(edge.disagreement(other, answer))
            if turn % 20 == 0 and kind in FIGURES:
                # Of one size, since the packages' own functions compile for each.
                if kind == "classification":
                    columns = inputs.detection(rng, MOST)
                columns = {name: np.resize(values, MOST) for name, values in columns.items()}
                answer = compiled.score(**columns)
                figure = package_answer(kind, compiled.scorer, columns)
                own = max(own, float(np.max(np.abs(figure - getattr(answer, FIGURES[kind])))))
        name = f"{kind}: largest difference of a probability, edge less JAX"
        out.append(record(name, worst, bounds=(None, 1e-5), data_sets=number))
        out.append(record(f"{kind}: answers beyond tolerance", beyond, bounds=(None, 0)))
        if kind in FIGURES:
            name = f"{kind}: largest difference, JAX less the package's function"
            out.append(record(name, own, bounds=(None, 1e-5)))
    return out


def hostile(number: int) -> list[Record]:
    """Exceptions and statuses over `number` damaged inputs of all kinds together."""
    raised, unlike, seen, total = 0, 0, np.zeros(len(Status), int), 0
    shares = {"classification": 0.05}
    for kind, (compiled, small) in pairs((8, 128)).items():
        rng = np.random.default_rng(2)
        for _ in range(int(number * shares.get(kind, 0.2375))):
            columns = inputs.hostile(kind, rng, 16)
            total += 1
            try:
                answer, other = compiled.score(**columns), small.score(**columns)
            except Exception as error:  # noqa: BLE001 what is counted
                raised += 1
                print("raised", kind, repr(error)[:200], columns)
                continue
            if edge.disagreement(other, answer):
                unlike += 1
                print("unlike", kind, edge.disagreement(other, answer))
            seen += np.bincount(np.ravel(answer.status), minlength=len(Status))
    return [
        record("damaged inputs: exceptions", raised, bounds=(None, 0), data_sets=total),
        record("damaged inputs: answers of edge beyond tolerance", unlike, bounds=(None, 0)),
        record("damaged inputs: answers with a status other than OK", 1 - seen[0] / seen.sum(),
               unit="%"),
    ]  # fmt: skip


def resident_mb() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return np.nan


class Compilations(logging.Handler):
    """Counts what JAX compiles."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a message of the compiler."""
        self.count += record.getMessage().startswith("Compiling")


def soak(number: int) -> list[Record]:
    """Calls of random kinds and sizes after warm-up."""
    rng = np.random.default_rng(3)
    made = {kind: pair[0] for kind, pair in pairs(realtime.BUCKETS[:-3]).items()}
    share = {"counts": 0.4, "coincidence": 0.3, "detectability": 0.2, "exceedance": 0.09,
             "classification": 0.01}  # fmt: skip
    kinds = rng.choice(list(share), number, p=list(share.values()))
    pool = {}
    for kind in share:
        sizes = np.exp(rng.uniform(0, np.log(512 if made[kind].scorer.by_row else 64), 300))
        pool[kind] = [inputs.sound(kind, rng, max(int(size), 1)) for size in sizes]
        pool[kind] += [inputs.hostile(kind, rng, 16) for _ in range(30)]
    handler = Compilations()
    logger = logging.getLogger("jax")
    logger.addHandler(handler)
    logger.propagate = False
    memory, begin = [], time.perf_counter()
    with jax.log_compiles():
        for turn, kind in enumerate(kinds):
            made[kind].score(**pool[kind][rng.integers(len(pool[kind]))])
            if turn % max(number // 200, 1) == 0:
                memory.append((turn, resident_mb()))
    elapsed = time.perf_counter() - begin
    logger.removeHandler(handler)
    calls, resident = np.array(memory[len(memory) // 10 :]).T
    slope = np.polyfit(calls / 1e6, resident, 1)[0]
    return [
        record("random calls: programs compiled after warm-up", handler.count, bounds=(None, 0),
               data_sets=number),
        record("random calls: growth of resident memory per million calls", slope, unit="MB",
               bounds=(None, 1.0)),
        record("random calls: resident memory at the end", resident[-1], unit="MB"),
        record("random calls: mean time of a call", 1e6 * elapsed / number, unit="us"),
    ]  # fmt: skip


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """An artefact with a few bytes changed in one member, or cut short; signed anew or not."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        data[rng.integers(len(data))] = rng.integers(256)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(data)
    if kind == 1:
        return bytes(data[: rng.integers(len(data))])
    if kind == 2:  # the archive itself is damaged, and signed
        return edge.signed(bytes(data[:-64]))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    name = str(rng.choice(list(members))) if rng.random() < 0.5 else "manifest.json"
    for _ in range(int(rng.integers(1, 5))):
        members[name][rng.integers(len(members[name]))] = rng.integers(256)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), bytes(member))
        archive.comment = b"0" * 64
    return edge.signed(stream.getvalue()[:-64])


def fuzz(number: int) -> list[Record]:
    """Damaged artefacts, most of them with a valid signature."""
    content = realtime.to_bytes(inputs.coincidence())
    rng, wrong, refused, memory = np.random.default_rng(6), 0, 0, []
    for turn in range(number):
        try:
            edge.load(mutated(content, rng))
        except edge.ArtefactError as error:
            refused += 1
            wrong += "\n" in str(error)
        except Exception as error:  # noqa: BLE001 what is counted
            wrong += 1
            print("raised", repr(error)[:200])
        if turn % max(number // 200, 1) == 0:
            memory.append((turn, resident_mb()))
    calls, resident = np.array(memory[len(memory) // 10 :]).T
    slope = np.polyfit(calls / 1e6, resident, 1)[0]
    return [
        record("damaged artefacts: other exceptions, or of several lines", wrong, bounds=(None, 0),
               data_sets=number),
        record("damaged artefacts: refused", refused / number, unit="%"),
        record("damaged artefacts: growth of resident memory per 100,000", slope / 10, unit="MB",
               bounds=(None, 1.0)),
    ]  # fmt: skip


def world(rng: np.random.Generator) -> tuple[dict, int]:
    """A detection: of P (0), of S (1), of background (2), or of a common cause (3)."""
    size, cause = int(rng.integers(8, 61)), int(rng.integers(4))
    kilometres = rng.uniform(-1, 1, (2, size)) * rng.choice([15.0, 40.0, 80.0])
    aperture = np.sqrt(np.mean(np.sum(kilometres**2, axis=0)))
    reach = np.clip(4 * aperture, 50, 500) / np.sqrt(3)
    if cause < 2:
        centre, depth = rng.normal(0, reach, 2), abs(rng.normal(0, 40.0))
        far = np.hypot(np.hypot(*(kilometres - centre[:, None])), depth)
        at_s = far / (7.8, 4.5)[cause] + rng.normal(0, 1.29 * np.exp(0.3 * rng.normal()), size)
    elif cause == 2:
        at_s = rng.uniform(0, np.exp(rng.uniform(0, np.log(60.0))), size)
    else:
        at_s = rng.normal(0, 0.5 * np.exp(rng.normal()), size)
    columns = {"time_s": at_s, "latitude": kilometres[1] / 111.195,
               "longitude": kilometres[0] / 111.195}  # fmt: skip
    return columns, cause


def classification(number: int) -> list[Record]:
    """Error rates of the test at its nominal scatter, and calibration of the probability."""
    compiled = realtime.compile(
        realtime.ClassificationScorer.init(), (8, 16, 32, 64), progress=False
    )
    rng = np.random.default_rng(5)
    probability, quake, rejected = np.empty(number), np.empty(number, bool), []
    for turn in range(number):
        columns, cause = world(rng)
        probability[turn] = compiled.score(**columns).earthquake_probability
        quake[turn] = cause < 2
    for _ in range(number):
        size = int(rng.integers(8, 61))
        latitude, longitude = rng.uniform(-0.4, 0.4, (2, size))
        far = np.hypot(111.195 * np.hypot(latitude - 0.1, longitude + 0.2), 15.0)
        time_s = far / 7.8 + rng.normal(0, 1.29, size)
        rejected.append(compiled.score(time_s, latitude, longitude).margin < 0)
    missed = int(np.sum(rejected))
    low, high = calibration.binomial_interval(missed, number, probability=0.95)
    odds = np.log(probability) - np.log1p(-np.minimum(probability, 1 - 1e-15))
    out = [
        record("true detections of P rejected at 1 %", missed / number, interval=(low, high),
               bounds=(None, 0.013), unit="%", data_sets=number),
        record("mean probability of an earthquake", probability.mean(), unit="%", data_sets=number),
        record("share of earthquakes", quake.mean(), unit="%", data_sets=number),
        record("area under the curve",
               float(calibration.auc(odds, quake, larger="earthquake")["auc"])),
    ]  # fmt: skip
    for low_end, high_end in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.8), (0.8, 0.95), (0.95, 1.0)):
        within = (probability >= low_end) & (probability <= high_end)
        if within.sum() >= 10:
            ends = calibration.binomial_interval(
                quake[within].sum(), within.sum(), probability=0.95
            )
            out.append(
                record(f"earthquakes where {low_end:g} to {high_end:g} was said",
                       quake[within].mean(), interval=ends, target=probability[within].mean(),
                       unit="%", data_sets=int(within.sum()))
            )  # fmt: skip
    return out


PARTS = {
    "agreement": agreement, "hostile": hostile, "soak": soak, "cost": cost,
    "classification": classification, "fuzz": fuzz, "speed": speed,
}  # fmt: skip


def check(part: str, number: int) -> list[Record]:
    """Run a part."""
    return show(PARTS[part](number))


if __name__ == "__main__":
    check(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200)
