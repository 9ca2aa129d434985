"""Processor time and memory of calls of scorers: parts of `check_realtime`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import realtime_inputs as inputs
from records import Record, record
from scipy import stats

from eqstat import detection, edge, realtime
from eqstat.ground_motion import PointSource

EDGE = """
import json, sys, time
def resident_mb():
    return [int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmRSS")][0]
begin = time.process_time()
from eqstat import edge
imported_s, imported_mb = time.process_time() - begin, resident_mb()
begin = time.process_time()
scorer = edge.load(sys.argv[1])
loaded_s, loaded_mb = time.process_time() - begin, resident_mb()
cases = json.load(open(sys.argv[2]))
times = []
for turn in range(len(cases) * int(sys.argv[3])):
    case = cases[turn % len(cases)]
    begin = time.process_time()
    scorer.score(**case)
    times.append(time.process_time() - begin)
times.sort()
assert "jax" not in sys.modules and "scipy" not in sys.modules
print(json.dumps({"imported_s": imported_s, "imported_mb": imported_mb, "loaded_s": loaded_s,
                  "loaded_mb": loaded_mb, "median_us": 1e6 * times[len(times) // 2],
                  "p99_us": 1e6 * times[int(0.99 * len(times))], "scored_mb": resident_mb()}))
"""


def single(kind: str, rng: np.random.Generator) -> dict:
    """What an agent beside a sensor sends: one row, or one data set."""
    if kind == "exceedance":
        return {n: v[:16].tolist() for n, v in inputs.sound(kind, rng, 300).items()}
    if kind == "classification":
        return {n: v.tolist() for n, v in inputs.detection(rng, 64).items()}
    return {name: np.asarray(v)[0].tolist() for name, v in inputs.sound(kind, rng, 3).items()}


def cost(rounds: int) -> list[Record]:
    """Processor time and memory of single calls, by JAX here and by `edge` in a process alone."""
    out = []
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"}
    for kind, make in inputs.MAKERS.items():
        scorer, rng = make(), np.random.default_rng(4)
        cases = [single(kind, rng) for _ in range(50)]
        compiled = realtime.compile(scorer, (8, 64), progress=False)
        times = []
        for turn in range(50 * rounds):
            begin = time.process_time()
            compiled.score(**cases[turn % 50])
            times.append(time.process_time() - begin)
        with tempfile.TemporaryDirectory() as folder:
            path, listed = Path(folder) / "a.eqstat", Path(folder) / "cases.json"
            realtime.export(scorer, path)
            listed.write_text(json.dumps(cases))
            command = [sys.executable, "-c", EDGE, str(path), str(listed), str(rounds)]
            done = subprocess.run(command, env=environment, capture_output=True, check=True)
        seen = json.loads(done.stdout)
        out += [
            record(f"{kind}: JAX, median of a call", 1e6 * np.median(times), unit="us"),
            record(f"{kind}: JAX, 99 in 100 calls", 1e6 * np.quantile(times, 0.99), unit="us"),
            record(f"{kind}: edge, median of a call", seen["median_us"], unit="us"),
            record(f"{kind}: edge, 99 in 100 calls", seen["p99_us"], unit="us"),
            record(f"{kind}: edge, reading the artefact", 1e3 * seen["loaded_s"], unit="ms"),
            record(f"{kind}: edge, resident memory", seen["scored_mb"], unit="MB"),
        ]
        if kind == "counts":
            out += [
                record("edge: import", seen["imported_s"], unit="s", bounds=(None, 0.15)),
                record("edge: resident memory after the import", seen["imported_mb"], unit="MB",
                       bounds=(None, 40.0)),
            ]  # fmt: skip
    return out


def processor_us(function: Callable[[], Any], rounds: int) -> np.ndarray:
    """Processor times of calls, us."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return 1e6 * np.array(times)


def speed(rounds: int) -> list[Record]:
    """The required speeds, on one core, in processor time, and SciPy's for the same."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng, out = np.random.default_rng(7), []

    def add(name: str, times: np.ndarray, limit_us: float, scipy_us: float | None = None) -> None:
        middle = float(np.median(times))
        out.append(record(name, middle, unit="us", bounds=(None, limit_us)))
        if scipy_us is not None:
            out.append(record(f"{name}, of SciPy", scipy_us, unit="us"))

    scorer = inputs.counts()
    small = edge.load(realtime.to_bytes(scorer))
    one = processor_us(lambda: [small.score(12, 300, 12.5, 1, 3) for _ in range(100)], rounds) / 100
    tail = processor_us(lambda: stats.nbinom.sf(11, 20.0, 20.0 / 32.0), 10 * rounds)
    add("one count by edge", one, 30.0, float(np.median(tail)))
    compiled = realtime.compile(scorer, (4096,), progress=False)
    sound = inputs.sound("counts", rng, 4096)
    columns = {n: np.resize(v, 4096).astype(np.float32) for n, v in sound.items()}
    batch = processor_us(lambda: compiled.score(**columns), 10 * rounds)
    p = 20.0 / (20.0 + 0.04 * columns["active"])
    tail = processor_us(lambda: stats.nbinom.sf(columns["triggers"] - 1, 20.0, p), rounds)
    add("4,096 counts by JAX", batch, 409.6, float(np.median(tail)))

    detections = [inputs.detection(rng, int(rng.integers(60, 129))) for _ in range(5 * rounds)]
    for name, limit_us, scored in (
        ("classification of 60 to 128 triggers by JAX", 4e3,
         realtime.compile(realtime.ClassificationScorer.init(), (128,), progress=False)),
        ("classification of 60 to 128 triggers by edge", 5e4,
         edge.load(realtime.to_bytes(realtime.ClassificationScorer.init()))),
    ):  # fmt: skip
        turn = iter(detections)
        add(name, processor_us(lambda: scored.score(**next(turn)), len(detections)), limit_us)  # noqa: B023

    shaken = realtime.ExceedanceScorer.init(
        PointSource(), inputs.sites(1000), 0.5, action_probability=0.1
    )
    for draws in (1, 16, 64, 256):
        program = realtime.compile(shaken, (draws,), progress=False)
        sound = inputs.sound("exceedance", rng, 300)
        columns = {name: np.resize(values, draws) for name, values in sound.items()}
        prepared = shaken.prepare(**columns).inputs | {"status": np.int32(0)}
        run = partial(program.program(draws), program.parameters, prepared)
        mean = rng.normal(-1, 0.5, (1000, draws))
        tail = processor_us(lambda: stats.norm.sf(-0.3, mean, 0.34).mean(axis=1), rounds)  # noqa: B023
        times = processor_us(lambda: jax.block_until_ready(run()), 10 * rounds)  # noqa: B023
        name = f"exceedance at 1,000 sites of {draws} draws, compiled"
        add(name, times, 200.0, float(np.median(tail)))

    for devices, limit_us in ((10_000, 1e4), (100_000, 3e4)):
        side = 0.35 * np.sqrt(devices / 10_000)
        latitude, longitude = rng.uniform(-side, side, (2, devices))
        network = pd.DataFrame({"latitude": latitude - 12.0, "longitude": longitude - 77.0})
        stepper = realtime.SequentialScorer.init(detection.detector(network))
        held = [stepper.start(0.0)]

        def second(stepper: Any = stepper, held: list = held, devices: int = devices) -> None:
            now, count = float(held[0].now_s) + 1.0, rng.poisson(devices * 0.5 / 3600)
            number, ago = rng.integers(0, devices, count), rng.random(count)
            held[0] = stepper.step(held[0], now, number, now - ago).state

        add(f"step for {devices:,} devices", processor_us(second, rounds), limit_us)
    return out
