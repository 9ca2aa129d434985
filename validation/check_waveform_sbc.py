"""Simulation-based calibration of the waveform classifiers' posteriors.

Run: python validation/check_waveform_sbc.py [--datasets N] [--kind NAME] [--out FILE.jsonl].

Parameters are drawn from the default prior, windows from the model. NUTS then samples the
posterior of the parameters of the logistic regression; of the network, whose hidden nodes can be
exchanged, what is ranked is the predictive: the log likelihood ratio at fixed places. The fit's
Laplace approximation is ranked beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from records import Record, each, record, show

from eqstat.calibration import rank_uniformity, sbc_ranks
from eqstat.inference import InferenceError
from eqstat.waveform.classifier import (
    Design,
    Perceptron,
    Prior,
    fit,
    posterior_from,
    sample,
    simulate,
)

KINDS = {"logistic": 0, "network": 3}
FEATURES, DRAWS, KEPT, BINS, SEED = 3, 250, 50, 17, 20261130
# At even odds the features of a data set say nothing of the parameters, as the model has it.
DESIGN = Design(windows=200)
PLACES = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 1], [1.5, 1.5, -0.5], [-1, 2, 0.0]])


def truth_of(key: Any, hidden: int) -> Perceptron:
    """Parameters from the default prior."""
    prior = Prior()
    keys = jax.random.split(key, 5)
    sizes = {"level": (), "weight": (FEATURES,), "inner_weight": (hidden, FEATURES),
             "inner_bias": (hidden,), "outer_weight": (hidden,)}  # fmt: skip
    return Perceptron(
        **{n: getattr(prior, n).sample(k, s) for k, (n, s) in zip(keys, sizes.items(), strict=True)}
    )


def ranks_of(true: np.ndarray, draws: np.ndarray) -> list[int]:
    """Rank of each value among thinned draws (draws, values)."""
    thin = np.linspace(0, len(draws) - 1, KEPT).round().astype(int)
    return [int(rank) for rank in sbc_ranks(np.ravel(true), draws[thin].T)]


def one_rank(number: int, hidden: int, nuts: bool) -> dict[str, Any]:
    """Ranks of one data set, by Laplace and, where it is asked for, by NUTS."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(SEED + hidden), number), 4)
    truth = truth_of(keys[0], hidden)
    windows = simulate(keys[1], truth, DESIGN)
    fitted = fit(windows, hidden=hidden).posterior(keys[3], KEPT).draws(PLACES).T
    ratio = np.asarray(truth.log_ratio(jnp.asarray(PLACES)))
    out: dict[str, Any] = {"ranks": {}, "laplace": ranks_of(ratio, fitted), "divergences": 0}
    if not nuts:
        return out
    tree = sample(keys[2], windows, hidden=hidden, chains=2, draws=DRAWS, progress=False)
    posterior = posterior_from(tree, 2 * DRAWS)
    out["divergences"] = int(tree.attrs["divergences"])
    out["ranks"]["predictive"] = ranks_of(ratio, posterior.draws(PLACES).T)
    if not hidden:
        draws = np.column_stack([posterior.members.level, posterior.members.weight])
        out["ranks"]["parameters"] = ranks_of(np.r_[truth.level, truth.weight], draws)
    return out


def check(
    datasets: int = 100, kind: str = "logistic", nuts: bool = True, out: Path | None = None
) -> list[Record]:
    """Calibrate on data sets 0 to `datasets` - 1 of one kind."""

    def one(number: int) -> dict[str, Any]:
        try:
            return one_rank(number, KINDS[kind], nuts)
        except InferenceError as error:
            return {"failed": str(error)}

    results = [line for line in each(range(datasets), one, out) if "ranks" in line]
    count = len(results)
    records = [record("fits that failed", datasets - count, bounds=(None, 0), data_sets=datasets)]
    if not count:
        return show(records)
    for name in results[0]["ranks"]:
        ranks = np.array([line["ranks"][name] for line in results])
        p_values = [rank_uniformity(column, KEPT, bins=BINS).p_value for column in ranks.T]
        title = f"smallest p of uniform ranks, {len(p_values)} {name} by NUTS"
        bounds = (0.01 / len(p_values), None)
        records.append(record(title, min(p_values), bounds=bounds, data_sets=count))
    laplace = np.array([line["laplace"] for line in results])
    # Of 51 equally probable ranks, the three lowest and the three highest are outside.
    within = (laplace >= 3) & (laplace <= KEPT - 3)
    inside, error = float(np.mean(within)), np.std(np.mean(within, axis=1)) / np.sqrt(count)
    title = "share of log ratios among the middle 45 of 51 ranks by Laplace"
    ends = inside + np.array([-1.96, 1.96]) * error
    target = (KEPT - 5) / (KEPT + 1)
    records.append(record(title, inside, interval=ends, target=target, unit="%", data_sets=count))
    p_values = [rank_uniformity(column, KEPT, bins=BINS).p_value for column in laplace.T]
    title = f"smallest p of uniform ranks, {len(p_values)} predictive by Laplace"
    records.append(record(title, min(p_values), data_sets=count))
    if nuts:
        divergent = sum(line["divergences"] > 0 for line in results)
        records.append(record("data sets with divergences", divergent, data_sets=count))
    return show(records)


def main() -> None:
    """Run the kinds asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--out", type=Path, help="one file for each kind: NAME is put in")
    options = parser.parse_args()
    for kind in [options.kind] if options.kind else KINDS:
        print(kind)
        own = options.out and options.out.with_stem(f"{options.out.stem}-{kind}")
        check(options.datasets, kind, out=own)


if __name__ == "__main__":
    main()
