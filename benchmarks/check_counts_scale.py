"""10^8 windows of counts: seconds and peak memory of `prepare`, `combine` and `fit`.

Run: python benchmarks/check_counts_scale.py [--chunks 50] [--shocks]. Each chunk is a table of two
million windows of 10 s: 20 regions for 11.6 days. Making the tables is not counted in the time,
but it is in the memory. Bars: 5 minutes and 2 GB.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np
import pandas as pd

from eqstat.counts.data import combine, prepare
from eqstat.counts.fit import fit

REGIONS, WINDOWS, WINDOW_S = 20, 100_000, 10.0
RATE, DISPERSION, SHOCK = 0.8, 0.15, 1e-4


def chunk(number: int) -> pd.DataFrame:
    """Table of one chunk: negative binomial counts with a day cycle and, rarely, shocks."""
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
    at = np.nonzero(rng.random(mean.shape) < SHOCK)
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=50)
    parser.add_argument("--shocks", action="store_true")
    options = parser.parse_args()
    spent = {"prepare": 0.0, "combine": 0.0, "fit": 0.0}
    history = None
    for number in range(options.chunks):
        table = chunk(number)
        start = time.perf_counter()
        part = prepare(table)
        spent["prepare"] += time.perf_counter() - start
        start = time.perf_counter()
        history = part if history is None else combine([history, part])
        spent["combine"] += time.perf_counter() - start
    assert history is not None
    start = time.perf_counter()
    found = fit(history, shocks=options.shocks)
    spent["fit"] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{history.total_windows} windows, {len(history.region)} cells, {found.diagnostics}")
    print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items()))
    print(f"together {sum(spent.values()):.1f} s (bar 300), peak memory {peak:.2f} GB (bar 2)")
    for name in ("dispersion", *(["shock_probability"] if options.shocks else [])):
        print(f"  {name}: {found[name]:.6g} +- {found.standard_error[name]:.2g}")


if __name__ == "__main__":
    main()
