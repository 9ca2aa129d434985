"""The threshold curve against the smallest claims of the Earthquake Network.

Run with EQSTAT_DATA at a folder that holds the claims: python validation/check_eqn_thresholds.py.
Runs `examples/eqn_thresholds.py`, which explains the comparison, and records its figures.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import numpy as np
from records import Record, record, show

EXAMPLE = Path(__file__).parent.parent / "examples" / "eqn_thresholds.py"


def check() -> list[Record]:
    """Fit one trigger rate, and compare in bins of equal number."""
    os.environ.setdefault("MPLBACKEND", "agg")
    names = runpy.run_path(str(EXAMPLE))
    difference = names["curve"](names["fitted"], names["phones"]) - names["smallest"]
    count = len(difference)
    return show(
        [
            record("fitted triggers per phone and window", names["fitted"], data_sets=count),
            record(
                "bins within 2 triggers",
                int(np.sum(np.abs(difference) <= 2)),
                bounds=(13, None),
                data_sets=count,
            ),
            record("largest difference", np.abs(difference).max(), unit="triggers"),
        ]
    )


if __name__ == "__main__":
    check()
