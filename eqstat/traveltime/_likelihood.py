"""Likelihoods of trigger times: the Gaussian of one wave, and the mixture for phone data."""

from __future__ import annotations

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp
from jaxtyping import Array, Float

from eqstat._core.arrays import FloatArray
from eqstat._core.constants import HALF_LOG_2PI
from eqstat.traveltime._arrays import UNKNOWN
from eqstat.traveltime._data import P, S, TriggerData
from eqstat.traveltime._parameters import (
    MixtureParameters,
    Parameters,
    Scalar,
)
from eqstat.velocity import VelocityModel, squared_chord, surface_point

# Below the smallest weight a class is as good as impossible, yet its logarithm stays finite.
TINY = 1e-30


def arrivals_at(
    params: Parameters,
    velocity: VelocityModel,
    position_km: FloatArray,
    elevation_km: FloatArray,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Arrival of P and of S at any surface points; the simulator calls this, too."""
    chord2 = squared_chord(params.east_km, params.north_km, position_km)
    p, s = velocity.times(chord2, params.depth_km, elevation_km)
    if isinstance(params, MixtureParameters):
        x, y, _ = surface_point(params.east_km, params.north_km)
        # The direction is undefined at the epicentre: the term fades out within a kilometre.
        size = jnp.sqrt(chord2 + 1.0)
        lateral = params.slowness_east * (position_km[..., 0] - x) / size
        lateral = lateral + params.slowness_north * (position_km[..., 1] - y) / size
        p = p * (params.p_slowness_ratio + lateral)
        s = s * (params.s_slowness_ratio + lateral)
    return params.origin_time_s + p, params.origin_time_s + s


def arrival_times(
    params: Parameters, data: TriggerData
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Arrival of P and of S at the triggered devices, seconds after the reference time, (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from eqstat import geodesy, traveltime
    >>> phones = traveltime.Devices(np.array([46.0, 46.1]), np.array([7.0, 7.2]), np.zeros(2))
    >>> frame = geodesy.LocalFrame(46.0, 7.0)
    >>> data = traveltime.padded(frame, phones, np.array([5.0, 7.6]), window_s=(0.0, 20.0))
    >>> params = traveltime.GaussianParameters(
    ...     east_km=0.0, north_km=0.0, depth_km=39.0, origin_time_s=0.0, sd_s=1.0)
    >>> p, s = traveltime.arrival_times(params, data)
    >>> round(float(p[0]), 2), round(float(s[0]), 2)
    (5.0, 8.67)
    """
    return arrivals_at(params, data.velocity, data.position_km, data.elevation_km)


def _normal_log_density(residual: Array, sd: Array) -> Array:
    return -0.5 * (residual / sd) ** 2 - jnp.log(sd) - HALF_LOG_2PI


def _log_stayed(trigger_probability: Scalar, log_later: Array) -> Array:
    """Log of 1 - p F, as (1 - p) + p (1 - F): finite where p is 1 and F rounds to 1."""
    never = jnp.log1p(-jnp.asarray(trigger_probability))
    return jnp.logaddexp(never, jnp.log(trigger_probability) + log_later)


def _scatter_s(params: Parameters) -> Scalar:
    return params.scatter_s if isinstance(params, MixtureParameters) else params.sd_s


def _waves(
    params: Parameters, arrivals: tuple[Array, Array], phase: Array | np.ndarray
) -> list[tuple[Array | float, Array]]:
    """Log share and mean trigger time of each wave that may have caused a trigger."""
    p, s = arrivals
    if isinstance(params, MixtureParameters):
        return [
            (jnp.log(params.p_share + TINY), p + params.delay_s),
            (jnp.log(params.s_share + TINY), s + params.delay_s),
        ]
    return [(0.0, jnp.where(phase == S, s, p))]


def _log_caused(waves: list[tuple[Array | float, Array]], ahead: int, now: Any, sd: Any) -> Array:
    """Log probability that the earthquake's trigger has come by now (1), or comes later (-1)."""
    return reduce(
        jnp.logaddexp, (share + log_ndtr(ahead * (now - time) / sd) for share, time in waves)
    )


def class_log_densities(params: MixtureParameters, data: TriggerData) -> Float[Array, "n 3"]:
    r"""Joint log density of each trigger's time and its class: P, S, background.

    .. math:: \log w_c + \log \mathcal N(t_i;\, t_0 + q_c T_c(\theta, i) + \tau,\,
              s^2 + s_i^2), \qquad \log w_B - \log W

    with $q_c$ the slowness ratio of the wave plus the lateral term, $\tau$ the delay, $s$ the
    scatter, $s_i$ the trigger's own `time_sd_s` and $W$ the length of the window. A trigger
    whose phase is known cannot be of the other wave.
    """
    sd = jnp.sqrt(params.scatter_s**2 + data.time_sd_s**2)
    wave_p, wave_s = (
        share + _normal_log_density(data.time_s - time, sd)
        for share, time in _waves(params, arrival_times(params, data), data.phase)
    )
    length = data.window_s[1] - data.window_s[0]
    background = jnp.log(params.background_share + TINY) - jnp.log(length)
    impossible = jnp.log(jnp.asarray(TINY, sd.dtype))
    return jnp.stack(
        [
            jnp.where(data.phase == S, impossible, wave_p),
            jnp.where(data.phase == P, impossible, wave_s),
            jnp.broadcast_to(background, sd.shape),
        ],
        axis=-1,
    )


def _terms(params: Parameters, data: TriggerData) -> tuple[Array, Array]:
    """Log-likelihood of each trigger and of each silent device."""
    now, scatter = data.window_s[1], _scatter_s(params)
    sd = jnp.sqrt(scatter**2 + data.time_sd_s**2)
    phase = jnp.where(data.phase == 0, data.wave, data.phase)
    waves = _waves(params, arrival_times(params, data), phase)
    if isinstance(params, MixtureParameters):
        density = logsumexp(class_log_densities(params, data), axis=-1)
    else:
        density = _normal_log_density(data.time_s - waves[0][1], sd)
    if data.has_silent:
        # Background triggers are of the window: none of them comes later.
        silent = arrivals_at(
            params, data.velocity, data.silent_position_km, data.silent_elevation_km
        )
        log_later = _log_caused(_waves(params, silent, data.wave), -1, now, scatter)
        stayed = _log_stayed(params.trigger_probability, log_later)
        return density + jnp.log(params.trigger_probability), stayed
    if data.truncated:
        come = _log_caused(waves, 1, now, sd)
        if isinstance(params, MixtureParameters):
            # The probability that a trigger of unknown class has come by now.
            come = jnp.logaddexp(come, jnp.log(params.background_share + TINY))
        density = density - come
    return density, jnp.zeros(0, density.dtype)


def draw_times(
    key: Array,
    params: Parameters,
    arrivals: tuple[Array, Array],
    wave: Array,
    window_s: Array,
    *,
    error_s: Array | float = 0.0,
    phase: Array | int = UNKNOWN,
    now: Array | None = None,
) -> tuple[Array, Array]:
    """Trigger time of every device if it triggers, and its class (0 P, 1 S, 2 background).

    `arrivals` are those of P and S, and `wave` is that of the Gaussian likelihood. Times have an
    error of their own, `error_s`; a known `phase` decides the class; given `now` the triggers are
    those that have come by then.
    """
    noise_key, class_key, uniform_key = jax.random.split(key, 3)
    shape, kind = arrivals[0].shape, arrivals[0].dtype
    sd = jnp.hypot(_scatter_s(params), error_s)
    waves = _waves(params, arrivals, wave)
    if now is None:
        noise = sd * jax.random.normal(noise_key, shape, kind)
        times = [time + noise for _, time in waves]
        chances = [share + jnp.zeros(shape, kind) for share, _ in waves]
    else:
        ahead = [(now - time) / sd for _, time in waves]
        standard = [jax.random.truncated_normal(noise_key, -jnp.inf, end, shape, kind)
                    for end in ahead]  # fmt: skip
        times = [time + sd * each for (_, time), each in zip(waves, standard, strict=True)]
        chances = [share + log_ndtr(end) for (share, _), end in zip(waves, ahead, strict=True)]
    if not isinstance(params, MixtureParameters):
        return times[0], jnp.full(shape, wave - 1)
    background = jnp.log(params.background_share + TINY) + jnp.zeros(shape, kind)
    cause = jax.random.categorical(class_key, jnp.stack([*chances, background], axis=-1))
    cause = jnp.where(phase == UNKNOWN, cause, phase - 1)
    uniform = jax.random.uniform(uniform_key, shape, kind)
    by_chance = window_s[0] + (window_s[1] - window_s[0]) * uniform
    quake = jnp.where(cause == 1, times[1], times[0])
    return jnp.where(cause == 2, by_chance, quake), cause


def pointwise_log_likelihood(params: Parameters, data: TriggerData) -> Float[Array, " n"]:
    """Log-likelihood of each trigger, 0 in the padding, (n,); silent devices are not in it.

    Examples
    --------
    >>> import numpy as np
    >>> from eqstat import geodesy, traveltime
    >>> phones = traveltime.Devices(np.array([46.0, 46.1]), np.array([7.0, 7.2]), np.zeros(2))
    >>> frame = geodesy.LocalFrame(46.0, 7.0)
    >>> data = traveltime.padded(frame, phones, np.array([5.0, 7.6]), window_s=(0.0, 20.0))
    >>> params = traveltime.GaussianParameters(
    ...     east_km=0.0, north_km=0.0, depth_km=39.0, origin_time_s=0.0, sd_s=1.0)
    >>> each = traveltime.pointwise_log_likelihood(params, data)
    >>> each.shape, round(float(each[0]), 3), float(each[2])
    ((16,), -0.919, 0.0)
    """
    return jnp.where(data.mask, _terms(params, data)[0], 0.0)


def log_likelihood(params: Parameters, data: TriggerData) -> Float[Array, ""]:
    r"""Log-likelihood of the trigger times, and of the silence of the other devices.

    The Gaussian likelihood (Massoda Tchoussi and Finazzi 2023, eqs. 6 to 9) is

    .. math:: t_i = t_0 + h_i / v + \epsilon_i, \qquad \epsilon_i \sim \mathcal N(0, \sigma^2),

    the mixture adds the class of each trigger (see `class_log_densities`). Truncated at the
    present $t$, each density is divided by the probability that the trigger has come by now.
    With silent devices the triggers instead have the sub-density $p f_i(t_i)$, and a silent
    device $j$ contributes $\log(1 - p F_j(t))$: it may trigger later, or never.

    Parameters
    ----------
    params
        `GaussianParameters` or `MixtureParameters`; the type chooses the likelihood.
    data
        The arrays of `prepare(...)`.

    Returns
    -------
    Array
        Scalar, natural logarithm.

    References
    ----------
    Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243, eqs. 6-9.
    Aiello, L., Argiento, R., Finazzi, F. and Paci, L. (2023), survival mixture cure model.

    Examples
    --------
    >>> import numpy as np
    >>> from eqstat import geodesy, traveltime
    >>> phones = traveltime.Devices(np.array([46.0, 46.1]), np.array([7.0, 7.2]), np.zeros(2))
    >>> frame = geodesy.LocalFrame(46.0, 7.0)
    >>> data = traveltime.padded(frame, phones, np.array([5.0, 7.6]), window_s=(0.0, 20.0))
    >>> params = traveltime.GaussianParameters(
    ...     east_km=0.0, north_km=0.0, depth_km=39.0, origin_time_s=0.0, sd_s=1.0)
    >>> round(float(traveltime.log_likelihood(params, data)), 3)
    -3.919
    """
    triggered, stayed = _terms(params, data)
    total = jnp.sum(jnp.where(data.mask, triggered, 0.0))
    if data.has_silent:
        total = total + jnp.sum(jnp.where(data.silent_mask, stayed, 0.0))
    return total


def class_probabilities(params: MixtureParameters, data: TriggerData) -> Float[Array, "n 3"]:
    """Probability that each trigger is of P, of S, or background, at given parameters, (n, 3).

    Examples
    --------
    >>> import numpy as np
    >>> from eqstat import geodesy, traveltime
    >>> phones = traveltime.Devices(np.array([46.0, 46.1]), np.array([7.0, 7.2]), np.zeros(2))
    >>> frame = geodesy.LocalFrame(46.0, 7.0)
    >>> data = traveltime.padded(frame, phones, np.array([5.0, 7.6]), window_s=(0.0, 20.0))
    >>> params = traveltime.MixtureParameters(
    ...     east_km=0.0, north_km=0.0, depth_km=39.0, origin_time_s=-2.0, p_share=0.6, s_share=0.3)
    >>> chances = traveltime.class_probabilities(params, data)
    >>> [round(float(each), 2) for each in chances[0]]
    [0.98, 0.0, 0.02]
    """
    joint = class_log_densities(params, data)
    return jnp.exp(joint - logsumexp(joint, axis=-1, keepdims=True))
