r"""Envelopes in time, their running peaks, and when a level is first passed.

Each wave rises linearly, stays, and decays as a power. All pieces of $E_P^2$ and $E_S^2$ are convex
in time, and so is their sum between the ends of pieces: within any interval the largest shaking is
at one of its ends or at an end of a piece. Peaks are therefore exact, whatever the sampling.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.checks import check_range
from eqstat._core.typing import ArrayLike
from eqstat.ground_motion.envelope._shape import Shape, _floats, median_shape

P_KM_S, S_KM_S = 6.1, 3.55
DEPTH_KM = 10.0
# Halvings of the time in which a level is first passed.
HALVINGS, HALVINGS_SINGLE = 60, 32


def arrivals(
    distance_km: ArrayLike,
    depth_km: ArrayLike = DEPTH_KM,
    *,
    p_velocity_km_s: float | int = P_KM_S,
    s_velocity_km_s: float | int = S_KM_S,
) -> Float[Array, "... 2"]:
    """Arrivals of P and S along straight rays, s after the origin.

    Parameters
    ----------
    distance_km
        Epicentral distance, km, at least 0.
    depth_km
        Depth, km; broadcast against the distance.
    p_velocity_km_s, s_velocity_km_s
        Velocities, km/s, above 0.

    Returns
    -------
    jax.Array
        P and S on the last axis.

    Raises
    ------
    eqstat.InputError
        When a value is out of range.

    Examples
    --------
    >>> arrivals(60.0, 11.0).round(1).tolist()
    [10.0, 17.200000762939453]
    """
    check_range("arrivals", 0, distance_km=distance_km)
    check_range("arrivals", -10, 1000, depth_km=depth_km)
    check_range(
        "arrivals",
        0,
        ends="()",
        p_velocity_km_s=p_velocity_km_s,
        s_velocity_km_s=s_velocity_km_s,
    )
    distance, depth = _floats(distance_km, depth_km)
    ray = jnp.sqrt(distance**2 + depth**2)
    return jnp.stack([ray / p_velocity_km_s, ray / s_velocity_km_s], axis=-1)


def envelope(
    time_s: ArrayLike,
    magnitude: ArrayLike,
    distance_km: ArrayLike,
    *,
    site: str = "rock",
    depth_km: ArrayLike = DEPTH_KM,
    noise_m_s2: ArrayLike = 0.0,
    p_velocity_km_s: float | int = P_KM_S,
    s_velocity_km_s: float | int = S_KM_S,
) -> Float[Array, "..."]:
    r"""Median envelope of horizontal acceleration: the largest value in about a second.

    $$ E = \sqrt{E_P^2 + E_S^2 + n^2}, \qquad
    E_w(t) = A \begin{cases}
    0 & t < t_0 \\ (t - t_0) / t_r & t < t_0 + t_r \\ 1 & t < t_0 + t_r + t_d \\
    \{1 + (t - t_0 - t_r - t_d) / \tau\}^{-\gamma} & \text{after} \end{cases} $$

    with $t_0$ along straight rays, and amplitudes and times of `median_shape`.

    The decay of the report is printed as $A\, (t - t_0 - t_r - t_d + \tau)^{-\gamma}$, which has
    the unit of time in a power and jumps by a factor $\tau^{-\gamma}$ at the end of the plateau.
    Here it is divided by its own value there, so that the envelope is continuous and $\tau$ and
    $\gamma$ keep their meaning as time and power. Where $\tau > 1$ s (large or far earthquakes) the
    coda is higher than as printed, by $\tau^{\gamma}$; peaks are not affected where $\tau \ge 1$ s,
    and below it the printed form would exceed the peak A.

    Parameters
    ----------
    time_s
        After the origin, s.
    magnitude, distance_km, site
        As in `median_shape`; estimated from magnitudes 2 to 8 within 200 km.
    depth_km
        For the arrivals, km.
    noise_m_s2
        Level n of noise, m/s2, at least 0.
    p_velocity_km_s, s_velocity_km_s
        Of straight rays; for other arrivals use `at_times`.

    Returns
    -------
    jax.Array
        m/s2; times, magnitudes, distances, depths and noise broadcast.

    Raises
    ------
    eqstat.InputError
        When a value is out of range or the site unknown.

    References
    ----------
    Cua, G. and Heaton, T. (2009), report EERL 2009-05 of the California Institute of Technology.

    Examples
    --------
    >>> time = jnp.arange(0.0, 60.0, 0.5)
    >>> e = envelope(time, 6.0, jnp.array([[30.0], [90.0]]))
    >>> e.shape, [float(t) for t in time[jnp.argmax(e, axis=1)]]
    ((2, 120), [10.5, 28.5])
    """
    shape = median_shape(magnitude, distance_km, site=site)
    arrival = arrivals(
        distance_km, depth_km, p_velocity_km_s=p_velocity_km_s, s_velocity_km_s=s_velocity_km_s
    )
    check_range("envelope", time_s=time_s)
    check_range("envelope", 0, noise_m_s2=noise_m_s2)
    return at_times(time_s, shape, arrival, noise_m_s2)


def at_times(
    time_s: ArrayLike, shape: Shape, arrival_s: ArrayLike, noise_m_s2: ArrayLike = 0.0
) -> Float[Array, "..."]:
    """Envelope of any shape with any arrivals; pure JAX, with finite gradients.

    Parameters
    ----------
    time_s
        s; broadcast against the batch of shapes.
    shape
        One, or a batch.
    arrival_s
        Of P and S, s, (..., 2).
    noise_m_s2
        Level of noise, m/s2.

    Returns
    -------
    jax.Array
        m/s2.

    Examples
    --------
    >>> shape = median_shape(6.0, 30.0)
    >>> bool(at_times(20.0, shape, jnp.array([5.0, 9.0])) > 0)
    True
    """
    time, noise = (jnp.asarray(value, shape.rise_s.dtype) for value in (time_s, noise_m_s2))
    arrival = jnp.asarray(arrival_s, shape.rise_s.dtype)
    since = time[..., None] - arrival
    after = jnp.maximum(since - shape.rise_s - shape.duration_s, 0.0)
    rising = jnp.clip(since / shape.rise_s, 0.0, 1.0)
    each = shape.amplitude_m_s2 * rising * jnp.exp(-shape.power * jnp.log1p(after / shape.decay_s))
    square = jnp.sum(each**2, axis=-1) + noise**2
    seen = square > 0
    return jnp.where(seen, jnp.sqrt(jnp.where(seen, square, 1.0)), 0.0)


def window_peak(
    start_s: ArrayLike,
    end_s: ArrayLike,
    shape: Shape,
    arrival_s: ArrayLike,
    noise_m_s2: ArrayLike = 0.0,
) -> Float[Array, "..."]:
    """Largest value of the envelope in a window of time, exact; 0 where the window is empty.

    Parameters
    ----------
    start_s, end_s
        Ends of the window, s; broadcast against each other and the batch of shapes.
    shape, arrival_s, noise_m_s2
        As in `at_times`.

    Returns
    -------
    jax.Array
        m/s2.

    Examples
    --------
    >>> shape, arrival = median_shape(6.0, 30.0), jnp.array([5.0, 9.0])
    >>> second = jnp.arange(30.0)
    >>> peaks = window_peak(second, second + 1.0, shape, arrival)
    >>> bool(peaks.max() == running_peak(30.0, shape, arrival))
    True
    """
    start, end = (jnp.asarray(value, shape.rise_s.dtype) for value in (start_s, end_s))
    peak = jnp.maximum(
        at_times(start, shape, arrival_s, noise_m_s2), at_times(end, shape, arrival_s, noise_m_s2)
    )
    ends = _ends(shape, arrival_s)
    for place in range(ends.shape[-1]):
        at = ends[..., place]
        inside = (at >= start) & (at <= end)
        peak = jnp.maximum(peak, jnp.where(inside, at_times(at, shape, arrival_s, noise_m_s2), 0.0))
    return jnp.where(end >= start, peak, 0.0)


def running_peak(
    time_s: ArrayLike, shape: Shape, arrival_s: ArrayLike, noise_m_s2: ArrayLike = 0.0
) -> Float[Array, "..."]:
    """Largest value of the envelope up to a time, exact.

    Parameters
    ----------
    time_s, shape, arrival_s, noise_m_s2
        As in `at_times`.

    Returns
    -------
    jax.Array
        m/s2; never falls with time, up to rounding.

    Examples
    --------
    >>> shape, arrival = median_shape(6.0, 30.0), jnp.array([5.0, 9.0])
    >>> peaks = running_peak(jnp.arange(0.0, 60.0), shape, arrival)
    >>> bool((jnp.diff(peaks) >= -1e-6).all())
    True
    """
    start = jnp.min(jnp.asarray(arrival_s, shape.rise_s.dtype), axis=-1)
    time = jnp.asarray(time_s, shape.rise_s.dtype)
    return window_peak(jnp.minimum(start, time), time, shape, arrival_s, noise_m_s2)


def share_of_peak(time_s: ArrayLike, shape: Shape, arrival_s: ArrayLike) -> Float[Array, "..."]:
    """Share of the final peak that is reached by a time, without noise.

    Parameters
    ----------
    time_s, shape, arrival_s
        As in `at_times`.

    Returns
    -------
    jax.Array
        From 0, before P, to 1.

    Examples
    --------
    >>> shape, arrival = median_shape(6.0, 30.0), jnp.array([5.0, 9.0])
    >>> [round(float(x), 2) for x in share_of_peak(jnp.array([4.0, 8.0, 30.0]), shape, arrival)]
    [0.0, 0.37, 1.0]
    """
    last = jnp.max(_ends(shape, arrival_s), axis=-1)
    return running_peak(time_s, shape, arrival_s) / running_peak(last, shape, arrival_s)


def first_passed(share: ArrayLike, shape: Shape, arrival_s: ArrayLike) -> Float[Array, "..."]:
    """When a share of the final peak is first exceeded: the inverse of `share_of_peak`.

    Parameters
    ----------
    share
        Shares of the final peak; broadcast against the batch of shapes.
    shape, arrival_s
        As in `at_times`.

    Returns
    -------
    jax.Array
        s; infinite from a share of 1 on.

    Examples
    --------
    >>> shape, arrival = median_shape(6.0, 30.0), jnp.array([5.0, 9.0])
    >>> time = first_passed(jnp.array([0.2, 0.8, 1.0]), shape, arrival)
    >>> share_of_peak(time, shape, arrival).round(3).tolist()
    [0.20000000298023224, 0.800000011920929, 1.0]
    """
    arrival = jnp.asarray(arrival_s, shape.rise_s.dtype)
    wanted = jnp.asarray(share, shape.rise_s.dtype)
    ends = _ends(shape, arrival)
    size = jnp.broadcast_shapes(wanted.shape, ends.shape[:-1])
    low = jnp.broadcast_to(jnp.min(arrival, axis=-1), size)
    high = jnp.broadcast_to(jnp.max(ends, axis=-1), size)
    level = wanted * running_peak(high, shape, arrival)

    def halve(_: Any, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        over = running_peak(middle, shape, arrival) > level
        return jnp.where(over, low, middle), jnp.where(over, middle, high)

    rounds = HALVINGS_SINGLE if low.dtype == np.float32 else HALVINGS
    _, high = jax.lax.fori_loop(0, rounds, halve, (low, high))
    return jnp.where(wanted < 1, high, jnp.inf)


def _ends(shape: Shape, arrival_s: Any) -> Float[Array, "... 6"]:
    """Times at which pieces of P and S end."""
    arrival = jnp.asarray(arrival_s, shape.rise_s.dtype)
    top = arrival + shape.rise_s
    parts = jnp.broadcast_arrays(arrival, top, top + shape.duration_s)
    return jnp.concatenate(parts, axis=-1)
