"""Any ground-motion predictor as a table, which artefacts hold and small computers read."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.explain import Explained
from eqstat.ground_motion import Predictor
from eqstat.ground_motion.mixture import Mixture

MAGNITUDES = np.arange(2.0, 9.51, 0.1)
DISTANCES_KM = np.geomspace(1.0, 1000.0, 120)
DEPTHS_KM = np.array([0.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 700.0])


class TabulatedPredictor(Explained, eqx.Module):
    """Predictor that interpolates the mixtures of another one, for sites of unknown Vs30.

    Weights, means and scales are linear between nodes of depth, magnitude and log distance; beyond
    the nodes those of the end are taken.

    Attributes
    ----------
    depth_km, magnitude, log_distance
        Nodes.
    table
        Weights, means and scales, (depths, magnitudes, distances, 3, components).

    Examples
    --------
    >>> from eqstat.ground_motion import PointSource
    >>> predictor = tabulate_predictor(PointSource())
    >>> exact, near = (p(6.03, 41.0, 12.0, jnp.nan) for p in (PointSource(), predictor))
    >>> bool(abs(exact.mean[0] - near.mean[0]) < 1e-3)
    True
    """

    depth_km: Any
    magnitude: Any
    log_distance: Any
    table: Any

    def __call__(
        self, magnitude: Any, distance_km: Any, depth_km: Any, vs30_m_s: Any, /
    ) -> Mixture:
        """Predict log10 PGA (m/s2); shapes broadcast, Vs30 is not used."""
        given = jnp.broadcast_arrays(*(jnp.asarray(x) for x in (depth_km, magnitude, distance_km)))
        nodes = [jnp.asarray(x) for x in (self.depth_km, self.magnitude, self.log_distance)]
        table = jnp.asarray(self.table)
        values = [given[0], given[1], jnp.log(jnp.maximum(given[2], 1e-3))]
        weight: list[Any] = [jnp.ones(())]
        index: list[Any] = [jnp.zeros((), int)]
        for value, own in zip(values, nodes, strict=True):
            at, part = _place(value.astype(own.dtype), own)
            weight = [w * side for w in weight for side in (1 - part, part)]
            index = [i * len(own) + at + step for i in index for step in (0, 1)]
        flat = table.reshape(-1, *table.shape[3:])
        corners = (w[..., None, None] * flat[i] for w, i in zip(weight, index, strict=True))
        parts = sum(corners, start=jnp.zeros((), table.dtype))
        return Mixture(jnp.log(parts[..., 0, :]), parts[..., 1, :], parts[..., 2, :])


def _place(value: Array, nodes: Array) -> tuple[Array, Array]:
    """Number of the lower node, and how far a value is on the way to the next."""
    value = jnp.clip(value, nodes[0], nodes[-1])
    at = jnp.clip(jnp.searchsorted(nodes, value, side="right") - 1, 0, len(nodes) - 2)
    return at, (value - nodes[at]) / (nodes[at + 1] - nodes[at])


def tabulate_predictor(predictor: Predictor) -> TabulatedPredictor:
    """Tabulate a predictor for sites of unknown Vs30.

    Parameters
    ----------
    predictor
        As of `eqstat.exceedance.shaking`.

    Returns
    -------
    TabulatedPredictor
        Nodes are depths to 700 km, magnitudes from 2 to 9.5 and distances from 1 to 1,000 km.

    Examples
    --------
    >>> from eqstat.ground_motion import PointSource
    >>> tabulate_predictor(PointSource()).table.shape
    (9, 76, 120, 3, 1)
    """
    depth, magnitude, distance = np.meshgrid(DEPTHS_KM, MAGNITUDES, DISTANCES_KM, indexing="ij")
    call = eqx.filter_jit(predictor)
    rows = []
    for depths in zip(depth, magnitude, distance, strict=True):  # one depth after the other
        own_depth, own_magnitude, own_distance = (jnp.asarray(x, jnp.float32) for x in depths)
        unknown = jnp.full_like(own_depth, jnp.nan)
        mixture = call(own_magnitude, own_distance, own_depth, unknown)
        parts = (jnp.exp(mixture.log_weight), mixture.mean, mixture.scale)
        rows.append(np.stack([np.asarray(x) for x in jnp.broadcast_arrays(*parts)], axis=-2))
    own = (DEPTHS_KM, MAGNITUDES, np.log(DISTANCES_KM))
    nodes = [np.asarray(x, np.float32) for x in own]
    table = np.asarray(np.stack(rows), np.float32)
    return TabulatedPredictor(*nodes, table=table)
