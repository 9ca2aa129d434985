r"""The trend of a network: the ground-motion model's median, linear in its coefficients.

$$ t = c + m_1 (M - 5) + m_2 (M - 5)^2 - \{g_1 + g_2 (M - 5)\} \log_{10}\frac{R_e}{10\,\text{km}}
- q \frac{R}{100\,\text{km}} + d \frac{z - 8\,\text{km}}{10\,\text{km}}
+ v \log_{10}\frac{V_{S30}}{760\,\text{m/s}} + \sum_j b_j x_j $$

with the effective distance $R_e$ of `Scaling`. It has the terms whose features exist; every other
feature has a slope $b_j$ on its scaled value. The coefficients have the normal priors of
`eqstat.ground_motion.Prior` (the anelastic term 0.2 with sd 0.15; $b_j$ 0 with sd 0.5), which
determine what a few dozen events do not constrain, large magnitudes above all.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat.ground_motion._parameters import DEPTH_KM, DISTANCE_KM, MAGNITUDE, VS30_M_S
from eqstat.ground_motion._prior import Prior
from eqstat.ground_motion.network._features import Feature, Scaling

OTHER_SD = 0.5
SMALLEST_SPREAD = 0.04
_PHYSICS = ("magnitude", "distance_km", "depth_km", "vs30_m_s")


def trend_basis(
    scaling: Scaling, values: Float[Array, "... features"], inputs: Float[Array, "... inputs"]
) -> Float[Array, "... coefficients"]:
    """Design matrix of the trend; a missing feature is at its mean.

    Parameters
    ----------
    scaling
        The transformation that made the inputs.
    values
        Features in their own units.
    inputs
        The same features as inputs of the network.

    Returns
    -------
    jax.Array
    """
    names = [feature.name for feature in scaling.features]
    scaled = inputs[..., : len(names)]
    values_seen = scaled * scaling.sd + scaling.mean
    given = {name: values_seen[..., number] for number, name in enumerate(names)}
    columns = [jnp.ones_like(values_seen[..., 0])]
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


def trend_prior(features: tuple[Feature, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Prior mean and sd of each coefficient of the trend, in the order of `trend_basis`.

    Parameters
    ----------
    features
        Features of the network.

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
    # Without magnitude or distance the level absorbs their effect: a wide prior.
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
    """Fit the trend: posterior mode of its coefficients, and the standard deviation about it.

    Parameters
    ----------
    columns
        Design matrix of `trend_basis`, (records, coefficients).
    log10_pga
        Log10 PGA, (records,).
    weight
        Effective number of independent records of each, (records,).
    prior
        Prior means and standard deviations of the coefficients.

    Returns
    -------
    coefficients : numpy.ndarray
    spread : float
        Log10 units.
    """
    mean, sd = prior
    weighted = columns.T * weight
    coefficients, spread = mean, 0.4
    # The scatter sets the weight of the records against the prior, and depends on the fit: iterate.
    for _ in range(5):
        precision = weighted @ columns / spread**2 + np.diag(sd**-2.0)
        gradient = weighted @ (log10_pga - columns @ mean) / spread**2
        coefficients = mean + np.linalg.solve(precision, gradient)
        square = np.sum(weight * (log10_pga - columns @ coefficients) ** 2) / np.sum(weight)
        spread = max(float(np.sqrt(square)), SMALLEST_SPREAD)
    return coefficients, spread
