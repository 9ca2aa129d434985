"""The posterior of the background by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PRNGKeyArray
from numpyro.infer.util import potential_energy, unconstrain_fn

from eqstat._core.checks import check_key
from eqstat.counts._arrays import EARTHQUAKE_SHARE, MERGE_ABOVE, WIDEST, count_data
from eqstat.counts._data import History, as_history
from eqstat.counts._families import Family
from eqstat.counts._fit import BackgroundFit, fit, without_rows
from eqstat.counts._harmonics import HOURS_OF_WEEK
from eqstat.counts._likelihood import CountData, pointwise_log_likelihood
from eqstat.counts._model import Correction, background_of, corrected_model_of, model_of
from eqstat.counts._prior import Prior
from eqstat.inference import Laplace, posterior_sites, run_nuts

CLOUD = 4096
# Step of the differences, in standard errors.
STEP = 0.05
WAVES = [f"{wave} {cycles}" for cycles in (1, 2) for wave in ("cosine", "sine")]
DIMS = {
    "daily": ["harmonic_day"],
    "weekly": ["harmonic_week"],
    "region_effect": ["region"],
    "triggers": ["cell"],
    "region_number": ["cell"],
    "hour_of_week": ["cell"],
    "active": ["cell"],
    "windows": ["cell"],
    "windows_by_hour": ["group"],
    "triggers_by_hour": ["group"],
}


class _Merging(NamedTuple):
    """A history merged for a fit and merged more for NUTS, and what lies between."""

    fine: CountData
    coarse: CountData
    prior: Prior
    correction: Correction


@partial(jax.jit, static_argnames=("model",))
def _densities(
    model: Any, template: dict[str, Array], vectors: Array, args: tuple
) -> tuple[Array, Array]:
    """Log posterior densities with their gradients at unconstrained vectors, one by one."""
    unravel = ravel_pytree(template)[1]

    def density(vector: Array) -> Array:
        return -1 * jnp.asarray(potential_energy(model, args, {}, unravel(vector)))

    return jax.lax.map(jax.value_and_grad(density), vectors)


@partial(jax.jit, static_argnames=("model",))
def _unconstrain(model: Any, sites: dict[str, Array], args: tuple) -> Array:
    """Unconstrained vectors of sites with a leading axis."""
    return jax.vmap(lambda values: ravel_pytree(unconstrain_fn(model, args, {}, values))[0])(sites)


def _merging(approximation: Laplace, fine: CountData, coarse: CountData, prior: Prior) -> _Merging:
    """Difference of the log densities of two mergings, to second order about the estimate."""
    mode = jnp.asarray(approximation.optimum.value)
    step = STEP * jnp.sqrt(jnp.diagonal(jnp.asarray(approximation.covariance)))
    fine, coarse, prior = jax.tree.map(jnp.asarray, (fine, coarse, prior))
    vectors = mode + jnp.concatenate([jnp.diag(step), -jnp.diag(step)])
    gradients = [
        _densities(approximation.model, approximation.free, vectors, (data, prior))[1]
        for data in (fine, coarse)
    ]
    difference = gradients[0] - gradients[1]
    upper, lower = jnp.split(difference, 2)
    curvature = (upper - lower) / (2 * step[:, None])
    correction = Correction(mode, jnp.mean(difference, axis=0), 0.5 * (curvature + curvature.T))
    return _Merging(fine, coarse, prior, correction)


def _merging_error(approximation: Laplace, merging: _Merging, tree: xr.DataTree) -> float:
    """Error of merging: standard deviation over draws of the log ratio of the densities.

    As many draws as the correction needs gradients, so that no other program is compiled.
    """
    model, template = approximation.model, approximation.free
    sites = posterior_sites(tree, list(template))
    draws = len(next(iter(sites.values())))
    kept = np.linspace(0, draws - 1, 2 * len(merging.correction.centre)).astype(int)
    sites = {name: jnp.asarray(values[kept]) for name, values in sites.items()}
    vectors = _unconstrain(model, sites, (without_rows(merging.fine), merging.prior))
    exact, used = (
        _densities(model, template, vectors, (data, merging.prior))[0]
        for data in (merging.fine, merging.coarse)
    )
    slope, curvature = merging.correction.slope, merging.correction.curvature
    apart = vectors - merging.correction.centre
    bend = 0.5 * jnp.sum((apart @ curvature) * apart, axis=1)
    return float(np.std(np.asarray(exact - used - apart @ slope - bend)))


@partial(jax.jit, static_argnames=("family", "regions", "groups"))
def _log_likelihood_by_group(
    sites: dict[str, Array],
    data: CountData,
    group: Array,
    family: Family,
    regions: tuple[str, ...],
    groups: int,
) -> Array:
    """Log likelihood of all windows of each group, (draws, groups)."""
    windows = jnp.concatenate([jnp.asarray(rows.windows) for rows in data.rows])

    def one(values: dict[str, Array]) -> Array:
        background = background_of(values, family, regions=regions)
        points = jnp.concatenate(pointwise_log_likelihood(background, data))
        points = jnp.where(windows > 0, windows * points, 0.0)
        return jax.ops.segment_sum(points, group, num_segments=groups)

    return jax.lax.map(one, sites)


def _hour_of_week(basis: np.ndarray) -> np.ndarray:
    """Hour of the week of rows that are not merged, from their harmonics."""
    hour = np.arctan2(basis[:, 1], basis[:, 0]) / (2 * np.pi) * 24 % 24
    day = np.round(np.arctan2(basis[:, 5], basis[:, 4]) / (2 * np.pi) * 7).astype(int) % 7
    return 24 * day + hour.astype(int)


class _Groups(NamedTuple):
    """Windows of one region and hour of the week: what is left out together."""

    label: list[str]
    windows: np.ndarray
    triggers: np.ndarray
    number: np.ndarray  # number of the group by region and hour of the week, -1 without windows

    @classmethod
    def of(cls, history: History) -> _Groups:
        size = len(history.regions) * HOURS_OF_WEEK
        at = history.region * HOURS_OF_WEEK + history.hour_of_week
        windows = np.bincount(at, history.windows, size)
        triggers = np.bincount(at, history.windows * history.triggers, size)
        filled = np.flatnonzero(windows > 0)
        number = np.full(size, -1)
        number[filled] = np.arange(len(filled))
        label = [
            f"{history.regions[one // HOURS_OF_WEEK]}, hour {one % HOURS_OF_WEEK}" for one in filled
        ]
        return cls(label, windows[filled], triggers[filled], number)

    def log_likelihood(
        self,
        sites: dict[str, np.ndarray],
        history: History,
        family: Family,
        options: dict[str, Any],
    ) -> np.ndarray:
        """Log likelihood of each group, (chains, draws, groups); cells are not merged."""
        data = count_data(history, merge_above=len(history.region), **options)
        region = np.concatenate([rows.region for rows in data.rows])
        hour = _hour_of_week(np.concatenate([rows.basis for rows in data.rows]))
        # Padding has no hour; it weighs nothing, wherever it goes.
        group = np.maximum(self.number[region * HOURS_OF_WEEK + hour], 0)
        shape = next(iter(sites.values())).shape[:2]
        flat = {name: jnp.asarray(v).reshape(-1, *v.shape[2:]) for name, v in sites.items()}
        arrays = jax.tree.map(jnp.asarray, data)
        values = _log_likelihood_by_group(
            flat, arrays, jnp.asarray(group), family, history.regions, len(self.label)
        )
        return np.asarray(values).reshape(*shape, -1)


def sample(
    key: PRNGKeyArray,
    history: History | pd.DataFrame,
    *,
    family: Family = "negative_binomial",
    bursts: bool = False,
    prior: Prior | None = None,
    earthquake_share: float | int = EARTHQUAKE_SHARE,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 750,
    log_likelihood: bool = True,
    progress: bool | None = None,
) -> xr.DataTree:
    r"""Sample the posterior of the background by NUTS.

    Chains start at draws of the fit's normal approximation and work in coordinates whitened by
    it. A history of more than 20,000 cells is merged more widely than for `fit`; the difference
    of the two log densities, to second order about the fit, is added back, so that only its
    third order is lost. `attrs["merging_error"]` measures what is lost: the standard deviation,
    over the draws, of the log ratio of the two densities; below 0.1 it is negligible.

    Parameters
    ----------
    key
        JAX random key.
    history, family, bursts, prior, earthquake_share
        As in `fit`.
    chains, warmup, draws
        Number of chains, of warm-up steps, and of draws of each chain.
    log_likelihood
        Whether to add the group `log_likelihood`; its time grows with cells times draws.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` (the sites of `model`), `sample_stats`, `log_likelihood`,
        `observed_data` and `constant_data` (the history's cells). The root's attributes hold
        the diagnostics of `eqstat.inference.diagnose`, `family` and `window_s`. A posterior that
        is not well mixed is returned all the same. `background_from` makes backgrounds.

        `log_likelihood` is of all windows of one region and hour of the week (dim `group`), so
        that `arviz_stats.loo` leaves out one such group at a time; groups do not depend on the
        counts, as cells do, which hold windows of equal counts. Leaving out single windows is
        what `eqstat.counts.checks.loo` does.

    Raises
    ------
    eqstat.inference.InferenceError
        When not even the fit gave a usable estimate.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), JMLR 15, 1593-1623.

    Examples
    --------
    >>> from eqstat.counts import Background, Design, simulate
    >>> truth = Background("poisson", 1.0)
    >>> history = simulate(jax.random.key(0), truth, Design(active=50, days=7))
    >>> tree = sample(jax.random.key(1), history, family="poisson", draws=250, progress=False)
    >>> tree["posterior"]["daily"].dims
    ('chain', 'draw', 'harmonic_day')
    """
    check_key("sample", key)
    history = as_history("sample", history)
    prior = Prior() if prior is None else prior
    options: dict[str, Any] = {"bursts": bursts, "earthquake_share": earthquake_share}
    estimate: BackgroundFit = fit(history, family=family, prior=prior, **options)
    approximation = estimate.laplace
    merge = len(history.region) > MERGE_ABOVE
    data = count_data(history, **options)
    cloud = estimate.draws(jax.random.fold_in(key, 0), CLOUD)
    groups = _Groups.of(history)
    with jax.enable_x64(True):
        if merge:
            merging = _merging(
                approximation, data, count_data(history, widths=WIDEST, **options), prior
            )
            model: Any = corrected_model_of(family, bursts)
            args: tuple = merging.coarse, merging.prior, merging.correction
        else:
            merging = None
            model = model_of(family, bursts)
            args = jax.tree.map(jnp.asarray, (data, prior))
        tree = run_nuts(
            jax.random.fold_in(key, 1),
            model,
            args,
            cloud,
            chains=chains,
            warmup=warmup,
            draws=draws,
            # A warm-up is too short for a covariance of all regions; the cloud's is good.
            mass_matrix="diagonal",
            sequential=True,
            progress=progress,
            log_likelihood=(
                (lambda sites: {"counts": groups.log_likelihood(sites, history, family, options)})
                if log_likelihood
                else None
            ),
            observed_data={"triggers": history.triggers, "triggers_by_hour": groups.triggers},
            constant_data={
                "region_number": history.region,
                "hour_of_week": history.hour_of_week,
                "active": history.active,
                "windows": history.windows,
                "windows_by_hour": groups.windows,
            },
            dims={**DIMS, "counts": ["group"]},
            coords={
                "harmonic_day": WAVES,
                "harmonic_week": WAVES[:2],
                "region": list(history.regions),
                "group": groups.label,
            },
            attrs={
                "family": family,
                "bursts": int(bursts),
                "window_s": history.window_s,
                "merged": int(merge),
            },
        )
        if merging is not None:
            tree.attrs["merging_error"] = _merging_error(approximation, merging, tree)
    return tree
