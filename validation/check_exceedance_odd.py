"""Fits of the ground-motion model to small and odd sets of records: never NaN, never a crash.

Run: python validation/check_exceedance_odd.py [--datasets N].

Parameters are drawn from the default prior, with its absurd draws, and designs from those that say
next to nothing: one event, one station, one magnitude, all within metres of one another, every Vs30
unknown, records without names or places. `fit` is called with `throw=False`; what comes back must
be finite or have a result code that says why not.
"""

from __future__ import annotations

import argparse
from collections import Counter

import jax
import numpy as np
from records import Record, each, record, show

from eqstat.ground_motion import Design, GroundMotion, Prior, fit, simulate
from eqstat.ground_motion._model import ALWAYS

NAMES = (
    *ALWAYS,
    "station_sd",
    "station_distance_slope",
    "correlated_share",
    "correlation_km",
    "correlation_growth",
)
SEED = 20261129


def odd_design(rng: np.random.Generator) -> Design:
    """Draw a design of few events and stations; of few shapes, each of which is compiled."""
    magnitude = float(rng.uniform(3.0, 8.0))
    return Design(
        events=int(rng.choice([1, 2, 4])),
        stations=int(rng.choice([1, 3])),
        min_magnitude=magnitude,
        max_magnitude=magnitude + float(rng.choice([0.0, 0.0, 1.0])),
        extent_km=float(rng.choice([1e-3, 1.0, 30.0, 500.0])),
        max_depth_km=float(rng.choice([2.0, 15.0])),
        recorded=1.0,
        unknown_share=float(rng.choice([0.0, 0.0, 1.0])),
    )


def fitted(number: int) -> dict[str, str | bool]:
    """Fit one data set; its result code, and whether the estimate is finite."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(SEED), number))
    rng, prior = np.random.default_rng([SEED, number]), Prior()
    truth = {
        name: float(getattr(prior, name).sample(jax.random.fold_in(keys[0], place)))
        for place, name in enumerate(NAMES)
    }
    if rng.random() < 0.2:
        truth["station_sd"] = 0.0
    if rng.random() < 0.2:
        truth["correlated_share"] = 0.0
    # Sites of 50 m/s to 5 km/s are what a table may hold.
    truth |= {"vs30_log10_mean": 2.6, "vs30_log10_sd": min(truth["vs30_log10_sd"], 0.15)}
    motions = simulate(keys[1], GroundMotion(**truth), odd_design(rng))
    try:
        result = fit(motions, throw=False)
        name, usable, finite = result.result.name, result.result.ok, True
        if usable:
            values = result.estimate, result.covariance
            finite = all(bool(np.isfinite(value).all()) for value in values)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what is counted)
        name, usable, finite = f"{type(error).__name__}: {error}", False, False
    return {"result": name, "usable": usable, "finite": finite}


def check(datasets: int = 2000) -> list[Record]:
    """Fit data sets 0 to `datasets` - 1."""
    results = each(range(datasets), fitted)
    codes = Counter(line["result"] for line in results)
    for name, count in codes.most_common():
        print(f"  {name}: {count}")
    failed = sum(not line["finite"] for line in results)
    return show(
        [
            record("NaN or exceptions", failed, bounds=(0, 0), data_sets=datasets),
            record(
                "usable fits",
                float(np.mean([line["usable"] for line in results])),
                unit="%",
                data_sets=datasets,
            ),
        ]
    )


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=2000)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
