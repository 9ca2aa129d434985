"""Write the table of validation results in README.md from `validation/results.json`.

Run: python docs/readme_table.py. A test holds README to what this writes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "validation"))

import records
import run

ROOT = Path(__file__).parents[1]
START, END = (
    "<!-- validation: rows made by docs/readme_table.py -->",
    "<!-- end of validation -->",
)
# What stands in the table: text, check, figures.
ROWS = [
    (
        "Epicentre in its 50 and 90 % region, 500 simulated detections",
        "calibration",
        ["epicentre in its 50% region", "epicentre in its 90% region"],
    ),
    (
        "False alarms a year of thresholds for one a year, 200 simulated networks with bursts",
        "false_alarms",
        ["simulated false alarms a year"],
    ),
    (
        "Calibration of the probability of an earthquake, 10,000 streams: p-value",
        "detection_truth",
        ["one step: p of the calibration test"],
    ),
    (
        "184 real phone triggers, Borrego Springs 2016: epicentral error",
        "phones",
        ["mixture, constant velocity: epicentral error"],
    ),
    (
        "Earthquakes found among raw picks of 564 stations, of 54",
        "detection_ceus",
        ["earthquakes found"],
    ),
    (
        "50 earthquakes of the central and eastern US: median epicentral error (16 to 84 %)",
        "ceus_regional",
        ["epicentral error, median (16 to 84 %)"],
    ),
    (
        "2,534 records of Ridgecrest: CRPS of BSSA14 less that of the model",
        "exceedance_ridgecrest",
        ["bayes: CRPS of BSSA14 less that of the model"],
    ),
]


def table() -> str:
    """The table in Markdown."""
    lines = ["| checked | measured |", "|---|---|"]
    options = {check.name: check.options for check in run.CHECKS}
    for text, name, figures in ROWS:
        newest = run.finished(name, options[name])[0]
        by_name = {item["name"]: item for item in newest["records"]}
        values = "; ".join(
            records.value_text(by_name[figure]) for figure in figures
        )
        lines.append(f"| {text} | {values} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """README with a fresh table."""
    head, _, tail = text.partition(START)
    return f"{head}{START}\n\n{table()}\n\n{END}{tail.partition(END)[2]}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
