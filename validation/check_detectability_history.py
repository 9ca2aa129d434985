"""Detectability learned from hits and misses: calibrated on simulations, and judged on California.

Run: python validation/check_detectability_history.py [--part sbc|nuts|california|delays].

The parts *sbc* and *nuts*: parameters are drawn from a prior, histories of 250 earthquakes from the
simulator, which draws stations one by one; the rank of each parameter among draws of the fit (by
importance sampling about the mode), or of NUTS, is uniform if the posterior is calibrated.

The part *california*: the Virtual Seismologist replayed over 2012, in a box fixed beforehand. All
models learn on the odd months and are judged on the even ones. Intervals of differences of the log
score are of an event bootstrap, in blocks of a day, for swarms are no independent earthquakes.

The part *delays*: first alerts there and in Taiwan, learned on odd months (years), judged on the
others.
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import numpyro.distributions as dist
from records import Record, each, record, show

from eqstat.calibration import (
    rank_uniformity,
    sbc_ranks,
)
from eqstat.detectability.history import (
    Design,
    Prior,
    Sensitivity,
    fit,
    sample,
    simulate,
)

SEED = 20261129
KEPT = 50
SMALL = Design(events=250, stations=12, neighbours=8, extent_km=200.0, masking_km=150.0, days=1.0)
# Narrower than the default, so that no draw of it gives a history without hits.
NARROW = Prior(magnitude_50_km=dist.Normal(1.8, 0.3))
NAMES = (
    "magnitude_50_km",
    "spreading",
    "anelastic_per_100_km",
    "trigger_sd",
    "event_sd",
    "station_share",
    "system_share",
    "coincidence_probability",
    "masked_share",
    "masking_s",
)


def ranks_of(number: int, method: str) -> dict[str, Any]:
    """Ranks of the truth among the draws of one data set, 0 to KEPT."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(SEED), number), 3)
    truth = {
        name: float(getattr(NARROW, name).sample(jax.random.fold_in(keys[0], place)))
        for place, name in enumerate(NAMES)
    }
    history = simulate(keys[1], Sensitivity(**truth), SMALL)
    if method == "nuts":
        tree = sample(
            keys[2], history, prior=NARROW, chains=1, warmup=250, draws=250, progress=False
        )
        draws = {name: tree["posterior"][name].to_numpy().ravel()[::5] for name in NAMES}
    else:
        draws = fit(history, prior=NARROW, throw=False).draws(keys[2], KEPT)
    # A candidate of importance sampling can be drawn twice, but never equals the truth.
    return {
        "hits": int(history.events["detected"].sum()),
        **{name: int(sbc_ranks([truth[name]], draws[name][None])[0]) for name in NAMES},
    }


def sbc(datasets: int, method: str) -> list[Record]:
    """Uniformity of the ranks of all parameters."""
    lines = each(range(datasets), lambda number: ranks_of(number, method))
    p_values = {
        name: rank_uniformity([line[name] for line in lines], KEPT).ecdf_p_value for name in NAMES
    }
    for name, p_value in p_values.items():
        print(f"  {name:26s} p {p_value:.3f}")
    least = 0.05 / len(NAMES)
    return [
        record(
            f"smallest p of uniform ranks, {len(NAMES)} parameters",
            min(p_values.values()),
            bounds=(least, None),
            data_sets=datasets,
        )
    ]


def check(part: str = "sbc", datasets: int = 300) -> list[Record]:
    """Run one part."""
    if part in ("california", "delays"):
        import history_california

        return show(getattr(history_california, part)())
    return show(sbc(datasets, "nuts" if part == "nuts" else "fit"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--part", default="sbc", choices=("sbc", "nuts", "california", "delays"))
    parser.add_argument("--datasets", type=int, default=300)
    options = parser.parse_args()
    check(options.part, options.datasets)
