r"""Amplitude, rise, duration and decay of P and S from magnitude, distance and ground.

References
----------
Cua, G. and Heaton, T. (2007), The Virtual Seismologist (VS) method: a Bayesian approach to
earthquake early warning, in Earthquake Early Warning Systems, Springer, 97-132,
doi:10.1007/978-3-540-72241-0_7. Cua, G. and Heaton, T. (2009), Characterizing average properties of
southern California ground motion amplitudes and envelopes, California Institute of Technology,
report EERL 2009-05, with the coefficients of the shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from eqstat._core.checks import check_choice, check_key, check_range
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

SITES = ("rock", "soil")
"""Classes of ground: NEHRP class BC and stiffer, and C and softer."""
MAGNITUDES = (2.0, 8.0)
"""Magnitudes of the earthquakes from which the coefficients were estimated."""
DISTANCES_KM = (0.0, 200.0)
"""Their distances: of the epicentre, for large ruptures of their surface projection."""

WAVES = ("P", "S")
PARTS = ("rise", "duration", "decay", "power")
# Horizontal PGA, cm/s2: a, b, c1, c2, d, e and the standard deviation, of P and S.
AMPLITUDE = {
    "rock": (
        (0.72, 3.3e-3, 1.6, 1.05, 1.2, -1.06, 0.31),
        (0.733, 7.216e-4, 1.16, 0.96, 1.48, -0.4202, 0.3069),
    ),
    "soil": (
        (0.74, 3.3e-3, 2.41, 0.95, 1.26, -1.05, 0.29),
        (0.709, 2.3878e-3, 1.722, 0.956, 1.4386, -0.024525, 0.3261),
    ),
}
# Alpha, beta, epsilon, mu and the standard deviation of each of `PARTS`, of P and S. Two of them
# are misprinted in the report, by a factor of ten: alpha of the rise of S on rock (0.64) and alpha
# of the power of P on soil (-0.48).
TIMING = {
    "rock": (
        (
            (0.06, 5.5e-4, 0.27, -0.37, 0.22),
            (0.0, 2.58e-3, 0.21, -0.22, 0.39),
            (0.047, 0.0, 0.48, -0.75, 0.28),
            (-0.032, -1.81e-3, -0.1, 0.64, 0.16),
        ),
        (
            (0.064, 0.0, 0.48, -0.89, 0.23),
            (0.0, -4.87e-4, 0.13, 0.0024, 0.2),
            (0.037, 0.0, 0.39, -0.59, 0.18),
            (-0.014, -5.28e-4, -0.11, 0.26, 0.09),
        ),
    ),
    "soil": (
        (
            (0.07, 1.2e-3, 0.24, -0.38, 0.26),
            (0.03, 2.37e-3, 0.39, -0.59, 0.36),
            (0.087, -1.89e-3, 0.58, -0.87, 0.31),
            (-0.048, -1.42e-3, -0.13, 0.71, 0.21),
        ),
        (
            (0.055, 1.21e-3, 0.34, -0.66, 0.25),
            (0.028, 0.0, 0.07, -0.102, 0.23),
            (0.0557, -8.2e-4, 0.51, -0.68, 0.24),
            (-0.015, -5.89e-4, -0.163, 0.23, 0.13),
        ),
    ),
}
# Saturation of the distance, km: the square of it is 9 km2.
NEAR_KM = 3.0
# Shapes at smaller distances are those at this one, where log10 R is 0.
LEAST_KM = 1.0
CM_S2 = 0.01


class Shape(Explained, eqx.Module):
    """Shape of an envelope, or of a batch of them; the last axis is that of the waves, P and S.

    Attributes
    ----------
    amplitude_m_s2
        Height of the plateau, m/s2, (..., 2).
    rise_s, duration_s
        Time from the arrival to the plateau, and length of the plateau, s, (..., 2).
    decay_s, power
        Decay after the plateau: a time, s, and a power, (..., 2).

    Examples
    --------
    >>> shape = median_shape(6.0, jnp.array([20.0, 80.0]))
    >>> shape.rise_s.shape, bool((shape.amplitude_m_s2[0] > shape.amplitude_m_s2[1]).all())
    ((2, 2), True)
    """

    amplitude_m_s2: Float[Array, "... 2"]
    rise_s: Float[Array, "... 2"]
    duration_s: Float[Array, "... 2"]
    decay_s: Float[Array, "... 2"]
    power: Float[Array, "... 2"]


def coefficients() -> pd.DataFrame:
    """Return all coefficients as a table.

    Returns
    -------
    pandas.DataFrame
        A row for each site, wave and quantity: `amplitude` has `a`, `b`, `c1`, `c2`, `d`, `e`; the
        others have `alpha`, `beta`, `epsilon`, `mu`; all have `sd`, in log10 units.

    Examples
    --------
    >>> table = coefficients()
    >>> float(table.loc[("rock", "S", "amplitude"), "d"]), len(table)
    (1.48, 20)
    """
    import pandas as pd

    rows = {}
    for site in SITES:
        for wave, amplitude, timing in zip(WAVES, AMPLITUDE[site], TIMING[site], strict=True):
            names = ("a", "b", "c1", "c2", "d", "e", "sd")
            rows[site, wave, "amplitude"] = dict(zip(names, amplitude, strict=True))
            for part, row in zip(PARTS, timing, strict=True):
                names = ("alpha", "beta", "epsilon", "mu", "sd")
                rows[site, wave, part] = dict(zip(names, row, strict=True))
    index = pd.MultiIndex.from_tuples(list(rows), names=["site", "wave", "quantity"])
    return pd.DataFrame(list(rows.values()), index=index)


def median_shape(magnitude: ArrayLike, distance_km: ArrayLike, *, site: str = "rock") -> Shape:
    r"""Median shape of the envelope of horizontal acceleration.

    $$ \log_{10} A_{\text{cm/s}^2} = a M - b (R_1 + C) - d \log_{10} (R_1 + C) + e, \quad
    R_1 = \sqrt{R^2 + 9\,\text{km}^2}, \quad
    C = c_1 e^{c_2 (M - 5)} \{\arctan(M - 5) + \tfrac{\pi}{2}\} $$

    for the amplitude, where C saturates it near large ruptures, and for the rise, the duration, the
    decay time and the power x

    $$ \log_{10} x = \alpha M + \beta R + \epsilon \log_{10} R + \mu . $$

    Within 1 km of the source the shapes are those at 1 km.

    Parameters
    ----------
    magnitude
        Estimated from `MAGNITUDES`, 2 to 8; accepted from 0 to 10.
    distance_km
        Horizontal distance from the epicentre, or from the surface projection of a large rupture,
        km, at least 0; estimated from `DISTANCES_KM`, 0 to 200. Broadcast against the magnitude.
    site
        One of `SITES`.

    Returns
    -------
    Shape

    Raises
    ------
    eqstat.InputError
        When a value is out of range or the site unknown.

    Notes
    -----
    Two coefficients are believed to be misprinted in the report by a factor of ten, and are read as
    0.064 (rise of S on rock, magnitude) and -0.048 (power of P on soil, magnitude): as printed, the
    S wave of magnitude 6 would rise for more than an hour.

    References
    ----------
    Cua, G. and Heaton, T. (2009), report EERL 2009-05 of the California Institute of Technology.

    Examples
    --------
    >>> shape = median_shape(6.0, 50.0)
    >>> [round(float(each), 2) for each in shape.amplitude_m_s2]
    [0.08, 0.22]
    """
    _check("median_shape", magnitude, distance_km, site)
    magnitude, distance = _floats(magnitude, distance_km)
    magnitude, distance = magnitude[..., None], distance[..., None]
    a, b, c1, c2, d, e, _ = jnp.asarray(AMPLITUDE[site], magnitude.dtype).T
    above = magnitude - 5.0
    saturation = c1 * jnp.exp(c2 * above) * (jnp.arctan(above) + np.pi / 2)
    effective = jnp.sqrt(distance**2 + NEAR_KM**2) + saturation
    log10 = a * magnitude - b * effective - d * jnp.log10(effective) + e
    far = jnp.maximum(distance, LEAST_KM)
    timing = jnp.asarray(TIMING[site], magnitude.dtype).transpose(2, 1, 0)
    alpha, beta, epsilon, mu, _ = timing
    log10_parts = (
        alpha[p] * magnitude + beta[p] * far + epsilon[p] * jnp.log10(far) + mu[p]
        for p in range(len(PARTS))
    )
    return Shape(CM_S2 * _power_of_10(log10), *map(_power_of_10, log10_parts))


def draw_shape(
    key: PRNGKeyArray,
    magnitude: ArrayLike,
    distance_km: ArrayLike,
    *,
    site: str = "rock",
    amplitude_scatter: float | int = 1.0,
    timing_scatter: float | int = 1.0,
) -> Shape:
    r"""Draw shapes about the median: each quantity is log-normal, independent of the others.

    The published standard deviations are the total scatter of all records, so that those of one
    event or at one station are as independent as others. For terms that records share, set
    `amplitude_scatter` to 0 and multiply the amplitudes by a model's own terms.

    Parameters
    ----------
    key
        JAX random key.
    magnitude, distance_km, site
        As in `median_shape`.
    amplitude_scatter, timing_scatter
        Factors of the published standard deviations, at least 0.

    Returns
    -------
    Shape

    Raises
    ------
    eqstat.InputError
        As in `median_shape`, or when a factor is negative.

    Examples
    --------
    >>> one = draw_shape(jax.random.key(0), 6.0, jnp.full(1000, 50.0))
    >>> spread = jnp.std(jnp.log10(one.amplitude_m_s2), axis=0)
    >>> [round(float(sd), 1) for sd in spread]
    [0.3, 0.3]
    """
    check_key("draw_shape", key)
    check_range("draw_shape", 0, amplitude_scatter=amplitude_scatter, timing_scatter=timing_scatter)
    median = median_shape(magnitude, distance_km, site=site)
    noise = jax.random.normal(key, (1 + len(PARTS), *median.rise_s.shape), median.rise_s.dtype)
    dtype = noise.dtype
    sd = [amplitude_scatter * jnp.asarray(AMPLITUDE[site], dtype)[:, -1]]
    timing = jnp.asarray(TIMING[site], dtype)
    sd += [timing_scatter * timing[:, place, -1] for place in range(len(PARTS))]
    leaves = jax.tree.leaves(median)
    return Shape(
        *(leaf * _power_of_10(s * z) for leaf, s, z in zip(leaves, sd, noise, strict=True))
    )


def _check(owner: str, magnitude: ArrayLike, distance_km: ArrayLike, site: str) -> None:
    check_choice(owner, SITES, site=site)
    check_range(owner, 0, 10, magnitude=magnitude)
    check_range(owner, 0, distance_km=distance_km)


def _floats(*values: ArrayLike) -> list[Array]:
    """Convert to floating numbers of one precision and shape."""
    dtype = jnp.result_type(float, *(jnp.asarray(value).dtype for value in values))
    return list(jnp.broadcast_arrays(*(jnp.asarray(value, dtype) for value in values)))


def _power_of_10(value: Array) -> Array:
    return jnp.exp(np.log(10.0).astype(value.dtype) * value)
