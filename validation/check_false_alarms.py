"""False alarms of posterior-predictive thresholds, judged on simulated years.

For each history: draw a true background (negative binomial, daily and weekly cycle, regions,
bursts), simulate 90 days of 50 regions from it, fit it, take posterior-predictive thresholds of one
false alarm a year over all regions, and simulate 50 country-years of the true background. In them
the intensity of every region changes every hour; given it, alarms of a continuously sliding window
come at Alm's rate of a Poisson stream, and every burst is drawn with the triggers about it, one by
one. For comparison: the exact expectation (no Monte Carlo error but that of the histories) and
usual practice, a Poisson background of the mean rate and disjoint windows. With bursts these set
nearly all thresholds; without them (--no-bursts) over-dispersion and the cycles do.

    python validation/check_false_alarms.py --histories 200 --out FILE

A run that was cut off goes on where the file ends.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from records import Record, each, record, show
from scipy import stats

from eqstat._core.constants import HOURS_PER_YEAR
from eqstat.counts import Background, Bursts, Design, fit, simulate
from eqstat.counts._simulate import week_means
from eqstat.counts.alarm import threshold, true_rates
from eqstat.counts.scan import alm_log_rate

REGIONS, DAYS, YEARS, DRAWS, MINIMUM = 50, 90.0, 50, 48, 6
WINDOW_S = 10.0
PER_HOUR = 3600 / WINDOW_S
HOURS = np.arange(24) + 0.5
NIGHT = (HOURS < 7) | (HOURS > 21)


def truth(rng: np.random.Generator, bursts: bool) -> Background:
    """Draw a background as networks may have them; regions differ by a third."""
    background = Background(
        "negative_binomial",
        float(np.exp(rng.normal(np.log(0.5), 0.3))),
        daily=rng.normal(0.0, 0.3, 4),
        weekly=rng.normal(0.0, 0.1, 2),
        region_effect=rng.normal(0.0, 0.3, REGIONS),
        region_sd=0.3,
        dispersion=float(np.exp(rng.normal(np.log(0.15), 0.4))),
        dispersion_slope=float(rng.normal(0.2, 0.1)),
        bursts=Bursts(
            float(np.exp(rng.normal(np.log(3e-6), 0.5))),
            float(np.exp(rng.normal(np.log(0.05), 0.2))),
            float(np.exp(rng.normal(np.log(15.0), 0.3))),
        ),
        window_s=WINDOW_S,
        regions=tuple(f"region {i:02d}" for i in range(REGIONS)),
    )
    return background if bursts else replace(background, bursts=None)


def one_history(number: int, bursts: bool) -> dict[str, float]:
    """Fit one history, and count the alarms of its thresholds."""
    rng = np.random.default_rng([2026, number])
    key = jax.random.fold_in(jax.random.key(2026), number)
    background = truth(rng, bursts)
    size = rng.choice([60.0, 150.0, 400.0, 1000.0], REGIONS)
    active = size[:, None] * np.where(NIGHT, 1.0, 0.5)
    history = simulate(key, background, Design(np.tile(active, 7), DAYS, variation=0.0))
    result = fit(history, family="negative_binomial", bursts=bursts)
    devices = xr.DataArray(active, dims=("region", "hour"))
    table = threshold(
        result.posterior(jax.random.fold_in(key, 1), DRAWS), devices, HOURS, minimum=MINIMUM
    )
    needed = table["triggers"].to_numpy()
    simple = usual_practice(history, active)
    exact = {
        name: float(true_rates(background, devices, HOURS, count).mean(axis=1).sum())
        for name, count in (("predictive", needed), ("poisson", simple))
    }
    by_background, by_bursts = passing_years(rng, background, active, needed)
    return {
        "alarms": by_background + by_bursts,
        "alarms_of_bursts": int(by_bursts),
        "years": YEARS,
        "exact_rate": exact["predictive"],
        "believed_rate": float(table["false_alarm_rate_per_year"].mean("hour").sum()),
        "poisson_bins_rate": exact["poisson"],
    }


def usual_practice(history, active: np.ndarray) -> np.ndarray:
    """Thresholds of a Poisson background with the mean rate and separate windows."""
    background = fit(history, family="poisson").background
    regions, hours = np.indices(active.shape)
    cells = regions.ravel(), hours.ravel(), active.ravel()
    mean = week_means(background, *cells).reshape(active.shape)
    per_window = 1.0 / REGIONS / (HOURS_PER_YEAR * PER_HOUR)
    return np.maximum(stats.poisson.isf(per_window, mean).astype(int) + 1, MINIMUM)


def passing_years(
    rng: np.random.Generator, background: Background, active: np.ndarray, needed: np.ndarray
) -> tuple[int, int]:
    """Alarms of the background and alarms of bursts in `YEARS` years of all regions."""
    assert background.dispersion is not None and background.dispersion_slope is not None
    weeks = round(YEARS * HOURS_PER_YEAR / 168)
    by_background = by_bursts = 0
    for region in range(REGIONS):
        hour = np.arange(168)
        n, k = active[region, hour % 24], needed[region, hour % 24]
        mean = week_means(background, np.full(168, region), hour, n)
        spread = background.dispersion * (n / 100) ** -background.dispersion_slope
        intensity = rng.gamma(1 / spread[:, None], spread[:, None], (168, weeks))
        level = mean[:, None] * intensity
        # With thresholds set by bursts (12 and more) lower levels give under 1e-10 alarms a year.
        near = np.nonzero(level > (k[:, None] / 8 if background.bursts is not None else 0.0))
        m, at = level[near], k[near[0]]
        rate = np.where(at > m, np.exp(np.minimum(alm_log_rate(at, m), 0.0)), 1.0)
        by_background += int(rng.poisson(rate * PER_HOUR).sum())
        if background.bursts is None:
            continue
        total = rng.poisson(background.bursts.probability * PER_HOUR * 168 * weeks)
        when = rng.integers(0, 168, total)
        a = background.bursts.share * background.bursts.concentration
        b = background.bursts.concentration - a
        burst = rng.binomial(n[when].astype(int), rng.beta(a, b, total))
        base = mean[when] * rng.gamma(1 / spread[when], spread[when])
        for size, m_here, k_here in zip(burst, base, k[when], strict=True):
            by_bursts += size > 0 and size + around(rng, m_here) >= k_here
    return by_background, by_bursts


def around(rng: np.random.Generator, mean: float) -> int:
    """Most triggers of a Poisson stream in a window that holds the moment of the burst."""
    before = np.sort(rng.uniform(-1, 0, rng.poisson(mean)))
    after = np.sort(rng.uniform(0, 1, rng.poisson(mean)))
    # Windows end at the burst or at a trigger after it.
    window_end = np.concatenate([[0.0], after])
    expired = np.searchsorted(before, window_end - 1)
    return int(np.max(len(before) - expired + np.arange(len(window_end))))


def check(histories: int = 200, bursts: bool = True, out: Path | None = None) -> list[Record]:
    """Judge the thresholds of so many histories."""
    rows = each(range(histories), lambda number: one_history(number, bursts), out)
    years = np.array([row["years"] for row in rows])
    rates = {
        "simulated false alarms a year": np.array([row["alarms"] for row in rows]) / years,
        "of these by bursts": np.array([row["alarms_of_bursts"] for row in rows]) / years,
        "exact expectation": np.array([row["exact_rate"] for row in rows]),
        "rate stated with the thresholds": np.array([row["believed_rate"] for row in rows]),
        "Poisson background, disjoint windows": np.array(
            [row["poisson_bins_rate"] for row in rows]
        ),
    }
    records = []
    for name, values in rates.items():
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        ends = values.mean() - 1.96 * error, values.mean() + 1.96 * error
        asked = (None, 1.0) if name in ("simulated false alarms a year",) else None
        records.append(
            record(
                name,
                values.mean(),
                interval=ends,
                bounds=asked,
                unit="per year",
                data_sets=histories,
            )
        )
    for level in (0.05, 0.5, 0.95):
        value = np.quantile(rates["exact expectation"], level)
        name = f"exact expectation, {level:.0%} quantile of the histories"
        records.append(record(name, value, unit="per year", data_sets=histories))
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("false_alarms.jsonl"))
    parser.add_argument("--no-bursts", action="store_true", help="simulate without bursts")
    options = parser.parse_args()
    check(options.histories, not options.no_bursts, options.out)


if __name__ == "__main__":
    main()
