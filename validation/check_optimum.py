"""Does multi-start BFGS find the optimum? 500 detections against a dense grid and SciPy.

Run: python validation/check_optimum.py [number]. Prints the share of fits within 1e-4 of the
best sum of squares, and whether those that are not say so.
"""

from __future__ import annotations

import sys

import numpy as np
from detections import KINDS, VELOCITIES, detections
from oracles import Oracle

from eqstat import traveltime
from eqstat.traveltime._fit import both_waves


def main(number: int) -> None:
    """Compare and print."""
    missed, silent, cases, better = [], 0, 0, 0
    for index, table in enumerate(detections(20261121, number)):
        observations = traveltime.prepare(table)
        count = len(observations.triggers)
        found = both_waves(observations, 500.0)
        for wave, (name, velocity) in enumerate(VELOCITIES.items()):
            data = observations.data
            best = Oracle(data.position_km[:count], data.time_s[:count], velocity).dense_grid()
            ratio = float(found.sum_of_squares[wave]) / best - 1
            cases += 1
            better += ratio < -1e-4
            if ratio > 1e-4:
                said = not bool(found.converged[wave])
                silent += not said
                missed.append((KINDS[index % len(KINDS)], count, name, round(ratio, 5), said))
    share = 1 - len(missed) / cases
    print(f"{cases} fits ({number} detections, both waves): {share:.4f} within 1e-4")
    print(f"missed {len(missed)}, of them {silent} without saying so; {better} beat the oracle")
    for case in missed[:20]:
        print("  missed (kind, triggers, wave, excess, said so):", *case)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
