"""Result codes of a hypocentre: its posterior judged by the prior, and their sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
from jaxtyping import Array
from scipy.special import fdtrc, roots_legendre

from eqstat._core.arrays import FloatArray
from eqstat.inference import InferenceError, Result
from eqstat.traveltime._arrays import PROBABILITIES
from eqstat.traveltime._parameters import Prior

SENTENCES = {
    Result.TOO_FEW: "too few triggers: a hypocentre needs at least 5 at 3 or more places",
    Result.NOT_RESOLVED: "converged, but the depth is not resolved by these triggers",
}
# A posterior is piled up at an end of the prior where its outermost 5 % lie in less than a tenth
# of as much prior probability, and the likelihood still rises there from the 10 % before.
TAIL, NEXT, LAST = 0.05, 0.10, 0.25
FAVOURED = 10.0
# Chance variation of the rise: three standard deviations of the ratio of both numbers of draws
# among four thousand, sqrt(1 / 200 + 1 / 400) = 0.087.
RISE = 0.75
# Width of the epicentre's posterior over that of its prior from which data say too little.
WIDTH_SHARE = 0.5
CENTRAL = (0.16, 0.84)
# A shallowest depth of at most this is the surface, not a choice.
SURFACE_KM = 1.0
# Scatter of residuals about one wave beyond which P and S, or background, are among the triggers.
ONE_WAVE_S = 3.0
# Share of triggers that may be either wave, and the probability below which one may be.
AMBIGUOUS, LIKELY = 0.5, 0.8
# Significance from which residuals follow the distance, and the fewest triggers that can show it.
STRUCTURE, ENOUGH = 0.01, 12
# A smaller part of the residuals, s, moves no hypocentre.
LEAST_STRUCTURE_S = 0.05
# Significance, among all triggers, from which one is off the wave of the others, and by how long.
ODD, LEAST_ODD_S = 1e-4, 1.0
REMEDY = {
    "epicentre": "widen the region (`region_km`, --region-km)",
    "depth": "give a prior that reaches there (`depth`, --depth-km); two earthquakes within "
    "seconds of each other look like this, too",
}


class Marginal(NamedTuple):
    """Posterior of a coordinate beside its prior.

    Attributes
    ----------
    of
        "epicentre" or "depth".
    quantile
        Quantiles of the posterior, km.
    mass
        Prior probability between two values.
    low, high
        Ends of the prior's range; infinite where it has none, or where the end is the surface.
    """

    of: str
    quantile: Callable[[Any], FloatArray]
    mass: Callable[[float, float], float]
    low: float
    high: float


class Verdict(NamedTuple):
    """A result code and its sentence."""

    result: Result
    text: str


def uniform(of: str, quantile: Callable[[Any], FloatArray], half_width_km: float) -> Marginal:
    """A coordinate whose prior is uniform within `half_width_km` of 0."""
    width = 2 * half_width_km
    return Marginal(of, quantile, lambda a, b: (b - a) / width, -half_width_km, half_width_km)


def of_depth(quantile: Callable[[Any], FloatArray], prior: Prior) -> Marginal:
    """A depth under the prior of `fit`, `grid` and `sample`."""
    deepest = np.inf if prior.deepest_km is None else float(prior.deepest_km)
    log_density = partial(_log_density, prior.depth)
    return of_density(quantile, log_density, float(prior.shallowest_km), deepest)


@jax.jit
def _log_density(distribution: dist.Distribution, values: Array) -> Array:
    """Log density, compiled: operation by operation it takes as long as the sampling itself."""
    return jnp.asarray(distribution.log_prob(values))


def of_density(
    quantile: Callable[[Any], FloatArray],
    log_density: Callable[[FloatArray], Any],
    shallowest_km: float,
    deepest_km: float,
) -> Marginal:
    """A depth of any prior; its density need not be normalised."""
    nodes, weights = roots_legendre(64)

    def mass(low: float, high: float) -> float:
        at = low + 0.5 * (high - low) * (nodes + 1)
        density = np.exp(np.asarray(log_density(at), np.float64))
        return float(0.5 * (high - low) * weights @ density)

    total = mass(shallowest_km, deepest_km) if np.isfinite(deepest_km) else 1.0
    low = -np.inf if shallowest_km <= SURFACE_KM else shallowest_km
    return Marginal("depth", quantile, lambda a, b: mass(a, b) / total, low, deepest_km)


def piled_end(marginal: Marginal) -> float | None:
    """The end of the prior's range at which a posterior is piled up; None where it is at none.

    Examples
    --------
    >>> inside = uniform("epicentre", lambda p: 490.0 + 3.0 * (np.asarray(p) - 0.5), 500.0)
    >>> piled = uniform("epicentre", lambda p: 500.0 + 3.0 * np.log(p), 500.0)
    >>> piled_end(inside), piled_end(piled)
    (None, 500.0)
    """
    for end, tail, after in (
        (marginal.low, TAIL, TAIL + NEXT),
        (marginal.high, 1 - TAIL, 1 - TAIL - NEXT),
    ):
        if not np.isfinite(end):
            continue
        outer, inner = (float(q) for q in marginal.quantile(np.array([tail, after])))
        last = marginal.mass(*sorted((outer, end)))
        before = marginal.mass(*sorted((inner, outer)))
        most = marginal.mass(*sorted((float(marginal.quantile(np.array([1 - tail]))[0]), end)))
        rises = before * TAIL >= RISE * last * NEXT
        if FAVOURED * last <= TAIL and rises and most <= LAST:
            return end
    return None


def judge(*marginals: Marginal) -> Verdict | None:
    """Judge a posterior by the prior's own probability of what was found; None where it is good.

    A posterior that is piled up at an end of the prior is `BEYOND_PRIOR`; an epicentre about as
    uncertain as its prior is `NOT_DETERMINED`.
    """
    for marginal in marginals:
        end = piled_end(marginal)
        if end is not None:
            what = f"the {marginal.of} is piled up at the end of its range ({end:g} km)"
            text = f"{what}, beyond which the data point; {REMEDY[marginal.of]}"
            return Verdict(Result.BEYOND_PRIOR, text)
    for marginal in marginals:
        if marginal.of != "epicentre":
            continue
        width = float(np.diff(marginal.quantile(np.array(CENTRAL)))[0])
        if is_undetermined(0.5 * width, marginal.high):
            return undetermined(marginal.high)
    return None


def marginals(quantile: Callable[[str, Any], FloatArray], prior: Prior) -> list[Marginal]:
    """Marginals of a hypocentre; `quantile` takes the coordinate's name and probabilities."""
    half = float(prior.region_km)
    sides = [
        uniform("epicentre", partial(quantile, name), half) for name in ("east_km", "north_km")
    ]
    return [*sides, of_depth(partial(quantile, "depth_km"), prior)]


def is_undetermined(sd_km: float, half_width_km: float) -> bool:
    """Whether a coordinate of the epicentre is about as uncertain as its uniform prior."""
    return sd_km > WIDTH_SHARE * (CENTRAL[1] - CENTRAL[0]) * half_width_km


def undetermined(half_width_km: float) -> Verdict:
    """The verdict on an epicentre that the triggers do not determine."""
    return Verdict(
        Result.NOT_DETERMINED,
        "the triggers do not determine the epicentre: it is about as uncertain as the region that "
        f"is searched ({half_width_km:g} km to each side)",
    )


def advice_on(
    triggers: pd.DataFrame, *, one_wave: bool, depth_km: float | None = None
) -> list[str]:
    """What to try where residuals or phases say that the model does not fit.

    Parameters
    ----------
    triggers
        `residual_s` after the arrivals of the most probable phases, `distance_km`, and
        `probability_p`, `probability_s` and `probability_background`.
    one_wave
        Whether the likelihood takes all triggers for one wave, or for what their phases say.
    depth_km
        Depth of the hypocentre, for `odd_trigger`, which needs `azimuth_deg`, too.

    Examples
    --------
    >>> distance = np.linspace(5.0, 90.0, 30)
    >>> triggers = pd.DataFrame({
    ...     "distance_km": distance, "residual_s": 0.002 * (distance - 40.0) ** 2,
    ...     "probability_p": 1.0, "probability_s": 0.0, "probability_background": 0.0})
    >>> advice_on(triggers, one_wave=True)[0][:31]
    'residuals change with distance '
    """
    residual_s, distance_km = (triggers[k].to_numpy(float) for k in ("residual_s", "distance_km"))
    chances = None if one_wave else triggers[list(PROBABILITIES)].to_numpy(float)
    advice = []
    if chances is None and np.std(residual_s) > ONE_WAVE_S:
        advice.append(
            f"the times scatter by {np.std(residual_s):.1f} s about one wave: where devices report "
            "P, S and other shaking, likelihood='mixture' (--likelihood mixture) fits better"
        )
    elif one_wave and depth_km is not None and (odd := odd_trigger(triggers, depth_km)) is not None:
        advice.append(
            f"the trigger of row {odd} is off the wave of all others, and may have moved the "
            "hypocentre: are its time and place right? likelihood='mixture' (--likelihood mixture) "
            "takes it for background"
        )
    elif p_value := _follows(residual_s, distance_km, chances):
        advice.append(
            f"residuals change with distance (p = {p_value:.0e}): compare velocity models "
            "(comparison.compare_velocities, --velocity constant,iasp91)"
        )
    if chances is not None:
        either = np.mean((chances[:, :2].max(axis=1) < LIKELY) & (chances[:, 2] < 1 - LIKELY))
        if either > AMBIGUOUS:
            advice.append(
                f"{either:.0%} of the triggers may be P or S, and the place depends on which: "
                "known phases or the devices that stayed silent (network, --network) tell"
            )
    labelled = triggers["phase"].isin(["P", "S"]).to_numpy() if "phase" in triggers else None
    if chances is not None and labelled is not None and labelled.any():
        background = np.mean(chances[labelled, 2] > 0.5)
        if background > AMBIGUOUS:
            advice.append(
                f"{background:.0%} of the labelled phases are taken for background: are the labels "
                "P and S exchanged?"
            )
    return advice


def odd_trigger(triggers: pd.DataFrame, depth_km: float) -> Any:
    """Return the row of a trigger that the one wave of all others misses; None for no such.

    Its residual is compared with theirs after it is left out, to first order in the hypocentre: a
    trigger far from all others draws the hypocentre to itself, so that its own residual is small.

    Parameters
    ----------
    triggers
        `residual_s`, `distance_km` and `azimuth_deg`.
    depth_km
        Depth of the hypocentre.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> triggers = pd.DataFrame({"distance_km": rng.uniform(5, 90, 30), "residual_s":
    ...                          rng.normal(0, 0.3, 30), "azimuth_deg": rng.uniform(0, 360, 30)})
    >>> odd_trigger(triggers, 20.0)
    >>> triggers.loc[7, "residual_s"] += 5.0
    >>> odd_trigger(triggers, 20.0)
    7
    """
    columns = ("residual_s", "distance_km", "azimuth_deg")
    residual_s, distance_km, azimuth = (triggers[name].to_numpy(float) for name in columns)
    count, freedom = len(triggers), len(triggers) - 5
    if freedom < 1 or not np.all(np.isfinite(residual_s)):
        return None
    path_km = np.maximum(np.hypot(distance_km, depth_km), 1e-6)
    east, north = (turn(np.radians(azimuth)) for turn in (np.sin, np.cos))
    horizontal = distance_km / path_km
    design = np.stack([np.ones(count), horizontal * east, horizontal * north, depth_km / path_km])
    basis, singular, _ = np.linalg.svd(design.T, full_matrices=False)
    basis = basis[:, singular > 1e-9 * singular[0]]
    residual_s = residual_s - basis @ (basis.T @ residual_s)
    left = np.maximum(1 - np.sum(basis**2, axis=1), 1e-9)
    # What the sum of squares loses where a trigger is left out.
    loss = residual_s**2 / left
    at = int(np.argmax(loss))
    without = max(float(np.sum(residual_s**2) - loss[at]), 1e-12 * float(loss[at]))
    chance = count * fdtrc(1, freedom, loss[at] * freedom / without)
    off_s = float(np.sqrt(loss[at] / left[at]))
    return triggers.index[at] if chance < ODD and off_s > LEAST_ODD_S else None


def _follows(
    residual_s: FloatArray, distance_km: FloatArray, chances: FloatArray | None
) -> float | None:
    """Significance of a parabola in the distance, where it is below `STRUCTURE`."""
    used = np.ones(len(residual_s), bool) if chances is None else chances[:, 2] < 0.5
    used &= np.isfinite(residual_s)
    count = int(used.sum())
    if count < ENOUGH or np.ptp(distance_km[used]) == 0:
        return None
    scaled = (distance_km[used] - distance_km[used].mean()) / np.ptp(distance_km[used])
    design = np.stack([np.ones(count), scaled, scaled**2], axis=1)
    residual = residual_s[used]
    fitted = design @ np.linalg.lstsq(design, residual)[0]
    freedom = count - 3
    inside = float(np.sum((residual - fitted) ** 2))
    explained = float(np.sum((fitted - residual.mean()) ** 2))
    if np.sqrt(explained / count) < LEAST_STRUCTURE_S:
        return None
    ratio = explained / 2 / max(inside / freedom, 1e-12 * explained)
    # A significance too small for a float is one.
    p_value = max(float(fdtrc(2, freedom, ratio)), float(np.finfo(float).tiny))
    return p_value if p_value < STRUCTURE else None


def sentence(result: Result) -> str:
    """Return what a result code says of a hypocentre.

    Examples
    --------
    >>> sentence(Result.NOT_RESOLVED)
    'converged, but the depth is not resolved by these triggers'
    >>> sentence(Result.CONVERGED)
    'converged'
    """
    return SENTENCES.get(result, result.value)


def failure(result: Result, usage: str, text: str = "") -> InferenceError:
    """Return the error of a location that gave no usable answer, with what was used."""
    return InferenceError(result, usage, message=text or sentence(result))
