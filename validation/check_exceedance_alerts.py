"""Alert rules at ten thresholds of PGA, on simulated regional earthquakes.

A region of 240 km with 100 stations, which are also the sites; Gutenberg-Richter magnitudes from
5.0 to 7.6; finite ruptures, event, station and record terms; estimates of the source that sharpen
as stations report (`eqstat.exceedance.alerts.simulate`). The level of each rule and threshold is
that of the greatest F1 on half of the earthquakes; all figures are of the other half. Outcomes are
those of SENSE (Huang et al. 2024, Table II): only an alert before the exceedance is a true
positive. Intervals are 90 %, from a bootstrap of whole earthquakes.

    python validation/check_exceedance_alerts.py --events 400
"""

from __future__ import annotations

import argparse

import jax
import numpy as np
import xarray as xr
from records import Record, record, show

from eqstat.exceedance.alerts import (
    Always,
    Design,
    MeanHypocentre,
    Never,
    Plum,
    PosteriorPredictive,
    StationConditioned,
    alarm_times,
    best_f1_level,
    compare_rules,
    forecasts,
    metrics,
    metrics_by_level,
    simulate,
)
from eqstat.exceedance.alerts._alerts import G_M_S2, JAPAN_M_S2, TAIWAN_M_S2

THRESHOLDS = sorted(JAPAN_M_S2 + TAIWAN_M_S2)
TIME_S = np.arange(1.0, 61.0)
ENOUGH = 50  # positives among the judged earthquakes, below which nothing is claimed
LEVELS = np.linspace(0.02, 0.98, 49)


def rules(region: Design) -> dict[str, object]:
    """Rules by name; those that give 0 or 1 need no level."""
    model = region.ground_motion
    return {
        "mixture, with stations": StationConditioned(model),
        "mixture": PosteriorPredictive(model),
        "point source": MeanHypocentre(model),
        "PLUM-like, with scatter": Plum(scatter=0.3),
        "PLUM-like": Plum(),
        "always": Always(),
        "never": Never(),
    }


def table_row(result: xr.Dataset, names: tuple[str, ...]) -> str:
    """Figures with their intervals, as cells of a table."""
    cells = []
    for name in names:
        value, low, high = (float(result[name + end]) for end in ("", "_low", "_high"))
        cells.append(f"{value:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(value) else "-")
    return " | ".join(cells)


def check(events: int = 400, least_lead: float = 0.0, seed: int = 1) -> list[Record]:
    """Simulate `events` earthquakes; an alert counts `least_lead` seconds before the exceedance."""
    region, key = Design(), jax.random.key(seed)
    drawn = simulate(key, events, region)
    event = drawn.event
    tuned, judged = event < events // 2, event >= events // 2
    passed = {u: drawn.exceedance_times(u) - least_lead for u in THRESHOLDS}
    alarms: dict[tuple[str, float], np.ndarray] = {}
    print("| threshold %g | positives | rule | level | precision | recall | F1 | lead time s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, rule in rules(region).items():
        chance = forecasts(drawn, rule, TIME_S, THRESHOLDS)
        for own, u in zip(chance, THRESHOLDS, strict=True):
            level = 0.5
            if "mixture" in name or "source" in name or "scatter" in name:
                scores = metrics_by_level(key, TIME_S, own[tuned], passed[u][tuned], event[tuned],
                               level=LEVELS, replicates=20)  # fmt: skip
                level = best_f1_level(scores)
            alarm = alarm_times(TIME_S, own[judged], level)
            alarms[name, u] = alarm
            result = metrics(key, alarm, passed[u][judged], event[judged])
            positives = int(np.isfinite(passed[u][judged]).sum())
            print(
                f"| {100 * u / G_M_S2:.2f} | {positives} | {name} | {level:.2f} | "
                f"{table_row(result, ('precision', 'recall', 'f1'))} | "
                f"{float(result['lead_time_median_s']):.1f} |",
                flush=True,
            )
    records = []
    for u in THRESHOLDS:
        positives = int(np.isfinite(passed[u][judged]).sum())
        for first in ("mixture, with stations", "mixture"):
            for rival in ("point source", "PLUM-like, with scatter"):
                result = compare_rules(
                    key, alarms[first, u], alarms[rival, u], passed[u][judged], event[judged]
                )
                # Below so many positives nothing is claimed.
                claimed = positives >= ENOUGH and "stations" in first
                records.append(
                    record(
                        f"{100 * u / G_M_S2:.2f} %g: F1 of {first}, less {rival}",
                        float(result["f1"]),
                        interval=(float(result["f1_low"]), float(result["f1_high"])),
                        level=0.9,
                        bounds=(0.0, None) if claimed else None,
                        data_sets=positives,
                    )
                )
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--least-lead", type=float, default=0.0, help="an alert must be so many seconds earlier"
    )
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
