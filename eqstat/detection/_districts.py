r"""Evidence of what has no source: blocks of districts that react each at a moment of its own.

`eqstat.detection.causes.other` divides the network into districts, the cells of a grid. Which of
them react together is not known: they are joined to blocks by a tree. The whole network is one
block, or is split into four parts with the probability s, of which each is one block or is split
again, down to single districts. With the likelihood ratio $B(b)$ of a block b, the sum over all
these partitions is that of a context tree,

.. math:: V(b) = (1 - s)\, B(b) + s \prod_{\text{parts } c} V(c), \qquad V(b) = B(b)
    \text{ for a single district.}

The log ratios of the devices of a block add up, so the cost is that of a third more districts.

References
----------
Willems, F. M. J., Shtarkov, Y. M. and Tjalkens, T. J. (1995), The context-tree weighting method:
basic properties, IEEE Transactions on Information Theory 41, 653-664, doi:10.1109/18.382012.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int

from eqstat.detection.causes._tables import Tables

# Probability with which a block is split.
SPLIT = 2 / 3
# Slots within which blocks have a burst, in `log_moments`; powers of two.
WINDOWS = (4, 8, 16, 32)
# Additional hazards of a slot in `log_course`, triggers per device and hour.
COURSE_H = (20.0, 50.0, 120.0, 300.0, 700.0, 1700.0, 4000.0, 10_000.0)


class Districts(eqx.Module):
    """Districts of a cause without a source.

    Attributes
    ----------
    nearest
        Each device's district, the nearest place of the grid, (devices,).
    shape
        Numbers of districts towards east and north.
    participation
        See `eqstat.detection.causes.Cause`.
    """

    nearest: Int[Array, " devices"]
    shape: tuple[int, int] = eqx.field(static=True)
    participation: tuple[float, ...] = eqx.field(static=True)


def parts_to_blocks(values: Array) -> Array:
    """Sum over two by two parts of the first two axes; what is missing at the ends adds nothing."""
    east, north = (size + size % 2 for size in values.shape[:2])
    missing = [(0, east - values.shape[0]), (0, north - values.shape[1])]
    values = jnp.pad(values, missing + [(0, 0)] * (values.ndim - 2))
    blocks = values.reshape(east // 2, 2, north // 2, 2, *values.shape[2:])
    return blocks.sum(axis=(1, 3))


def levels(ratio: Array) -> list[Array]:
    """Log ratios of the blocks of each level of the tree, single districts first."""
    each = [ratio]
    while max(each[-1].shape[:2]) > 1:
        each.append(parts_to_blocks(each[-1]))
    return each


def over_partitions(values: Sequence[Array]) -> Array:
    """Log of the sum over all partitions, from the log ratios of the blocks of each level."""
    total = values[0]
    for block in values[1:]:
        parts = parts_to_blocks(total) + jnp.log(SPLIT)
        total = _log_add(block + jnp.log(1 - SPLIT), parts)
    return total[0, 0]


def log_moments(tables: Tables, total: Array, districts: Districts) -> Float[Array, " slots"]:
    r"""Log likelihood ratio of bursts of blocks, each at a moment of its own, for each start.

    From what `eqstat.detection._terms.log_posterior` gives. A block b reacts with the probability
    $\pi$, in one of W slots from the start s on. The ratio is the expectation over $\pi$, W and the
    node of the sum over partitions of the product of

    .. math:: B(b) = 1 - \pi + \frac{\pi}{W} \sum_{t=s}^{s+W-1} L_b(t) .
    """
    ratio = (total - tables.log_place[:, None, None, None] - tables.log_weight)[:, 0]
    blocks = levels(ratio.reshape(*districts.shape, *ratio.shape[1:]))
    each, length = [], 1
    while length <= WINDOWS[-1]:
        if length in WINDOWS:
            means = [block - jnp.log(length) for block in blocks]
            each += [
                over_partitions([_with_chance(mean, share) for mean in means]) + tables.log_weight
                for share in districts.participation
            ]
        # A window of twice the length is one and the next, newer one.
        blocks = [_log_add(block, _newer(block, length)) for block in blocks]
        length = 2 * length
    return logsumexp(jnp.stack(each), axis=(0, 2)) - jnp.log(len(each))


def log_course(
    tables: Tables,
    districts: Districts,
    trigger_s: Array,
    silent: Array,
    start: Array,
    log_background: Array,
    latency_s: Array,
) -> Float[Array, ""]:
    r"""Log Shiryaev-Roberts statistic of a hazard of any course in time, in changing blocks.

    Each slot t has an additional hazard $h_t$, 0 or one of a few, that stays the same from slot to
    slot with probability 1/2 and is drawn anew otherwise. In each slot a block b has it with the
    probability $\pi$ (drawn with h). With $k_{bt}$ triggers of the block in the slot, $N_{bt}$ of
    its devices that had not triggered before, the length $\Delta$ and the background $\lambda$,

    .. math:: B_t(b) = 1 - \pi + \pi (1 + h_t / \lambda)^{k_{bt}} e^{-h_t \Delta N_{bt}} .

    The sum over all courses is that of a hidden Markov chain.

    Parameters
    ----------
    tables, districts
        Of the cause.
    trigger_s
        Trigger times less the present, s; infinite where silent, (devices,).
    silent
        Numbers of silent devices by district, (places,).
    start
        Start of the newest slot less the present, s.
    log_background
        Log of the background rate, per device and second.
    latency_s
        Devices count as silent up to this long ago, s.
    """
    slots, length = len(tables.age), tables.age[1] - tables.age[0]
    number = jnp.floor((start + length - trigger_s) / length)
    kept = (number >= 0) & (number < slots)
    index = jnp.where(kept, number, slots).astype(jnp.int32)
    triggers = jnp.zeros((len(silent), slots + 1)).at[districts.nearest, index].add(1.0)[:, :slots]
    # Newest slot first: in each those were at risk that triggered in it, or later, or not at all.
    at_risk = silent[:, None] + jnp.cumsum(triggers, axis=1)
    exposure = at_risk * jnp.clip(tables.age - start - latency_s, 0.0, length)
    hazard = jnp.asarray(COURSE_H) / 3600
    log_more = jnp.log1p(hazard * jnp.exp(-log_background))
    ratio = triggers[..., None] * log_more - exposure[..., None] * hazard
    blocks = levels(ratio.reshape(*districts.shape, slots, -1))
    each = jnp.concatenate(
        [
            over_partitions([_with_chance(block, share) for block in blocks])
            for share in districts.participation
        ],
        axis=-1,
    )
    states, changed = each.shape[-1], districts.participation[0]
    log_new = jnp.log(jnp.asarray([1 - changed, *np.full(states, changed / states)]))
    each = jnp.pad(each, ((0, 0), (1, 0)))

    # Forward sums, oldest slot first.
    def slot(before: Array, ratio: Array) -> tuple[Array, None]:
        after = jnp.logaddexp(before, logsumexp(before) + log_new) - jnp.log(2.0)
        return after + ratio, None

    last, _ = jax.lax.scan(slot, log_new + each[-1], each[-2::-1], unroll=8)
    return jnp.log(slots) + logsumexp(last)


def partition(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw a partition of the districts: the number of each district's block, (districts,)."""
    block = np.zeros(shape, np.int64)
    depth = int(np.ceil(np.log2(max(shape))))

    def divide(east: int, north: int, level: int) -> None:
        size = 2**level
        part = block[east : east + size, north : north + size]
        if part.size == 0:
            return
        if level == 0 or rng.uniform() >= SPLIT:
            part[:] = block.max() + 1
            return
        for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
            half = size // 2
            divide(east + half * corner[0], north + half * corner[1], level - 1)

    divide(0, 0, depth)
    return np.unique(block, return_inverse=True)[1].ravel()


def _with_chance(log_ratio: Array, share: float) -> Array:
    """Log of (1 - share + share x ratio), without overflow."""
    large = jnp.maximum(log_ratio - 50.0, 0.0)
    return jnp.log(1 - share + share * jnp.exp(log_ratio - large)) + large


def _newer(block: Array, length: int) -> Array:
    """Sums over windows that begin a length later; the ratios of the future are 1."""
    future = jnp.full((*block.shape[:2], length, block.shape[3]), jnp.log(length))
    return jnp.concatenate([future, block], axis=2)[:, :, : block.shape[2]]


def _log_add(one: Array, two: Array) -> Array:
    """`jnp.logaddexp`, which allows for infinities and takes three times as long."""
    return jnp.maximum(one, two) + jnp.log(1 + jnp.exp(-jnp.abs(one - two)))
