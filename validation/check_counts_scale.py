"""10^8 windows of counts: time and peak memory of `prepare`, `combine` and `fit`; then NUTS.

Run: python validation/check_counts_scale.py [--chunks 50] [--bursts] [--nuts]. Each chunk is a
table of two million windows of 10 s: 20 regions for 11.6 days. Simulating the tables counts towards
the memory, not towards the time. With --nuts only `sample` is measured, on 90 days of 50 regions
(39 million windows), compilation and fit included.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import jax
import numpy as np
import pandas as pd
from records import Record, record, show

from eqstat.counts import Background, Bursts, Design, combine, fit, prepare, sample, simulate

REGIONS, WINDOWS, WINDOW_S = 20, 100_000, 10.0
RATE, DISPERSION, BURST_PROBABILITY = 0.8, 0.15, 1e-4


def chunk(number: int) -> pd.DataFrame:
    """Table of one chunk: negative binomial counts with a day cycle and, rarely, bursts."""
    rng = np.random.default_rng(number)
    start = pd.Timestamp("2026-01-05T00:00:00Z") + pd.Timedelta(seconds=number * WINDOWS * WINDOW_S)
    time_of: Any = start + pd.to_timedelta(np.arange(WINDOWS) * WINDOW_S, unit="s")
    hour = np.asarray(time_of.hour, np.float64)
    size = np.geomspace(60, 2000, REGIONS)
    active = np.round(size[:, None] * (1 + 0.3 * np.cos(2 * np.pi * (hour - 3) / 24)))
    effect = 0.3 * np.random.default_rng(0).standard_normal(REGIONS)
    cycle = np.exp(effect[:, None] - 0.4 * np.cos(2 * np.pi * hour / 24))
    mean = active * RATE * cycle * WINDOW_S / 3600
    count = rng.poisson(mean * rng.standard_gamma(1 / DISPERSION, mean.shape) * DISPERSION)
    at = np.nonzero(rng.random(mean.shape) < BURST_PROBABILITY)
    share = rng.beta(1.0, 7.0, len(at[0]))
    count[at] += rng.binomial(active[at].astype(np.int64), share)
    count = np.minimum(count, active)
    return pd.DataFrame(
        {
            "time": np.tile(time_of, REGIONS),
            "triggers": count.ravel().astype(np.int64),
            "active": active.ravel().astype(np.int64),
            "region": np.repeat([f"r{i:02d}" for i in range(REGIONS)], WINDOWS),
            "window_s": WINDOW_S,
        }
    )


def sample_90_days(bursts: bool) -> list[Record]:
    """Time of NUTS on 90 days of 50 regions."""
    rng = np.random.default_rng(1)
    background = Background(
        "negative_binomial",
        0.5,
        daily=np.array([-0.4, -0.2, 0.1, 0.05]),
        weekly=np.array([0.05, 0.05]),
        region_effect=rng.normal(0.0, 0.3, 50),
        region_sd=0.3,
        dispersion=0.1,
        dispersion_slope=0.2,
        bursts=Bursts(1e-5, 0.1, 8.0) if bursts else None,
        regions=tuple(f"r{i:02d}" for i in range(50)),
    )
    active = rng.choice([60.0, 150.0, 400.0, 1000.0], 50)
    history = simulate(jax.random.key(0), background, Design(active=active, days=90))
    start = time.perf_counter()
    tree = sample(jax.random.key(1), history, bursts=bursts, progress=False)
    seconds, windows = time.perf_counter() - start, history.total_windows
    return [
        record("NUTS, compilation and fit included", seconds, unit="s", data_sets=windows),
        record("largest R-hat", tree.attrs["r_hat_max"], bounds=(None, 1.01), data_sets=windows),
        record("smallest bulk ESS", tree.attrs["ess_bulk_min"], data_sets=windows),
        record("divergences", tree.attrs["divergences"], bounds=(None, 0), data_sets=windows),
    ]


def points(chunks: int, bursts: bool) -> list[Record]:
    """Time and memory of the point estimate."""
    seconds = {"prepare": 0.0, "combine": 0.0, "fit": 0.0}
    history = None
    for number in range(chunks):
        table = chunk(number)
        start = time.perf_counter()
        part = prepare(table)
        seconds["prepare"] += time.perf_counter() - start
        start = time.perf_counter()
        history = part if history is None else combine([history, part])
        seconds["combine"] += time.perf_counter() - start
    assert history is not None
    start = time.perf_counter()
    result = fit(history, bursts=bursts)
    seconds["fit"] = time.perf_counter() - start
    peak_gb, windows = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, chunks * 2e6
    records = [record(name, value, unit="s", data_sets=windows) for name, value in seconds.items()]
    records += [
        record("all three", sum(seconds.values()), bounds=(None, 300), unit="s", data_sets=windows),
        record("peak memory", peak_gb, bounds=(None, 2), unit="GB", data_sets=windows),
    ]
    for name in ("dispersion", *(["burst_probability"] if bursts else [])):
        value, error = result[name], result.standard_error[name]
        ends = value - 1.96 * error, value + 1.96 * error
        true = DISPERSION if name == "dispersion" else BURST_PROBABILITY
        # Without --bursts the model leaves out the bursts of the data: no target for it then.
        records.append(
            record(
                f"{name}, estimate",
                value,
                interval=ends,
                target=true if bursts else None,
                data_sets=windows,
            )
        )
    return records


def check(chunks: int = 50, bursts: bool = False, nuts: bool = False) -> list[Record]:
    """Measure the point estimate, or NUTS."""
    return show(sample_90_days(bursts) if nuts else points(chunks, bursts))


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=50)
    parser.add_argument("--bursts", action="store_true")
    parser.add_argument("--nuts", action="store_true")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
