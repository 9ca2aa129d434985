"""The posterior of a hypocentre on a grid: marginals, quantiles, draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, PRNGKeyArray

from eqstat import hypocentre
from eqstat._core.checks import check_key
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat._core.text import place
from eqstat.hypocentre import Axis, from_grid
from eqstat.inference import Grid, Laplace, Result, cell_edges, marginal, quantile
from eqstat.traveltime._data import Observations
from eqstat.traveltime._grids._density import DEPTH_SCALE_KM, SPACE, Bundle, nuisance_at
from eqstat.traveltime._grids._moments import origin_moments, travel_times
from eqstat.traveltime._model import LikelihoodName
from eqstat.traveltime._parameters import Prior, from_coordinates


@dataclass(frozen=True)
class GridPosterior(Explained):
    """Posterior of a hypocentre on a grid in local coordinates.

    Cells grow with the distance from the mode: equal steps of `arcsinh` of the distance over
    a few standard deviations, and of log(1 + depth / 5 km).

    Attributes
    ----------
    observations
        What was located.
    likelihood
        "gaussian" or "mixture".
    prior
        The priors.
    grid
        Cells over stretched east, north, depth and, where it is not integrated in closed
        form, the mean arrival; the last axis is the nuisance.
    bundle
        Axes and nuisance nodes of the grid.
    mode
        The posterior mode that the grid was built about; None for the mixture.
    result
        How it ended.
    particles
        Draws of all sites that the cells were counted from (mixture), or None.
    result_text
        The sentence of the result.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> posterior = traveltime.grid(observations)
    >>> round(float(posterior.mass.sum()), 6), posterior.edges("depth_km").shape
    (1.0, (23,))
    >>> bool(posterior.quantile("depth_km", 0.9) > posterior.quantile("depth_km", 0.1))
    True
    """

    observations: Observations
    likelihood: LikelihoodName
    prior: Prior
    grid: Grid
    bundle: Bundle
    mode: Laplace | None
    result: Result
    particles: dict[str, np.ndarray] | None = None
    result_text: str = ""

    @property
    def log_evidence(self) -> float:
        """Log of the integral of likelihood times prior."""
        return float(self.grid.log_evidence)

    @property
    def has_arrival(self) -> bool:
        """Whether the arrival is an axis of the grid."""
        return len(self.grid.axes) == 4

    @cached_property
    def mass(self) -> np.ndarray:
        """Probability of each cell over (east, north, depth)."""
        full = np.exp(np.asarray(self.grid.log_mass, np.float64))
        return marginal(full / full.sum(), (0, 1, 2))

    def to_kilometres(self, name: str, values: np.ndarray) -> np.ndarray:
        """Stretched coordinates of `east_km`, `north_km` or `depth_km` in kilometres."""
        if name == "depth_km":
            return np.asarray(DEPTH_SCALE_KM * np.expm1(values))
        position = SPACE.index(name)
        centre, scale = self.bundle.centre_km[position], self.bundle.scale_km[position]
        return np.asarray(centre + scale * np.sinh(values))

    def edges(self, name: str) -> np.ndarray:
        """Edges of the cells along `east_km`, `north_km` or `depth_km`, km."""
        axis = np.asarray(self.grid.axes[SPACE.index(name)], np.float64)
        return self.to_kilometres(name, cell_edges(axis))

    def centres(self, name: str) -> np.ndarray:
        """Centres of the cells along `east_km`, `north_km` or `depth_km`, km."""
        axis = np.asarray(self.grid.axes[SPACE.index(name)], np.float64)
        return self.to_kilometres(name, axis)

    def quantile(self, name: str, probability: float | np.ndarray) -> np.ndarray:
        """Quantiles of `east_km`, `north_km` or `depth_km`; of other sites use `draws`."""
        axis = np.asarray(self.grid.axes[SPACE.index(name)], np.float64)
        weights = marginal(self.mass, (SPACE.index(name),))
        return self.to_kilometres(name, quantile(cell_edges(axis), weights, probability))

    def summary(self, *, probability: float = 0.9) -> pd.DataFrame:
        """Return `eqstat.hypocentre.summary` of the posterior as a table.

        Parameters
        ----------
        probability
            Content of the equal-tailed intervals, in (0, 1).

        Returns
        -------
        pandas.DataFrame
            A row for each of `latitude`, `longitude`, `depth_km`, `origin_time_s` (after the
            reference time), `east_km` and `north_km`; columns `mean`, `sd`, `low`, `median`,
            `high`.
        """
        table = hypocentre.summary(self.hypocentre, probability=probability)
        return table.to_dataframe().T.rename_axis(columns=None, index="name")

    def _facts(self) -> list[tuple[str, str]]:
        table: Any = self.summary().T
        middle, sd = table.loc["median"], table.loc["sd"]
        where = place(middle["latitude"], middle["longitude"])
        spread = ", ".join(f"{name.split('_')[0]} {sd[name]:.1f} km" for name in SPACE)
        depth = " to ".join(f"{table.loc[end, 'depth_km']:.1f}" for end in ("low", "high"))
        cells = " x ".join(map(str, self.mass.shape))
        return [
            ("Hypocentre", f"{where}, depth {middle['depth_km']:.1f} km (medians)"),
            ("Standard error", spread),
            ("90 % interval", f"depth {depth} km"),
            ("Triggers", self.observations.usage),
            ("Cells", f"{cells}, log evidence {self.log_evidence:.2f}"),
            ("Result", f"{self.likelihood}: {self.result_text or self.result.value}"),
        ]

    @cached_property
    def hypocentre(self) -> xr.Dataset:
        """The posterior of hypocentre and origin time in the form of `eqstat.hypocentre`.

        The origin time is given by its mean and standard deviation in each cell.
        """
        origin = origin_moments(self)
        cells = from_grid(
            self.observations.frame,
            {name: Axis(self.centres(name), self.edges(name)) for name in SPACE},
            self.mass,
            origin_time_s=origin[0],
            origin_time_sd_s=origin[1],
            reference_time=self.observations.reference_time,
        )
        return cells.assign_attrs(
            likelihood=self.likelihood,
            log_evidence=self.log_evidence,
            result=self.result.name,
            result_text=self.result_text or self.result.value,
        )

    def draws(self, key: PRNGKeyArray, count: int = 4000) -> dict[str, np.ndarray]:
        """Independent draws of all sites: a cell by its mass, uniform in it, then the other sites.

        Origin time and scatter follow exactly where they are integrated in closed form; with
        silent devices or truncation the other parameters are drawn from their conditional normal
        at the cell. For the mixture these are the particles themselves, in random order.

        Parameters
        ----------
        key
            JAX random key.
        count
            Number of draws.

        Returns
        -------
        dict of numpy.ndarray
            `east_km`, `north_km`, `depth_km`, `arrival_s`, `origin_time_s` and the nuisance
            sites of `model`, each of shape (count, ...).

        Examples
        --------
        >>> import jax
        >>> import pandas as pd
        >>> from eqstat import traveltime
        >>> table = pd.DataFrame({
        ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
        ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
        ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
        >>> observations = traveltime.prepare(table)
        >>> posterior = traveltime.grid(observations)
        >>> sorted(posterior.draws(jax.random.key(0), 100))
        ['arrival_s', 'depth_km', 'east_km', 'north_km', 'origin_time_s', 'sd_s']
        """
        return _draw(self, key, count)

    def to_tree(self, key: PRNGKeyArray, *, chains: int = 4, draws: int = 1000) -> xr.DataTree:
        """Independent draws in the form that `sample` returns, for ArviZ.

        Parameters
        ----------
        key
            JAX random key.
        chains, draws
            Number of chains and of draws of each.

        Returns
        -------
        xarray.DataTree
            The groups of `sample` without `sample_stats`: there was no chain to judge. The root's
            attributes hold the grid's result.
        """
        # The sampler starts from a grid, so that its module imports this one.
        from eqstat.traveltime._sample import tree_of_grid

        check_key("to_tree", key)
        return tree_of_grid(key, self, chains, draws)


@jax.jit
def _nuisance_sites(
    bundle: Bundle, cells: Float[Array, "draws axes"], standard: Float[Array, "draws m"]
) -> dict[str, Array]:
    def one(cell: Array, noise: Array) -> dict[str, Array]:
        # The first node is the centre of the design.
        row = nuisance_at(cell, bundle)[0] + jnp.asarray(bundle.root) @ noise
        return from_coordinates(row, "gaussian", bundle.data.has_silent, bundle.prior)[0]

    return jax.vmap(one)(cells, standard)


def _draw_nuisance(
    posterior: GridPosterior, cells: np.ndarray, standard: np.ndarray
) -> dict[str, np.ndarray]:
    """Nuisance sites drawn from their conditional normal at each drawn cell."""
    with jax.enable_x64(True):
        values = _nuisance_sites(posterior.bundle, cells, standard)
        return {name: np.asarray(value) for name, value in values.items()}


def _tilted(uniform: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Quantiles of the density proportional to exp(slope x) on (-1/2, 1/2)."""
    slope = np.clip(np.nan_to_num(slope), -30.0, 30.0)
    slope = np.where(np.abs(slope) < 1e-6, 1e-6, slope)
    return np.log1p(uniform * np.expm1(slope)) / slope - 0.5


def _draw(posterior: GridPosterior, key: PRNGKeyArray, count: int) -> dict[str, np.ndarray]:
    rng = generator(key)
    if posterior.particles is not None:
        available = len(posterior.particles["east_km"])
        # Without replacement as far as they reach, each as often as any other beyond that.
        rows = np.concatenate([rng.permutation(available) for _ in range(-(-count // available))])[
            :count
        ]
        return {name: values[rows] for name, values in posterior.particles.items()}
    grid, data = posterior.grid, posterior.observations.data
    log_mass = np.asarray(grid.log_mass, np.float64)
    cumulative = np.cumsum(np.exp(log_mass - log_mass.max()).ravel())
    cell = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1], count))
    index = np.unravel_index(np.minimum(cell, cumulative.size - 1), log_mass.shape)
    stretched = []
    for position, axis in enumerate(np.asarray(axis, np.float64) for axis in grid.axes):
        inside = (axis[1] - axis[0]) * rng.uniform(-0.5, 0.5, count)
        stretched.append(axis[index[position]] + inside)
    sites = {
        name: posterior.to_kilometres(name, values)
        for name, values in zip(SPACE, stretched, strict=False)
    }
    with jax.enable_x64(True):
        places = np.stack([sites[name] for name in SPACE], axis=1)
        times = travel_times(data, places, not posterior.has_arrival)
        mean_travel, travel = (np.asarray(each) for each in times)
    if posterior.has_arrival:
        arrival = stretched[3]
        noise = rng.normal(size=(count, len(posterior.bundle.mean)))
        sites.update(_draw_nuisance(posterior, np.stack(stretched, axis=1), noise))
    else:
        # Scatter nodes are few and equidistant in their logarithm: the density within a step
        # falls as between the neighbours, or quantiles would err by a tenth of the spread.
        nodes = np.asarray(posterior.bundle.nodes)[:, 0]
        before, after = np.maximum(index[-1] - 1, 0), np.minimum(index[-1] + 1, len(nodes) - 1)
        rise = log_mass[(*index[:-1], after)] - log_mass[(*index[:-1], before)]
        inside = _tilted(rng.uniform(size=count), rise / (after - before))
        sd = np.exp(nodes[index[-1]] + (nodes[1] - nodes[0]) * inside)
        weight = data.mask / (sd[:, None] ** 2 + data.time_sd_s**2)
        total = weight.sum(axis=1)
        mean = np.sum(weight * (data.time_s - travel), axis=1) / total
        arrival = mean + mean_travel + rng.normal(size=count) / np.sqrt(total)
        sites["sd_s"] = sd
    return {**sites, "arrival_s": arrival, "origin_time_s": arrival - mean_travel}
