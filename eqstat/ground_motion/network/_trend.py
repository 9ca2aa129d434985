r"""The trend that a network starts from: the ground-motion model's median, linear in its numbers.

$$ t = c + m_1 (M - 5) + m_2 (M - 5)^2 - \{g_1 + g_2 (M - 5)\} \log_{10}\frac{R_e}{10\,\text{km}}
- q \frac{R}{100\,\text{km}} + d \frac{z - 8\,\text{km}}{10\,\text{km}}
+ v \log_{10}\frac{V_{S30}}{760\,\text{m/s}} + \sum_j b_j x_j $$

with the effective distance $R_e$ of `Scaling`, of which those terms are there whose features are;
every other feature has a slope $b_j$ on its scaled value. The numbers have the normal priors of
`eqstat.exceedance.prior` (an anelastic term of 0.2 with sd 0.15; $b_j$ of 0 with sd 0.5): what a
few dozen events do not tell, large magnitudes above all, is not left to them.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat.ground_motion._parameters import DEPTH_KM, DISTANCE_KM, MAGNITUDE, VS30_M_S
from eqstat.ground_motion._prior import Prior
from eqstat.ground_motion.network._features import Feature, Scaling

__all__ = ["basis", "fit_trend", "prior_of"]

OTHER_SD = 0.5
SMALLEST_SPREAD = 0.04
_PHYSICS = ("magnitude", "distance_km", "depth_km", "vs30_m_s")


def basis(
    scaling: Scaling, values: Float[Array, "... features"], inputs: Float[Array, "... inputs"]
) -> Float[Array, "... coefficients"]:
    """Columns of the trend; a missing feature is at its mean.

    Parameters
    ----------
    scaling
        What made the inputs.
    values
        Features in their own units.
    inputs
        The same as inputs of the network.

    Returns
    -------
    jax.Array
    """
    names = [feature.name for feature in scaling.features]
    scaled = inputs[..., : len(names)]
    seen = scaled * scaling.sd + scaling.mean
    given = {name: seen[..., number] for number, name in enumerate(names)}
    columns = [jnp.ones_like(seen[..., 0])]
    above = given["magnitude"] - MAGNITUDE if "magnitude" in given else None
    if above is not None:
        columns += [above, above * above]
    if "distance_km" in given:
        raw = values[..., names.index("distance_km")]
        feature = scaling.features[names.index("distance_km")]
        far = given["distance_km"] if feature.log else jnp.log10(jnp.maximum(raw, 1e-3))
        away = far - np.log10(DISTANCE_KM)
        columns += [-away, -raw / 100.0]
        if above is not None:
            columns.append(-above * away)
    if "depth_km" in given:
        columns.append((given["depth_km"] - DEPTH_KM) / 10.0)
    if "vs30_m_s" in given:
        columns.append(given["vs30_m_s"] - np.log10(VS30_M_S))
    columns += [scaled[..., n] for n, name in enumerate(names) if name not in _PHYSICS]
    return jnp.stack(columns, axis=-1)


def prior_of(features: tuple[Feature, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each number of the trend, in the order of `basis`.

    Parameters
    ----------
    features
        Of the network.

    Returns
    -------
    mean, sd : numpy.ndarray
    """
    prior: Any = Prior()
    names = [feature.name for feature in features]
    kept = [prior.level]
    if "magnitude" in names:
        kept += [prior.magnitude_slope, prior.magnitude_bend]
    pairs = [(float(each.loc), float(each.scale)) for each in kept]
    if "distance_km" in names:
        pairs += [(float(prior.spreading.loc), float(prior.spreading.scale)), (0.2, 0.15)]
        if "magnitude" in names:
            slope = prior.spreading_slope
            pairs.append((float(slope.loc), float(slope.scale)))
    for name, each in (("depth_km", prior.depth_slope), ("vs30_m_s", prior.vs30_slope)):
        if name in names:
            pairs.append((float(each.loc), float(each.scale)))
    pairs += [(0.0, OTHER_SD) for name in names if name not in _PHYSICS]
    # Without magnitude or distance the level takes up what they would have told.
    if not {"magnitude", "distance_km"} <= set(names):
        pairs[0] = (pairs[0][0], 5.0)
    mean, sd = np.array(pairs).T
    return mean, sd


def fit_trend(
    columns: np.ndarray,
    log10_pga: np.ndarray,
    weight: np.ndarray,
    prior: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, float]:
    """Find the trend's numbers that are most probable, and the standard deviation about it.

    Parameters
    ----------
    columns
        Of `basis`, (records, coefficients).
    log10_pga
        (records,)
    weight
        How many independent records each is worth, (records,).
    prior
        Means and standard deviations of the numbers.

    Returns
    -------
    coefficients : numpy.ndarray
    spread : float
        Log10 units.
    """
    mean, sd = prior
    weighted = columns.T * weight
    found, spread = mean, 0.4
    for _ in range(5):  # the scatter says how much the records weigh against the prior
        precision = weighted @ columns / spread**2 + np.diag(sd**-2.0)
        off = weighted @ (log10_pga - columns @ mean) / spread**2
        found = mean + np.linalg.solve(precision, off)
        square = np.sum(weight * (log10_pga - columns @ found) ** 2) / np.sum(weight)
        spread = max(float(np.sqrt(square)), SMALLEST_SPREAD)
    return found, spread
