"""Compiled parts of the trainer: loss, step and epoch of members side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from eqstat.ground_motion.mixture._mixture import log_density

BLOCK = 4096


def optimiser(options: Any, steps: int) -> optax.GradientTransformation:
    """AdamW with a cosine schedule; biases do not decay."""
    schedule = optax.cosine_decay_schedule(options.learning_rate, options.epochs * steps)
    return optax.chain(
        optax.clip_by_global_norm(options.clip),
        optax.adamw(
            schedule,
            weight_decay=options.weight_decay,
            mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree),
        ),
    )


def _loss(module: Any, features: Any, target: Array, mask: Array) -> Array:
    """Mean negative log density of each row, over those of its targets that are there."""
    each = -log_density(module(features), target)
    axes = tuple(range(1, target.ndim))
    total = jnp.sum(jnp.where(mask, each, 0.0), axis=axes)
    return total / jnp.maximum(jnp.sum(mask, axis=axes), 1)


@eqx.filter_jit
def evaluate(moved: Any, fixed: Any, data: tuple, held: Array) -> Array:
    """Held-out loss of each member; in blocks, so that memory does not grow with the records."""
    rows = held.shape[1]
    block = min(rows, BLOCK)
    blocks = jax.tree.map(lambda x: x.reshape(rows // block, block, *x.shape[1:]), data)

    def one(moved: Any, fixed: Any, held: Array) -> Array:
        module = eqx.combine(moved, fixed)
        each = jax.lax.map(lambda part: _loss(module, *part), blocks).reshape(rows)
        # A row of no weight may hold what gives no density.
        return jnp.sum(jnp.where(held > 0, each * held, 0.0)) / jnp.sum(held)

    return eqx.filter_vmap(one, in_axes=(eqx.if_array(0), eqx.if_array(0), 0))(moved, fixed, held)


@eqx.filter_jit
def one_epoch(
    moved: Any,
    fixed: Any,
    state: Any,
    keys: Array,
    data: tuple,
    chance: Array,
    held: Array,
    options: Any,
    steps: int,
    augment: Callable | None,
) -> tuple[Any, Any, Array, Array]:
    """One epoch of all members: their state after it, with training and held-out loss."""
    rule = optimiser(options, steps)

    def one(moved: Any, fixed: Any, state: Any, key: Array, chance: Array) -> tuple:
        last = jnp.searchsorted(chance, chance[-1])  # rows after it are padding

        def batch_loss(moved: Any, part: tuple) -> Array:
            return jnp.mean(_loss(eqx.combine(moved, fixed), *part))

        def step(carry: tuple, key: Array) -> tuple:
            moved, state = carry
            draw, noise = jax.random.split(key)
            u = jax.random.uniform(draw, (options.batch,), chance.dtype) * chance[-1]
            rows = jnp.minimum(jnp.searchsorted(chance, u, side="right"), last)
            features, target, mask = jax.tree.map(lambda x: x[rows], data)
            if augment is not None:
                features = augment(noise, features)
            loss, slope = jax.value_and_grad(batch_loss)(moved, (features, target, mask))
            change, state = rule.update(slope, state, moved)
            return (optax.apply_updates(moved, change), state), loss

        (moved, state), losses = jax.lax.scan(step, (moved, state), jax.random.split(key, steps))
        return moved, state, jnp.mean(losses)

    axes = (eqx.if_array(0), eqx.if_array(0), eqx.if_array(0), 0, 0)
    moved, state, loss = eqx.filter_vmap(one, in_axes=axes)(moved, fixed, state, keys, chance)
    return moved, state, loss, evaluate(moved, fixed, data, held)


@jax.jit
def keep(better: Array, new: Any, old: Any) -> Any:
    """Take the new arrays of those members that are better."""
    return jax.tree.map(
        lambda a, b: jnp.where(better.reshape(-1, *([1] * (a.ndim - 1))), a, b), new, old
    )
