"""Likelihood of hits and misses: Poisson-binomial tails mixed over the event's own strength."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.normal import log_ndtr
from eqstat.detectability._poisson_binomial import at_least
from eqstat.detectability.history._data import HistoryData
from eqstat.detectability.history._parameters import Sensitivity, trigger_probability

# Nodes of the event term in standard deviations. The trapezoidal rule converges exponentially for
# smooth integrands: this one rises over trigger_sd / event_sd or more.
NODES = np.linspace(-4.0, 4.0, 21)
WEIGHTS = np.exp(-0.5 * NODES**2) / np.sum(np.exp(-0.5 * NODES**2))
# Spacing of the nodes of magnitude plus event term, where the magnitude is integrated over.
SPACING = 0.125
# How far beyond the magnitudes' range these nodes reach.
BEYOND = 1.5
# Events whose triggers are held at once.
BATCH = 2048


def station_shift(sensitivity: Sensitivity, data: HistoryData) -> Float[Array, "events neighbours"]:
    """Shift of each neighbour: that of its group and its own."""
    number = jnp.maximum(data.station, 0)
    shift = sensitivity.group_shift[data.group[number]]
    return shift + (sensitivity.station_shift[number] if data.station_effects else 0.0)


def enough_triggers(
    sensitivity: Sensitivity,
    strength: Float[Array, " nodes"],
    distance_km: Float[Array, " neighbours"],
    shift: Float[Array, " neighbours"],
    station: Array,
    counts: tuple[int, ...],
) -> Float[Array, " nodes"]:
    """Probability that enough stations trigger at each strength (magnitude plus event term)."""
    chance = trigger_probability(sensitivity, 0.0, distance_km, shift, strength[:, None])
    # Padding triggers as little as anything can: logarithms keep finite slopes.
    chance = jnp.where(station >= 0, chance, 1e-30)
    each = [jnp.exp(at_least(chance, count)) for count in counts]
    if len(each) == 1:
        return each[0]
    return jnp.tensordot(sensitivity.count_share, jnp.stack(each), 1)


def working_share(sensitivity: Sensitivity, preceding_s: Array, masking: bool) -> Array:
    """Probability that the system is up and not busy with a preceding earthquake."""
    if not masking:
        return jnp.broadcast_to(sensitivity.system_share, jnp.shape(preceding_s)[:-1])
    known = jnp.isfinite(preceding_s)
    # Never infinite within: the slope by the time of fading would be 0 times infinity.
    fading = jnp.exp(-jnp.where(known, preceding_s, 0.0) / sensitivity.masking_s) * known
    free = jnp.prod(1 - sensitivity.masked_share * fading, axis=-1)
    return sensitivity.system_share * free


def _log_outcomes(sensitivity: Sensitivity, working: Array, enough: Array) -> tuple[Array, Array]:
    """Logarithms of the probabilities of a hit and of a miss."""
    chance = sensitivity.coincidence_probability
    hit = chance + (1 - chance) * working * enough
    # 1 - w e as a sum of positive parts.
    miss = (1 - chance) * ((1 - working) + working * (1 - enough))
    # The smallest number of the precision at hand: 1e-300 is 0 in float32.
    return jnp.log(hit), jnp.log(jnp.maximum(miss, jnp.finfo(miss.dtype).tiny))


def log_outcomes(
    sensitivity: Sensitivity, data: HistoryData
) -> tuple[Float[Array, " events"], Float[Array, " events"]]:
    """Logarithms of each earthquake's probabilities of being detected and missed.

    Parameters
    ----------
    sensitivity
        Parameters without an axis of draws.
    data
        From `prepare(...).data`.

    Returns
    -------
    tuple of jax.Array
        Of hits and of misses, (events,); arbitrary for padding.

    Examples
    --------
    >>> from eqstat.detectability.history import Design, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=16))
    >>> hit, miss = log_outcomes(Sensitivity(), history.data)
    >>> bool(jnp.allclose(jnp.exp(hit) + jnp.exp(miss), 1.0, atol=1e-4))
    True
    """
    shift = station_shift(sensitivity, data)

    def one(row: tuple) -> tuple[Array, Array]:
        magnitude, preceding_s, distance_km, own, station = row
        # Copies: JAX remembers an array of a module in the precision of its first use.
        nodes, weights = (each.astype(distance_km.dtype) for each in (NODES, WEIGHTS))
        strength = magnitude + sensitivity.event_sd * nodes
        enough = jnp.asarray(weights) @ enough_triggers(
            sensitivity, strength, distance_km, own, station, data.counts
        )
        working = working_share(sensitivity, preceding_s, data.masking)
        return _log_outcomes(sensitivity, working, enough)

    rows = (data.magnitude, data.preceding_s, data.distance_km, shift, data.station)
    return jax.lax.map(one, jax.tree.map(jnp.asarray, rows), batch_size=BATCH)


def _log_detected_anywhere(sensitivity: Sensitivity, data: HistoryData) -> Array:
    r"""Log probability that an earthquake of random magnitude is detected at each place.

    Triggers depend on $x = M + \eta$ only, whose density is that of an exponential variable,
    truncated, plus a normal one: in closed form, so that one integral is left.
    """
    low, high = data.magnitudes
    count = int(np.ceil((high - low + 2 * BEYOND) / SPACING))
    x = jnp.linspace(low - BEYOND, high + BEYOND, count + 1)
    beta, tau = sensitivity.b_value * np.log(10.0), sensitivity.event_sd
    centre = x - beta * tau**2
    ends = [log_ndtr((centre - end) / tau) for end in (low, high)]
    inside = ends[0] + jnp.log1p(-jnp.exp(jnp.minimum(ends[1] - ends[0], -1e-12)))
    log_density = jnp.log(beta) - beta * (x - low) + 0.5 * (beta * tau) ** 2 + inside
    # Normalised as a sum, which takes the rule's error at sharp ends away.
    weight = jax.nn.softmax(log_density)
    shift = station_shift(sensitivity, data)

    def one(row: tuple) -> Array:
        preceding_s, distance_km, own, station = row
        enough = weight @ enough_triggers(sensitivity, x, distance_km, own, station, data.counts)
        working = working_share(sensitivity, preceding_s, data.masking)
        return _log_outcomes(sensitivity, working, enough)[0]

    rows = (data.preceding_s, data.distance_km, shift, data.station)
    return jax.lax.map(one, jax.tree.map(jnp.asarray, rows), batch_size=BATCH)


def pointwise_log_likelihood(
    sensitivity: Sensitivity, data: HistoryData
) -> Float[Array, " events"]:
    r"""Log-likelihood of each earthquake.

    With misses known it is $\log P_i$ of a hit and $\log(1 - P_i)$ of a miss. With detected
    earthquakes only it is that of the magnitude given the place and the detection,

    $$ \log \frac{\beta e^{-\beta (M_i - M_0)} P_i(M_i)}
                 {\int \beta e^{-\beta (M - M_0)} P_i(M)\, dM}, \qquad \beta = b \ln 10, $$

    from which whatever multiplies all $P_i$ cancels: the shares of time, and of earthquakes lost
    to masking, are then not identified, and the ceiling of the stations only by its non-linear
    effect. The rate of earthquakes at each place cancels as well.

    Parameters
    ----------
    sensitivity
        Parameters without an axis of draws.
    data
        From `prepare(...).data`.

    Returns
    -------
    jax.Array
        (events,); 0 for padding.

    Examples
    --------
    >>> from eqstat.detectability.history import Design, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=16))
    >>> pointwise_log_likelihood(Sensitivity(), history.data).shape
    (16,)
    """
    hit, miss = log_outcomes(sensitivity, data)
    if not data.only_detected:
        return jnp.where(data.weight > 0, jnp.where(data.detected > 0, hit, miss), 0.0)
    low, high = data.magnitudes
    beta = sensitivity.b_value * np.log(10.0)
    density = jnp.log(beta) - beta * (data.magnitude - low)
    density = density - jnp.log1p(-jnp.exp(-beta * (high - low)))
    value = density + hit - _log_detected_anywhere(sensitivity, data)
    return jnp.where(data.weight > 0, value, 0.0)


def log_likelihood(sensitivity: Sensitivity, data: HistoryData) -> Float[Array, ""]:
    """Log-likelihood of a history: the sum of `pointwise_log_likelihood`.

    Earthquakes are independent given the parameters.

    Parameters
    ----------
    sensitivity
        Parameters without an axis of draws.
    data
        From `prepare(...).data`.

    Returns
    -------
    jax.Array

    Examples
    --------
    >>> from eqstat.detectability.history import Design, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=200))
    >>> other = Sensitivity(magnitude_50_km=5.0)
    >>> bool(log_likelihood(Sensitivity(), history.data) > log_likelihood(other, history.data))
    True
    """
    return jnp.sum(pointwise_log_likelihood(sensitivity, data))
