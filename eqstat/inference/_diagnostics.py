"""Diagnostics of a sampling run: R-hat, effective sample size, divergences, E-BFMI, tree depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from eqstat.inference._results import Result

R_HAT_LIMIT = 1.01
MIN_ESS_PER_CHAIN = 100
E_BFMI_LIMIT = 0.3
# Deepest tree that the sampler builds: 255 leapfrog steps.
MAX_TREE_DEPTH = 8


def e_bfmi(energy: np.ndarray) -> np.ndarray:
    r"""Estimate the Bayesian fraction of missing information of each chain.

    .. math:: \frac{\sum_n (E_n - E_{n-1})^2}{\sum_n (E_n - \bar E)^2}

    Parameters
    ----------
    energy
        Total energy at each draw, shape (chains, draws).

    Returns
    -------
    numpy.ndarray
        Shape (chains,); values below about 0.3 mean that momenta explore the energies slowly.

    References
    ----------
    Betancourt, M. (2016), Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte
    Carlo, arXiv:1604.00695.

    Examples
    --------
    >>> independent = np.random.default_rng(0).normal(size=(2, 1000))
    >>> bool(np.all(e_bfmi(independent) > 1.5))
    True
    """
    steps = np.sum(np.diff(energy, axis=-1) ** 2, axis=-1)
    about_mean = energy - energy.mean(axis=-1, keepdims=True)
    return steps / np.sum(about_mean**2, axis=-1)


def diagnose(tree: xr.DataTree) -> dict[str, Any]:
    """Judge a sampling run.

    Parameters
    ----------
    tree
        With the groups `posterior` and `sample_stats`; of the latter `diverging` is needed,
        `energy` and `tree_depth` are used where they are there.

    Returns
    -------
    dict
        `result` (the name of a `Result`), `result_text`, `r_hat_max`, `ess_bulk_min`,
        `ess_tail_min`, `divergences`, `e_bfmi_min`, `tree_depth_max` and `at_max_tree_depth`,
        the share of draws whose tree had the greatest depth allowed. The result is `CONVERGED`
        when R-hat is at most 1.01, there are at least 100 effective draws for each chain, no
        divergences, and an E-BFMI of at least 0.3; the depth of trees bears on speed only.

    References
    ----------
    Vehtari, A. et al. (2021), Rank-normalization, folding, and localization, Bayesian
    Analysis 16(2), 667-718, doi:10.1214/20-BA1221.

    Examples
    --------
    >>> import arviz_base
    >>> values = np.random.default_rng(0).normal(size=(4, 500))
    >>> tree = arviz_base.from_dict(
    ...     {"posterior": {"x": values}, "sample_stats": {"diverging": np.zeros((4, 500), bool)}}
    ... )
    >>> diagnose(tree)["result"]
    'CONVERGED'
    """
    from arviz_stats.base import array_stats  # pyright: ignore

    posterior = tree["posterior"].to_dataset()
    columns = np.concatenate(
        [
            values.to_numpy().reshape(*values.shape[:2], -1)
            for _, values in sorted(posterior.data_vars.items(), key=lambda item: str(item[0]))
        ],
        axis=-1,
    )

    def each(statistic: Callable, **options: Any) -> np.ndarray:
        return np.asarray(statistic(columns, chain_axis=0, draw_axis=1, **options))

    r_hat = float(np.max(each(array_stats.rhat)))
    bulk = float(np.min(each(array_stats.ess, method="bulk")))
    tail = float(np.min(each(array_stats.ess, method="tail", prob=(0.05, 0.95))))
    stats = tree["sample_stats"].to_dataset()
    divergences = int(np.sum(stats["diverging"].to_numpy()))
    enough = min(bulk, tail) >= MIN_ESS_PER_CHAIN * posterior.sizes["chain"]
    good = r_hat <= R_HAT_LIMIT and enough and divergences == 0
    more: dict[str, float | int] = {}
    if "energy" in stats:
        more["e_bfmi_min"] = float(np.min(e_bfmi(stats["energy"].to_numpy())))
        good = good and more["e_bfmi_min"] >= E_BFMI_LIMIT
    if "tree_depth" in stats:
        depth = stats["tree_depth"].to_numpy()
        more["tree_depth_max"] = int(np.max(depth))
        more["at_max_tree_depth"] = float(np.mean(depth >= MAX_TREE_DEPTH))
    result = Result.CONVERGED if good else Result.POORLY_MIXED
    return {
        "result": result.name,
        "result_text": result.value,
        "r_hat_max": r_hat,
        "ess_bulk_min": bulk,
        "ess_tail_min": tail,
        "divergences": divergences,
        **more,
    }
