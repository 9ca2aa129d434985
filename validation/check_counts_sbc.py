"""Simulation-based calibration of `counts.sample`.

Run: python validation/check_counts_sbc.py [--datasets N] [--background NAME] [--chains 2]
[--out FILE.jsonl].

Parameters are drawn from a prior, a history from the model; the rank of each parameter among
thinned draws of the posterior with that same prior is uniform if the posterior is calibrated. The
prior is narrower than the default, so that no draw of it gives an absurd small history. With --out
the ranks of each data set are kept, one line each, and a later run goes on where this one ended.

NAME: poisson, negative_binomial, beta_binomial, each also with +bursts; all six by default.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np
import numpyro.distributions as dist
from records import Record, each, record, show

from eqstat.calibration import rank_uniformity, sbc_ranks
from eqstat.counts import Design, Prior, sample, simulate
from eqstat.counts._families import Family
from eqstat.counts._model import background_of, site_names
from eqstat.counts._prior import logit_normal
from eqstat.inference import InferenceError

# Of the 250 draws of each chain so few are kept that there are 50 in all: what is left of their
# correlation does not bend the ranks.
DRAWS, KEPT, BINS = 250, 50, 17
KINDS: list[tuple[Family, bool]] = [
    (family, bursts) for family in get_args(Family) for bursts in (False, True)
]
NAMES = [family + "+bursts" * bursts for family, bursts in KINDS]
REGIONS = ("small", "large")
# Counts of the second design are fewer: sums over bursts and beta functions are slow.
LARGE = Design(np.array([20, 120]), days=3, variation=0.0)
SMALL = Design(np.array([15, 60]), days=3, variation=0.0)
SEED = 20261122


def narrow_prior(family: Family) -> Prior:
    """A prior under which three days of two regions are plain histories of small counts."""
    among_100 = 0.3 if family == "negative_binomial" else 0.01
    return Prior(
        rate_per_device_h=dist.LogNormal(np.log(0.5), 0.4),
        daily=dist.Normal(0.0, 0.3),
        weekly=dist.Normal(0.0, 0.2),
        region_sd=dist.LogNormal(np.log(0.3), 0.5),
        dispersion=dist.LogNormal(np.log(among_100), 0.5),
        dispersion_slope=dist.Normal(0.0, 0.3),
        burst_probability=logit_normal(1e-3, 0.5),
        burst_share=logit_normal(0.15, 0.4),
        burst_concentration=dist.LogNormal(np.log(8.0), 0.5),
    )


def draw_truth(key: Any, prior: Prior, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """One draw from the prior, site by site."""
    sizes = {"daily": (4,), "weekly": (2,)}
    truth: dict[str, np.ndarray] = {}
    for number, name in enumerate(names):
        own = jax.random.fold_in(key, number)
        if name == "region_effect":
            noise = np.asarray(jax.random.normal(own, (len(REGIONS),)), np.float64)
            truth[name] = noise * truth["region_sd"]
        else:
            drawn = getattr(prior, name).sample(own, sizes.get(name, ()))
            truth[name] = np.asarray(drawn, np.float64)
    return truth


def one_rank(number: int, family: Family, bursts: bool, chains: int) -> dict[str, Any]:
    """Ranks of the truth among the thinned draws of one data set, 0 to KEPT."""
    kind = KINDS.index((family, bursts))
    keys = jax.random.split(jax.random.fold_in(jax.random.key(SEED + kind), number), 3)
    prior = narrow_prior(family)
    truth = draw_truth(keys[0], prior, site_names(family, bursts, len(REGIONS)))
    known: Any = {"regions": REGIONS, "window_s": 10.0}
    design = SMALL if bursts or family == "beta_binomial" else LARGE
    history = simulate(keys[1], background_of(truth, family, **known), design)
    options: Any = {"family": family, "bursts": bursts, "prior": prior}
    tree = sample(
        keys[2], history, **options, chains=chains, warmup=250, draws=DRAWS, progress=False
    )
    ranks = {}
    thin = chains * DRAWS // KEPT
    for name, true in truth.items():
        draws = tree["posterior"][name].to_numpy()[:, thin // 2 :: thin]
        draws = draws.reshape(-1, *draws.shape[2:])
        below = sbc_ranks(np.ravel(true), draws.reshape(len(draws), -1).T)
        labels = [name] if true.ndim == 0 else [f"{name}[{i}]" for i in range(len(below))]
        ranks.update({label: int(rank) for label, rank in zip(labels, below, strict=True)})
    attrs = ("r_hat_max", "ess_bulk_min", "ess_tail_min", "divergences")
    return {"ranks": ranks} | {name: float(tree.attrs[name]) for name in attrs}


def check(
    datasets: int = 300, background: str = "poisson", chains: int = 2, out: Path | None = None
) -> list[Record]:
    """Calibrate on data sets 0 to `datasets` - 1 of one background."""
    family, bursts = KINDS[NAMES.index(background)]

    def one(number: int) -> dict[str, Any]:
        try:
            return one_rank(number, family, bursts, chains)
        except InferenceError as error:
            return {"failed": str(error)}

    results = [line for line in each(range(datasets), one, out) if "ranks" in line]
    if not results:
        return show([record("fits that failed", datasets, bounds=(None, 0))])
    p_value = {}
    for label in results[0]["ranks"]:
        ranks = np.array([line["ranks"][label] for line in results])
        # 51 ranks in 17 bins of three.
        p_value[label] = rank_uniformity(ranks, KEPT, bins=BINS).p_value
        centre = (ranks.mean() + 0.5) / (KEPT + 1)
        print(f"  {label:22s} chi-square p {p_value[label]:.3f}   mean rank {centre:.3f}")
    least, count = min(p_value.values()), len(results)
    divergent = sum(line["divergences"] > 0 for line in results)
    r_hat = np.array([line["r_hat_max"] for line in results], np.float64)
    return show(
        [
            record(
                f"smallest p of uniform ranks, {len(p_value)} parameters",
                least,
                bounds=(0.01 / len(p_value), None),
                data_sets=count,
            ),
            record("fits that failed", datasets - count, bounds=(None, 0), data_sets=datasets),
            record("median of the largest R-hat", np.nanmedian(r_hat), data_sets=count),
            record("data sets with divergences", divergent, data_sets=count),
        ]
    )


def main() -> None:
    """Run the backgrounds asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=300)
    parser.add_argument("--chains", type=int, default=2, help="1 takes half the time")
    parser.add_argument("--background", choices=NAMES)
    parser.add_argument("--out", type=Path, help="one file for each background: NAME is put in")
    options = parser.parse_args()
    for name in NAMES if options.background is None else [options.background]:
        print(name)
        out = options.out and options.out.with_stem(f"{options.out.stem}-{name}")
        check(options.datasets, name, options.chains, out)


if __name__ == "__main__":
    main()
