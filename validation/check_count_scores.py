"""Scores against thresholds: the margin must be 0 at exactly the count that `threshold` gives.

Run: python validation/check_count_scores.py [--regions 20].

For draws of three kinds of background, all regions and hours with 25 numbers of devices (12,000
cells with 20 regions), averaged over the days of the week: the count that `threshold` gives must
be the smallest that is an alarm for `score`.
"""

from __future__ import annotations

import argparse

import numpy as np
from records import Record, record, show

from eqstat.counts import Background, Bursts, Intensity
from eqstat.counts.alarm import score, scorer, threshold

DEVICES = np.unique(np.round(np.geomspace(12, 1400, 25)))
KINDS = ("harmonics", "profile and slow intensity", "bursts")
DRAWS = 100


def posterior(kind: str, regions: int, seed: int = 0) -> Background:
    """Draws such as a fit to some weeks gives."""
    rng = np.random.default_rng(seed)

    def about(value: float, spread: float = 0.05) -> np.ndarray:
        return value * np.exp(spread * rng.normal(size=DRAWS))

    weekend = np.tile(np.repeat([0.0, 0.35], [5, 2])[:, None], (1, 24)).ravel()
    peak = np.exp(-0.5 * ((np.arange(168) % 24 - 8) / 1.5) ** 2)
    noise = 0.02 * rng.normal(size=(DRAWS, 168))
    more: dict = {}
    if kind == "profile and slow intensity":
        more["profile"] = weekend + peak * (weekend == 0) + noise
        more["intensity"] = Intensity(about(0.3), about(4.0))
    if kind == "bursts":
        more["bursts"] = Bursts(about(1e-5, 0.2), about(0.05, 0.2), about(12.0, 0.2))
    return Background(
        "negative_binomial",
        about(0.6),
        daily=np.array([-0.4, -0.2, 0.1, 0.05]) + 0.01 * rng.normal(size=(DRAWS, 4)),
        weekly=np.array([0.15, -0.1]) + 0.01 * rng.normal(size=(DRAWS, 2)),
        region_effect=rng.normal(0, 0.3, regions) + 0.05 * rng.normal(size=(DRAWS, regions)),
        region_sd=about(0.3),
        dispersion=about(0.15),
        dispersion_slope=0.2 + 0.05 * rng.normal(size=DRAWS),
        regions=tuple(f"r{i}" for i in range(regions)),
        **more,
    )


def disagreements(kind: str, regions: int) -> tuple[int, int]:
    """Numbers of cells, and of those where score and threshold differ."""
    background = posterior(kind, regions)
    hours = np.arange(24) + 0.5
    found = threshold(background, DEVICES, hours, caution=np.inf)
    at, use = found["triggers"].to_numpy(), found["attainable"].to_numpy()
    # Beyond its table a scorer says so and makes no alarm.
    tables = scorer(background, most_active=1500, most_triggers=int(at[use].max()) + 1)
    where = (DEVICES, hours[:, None], np.arange(regions)[:, None, None])
    margin, below = (np.asarray(score(tables, k, *where).margin)[use] for k in (at, at - 1))
    # Where no count keeps the budget no count may be an alarm.
    never = np.asarray(score(tables, np.floor(DEVICES), *where).margin)[~use]
    return use.size, int(np.sum((margin != 0) | (below != -1)) + np.sum(never >= 0))


def check(regions: int = 20) -> list[Record]:
    """Compare all cells of each kind of background."""
    records = []
    for kind in KINDS:
        cells, apart = disagreements(kind, regions)
        name = f"{kind}: cells in which score and threshold differ"
        records.append(record(name, apart, bounds=(0, 0), data_sets=cells))
    return show(records)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--regions", type=int, default=20)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
