"""Point estimates of a hypocentre: the paper's maximum likelihood, or a posterior mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat._core.checks import check_choice
from eqstat.inference import Fit, Laplace, LaplaceFit, Result
from eqstat.traveltime._data import Observations, P, S, as_observations
from eqstat.traveltime._model import LikelihoodName, as_prior
from eqstat.traveltime._parameters import HYPOCENTRE, KINDS, MAX_DEPTH_KM, Prior, labels_of
from eqstat.traveltime._profile import (
    ESTIMATED,
    WaveFit,
    bounds_reached,
    covariance_of,
    depth_profile,
    fit_waves,
)
from eqstat.traveltime._results import (
    REMEDY,
    Verdict,
    failure,
    is_undetermined,
    of_depth,
    piled_end,
    sentence,
    undetermined,
)
from eqstat.traveltime._start import find_mode

# A depth whose 90 % interval reaches the surface and is wider than this is not resolved.
UNRESOLVED_KM = 50.0
SURFACE_KM = 0.1
Ends = dict[str, tuple[float, float]]


def _empty(names: tuple[str, ...], result: Result, count: int) -> Fit:
    size = len(names)
    nothing = np.full((size, size), np.nan)
    return Fit(names, nothing[0], nothing, np.nan, result, diagnostics={"triggers": count})


def _judged(fit: Fit, converged: bool, region_km: float) -> Fit:
    """Give a fit its result code, for reasons that `verdict_on` tells."""
    return replace(fit, result=_judge(fit, converged, region_km))


def _judge(fit: Fit, converged: bool, region_km: float) -> Result:
    if not np.all(np.isfinite(fit.estimate)):
        return Result.NOT_FINITE
    if not converged:
        return Result.NOT_CONVERGED
    at_surface = fit["depth_km"] < SURFACE_KM
    if [name for name in fit.at_bound if name != "depth_km" or not at_surface]:
        return Result.BEYOND_PRIOR
    errors = fit.standard_error
    if any(is_undetermined(errors[name], region_km) for name in ("east_km", "north_km")):
        return Result.NOT_DETERMINED
    low, high = fit.interval(0.9)["depth_km"]
    if not high - low < UNRESOLVED_KM and not low > 0.1 * high:
        return Result.NOT_RESOLVED
    return Result.AT_BOUND if fit.at_bound else Result.CONVERGED


def verdict_on(fit: Fit) -> Verdict:
    """Result code of a fit and its sentence, which names what is at fault."""
    text = sentence(fit.result)
    if fit.result is Result.BEYOND_PRIOR:
        of = "depth" if "depth_km" in fit.at_bound else "epicentre"
        text = f"the {of} lies at the end of its range, beyond which the data point; {REMEDY[of]}"
    if fit.result is Result.NOT_DETERMINED:
        return undetermined(fit.ranges["east_km"][1])
    return Verdict(fit.result, text)


def from_wave_fit(wave_fit: WaveFit, region_km: float) -> Fit:
    """Turn one wave's compiled fit into a `Fit` with standard errors and a result code.

    The variance in the covariance is the sum of squares over (count - 4), so that the errors
    are not too small for few triggers.
    """
    four = np.asarray(wave_fit.hypocentre, np.float64)
    squares, count = float(wave_fit.sum_of_squares), int(wave_fit.count)
    edges = bounds_reached(four, region_km)
    at_bound = tuple(name for name, edge in edges.items() if edge)
    free = np.array([not edge for edge in edges.values()])
    variance = squares / max(count - ESTIMATED, 1)
    inverse, regular = covariance_of(wave_fit, free)
    sd = np.sqrt(squares / count)
    with np.errstate(divide="ignore"):
        objective = 0.5 * count * (np.log(2 * np.pi * squares / count) + 1)
    spread = inverse * variance
    full = np.full((5, 5), np.nan)
    full[:4, :4] = spread
    # Location and scale are independent to first order.
    full[:4, 4] = full[4, :4] = np.where([*free, True], 0.0, np.nan)
    full[4, 4] = squares / count / (2 * count)
    fit = Fit(
        (*HYPOCENTRE, "sd_s"),
        np.append(four, sd),
        full,
        float(objective),
        Result.CONVERGED,
        at_bound,
        {
            "triggers": count,
            "sum_of_squares_s2": squares,
            "newton_decrement": float(wave_fit.decrement),
            "starts_agreeing": int(wave_fit.starts_agreeing),
            "steps": int(wave_fit.steps),
            "hessian_regular": float(regular),
        },
        ranges={
            "east_km": (-region_km, region_km),
            "north_km": (-region_km, region_km),
            "depth_km": (0.0, MAX_DEPTH_KM),
            "sd_s": (0.0, np.inf),
        },
    )
    return _judged(fit, bool(wave_fit.converged), region_km)


def _with_profile(fit: Fit, observations: Observations, wave_fit: WaveFit) -> Fit:
    """Add the profile likelihood of the depth, and judge by it."""
    region_km = fit.ranges["east_km"][1]
    error_km = fit.standard_error["depth_km"]
    profile = depth_profile(observations.data, wave_fit, region_km, error_km)
    if profile is None or not np.all(np.isfinite(fit.estimate)):
        return fit
    with_profile = replace(fit, profiles={"depth_km": profile})
    return _judged(with_profile, bool(wave_fit.converged), region_km)


def _from_mode(mode: Laplace, count: int, prior: Prior) -> Fit:
    """Turn a posterior mode into a `Fit`: covariance by the delta method."""
    region_km = float(prior.region_km)
    order = [*HYPOCENTRE, *sorted(set(mode.sites) - set(HYPOCENTRE) - {"arrival_s"})]
    labels = {name: labels_of(name) for name in order}
    names, values, spread = mode.marginal(labels)
    place = ("east_km", "north_km")
    fit = LaplaceFit(
        names,
        values,
        spread,
        objective=float(mode.optimum.objective),
        result=Result.CONVERGED,
        at_bound=tuple(name for name in place if abs(float(mode.sites[name])) > 0.99 * region_km),
        diagnostics={"triggers": count, **mode.diagnostics},
        ranges=dict.fromkeys(place, (-region_km, region_km)),
        laplace=mode,
        labels=labels,
    )
    good = bool(mode.optimum.converged)
    if good and not fit.at_bound and np.all(np.isfinite(spread)):
        ends = fit.interval
        depth = of_depth(lambda p: _of_ends(ends, p), prior)
        if piled_end(depth) is not None:
            fit = replace(fit, at_bound=("depth_km",))
    return _judged(fit, good, region_km)


def _of_ends(interval: Callable[[float], Ends], probability: np.ndarray) -> np.ndarray:
    """Quantiles of the depth, from intervals of a normal approximation."""
    pairs = [interval(abs(2 * p - 1))["depth_km"] for p in probability]
    return np.array([pair[int(p > 0.5)] for pair, p in zip(pairs, probability, strict=True)])


def mode_of(observations: Observations, likelihood: LikelihoodName, prior: Prior) -> Laplace:
    """Posterior mode in float64; the start of `grid` and `sample`."""
    return find_mode(likelihood, observations.data, prior, observations.aperture_km)


def both_waves(observations: Observations, region_km: float) -> WaveFit:
    """Least-squares fits for P and for S, float64, fields with a leading axis of two.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime(1.8e9 + np.array([0.0, 1.2, 2.0, 2.9, 4.1]), unit="s", utc=True),
    ...     "latitude": [46.0, 46.1, 46.2, 46.1, 46.3], "longitude": [7.0, 7.1, 7.0, 7.3, 7.2]})
    >>> both_waves(traveltime.prepare(table), 300.0).converged.shape
    (2,)
    """
    with jax.enable_x64(True):
        fits = fit_waves(
            jax.tree.map(jnp.asarray, observations.data),
            jnp.array([P, S]),
            jnp.asarray(observations.aperture_km),
            jnp.asarray(float(region_km)),
        )
        return jax.tree.map(np.asarray, fits)


def fit(
    observations: Observations | pd.DataFrame,
    *,
    likelihood: LikelihoodName = "gaussian",
    wave: Literal["P", "S"] | None = None,
    prior: Prior | None = None,
    throw: bool = True,
) -> Fit:
    r"""Locate by multi-start BFGS.

    The Gaussian likelihood of plain triggers is maximised without priors, as in the 2023
    paper: with the origin time profiled out,

    .. math:: \min_{\theta} \sum_i (r_i - \bar r)^2, \qquad r_i = t_i - h_i(\theta)/v,

    over the epicentre in the region and depth in [0, 500] km. With `time_sd_s`, truncation,
    silent devices, or the mixture, the result is the posterior mode of `model` instead.

    Parameters
    ----------
    observations
        From `prepare(...)`.
    likelihood
        "gaussian" or "mixture".
    wave
        The wave of triggers whose phase is unknown (Gaussian only): "P", "S", or None for
        that of `observations`, P by default. "P or S" are two fits.
    prior
        Priors of the posterior mode; of the plain fit only its `region_km` is used.
    throw
        Raise where no usable estimate came out; with False look at `Fit.result`.

    Returns
    -------
    Fit
        `east_km`, `north_km`, `depth_km`, `origin_time_s` in the frame of `observations`,
        then `sd_s` or the mixture's parameters, with covariance and result code. Intervals of
        the depth of the plain fit are those of its profile likelihood.

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when there are too few triggers or places (fewer than 5 at 3 places),
        BFGS did not converge, nothing finite came out, the estimate lies at an end of its range
        other than the surface, or the epicentre is about as uncertain as the region.

    References
    ----------
    Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243, eqs. 9-12.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> fitted = traveltime.fit(observations, throw=False)
    >>> fitted.names
    ('east_km', 'north_km', 'depth_km', 'origin_time_s', 'sd_s')
    """
    observations = as_observations("fit", observations)
    check_choice("fit", KINDS, likelihood=likelihood)
    prior = as_prior("fit", prior)
    count = len(observations.triggers)
    if wave is not None:
        observations = observations.with_wave(wave)
    data = observations.data
    plain = likelihood == "gaussian" and not (
        data.truncated or data.has_silent or np.any(data.time_sd_s > 0)
    )
    if not observations.enough:
        result = _empty((*HYPOCENTRE, "sd_s"), Result.TOO_FEW, count)
    elif plain:
        which = 1 if int(data.wave) == S else 0
        waves = both_waves(observations, float(prior.region_km))
        picked = jax.tree.map(lambda leaf: leaf[which], waves)
        region_km = float(prior.region_km)
        result = _with_profile(from_wave_fit(picked, region_km), observations, picked)
    else:
        mode = mode_of(observations, likelihood, prior)
        result = _from_mode(mode, count, prior)
    if throw and not result.result.ok:
        raise failure(result.result, observations.usage, verdict_on(result).text)
    return result
