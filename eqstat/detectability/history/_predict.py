"""Posterior predictive detection probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array

from eqstat import schema
from eqstat._core.checks import check_kind, check_probability, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.detectability.history._data import History, HistoryData, nearest
from eqstat.detectability.history._likelihood import log_outcomes
from eqstat.detectability.history._model import sensitivity_of
from eqstat.detectability.history._parameters import Sensitivity
from eqstat.inference import bucket_size, pad_rows, posterior_sites


@dataclass(frozen=True)
class HistoryPosterior(Explained):
    """Draws of the parameters, with the network they belong to.

    Attributes
    ----------
    sensitivity
        The draws, with a leading axis.
    history
        What was fitted.

    Examples
    --------
    See `detection_probability`.
    """

    sensitivity: Sensitivity
    history: History

    @classmethod
    def of(cls, sites: Mapping[str, np.ndarray], history: History) -> HistoryPosterior:
        """Make the posterior of draws of the model's sites."""
        with jax.enable_x64(True):
            return cls(jax.tree.map(np.asarray, sensitivity_of(sites)), history)

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.sensitivity.magnitude_50_km)


def posterior_from(tree: xr.DataTree, history: History, count: int = 256) -> HistoryPosterior:
    """Return a posterior that predicts, from a sampling run and the history it was given.

    Parameters
    ----------
    tree
        From `sample`.
    history
        What was given to it.
    count
        How many draws are kept, evenly thinned.

    Returns
    -------
    HistoryPosterior

    Examples
    --------
    See `sample`.
    """
    sites = posterior_sites(tree)
    total = len(sites["magnitude_50_km"])
    keep = np.linspace(0, total - 1, min(count, total)).astype(int)
    return HistoryPosterior.of({name: values[keep] for name, values in sites.items()}, history)


@jax.jit
def _hits(sensitivity: Sensitivity, data: HistoryData) -> Array:
    return jax.lax.map(lambda one: jnp.exp(log_outcomes(one, data)[0]), sensitivity)


def detection_probability(
    posterior: HistoryPosterior,
    magnitude: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    depth_km: ArrayLike = 8.0,
    *,
    preceding_s: ArrayLike = np.inf,
    time: pd.Timestamp | str | None = None,
    probability: float = 0.9,
) -> xr.Dataset:
    """Probability that the network detects an earthquake, with what is not known of it.

    Parameters
    ----------
    posterior
        From `HistoryFit.posterior` or `posterior_from`.
    magnitude, latitude, longitude, depth_km
        Of the earthquakes; shapes that broadcast to one row.
    preceding_s
        Seconds since the preceding earthquake nearby, none by default; or since several of them,
        (events, preceding).
    time
        When, for stations with times of activity.
    probability
        Nominal coverage of the equal-tailed interval, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Over `event`: `detection_probability` (the posterior mean, which is the probability to
        act by), `low` and `high` of the interval over the parameters. A place with fewer active
        stations than are needed has the probability of a coincidence.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range, or the time is missing.

    Examples
    --------
    >>> from eqstat.detectability.history import Design, fit, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=400))
    >>> posterior = fit(history).posterior(jax.random.key(1), 64)
    >>> curve = detection_probability(posterior, [1.0, 2.0, 4.0], 35.0, -117.5)
    >>> bool((np.diff(curve["detection_probability"]) > 0).all())
    True
    """
    remedy = "give `fit(history).posterior(key)` or `posterior_from(tree, history)`"
    check_kind("detection_probability", HistoryPosterior, remedy, posterior=posterior)
    check_probability("detection_probability", probability=probability)
    given = (magnitude, latitude, longitude, depth_km)
    since = np.asarray(preceding_s, np.float64)
    since = since if since.ndim > 1 else np.atleast_1d(since)[:, None]
    try:
        rows = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, np.float64)) for v in given))
        values = np.broadcast_arrays(*rows, since[:, 0])
        since = np.broadcast_to(since, (len(values[0]), since.shape[1]))
    except ValueError as error:
        raise InputError(f"detection_probability: {error}") from None
    if values[0].ndim != 1:
        raise InputError("detection_probability: give rows of numbers, not grids")
    ranges = ((-3, 10), (-90, 90), (-180, 360), (-9, 800))
    names = ("magnitude", "latitude", "longitude", "depth_km")
    for name, value, (low, high) in zip(names, values, ranges, strict=False):
        given_one: Any = {name: value}
        check_range("detection_probability", low, high, **given_one)
    check_range("detection_probability", 0, finite=False, preceding_s=since)
    table = pd.DataFrame(dict(zip(names, values, strict=False)))
    if time is not None:
        table["time"] = schema.read_time(time, "detection_probability: time")
    draws = hit_probability_draws(posterior, table, since)
    tail = (1 - probability) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    summary = {"detection_probability": draws.mean(axis=0), "low": low, "high": high}
    out = xr.Dataset(
        {
            name: ("event", row, {"units": "1", "long_name": name.replace("_", " ")})
            for name, row in summary.items()
        },
        coords={name: ("event", table[name].to_numpy()) for name in names},
    )
    out.attrs = {
        "interval_probability": probability,
        "interval_kind": "of the parameters, equal tails",
        "draws": posterior.draws,
    }
    return out


def hit_probability_draws(
    posterior: HistoryPosterior, table: pd.DataFrame, preceding_s: np.ndarray
) -> np.ndarray:
    """Detection probability of each row of a table with each draw, (draws, rows)."""
    history = posterior.history
    own = history.data
    neighbours = own.distance_km.shape[1]
    distance_km, station = nearest(table, history.stations, neighbours)
    size = bucket_size(len(table))
    data = HistoryData(
        pad_rows(table["magnitude"].to_numpy(np.float64), size, 3.0),
        np.zeros(size),
        pad_rows(np.ones(len(table)), size),
        pad_rows(preceding_s, size, np.inf),
        pad_rows(distance_km, size, 100.0),
        pad_rows(station, size, -1),
        own.group,
        own.counts,
        own.groups,
        own.station_effects,
        own.masking,
        False,
        (0.0, 0.0),
    )
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, (posterior.sensitivity, data))
        return np.asarray(_hits(*arrays))[:, : len(table)]
