"""All rules of alarm at all thresholds, on simulated regional earthquakes: one table.

A region of 240 km with 100 stations, which are the sites as well; magnitudes of Gutenberg and
Richter from 5.0 to 7.6; finite ruptures, event, station and record terms; estimates of the source
that sharpen as stations report (`eqstat.exceedance.scenarios`). The level of each rule and
threshold is the one of the greatest F1 on half of the earthquakes; all numbers are of the other
half. Outcomes are those of SENSE (Huang et al. 2024, Table II): only an alarm before the exceedance
is a true positive. Intervals are 90 %, from a bootstrap of whole earthquakes.

    python validation/check_exceedance_alerts.py --events 400
"""

from __future__ import annotations

import argparse
import time

import jax
import numpy as np
import xarray as xr

from eqstat.exceedance.alerts import (
    Always,
    BestHypocentre,
    Conditioned,
    Integrated,
    Never,
    Plum,
    Region,
    forecasts,
    simulate,
)
from eqstat.exceedance.alerts import _alerts as alert

THRESHOLDS = sorted(alert.JAPAN_M_S2 + alert.TAIWAN_M_S2)
TIME_S = np.arange(1.0, 61.0)
ENOUGH = 50  # positives among the judged earthquakes, below which nothing is claimed
LEVELS = np.linspace(0.02, 0.98, 49)


def rules(region: Region) -> dict[str, object]:
    """Rules by name; those that give 0 or 1 only need no level."""
    model = region.ground_motion
    return {
        "mixture, with stations": Conditioned(model),
        "mixture": Integrated(model),
        "point source": BestHypocentre(model),
        "PLUM-like, with scatter": Plum(scatter=0.3),
        "PLUM-like": Plum(),
        "always": Always(),
        "never": Never(),
    }


def told(found: xr.Dataset, name: str, digits: int = 2) -> str:
    """A number with its interval."""
    value, low, high = (float(found[name + end]) for end in ("", "_low", "_high"))
    if not np.isfinite(value):
        return "-"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--least-lead", type=float, default=0.0, help="an alarm must be so many seconds earlier"
    )
    options = parser.parse_args()
    region, key = Region(), jax.random.key(options.seed)
    drawn = simulate(key, options.events, region)
    half = options.events // 2
    event = drawn.event
    tuned, judged = event < half, event >= half
    passed = {u: drawn.exceedance_times(u) - options.least_lead for u in THRESHOLDS}
    alarms: dict[tuple[str, float], np.ndarray] = {}
    print(f"{options.events} earthquakes, {len(event)} sites of them, half to choose levels")
    print(f"an alarm counts if it is {options.least_lead:g} s or more before the exceedance\n")
    print(
        "| threshold %g | positives | rule | level | precision | recall | F1 | "
        "lead time, median / mean s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    lines: dict[float, list[str]] = {u: [] for u in THRESHOLDS}
    for name, rule in rules(region).items():
        start = time.perf_counter()
        chance = forecasts(drawn, rule, TIME_S, THRESHOLDS)
        print(f"<!-- {name}: {time.perf_counter() - start:.0f} s -->", flush=True)
        for own, u in zip(chance, THRESHOLDS, strict=True):
            level = 0.5
            if "mixture" in name or "source" in name or "scatter" in name:
                found = alert.curve(key, TIME_S, own[tuned], passed[u][tuned], event[tuned],
                                    level=LEVELS, replicates=20)  # fmt: skip
                level = alert.best_level(found)
            alarm = alert.alarm_times(TIME_S, own[judged], level)
            alarms[name, u] = alarm
            found = alert.metrics(key, alarm, passed[u][judged], event[judged])
            positives = int(np.isfinite(passed[u][judged]).sum())
            lines[u].append(
                f"| {100 * u / alert.G_M_S2:.2f} | {positives} | {name} | {level:.2f} | "
                f"{told(found, 'precision')} | {told(found, 'recall')} | {told(found, 'f1')} | "
                f"{float(found['lead_time_median_s']):.1f} / "
                f"{float(found['lead_time_mean_s']):.1f} |"
            )
    for u in THRESHOLDS:
        print("\n".join(lines[u]))
    print("\nF1 of the first rule less that of the second, on the same earthquakes:\n")
    rivals = ("point source", "PLUM-like, with scatter", "PLUM-like")
    print("| threshold %g | rule | " + " | ".join(rivals) + " |")
    print("|---|---|" + "---|" * len(rivals))
    behind = []
    for u in THRESHOLDS:
        for first in ("mixture, with stations", "mixture"):
            cells = []
            for rival in rivals:
                found = alert.compare(
                    key, alarms[first, u], alarms[rival, u], passed[u][judged], event[judged]
                )
                cells.append(told(found, "f1", 3))
                few = np.isfinite(passed[u][judged]).sum() < ENOUGH
                if not few and not float(found["f1_low"]) > 0:
                    behind.append(f"{100 * u / alert.G_M_S2:.2f} %g: {first} against {rival}")
            print(f"| {100 * u / alert.G_M_S2:.2f} | {first} | " + " | ".join(cells) + " |")
    print(f"\nNot ahead beyond the interval, where there are {ENOUGH} positives or more:")
    print("\n".join(behind) or "none")


if __name__ == "__main__":
    main()
