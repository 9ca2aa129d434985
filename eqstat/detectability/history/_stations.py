"""The mode of a history with terms of stations, by BFGS, and the expected information there.

With hundreds of stations a Hessian by differences costs minutes. An earthquake meets few of them:
its own gradient by the parameters and by the shifts of its neighbours is short, and from these
gradients follows the expected information on all parameters at once.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn
from scipy.optimize import minimize

from eqstat.detectability.history._data import HistoryData
from eqstat.detectability.history._likelihood import log_outcomes
from eqstat.detectability.history._model import Prior, model, sensitivity_of
from eqstat.detectability.history._parameters import Sensitivity
from eqstat.inference import Laplace, Optimum

# Whitenings, and BFGS steps after each.
ROUNDS, MOST_STEPS = 4, 80
# Largest slope in whitened coordinates, and Newton decrement, that are small enough.
SLOPE, DECREMENT = 3e-3, 1e-3
STEP = 1e-5
# Earthquakes whose gradients are taken at once.
BATCH = 512


def _prior_only(data: HistoryData) -> HistoryData:
    """A history of one row of padding, whose likelihood is 1: what is left is the prior.

    It is a strong earthquake nearby: second derivatives of tiny probabilities overflow.
    """
    one = jax.tree.map(lambda leaf: leaf[:1], data)
    near = {"magnitude": one.magnitude * 0 + 9.0, "distance_km": one.distance_km * 0 + 10.0}
    return _replace(one, weight=0.0 * one.weight, group=data.group, **near)


def _replace(data: HistoryData, **values: Any) -> HistoryData:
    return HistoryData(**{**vars(data), **values})


@jax.jit
def _information(
    free: Any, data: HistoryData, empty: HistoryData, prior: Prior, station_sd: Array
) -> Array:
    """Expected Hessian of the negative log posterior density in the unconstrained space."""
    flat, unravel = ravel_pytree(free)
    # Elements of the vector that are not scores of stations, and those that are.
    labels = {name: jnp.full(jnp.shape(v), name == "station_score") for name, v in free.items()}
    scores = ravel_pytree(labels)[0]
    count = len(data.group)
    others = flat.size - count
    order = jnp.argsort(scores, stable=True)

    def chance(vector: Array, shifts: Array, row: dict[str, Array]) -> Array:
        """Log probability of a hit of one earthquake by the parameters and its own shifts."""
        sites = constrain_fn(model, (empty, prior, station_sd), {}, unravel(vector))
        sensitivity = vars(sensitivity_of({**sites, "station_sd": station_sd}))
        # The neighbours are this earthquake's stations 0, 1, ...; their groups go with them.
        number = jnp.where(row["station"] >= 0, jnp.arange(len(shifts)), -1)
        one = {name: value[None] for name, value in (row | {"station": number}).items()}
        local = _replace(data, **one, group=data.group[jnp.maximum(row["station"], 0)])
        return log_outcomes(Sensitivity(**{**sensitivity, "station_shift": shifts}), local)[0][0]

    score = unravel(flat)["station_score"]

    def one(row: dict[str, Array]) -> tuple[Array, Array, Array]:
        shifts = station_sd * score[jnp.maximum(row["station"], 0)]
        log_hit, slopes = jax.value_and_grad(chance, argnums=(0, 1))(flat, shifts, row)
        by_shift = jnp.where(row["station"] >= 0, station_sd * slopes[1], 0.0)
        return log_hit, slopes[0][order][:others], by_shift

    rows_of = ("magnitude", "detected", "weight", "preceding_s", "distance_km", "station")
    each = {name: getattr(data, name) for name in rows_of}
    log_hit, by_other, by_shift = jax.lax.map(one, each, batch_size=BATCH)
    hit = jnp.exp(log_hit)
    miss = jnp.maximum(1 - hit, 1e-12)
    # All gradients of log P as rows; scores of stations go to their columns.
    events = len(hit)
    rows = jnp.zeros((events, flat.size), flat.dtype).at[:, :others].set(by_other)
    place = others + jnp.maximum(data.station, 0)
    rows = rows.at[jnp.arange(events)[:, None], place].add(by_shift)
    information = rows.T @ (rows * (data.weight * hit / miss)[:, None])
    back = jnp.argsort(order)

    def energy(vector: Array) -> Array:
        return jnp.asarray(potential_energy(model, (empty, prior, station_sd), {}, unravel(vector)))

    return information[back][:, back] + jax.hessian(energy)(flat)


@jax.jit
def _energy(free: Any, data: HistoryData, prior: Prior, station_sd: Array) -> tuple[Array, Any]:
    """Negative log posterior density in the unconstrained space, and its gradient."""
    return jax.value_and_grad(
        lambda values: jnp.asarray(potential_energy(model, (data, prior, station_sd), {}, values))
    )(free)


def fit_stations(data: HistoryData, prior: Prior, start: dict[str, np.ndarray]) -> Laplace:
    """Mode and expected information, the standard deviation of the stations' shifts given."""
    with jax.enable_x64(True):
        data, prior = jax.tree.map(jnp.asarray, (data, prior))
        args = (_prior_only(data), prior, jnp.asarray(start["station_sd"]))
        sites = {name: jnp.asarray(v) for name, v in start.items() if name != "station_sd"}
        flat, unravel = ravel_pytree(unconstrain_fn(model, args, {}, sites))
        flat, steps = np.asarray(flat), 0
        for _ in range(ROUNDS):
            hessian = np.asarray(_information(unravel(jnp.asarray(flat)), data, *args))
            # Coordinates in which the expected curvature is one.
            frame = np.linalg.inv(np.linalg.cholesky(hessian)).T

            def energy(z: np.ndarray, frame: np.ndarray = frame, at: np.ndarray = flat) -> Any:
                free = unravel(jnp.asarray(at + frame @ z))
                value, slope = _energy(free, data, *args[1:])
                return float(value), np.asarray(ravel_pytree(slope)[0]) @ frame

            options = {"gtol": SLOPE, "maxiter": MOST_STEPS}
            result = minimize(energy, np.zeros(len(flat)), jac=True, method="BFGS", options=options)
            flat, steps = flat + frame @ result.x, steps + int(result.nit)
            decrement = float(result.jac @ result.jac) / 2
            if decrement < DECREMENT:
                break
        free = unravel(jnp.asarray(flat))

        def sites_at(vector: Any) -> Any:
            return constrain_fn(model, args, {}, unravel(vector))

        moves = STEP * jnp.eye(len(flat))
        ahead, behind = (jax.vmap(sites_at)(flat + sign * moves) for sign in (1, -1))
        jacobian = jax.tree.map(
            lambda a, b: jnp.moveaxis((a - b) / (2 * STEP), 0, -1), ahead, behind
        )
        end: list[Any] = [
            flat,
            result.fun,
            np.linalg.solve(frame.T, result.jac),
            _information(free, data, *args),
            decrement,
            decrement < DECREMENT,
            1,
            steps,
        ]
        optimum = Optimum(*jax.tree.map(np.asarray, end))
        values = jax.tree.map(np.asarray, (args, free, sites_at(jnp.asarray(flat)), jacobian))
    return Laplace(model, values[0], optimum, *values[1:])
