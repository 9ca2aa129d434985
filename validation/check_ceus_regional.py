"""The regional error model on picks of the central and eastern US, cross-validated by event.

Run with EQSTAT_DATA at a folder that holds the picks: python validation/check_ceus_regional.py
[--folds 5]. Uses the functions of `examples/ceus_regional.py`, which shows the same figures. The
cross-validation is nested: the tails come from folds of the events that teach the numbers.
"""

from __future__ import annotations

import argparse
import os
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
from records import Record, each, record, show
from scipy.stats import binom

EXAMPLE = Path(__file__).parent.parent / "examples" / "ceus_regional.py"


def check(folds: int = 5) -> list[Record]:
    """Learn on all folds but one, locate the events of that one, for each."""
    os.environ["EQSTAT_EXAMPLE_FOLDS"] = "0"
    names = runpy.run_path(str(EXAMPLE))
    data = names["load"]()
    results = each(range(folds), lambda k: {"rows": names["judge_fold"](*data, folds, k)})
    table = pd.DataFrame([row for line in results for row in line["rows"]])
    number = len(table)
    low, middle, high = np.percentile(table["error_km"], [16, 50, 84])
    records = [
        record("events located", number),
        record(
            "epicentral error, median (16 to 84 %)",
            middle,
            interval=(low, high),
            level=0.68,
            unit="km",
            data_sets=number,
        ),
    ]
    for nominal in (0.5, 0.9):
        least, most = binom.interval(0.95, number, nominal)
        records.append(
            record(
                f"{nominal:.0%} region holds the catalogue epicentre",
                int((table["content"] <= nominal).sum()),
                bounds=(int(least), int(most)),
                data_sets=number,
            )
        )
    return show(records)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=5)
    check(**vars(parser.parse_args()))
