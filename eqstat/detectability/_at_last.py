r"""Probability that a network never detects an earthquake, at many hours: for maps.

As `eqstat.detectability._circles`, for one window of each circle. The hour enters by the share of
active devices and by what the rule needs of them only, and the score of the miss probability is a
smooth function of both: it is evaluated at some of the hours, and expanded about these at the
others.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.normal import log_ndtr
from eqstat.detectability._circles import (
    LOGISTIC,
    Given,
    Tables,
    log_no_trigger,
    moments,
    ordered,
    sums,
)
from eqstat.detectability._scores import (
    GREATEST,
    NODES,
    log_expectation,
    score_of_count,
    score_of_log,
    slope_along_nodes,
)
from eqstat.detectability._union import log_none_detects

# Nodes at which the window with the most triggers is chosen, and the first of the nodes of each.
SOME, FIRST = slice(8, 33, 6), (0, 11, 17, 23, 29)
# Ends from below of classes of a count, as shares of its greatest.
LEVELS = (0.0, 0.3, 0.5, 0.65, 0.8, 0.9)
# Hours at which all is evaluated lie at most this far apart in the log of the active share, and
# what the rule needs at the others is interpolated between them to within this log.
STEP, TOLERANCE = 0.3, 0.2
# Hours between which the expansion is interpolated.
POINTS = 4


class Hours(NamedTuple):
    """Hours, and those of them at which all is evaluated.

    Attributes
    ----------
    share
        Share of active devices, (evaluated,).
    at
        Indices of these hours, (evaluated,).
    log_share
        Logs of the shares of all hours, (hours,).
    weight
        Weight of each evaluated hour at each hour, (hours, evaluated).
    """

    share: Array | np.ndarray
    at: Array | np.ndarray
    log_share: Array | np.ndarray
    weight: Array | np.ndarray


def evaluated_hours(share: np.ndarray, needed: np.ndarray) -> tuple[Hours, np.ndarray]:
    """Hours to evaluate, and of each hour given its index among the different ones.

    `needed` holds what the rule needs, (circles, hours). Hours alike in both are one. Where the
    rule's need changes with the hour otherwise than with the share of active devices, all hours are
    evaluated.
    """
    alike = np.concatenate([np.round(share, 12)[None], needed])
    _, first, back = np.unique(alike, axis=1, return_index=True, return_inverse=True)
    # In the order of the share, so that neighbours are alike.
    share, needed = share[first], needed[:, first]
    log_share, log_needed = np.log(share), np.log(np.maximum(needed - 0.5, 0.5))
    count = 1 + max(POINTS - 1, int(np.ceil((log_share[-1] - log_share[0]) / STEP)))
    wanted = np.linspace(log_share[0], log_share[-1], count)
    at = np.unique(np.argmin(np.abs(log_share - wanted[:, None]), axis=1))
    weight = np.eye(len(share))
    apart = np.diff(log_share[at])
    if POINTS <= len(at) < len(share) and apart.min() > 0 and apart.max() < 2 * STEP:
        weight = _weights(log_share, log_share[at])
        off = np.abs(log_needed - log_needed[:, at] @ weight.T)
        if off.max(initial=0.0) > TOLERANCE:
            weight = np.eye(len(share))
    if len(weight) == weight.shape[1]:
        at = np.arange(len(share))
    single = [np.asarray(x, np.float32) for x in (share[at], log_share, weight)]
    return Hours(single[0], at, *single[1:]), back.ravel()


def _weights(x: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Weights of the nodes of polynomials through the next ones, (values, nodes)."""
    first = np.clip(np.searchsorted(nodes, x, side="right") - POINTS // 2, 0, len(nodes) - POINTS)
    weight = np.zeros((len(x), len(nodes)))
    row = np.arange(len(x))
    for i in range(POINTS):
        value = np.ones(len(x))
        for j in range(POINTS):
            if j != i:
                value *= (x - nodes[first + j]) / (nodes[first + i] - nodes[first + j])
        weight[row, first + i] = value
    return weight


def _levels_when_triggering(count: Array, near: Array) -> Array:
    """Shares of the devices near the centre that trigger at levels of the count, of its greatest.

    Both arrays in steps of time along the last axis; returns the shares in the last axis.
    """
    level = count / jnp.maximum(jnp.max(count, axis=-1, keepdims=True), 1e-20)
    # Half-way through each step.
    level = 0.5 * (level + jnp.pad(level[..., :-1], [(0, 0)] * (level.ndim - 1) + [(1, 0)]))
    above = jnp.stack(
        [jnp.sum(jnp.where(level > edge, near, 0.0), axis=-1) for edge in LEVELS], axis=-1
    )
    shares = above - jnp.pad(above[..., 1:], [(0, 0)] * (above.ndim - 1) + [(0, 1)])
    return shares / jnp.maximum(jnp.sum(near, axis=-1), 1e-20)[..., None]


def _enough_at_levels(total: Array, square: Array, needed: Array, shares: Array) -> Array:
    """As `_enough` of `_circles`, averaged over the devices near by the level of the count then."""
    sd = jnp.sqrt(total - square + 0.1)
    one = 1 - square / jnp.maximum(total, 1e-20)
    middle = 0.5 * (np.array(LEVELS) + np.array([*LEVELS[1:], 1.0]))
    mean = sum(
        shares[..., i, :]
        * jax.nn.sigmoid(LOGISTIC * (float(level) * total + one - needed + 0.5) / sd)
        for i, level in enumerate(middle)
    )
    return jnp.where(needed <= 1, 1.0, mean)


@partial(jax.jit, static_argnames=("magnitudes",))
def log_miss_at_last(
    tables: Tables, given: Given, hours: Hours, magnitudes: int
) -> Float[Array, "places magnitudes hours"]:
    r"""Log probability of a miss in the end: as `detections_by_time`.

    The window with the most expected triggers serves, which spares the tails of the others.

    With the score t of the miss probability at an hour, the share a of active devices and the need
    $k_i$ of circle i, and $u_i = \log(k_i - 1/2) - \log a$: t is evaluated at some hours j, and
    at any other is the polynomial in $\log a$ through

    .. math:: t_j + w_j \min_i \{s_{ij} + s'_{ij} (u_i - u_{ij})\} ,

    with the lead $s_{ij}$ of the likeliest circle over circle i, at least 0, the slope $s'_{ij}$ of
    the circle's score, both means over the shared term, and the change $w_j$ of t where all scores
    change by one.
    """
    rings, times = tables.window_p.shape
    devices, few = (x.sum(axis=-1) for x in (given.counts, given.near))
    at_hours = given.needed[..., hours.at]
    log_needed = jnp.log(jnp.maximum(given.needed - 0.5, 0.5)) - hours.log_share

    def of_magnitude(each: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        p, s, event_share = each
        some = [x[:, SOME] for x in (p, s)]

        def in_time(counts: Array, of_p: Array, of_s: Array) -> Array:
            table = some[0][:, :, None] * of_p[:, None] + some[1][:, :, None] * of_s[:, None]
            return sums(counts, table.reshape(rings, -1)).reshape(*devices.shape, -1, times)

        # The best window about each of some values of the shared term: P where all trigger.
        expected = in_time(given.counts, tables.window_p, tables.window_s)
        levels = _levels_when_triggering(
            expected, in_time(given.near, tables.step_p, tables.step_s)
        )
        best = jnp.argmax(expected, axis=-1)
        total, square, shares = [], [], []
        for part, (first, last) in enumerate(pairwise((*FIRST, len(NODES)))):
            its_p, its_s = p[:, first:last], s[:, first:last]
            by_p, by_s = (
                given.counts * x.T[best[..., part]] for x in (tables.window_p, tables.window_s)
            )
            of_p, of_s = (x.T[best[..., part]] for x in (tables.window_p, tables.window_s))
            total.append(sums(by_p, its_p) + sums(by_s, its_s))
            square.append(
                sums(by_p * of_p, its_p**2)
                + sums(by_s * of_s, its_s**2)
                + sums(2 * by_p * of_s, its_p * its_s)
            )
            shares += [levels[:, :, part]] * (last - first)
        total, square = (jnp.concatenate(x, axis=-1) for x in (total, square))
        shares = jnp.stack(shares, axis=-1)
        mean, square = moments(tables, devices[..., None], total, square)
        ever = p * tables.step_p.sum(axis=1)[:, None] + s * tables.step_s.sum(axis=1)[:, None]
        people = tables.alive * tables.people[1] * times
        near = sums(given.near, ever) + people * few[..., None]

        def of_hour(pair: tuple[Array, Array]) -> tuple[Array, Array]:
            a, k = pair
            total, squared, at = a * mean, a * a * square, k[..., None]
            score = score_of_count(total, squared, at, a * devices[..., None])
            enough = _enough_at_levels(total, squared, at, shares)
            none = log_no_trigger(a * few[..., None], a * near * enough)
            score = jnp.maximum(score, score_of_log(none))
            slope = slope_along_nodes(score, -1) * jnp.sqrt(1 - event_share)
            order, of = ordered(-jnp.sum(jnp.clip(score, -3.0, 3.0), -1), given)
            ordered_score, ordered_slope = (
                jnp.take_along_axis(x, order[..., None], 1) for x in (score, slope)
            )
            least, rest = log_none_detects(ordered_score, ordered_slope, of.overlap, of.field)
            log_miss, of_score = log_expectation(least, rest, event_share)
            # How each circle's own score moves by the log of what is needed, and its lead.
            root = 1 / jnp.sqrt(1 + slope**2)
            by_need = at * root / jnp.sqrt(total - squared + 0.25 * at)
            lead = score * root
            lead = lead - jnp.min(lead, axis=1, keepdims=True)
            weight = jnp.sum(of_score, axis=-1, keepdims=True)
            share_of = of_score / jnp.maximum(weight, 1e-20)
            by_need, lead = (jnp.sum(share_of[:, None] * x, axis=-1) for x in (by_need, lead))
            return log_miss, jnp.stack([lead * weight, by_need * weight], axis=-1)

        return jax.lax.map(of_hour, (hours.share, jnp.moveaxis(at_hours, 2, 0)))

    each = (*(jnp.moveaxis(x, 1, 0) for x in (tables.by_p, tables.by_s)), tables.event_share)
    log_miss, moves = jax.lax.map(of_magnitude, each)
    log_miss = jnp.moveaxis(log_miss, 2, 0).reshape(-1, magnitudes, len(hours.share))
    if len(hours.share) == len(hours.log_share):
        return log_miss
    lead, by_need = (moves[..., i].transpose(2, 0, 1, 3)[..., None] for i in range(2))
    score = jnp.minimum(score_of_log(log_miss), GREATEST)
    apart = log_needed[:, :, None] - log_needed[..., hours.at][..., None]
    apart = jnp.moveaxis(apart, 2, 1)[:, None]
    # From the evaluated hours, which follow one another, to all: the likeliest circle then.
    at_all = score[..., None] + jnp.min(lead + by_need * apart, axis=3) - jnp.min(lead, axis=3)
    return log_ndtr(jnp.einsum("hj,pmjh->pmh", hours.weight, at_all, precision="highest"))
