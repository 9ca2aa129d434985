"""Compiled parts: optimisation step and epoch, vectorised over members."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array


def optimiser(options: Any, steps: int) -> optax.GradientTransformation:
    """AdamW with the schedule of the options; no weight decay of biases."""
    rate = options.learning_rate
    if options.schedule == "cosine":
        rate = optax.cosine_decay_schedule(rate, options.epochs * steps)
    return optax.chain(
        optax.clip_by_global_norm(options.clip),
        optax.adamw(
            rate,
            weight_decay=options.weight_decay,
            mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree),
        ),
    )


@eqx.filter_jit
def evaluate(parameters: Any, static: Any, data: Any, held: Array, loss: Any, block: int) -> Array:
    """Held-out loss of each member, in blocks so that memory does not grow with the rows."""
    rows = held.shape[1]
    block = min(rows, block)
    blocks = jax.tree.map(lambda x: x.reshape(rows // block, block, *x.shape[1:]), data)

    def one(parameters: Any, static: Any, held: Array) -> Array:
        module = eqx.combine(parameters, static)
        each = jax.lax.map(lambda part: loss(module, part, None), blocks).reshape(rows)
        # Rows of weight 0 may have no finite loss.
        return jnp.sum(jnp.where(held > 0, each * held, 0.0)) / jnp.sum(held)

    return eqx.filter_vmap(one, in_axes=(eqx.if_array(0), eqx.if_array(0), 0))(
        parameters, static, held
    )


@eqx.filter_jit
def one_epoch(
    parameters: Any,
    static: Any,
    state: Any,
    keys: Array,
    data: Any,
    cumulative_weight: Array,
    held: Array,
    options: Any,
    steps: int,
    loss: Any,
    block: int,
) -> tuple[Any, Any, Array, Array]:
    """Train all members for one epoch; return their state, training loss and held-out loss.

    Rows are drawn with replacement with probabilities proportional to their weights, by inversion
    of `cumulative_weight`: the bootstrap weights of each member are its sampling scheme.
    """
    rule = optimiser(options, steps)

    def one(
        parameters: Any, static: Any, state: Any, key: Array, cumulative_weight: Array
    ) -> tuple:
        last = jnp.searchsorted(
            cumulative_weight, cumulative_weight[-1]
        )  # rows after it are padding

        def batch_loss(parameters: Any, part: Any, noise: Array) -> Array:
            return jnp.mean(loss(eqx.combine(parameters, static), part, noise))

        def step(carry: tuple, key: Array) -> tuple:
            parameters, state = carry
            draw, noise = jax.random.split(key)
            u = (
                jax.random.uniform(draw, (options.batch,), cumulative_weight.dtype)
                * cumulative_weight[-1]
            )
            rows = jnp.minimum(jnp.searchsorted(cumulative_weight, u, side="right"), last)
            part = jax.tree.map(lambda x: x[rows], data)
            value, slope = jax.value_and_grad(batch_loss)(parameters, part, noise)
            change, state = rule.update(slope, state, parameters)
            return (optax.apply_updates(parameters, change), state), value

        (parameters, state), losses = jax.lax.scan(
            step, (parameters, state), jax.random.split(key, steps)
        )
        return parameters, state, jnp.mean(losses)

    axes = (eqx.if_array(0), eqx.if_array(0), eqx.if_array(0), 0, 0)
    parameters, state, mean = eqx.filter_vmap(one, in_axes=axes)(
        parameters, static, state, keys, cumulative_weight
    )
    return parameters, state, mean, evaluate(parameters, static, data, held, loss, block)


@jax.jit
def keep(better: Array, new: Any, old: Any) -> Any:
    """Take the new arrays for those members that improved."""
    return jax.tree.map(
        lambda a, b: jnp.where(better.reshape(-1, *([1] * (a.ndim - 1))), a, b), new, old
    )
