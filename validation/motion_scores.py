"""Scores of predicted ground motions whose events and stations have terms in common."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy import stats

from eqstat.geodesy import LocalFrame
from eqstat.ground_motion.mixture import Mixture

BOOTSTRAP = 4000
SEED = 20261122


def joined(parts: list[Mixture]) -> Mixture:
    """Mixtures of several folds as one, with components of no weight where there are fewer."""
    most = max(part.mean.shape[-1] for part in parts)

    def wide(leaf: Any, fill: float) -> Any:
        spare = most - leaf.shape[-1]
        return jnp.pad(leaf, ((0, 0), (0, spare)), constant_values=fill)

    padded = [
        Mixture(wide(p.log_weight, -jnp.inf), wide(p.mean, 0.0), wide(p.scale, 1.0)) for p in parts
    ]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *padded)


def bootstrap(
    values: np.ndarray, event: np.ndarray, station: np.ndarray | None = None, level: float = 0.95
) -> tuple[float, ...]:
    """Mean over records with its interval by resampling whole events.

    With stations both are resampled, independently, and a record weighs the product of the numbers
    of times that its event and its station were drawn (Owen, 2007, the pigeonhole bootstrap).
    """
    rng = np.random.default_rng(SEED)

    def drawn(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        codes, names = pd.factorize(labels)
        count = len(names)
        return codes, rng.multinomial(count, np.full(count, 1 / count), BOOTSTRAP)

    rows, times = drawn(event)
    columns, across = (np.zeros(len(values), int), 1) if station is None else drawn(station)
    shape = (rows.max() + 1, columns.max() + 1)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (rows, columns), values)
    np.add.at(counts, (rows, columns), 1.0)
    means = np.sum(times @ sums * across, axis=1) / np.sum(times @ counts * across, axis=1)
    tail = (1 - level) / 2
    return (float(values.mean()), *np.quantile(means, [tail, 1 - tail]).tolist())


def shown(parts: tuple[float, ...], form: str = "{:.3f}") -> str:
    """A mean with its interval."""
    low, middle, high = (form.format(parts[k]) for k in (1, 0, 2))
    return f"{middle} ({low} to {high})"


def reference_pits(parts: list[dict], test: pd.DataFrame, count: int = 1000) -> np.ndarray:
    """PITs of a calibrated model, with event, station and record terms drawn from it.

    Values of one event are correlated, and so are those of one station, as in the data. The parts
    are those of the folds, in the order of the rows.
    """
    rng = np.random.default_rng(SEED)
    shares = {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}
    event, events = pd.factorize(test["event"])
    station, stations = pd.factorize(test["station"])
    names = ("event", "spreading", "station", "record")
    norm = np.sqrt(sum(shares[name] ** 2 for name in names))
    z = sum(rng.normal(size=(count, len(events)))[:, event] * shares[name] for name in names[:2])
    z += rng.normal(size=(count, len(stations)))[:, station] * shares["station"]
    place_km = LocalFrame.around(test["latitude"], test["longitude"]).position(
        test["latitude"].to_numpy(), test["longitude"].to_numpy()
    )
    for number in range(len(events)):
        rows = np.flatnonzero(event == number)
        apart_km = np.linalg.norm(place_km[rows, None] - place_km[rows], axis=-1)
        square = (shares["range_km"][rows, None] ** 2 + shares["range_km"][rows] ** 2) / 2
        alike = np.outer(shares["range_km"][rows], shares["range_km"][rows]) / square
        field = alike**1.5 * np.exp(-3 * apart_km / np.sqrt(square)) * shares["common"][rows]
        np.fill_diagonal(field, 1.0)
        record = rng.normal(size=(count, len(rows))) @ np.linalg.cholesky(field).T
        z[:, rows] += record * shares["record"][rows]
    return stats.norm.cdf(z / norm)


def uniformity(pit: np.ndarray, reference: np.ndarray) -> dict:
    """Largest distance of the PIT's distribution from uniform, with its null distribution."""
    even = np.arange(1, len(pit) + 1) / len(pit)

    def distance(values: np.ndarray) -> float:
        ordered = np.sort(values)
        return float(np.max(np.maximum(even - ordered, ordered - even + 1 / len(pit))))

    distances = np.array([distance(row) for row in reference])
    observed = distance(pit)
    return {
        "distance": observed,
        "band_95": float(np.quantile(distances, 0.95)),
        "p_value": float(np.mean(distances >= observed)),
    }
