"""Are the backgrounds' posteriors true? Simulation-based calibration of `counts.sample`.

Run: python validation/check_counts_sbc.py [--datasets N] [--background NAME] [--chains 2]
[--out FILE.jsonl].

Parameters are drawn from a prior, a history from the model, and the rank of each parameter
among thinned draws of the posterior with that same prior is uniform if the posterior is true.
The prior is narrower than the default: no draw of it gives an absurd small history. With --out
the ranks of each data set are kept, one line each, and a later run goes on where this one ended.

NAME: poisson, negative_binomial, beta_binomial, each also with +bursts; all six by default.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist

from eqstat.calibration import rank_uniformity, sbc_ranks
from eqstat.counts import Design, Prior, sample, simulate
from eqstat.counts._background import Family
from eqstat.counts._model import KINDS, background_of, site_names
from eqstat.counts._prior import logit_normal
from eqstat.inference import InferenceError

# Of the 250 draws of each chain so few are kept that there are 50 in all: what is left of their
# correlation does not bend the ranks.
DRAWS, KEPT, BINS = 250, 50, 17
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
    return {"number": number, "ranks": ranks} | {name: float(tree.attrs[name]) for name in attrs}


def p_values(ranks: list[dict[str, int]]) -> dict[str, float]:
    """Chi-square p of uniform ranks, for each parameter; 51 ranks in 17 bins of three."""
    return {
        name: rank_uniformity([rank[name] for rank in ranks], KEPT, bins=BINS).p_value
        for name in ranks[0]
    }


def calibrate(
    family: Family, bursts: bool, number: int, chains: int, out: Path | None
) -> list[dict[str, Any]]:
    """Data sets 0 to number - 1; those in the file are taken from there."""
    done: list[dict[str, Any]] = []
    name = family + "+bursts" * bursts
    if out is not None and out.exists():
        done = [line for line in map(json.loads, out.read_text().splitlines())]
        done = [line for line in done if line["background"] == name and line["number"] < number]
    have = {line["number"] for line in done}
    for index in range(number):
        if index in have:
            continue
        try:
            line = {"background": name} | one_rank(index, family, bursts, chains)
        except InferenceError as error:
            line = {"background": name, "number": index, "failed": str(error)}
        done.append(line)
        if out is not None:
            with out.open("a") as file:
                file.write(json.dumps(line) + "\n")
    return done


def report(name: str, lines: list[dict[str, Any]], seconds: float) -> None:
    """Print the table of one background."""
    good = [line for line in lines if "ranks" in line]
    print(f"{name}: {len(good)} data sets, {len(lines) - len(good)} fits failed, {seconds:.0f} s")
    if not good:
        return
    r_hat = np.array([line["r_hat_max"] for line in good])
    ess = np.array([line["ess_bulk_min"] for line in good])
    r_hat = r_hat[np.isfinite(r_hat)] if np.isfinite(r_hat).any() else np.full(1, np.nan)
    divergent = sum(line["divergences"] > 0 for line in good)
    print(
        f"  largest R-hat: median {np.median(r_hat):.3f}, 99 % {np.quantile(r_hat, 0.99):.3f}; "
        f"smallest bulk ESS: median {np.median(ess):.0f}, "
        f"1 % {np.quantile(ess, 0.01):.0f}; data sets with divergences {divergent}"
    )
    found = p_values([line["ranks"] for line in good])
    for label, p in found.items():
        ranks = np.array([line["ranks"][label] for line in good])
        centre = (ranks.mean() + 0.5) / (KEPT + 1)
        print(f"  {label:22s} chi-square p {p:.3f}   mean rank {centre:.3f}")
    least = min(found.values())
    print(f"  smallest of {len(found)}: p = {least:.4f}; with Bonferroni {least * len(found):.3f}")


def main() -> None:
    """Run the backgrounds asked for."""
    names = [family + "+bursts" * bursts for family, bursts in KINDS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=300)
    parser.add_argument("--chains", type=int, default=2, help="1 takes half the time")
    parser.add_argument("--background", choices=names)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for name, (family, bursts) in zip(names, KINDS, strict=True):
        if options.background in (None, name):
            start = time.perf_counter()
            lines = calibrate(family, bursts, options.datasets, options.chains, options.out)
            report(name, lines, time.perf_counter() - start)


if __name__ == "__main__":
    main()
