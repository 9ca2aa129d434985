"""Simulation-based calibration of the ground-motion model's NUTS and of its fit.

Run: python validation/check_exceedance_sbc.py [--datasets N] [--method nuts|fit].

Parameters are drawn from a prior, records from the model; the rank of each parameter among thinned
draws of the posterior with that same prior is uniform if the posterior is calibrated. The prior is
narrower than the default, so that no draw of it gives an absurd set of records. Draws of the fit
are resampled from its normal approximation, for larger sets of records.
"""

from __future__ import annotations

import argparse

import jax
import numpy as np
import numpyro.distributions as dist
from records import Record, each, record, show

from eqstat.calibration import rank_uniformity, sbc_ranks
from eqstat.ground_motion import Design, GroundMotion, Prior, fit, sample, simulate
from eqstat.ground_motion._model import ALWAYS

NARROW = Prior(
    level=dist.Normal(-0.3, 0.3),
    magnitude_slope=dist.Normal(0.7, 0.15),
    magnitude_bend=dist.Normal(-0.05, 0.05),
    spreading=dist.Normal(1.4, 0.2),
    spreading_slope=dist.Normal(-0.1, 0.1),
    # Sites of more than 5 km/s are refused.
    vs30_log10_mean=dist.Normal(2.6, 0.05),
    vs30_log10_sd=dist.LogNormal(np.log(0.12), 0.2),
    event_sd=dist.LogNormal(np.log(0.25), 0.3),
    station_sd=dist.LogNormal(np.log(0.2), 0.3),
    record_sd=dist.LogNormal(np.log(0.25), 0.3),
    spreading_sd=dist.LogNormal(np.log(0.2), 0.3),
    station_distance_slope=dist.Normal(0.0, 0.3),
    correlated_share=dist.Beta(4.0, 4.0),
    correlation_km=dist.LogNormal(np.log(40.0), 0.4),
    correlation_growth=dist.Normal(0.5, 0.3),
)
NAMES = (
    *ALWAYS,
    "station_sd",
    "station_distance_slope",
    "correlated_share",
    "correlation_km",
    "correlation_growth",
)
SMALL = Design(events=12, stations=10, unknown_share=0.3, recorded=0.8)
LARGER = Design(events=30, stations=16, unknown_share=0.3, recorded=0.8)
# Of 250 draws so few are kept that what is left of their correlation does not bend the ranks.
DRAWS, KEPT = 250, 50
SEED = 20261122


def ranks_of(number: int, method: str = "nuts") -> dict[str, int]:
    """Ranks of the truth among the (thinned) draws of one data set, 0 to KEPT."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(SEED), number), 3)
    truth = {
        name: float(getattr(NARROW, name).sample(jax.random.fold_in(keys[0], place)))
        for place, name in enumerate(NAMES)
    }
    motions = simulate(keys[1], GroundMotion(**truth), SMALL if method == "nuts" else LARGER)
    if method == "nuts":
        tree = sample(
            keys[2], motions, prior=NARROW, chains=1, warmup=250, draws=DRAWS, progress=False
        )
        thinned = tree["posterior"].to_dataset().isel(draw=slice(None, None, DRAWS // KEPT))
        draws = {name: thinned[name].to_numpy() for name in NAMES}
    else:
        # Of a thousand draws, since one candidate can be drawn several times.
        every = fit(motions, prior=NARROW).draws(keys[2], 1000)
        draws = {name: every[name][:: 1000 // KEPT] for name in NAMES}
    return {name: int(sbc_ranks([truth[name]], draws[name].reshape(1, -1))[0]) for name in NAMES}


def check(datasets: int = 300, method: str = "nuts") -> list[Record]:
    """Calibrate on data sets 0 to `datasets` - 1."""
    results = each(range(datasets), lambda number: {"ranks": ranks_of(number, method)})
    p_value, centre = {}, {}
    for name in NAMES:
        ranks = np.array([line["ranks"][name] for line in results])
        p_value[name] = rank_uniformity(ranks, KEPT, bins=17).p_value
        centre[name] = (ranks.mean() + 0.5) / (KEPT + 1)
        print(f"  {name:22s} chi-square p {p_value[name]:.3f}   mean rank {centre[name]:.3f}")
    farthest = max(centre.values(), key=lambda value: abs(value - 0.5))
    return show(
        [
            record(
                f"smallest p of uniform ranks, {len(NAMES)} parameters",
                min(p_value.values()),
                bounds=(0.01 / len(NAMES), None),
                data_sets=datasets,
            ),
            record("mean rank farthest from 0.5", farthest, data_sets=datasets),
            *(
                record(f"{name}: mean rank", value, data_sets=datasets)
                for name, value in centre.items()
            ),
        ]
    )


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=300)
    parser.add_argument("--method", choices=("nuts", "fit"), default="nuts")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
