"""Point estimates of the background by BFGS, with the Laplace approximation about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.checks import check_choice, check_kind
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat.counts._arrays import EARTHQUAKE_SHARE, count_data
from eqstat.counts._background import Background
from eqstat.counts._data import History, as_history
from eqstat.counts._families import FAMILIES, Family
from eqstat.counts._intensity._of_history import Slow, learned_tails, slow_terms
from eqstat.counts._likelihood import CountData
from eqstat.counts._model import background_of, model_of, site_names
from eqstat.counts._prior import Prior
from eqstat.counts._start import region_information, start_of, starting_sites
from eqstat.inference import InferenceError, LaplaceFit, laplace, posterior_sites

# How often BFGS begins anew where it stopped before the optimum.
ROUNDS = 3
DRAWS = 256


@dataclass(frozen=True)
class BackgroundFit(LaplaceFit):
    """A fitted background: a `Fit` with the background itself.

    Attributes
    ----------
    mode
        The background at the mode of the posterior; None where nothing finite came out.
    slow
        Weekly profile, slow intensity and dispersion as the order in time of the history shows
        them; None where it is not known.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Design, simulate
    >>> history = simulate(
    ...     jax.random.key(0), Background("poisson", 1.0), Design(active=50, days=7))
    >>> fit(history, family="poisson").background.family
    'poisson'
    """

    mode: Background | None = field(kw_only=True)
    slow: Slow | None = field(kw_only=True, default=None)

    @property
    def background(self) -> Background:
        """The background at the estimate.

        Raises
        ------
        eqstat.inference.InferenceError
            Where nothing finite came out.
        """
        if self.mode is None:
            raise InferenceError(self.result)
        return self.mode

    def posterior(self, key: PRNGKeyArray, count: int = DRAWS) -> Background:
        """Draw backgrounds from the Laplace approximation of the posterior.

        Parameters
        ----------
        key
            JAX random key.
        count
            Number of draws.

        Returns
        -------
        Background
            With a leading axis of draws on every array.
        """
        estimate = self.background
        draws = background_of(
            self.draws(key, count),
            estimate.family,
            window_s=estimate.window_s,
            regions=estimate.regions,
        )
        draws = replace(draws, tails=estimate.tails, clock_shift_h=estimate.clock_shift_h)
        if self.slow is None:
            return draws
        return self.slow.draw(generator(jax.random.fold_in(key, 1)), draws)


def region_adjustment(sites: dict[str, Array], information: Array) -> Array:
    r"""Laplace's integral over the regions' effects, less what the joint density has of it.

    The joint density of effects and their standard deviation has no useful maximum where the
    data are few: it grows without bound as all effects shrink to zero. With the effects
    marginalised over, the information $I_r$ about each gives
    $\tfrac12 \sum_r \log(I_r + 1/\sigma_u^2)$, which is added to the negative log density.
    """
    return 0.5 * jnp.sum(jnp.log(information + sites["region_sd"] ** -2))


def _labels(name: str, value: np.ndarray, regions: tuple[str, ...]) -> list[str]:
    if value.ndim == 0:
        return [name]
    elements = regions if name == "region_effect" else range(value.size)
    return [f"{name}[{element}]" for element in elements]


def _scales(sites: dict[str, np.ndarray], information: np.ndarray) -> dict[str, np.ndarray]:
    """Rough standard errors in the unconstrained space.

    In units of them no direction looks flat, however much better a long history determines
    the rate than the spread of the regions.
    """
    total = float(np.sum(information)) + 1
    sizes = {
        "rate_per_device_h": total**-0.5,
        "daily": (total / 2 + 4) ** -0.5,
        "weekly": (total / 2 + 4) ** -0.5,
        "region_effect": (information + 1) ** -0.5,
    }
    return {
        name: np.broadcast_to(np.asarray(sizes.get(name, 0.05)), np.shape(value)).astype(float)
        for name, value in sites.items()
    }


def fit(
    history: History | pd.DataFrame,
    *,
    family: Family = "negative_binomial",
    bursts: bool = False,
    prior: Prior | None = None,
    earthquake_share: float | int = EARTHQUAKE_SHARE,
    slow: bool = True,
    throw: bool = True,
) -> BackgroundFit:
    r"""Fit the background of a history: the mode of the posterior, by BFGS in float64.

    The effects of the regions are partially pooled: each shrinks towards the mean of all, the
    more so the fewer its data, and their spread is estimated with the effects marginalised over
    (Laplace's approximation).

    Parameters
    ----------
    history
        From `prepare`, `combine` or `simulate`. Histories of more than 20,000 cells are merged
        first, so that the time depends little on the number of windows.
    family
        "poisson", "negative_binomial" or "beta_binomial".
    bursts
        Whether the model has bursts, in which many devices trigger together.
    prior
        The priors; `Prior()` by default.
    earthquake_share
        Share of triggers that unmarked earthquakes may have caused, in [0, 0.1): it gives the
        weight of a broad component that keeps such windows from biasing the fit; 0 omits it.
    slow
        Whether to learn, from the order of the windows in time, a weekly profile beyond the
        harmonics and the slow intensity of the regions, as they are in all real histories. Without
        them thresholds hold only where the intensity does not vary slowly.
    throw
        Raise where no usable estimate came out; with False look at `BackgroundFit.result`.

    Returns
    -------
    BackgroundFit
        Estimates with standard errors, and the `background` itself; `posterior` draws
        backgrounds.

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when BFGS did not converge or nothing finite came out.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Design, simulate
    >>> history = simulate(
    ...     jax.random.key(0), Background("poisson", 1.0), Design(active=50, days=7))
    >>> result = fit(history, family="poisson")
    >>> bool(abs(result["rate_per_device_h"] - 1.0) < 0.1)
    True
    >>> result.posterior(jax.random.key(1), 100).rate_per_device_h.shape
    (100,)

    References
    ----------
    Rue, H., Martino, S. and Chopin, N. (2009), JRSS B 71, 319-392,
    doi:10.1111/j.1467-9868.2008.00700.x.
    """
    check_choice("fit", FAMILIES, family=family)
    history = as_history("fit", history)
    if not history.total_triggers:
        raise InputError("fit: no window has a trigger, so that the rate is not to be learned")
    prior = Prior() if prior is None else prior
    first = start_of(history)
    names = site_names(family, bursts, len(history.regions))
    start = starting_sites(first, family, names)
    data = count_data(history, bursts=bursts, earthquake_share=earthquake_share)
    information = region_information(history, first, family)
    pooled = "region_sd" in names
    approximation = laplace(
        model_of(family, bursts),
        (data, prior),
        {name: np.asarray(value)[None] for name, value in start.items()},
        site_args=(without_rows(data), prior),
        scale=_scales(start, information),
        adjustment=region_adjustment if pooled else None,
        adjustment_args=information if pooled else (),
        rounds=ROUNDS,
        max_steps=300,
        stages=1,
        batch=1,
    )
    sites = {name: approximation.sites[name] for name in names}
    of_site = {name: _labels(name, value, history.regions) for name, value in sites.items()}
    labels, estimate, spread = approximation.marginal(of_site)
    background: Background | None = None
    terms = None
    if all(np.all(np.isfinite(value)) for value in sites.values()):
        background = background_of(
            sites, family, window_s=history.window_s, regions=history.regions
        )
    if slow and background is not None and approximation.result.ok:
        terms, ahead = slow_terms(history, background) or (None, None)
        if terms is not None:
            background = terms.apply(background)
            labels, estimate, spread = _joined((labels, estimate, spread), terms.sites)
            of_site = {name: own for name, own in of_site.items() if name not in terms.sites[0]}
        tails = learned_tails(history, background, ahead)
        background = replace(background, tails=tails, clock_shift_h=history.clock_shift_h)
    result = BackgroundFit(
        labels,
        estimate,
        spread,
        objective=float(approximation.optimum.objective),
        result=approximation.result,
        diagnostics={
            "windows": history.total_windows,
            "rows": int(sum(np.sum(part.windows > 0) for part in data.rows)),
            **approximation.diagnostics,
        },
        ranges={} if terms is None else terms.ranges,
        laplace=approximation,
        labels=of_site,
        mode=background,
        slow=terms,
    )
    if throw and not result.result.ok:
        raise InferenceError(result.result, f"{history.total_windows} windows")
    return result


Estimates = tuple[tuple[str, ...], np.ndarray, np.ndarray]


def _joined(first: Estimates, second: Estimates) -> Estimates:
    """Estimates of both; the second replaces what the first has under the same name."""
    names = (*first[0], *(name for name in second[0] if name not in first[0]))
    estimate, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for own, values, spread in (first, second):
        at = [names.index(name) for name in own]
        estimate[at] = values
        covariance[at], covariance[:, at] = 0.0, 0.0
        covariance[np.ix_(at, at)] = spread
    return names, estimate, covariance


def without_rows(data: CountData) -> CountData:
    """Return the data without rows: enough to know the sites of the model."""
    return CountData((), data.earthquake_weight, data.regions)


def background_from(source: BackgroundFit | xr.DataTree) -> Background:
    """Return the background of a fit, or the draws of a posterior as one background.

    Parameters
    ----------
    source
        From `fit`, which gives the estimate (its `posterior` gives draws), or from `sample`.

    Returns
    -------
    Background
        From `sample` with a leading axis of draws on every array, chains one after another.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts import Design, simulate
    >>> history = simulate(
    ...     jax.random.key(0), Background("poisson", 1.0), Design(active=50, days=7))
    >>> background_from(fit(history, family="poisson")).window_s
    10.0
    """
    check_kind(
        "background_from",
        (BackgroundFit, xr.DataTree),
        "give what `fit` or `sample` returns",
        source=source,
    )
    if isinstance(source, BackgroundFit):
        return source.background
    regions = tuple(str(name) for name in source["posterior"]["region"].to_numpy())
    family: Any = source.attrs["family"]
    return background_of(
        posterior_sites(source), family, window_s=float(source.attrs["window_s"]), regions=regions
    )
