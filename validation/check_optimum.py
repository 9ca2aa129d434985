"""Least squares by multi-start BFGS against a dense grid polished by SciPy.

Run: python validation/check_optimum.py [number]. Records the share of fits whose sum of squares
is within 1e-4 of the best of the grid, and the misses that are reported as converged.
"""

from __future__ import annotations

import sys

import numpy as np
from detections import KINDS, VELOCITIES, detections
from oracles import Oracle
from records import Record, each, record, show

from eqstat import traveltime
from eqstat.traveltime._fit import both_waves


def compare(table, kind: str) -> list[dict]:
    """Relative excess of both waves' fits of one detection over the oracle."""
    observations = traveltime.prepare(table)
    count, data = len(observations.triggers), observations.data
    fitted = both_waves(observations, 500.0)
    rows = []
    for wave, (name, velocity) in enumerate(VELOCITIES.items()):
        best = Oracle(data.position_km[:count], data.time_s[:count], velocity).dense_grid()
        rows.append(
            {
                "kind": kind,
                "triggers": count,
                "wave": name,
                "excess": float(fitted.sum_of_squares[wave]) / best - 1,
                "converged": bool(fitted.converged[wave]),
            }
        )
    return rows


def check(number: int = 500) -> list[Record]:
    """Compare `number` detections of all kinds."""
    with np.errstate(all="ignore"):
        tables = detections(20261121, number)
        results = each(range(number), lambda i: {"fits": compare(tables[i], KINDS[i % len(KINDS)])})
    fits = [fit for result in results for fit in result["fits"]]
    missed = [fit for fit in fits if fit["excess"] > 1e-4]
    for fit in missed[:20]:
        print("  missed:", fit)
    return show(
        [
            record(
                "fits within 1e-4 of the grid's least sum of squares",
                1 - len(missed) / len(fits),
                bounds=(0.999, None),
                unit="%",
                data_sets=len(fits),
            ),
            record(
                "missed without a result code that says so",
                sum(fit["converged"] for fit in missed),
                bounds=(None, 0),
                data_sets=len(fits),
            ),
            record(
                "fits better than the grid by more than 1e-4",
                sum(fit["excess"] < -1e-4 for fit in fits),
                data_sets=len(fits),
            ),
        ]
    )


if __name__ == "__main__":
    check(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
